//! Whose request it is, behind proxies that are trusted.
//!
//! Each proxy writes who it got the request from behind what it was told (`X-Forwarded-For`, or
//! `Forwarded` of RFC 7239). So the list is read from its end: as long as the one who wrote an
//! entry is trusted, the entry is believed, and the first address that isn't trusted is the
//! client. What stands before it was written by the client, and is not looked at.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use rutter_route::Prefix;

/// The most hops that are looked at; a list that is longer is believed so far.
const HOPS: usize = 16;

/// The client's address.
pub(super) fn of_client(peer: IpAddr, headers: &HeaderMap, trusted: &[Prefix]) -> IpAddr {
    let trusts = |ip: IpAddr| trusted.iter().any(|p| p.contains_address(ip));
    let mut client = peer.to_canonical();
    if !trusts(client) {
        return client;
    }
    for entry in entries(headers).into_iter().rev().take(HOPS) {
        let Some(ip) = address(&entry) else { break };
        client = ip;
        if !trusts(client) {
            break;
        }
    }
    client
}

/// What proxies wrote, the first of them first: by `X-Forwarded-For`, else by `Forwarded`.
fn entries(headers: &HeaderMap) -> Vec<String> {
    let list = |name: &'static str| {
        let lines = headers.get_all(HeaderName::from_static(name)).iter();
        let texts = lines.filter_map(|line| line.to_str().ok());
        texts.flat_map(|t| t.split(',')).map(|t| t.trim().to_owned()).collect::<Vec<_>>()
    };
    let plain = list("x-forwarded-for");
    if !plain.is_empty() {
        return plain;
    }
    let node = |element: String| {
        let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        nodes.next().map(|(_, node)| node.trim().trim_matches('"').to_owned()).unwrap_or_default()
    };
    list("forwarded").into_iter().map(node).collect()
}

/// An address with or without a port, as either header writes it.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = match entry.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if entry.matches(':').count() == 1 => entry.split(':').next()?,
        None => entry,
    };
    bare.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("192.0.2.1", &[("x-forwarded-for", "198.51.100.1")], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 198.51.100.1, 10.2.2.2")], "198.51.100.1"),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.1:4711")],
                "198.51.100.1",
            ),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, what")], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "10.9.9.9, 10.2.2.2")], "10.9.9.9"),
            ("::ffff:10.0.0.1", &[("x-forwarded-for", "2001:db9::7")], "2001:db9::7"),
            (
                "2001:db8::1",
                &[("forwarded", "for=6.6.6.6;proto=http, For=\"[2001:db9::7]:80\";by=x")],
                "2001:db9::7",
            ),
            ("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1"),
        ];
        for (peer, headers, want) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                let value = HeaderValue::from_str(value).unwrap();
                map.append(HeaderName::from_static(name), value);
            }
            let client = super::of_client(peer.parse().unwrap(), &map, &trusted);
            assert_eq!(client.to_string(), *want, "{peer} {headers:?}");
        }
    }
}
