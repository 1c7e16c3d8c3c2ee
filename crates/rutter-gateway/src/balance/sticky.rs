//! The cookie by which a client stays with its member.
//!
//! GoDoxy's name and form, so that whoever comes from there keeps their rules for it: the value is
//! the hex of xxh3 of what tells the member from the others. It says nothing of the member to whoever
//! doesn't know all of them already, and one that is made up leads to a member that a client may be
//! sent to anyway.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use rutter_route::BalanceOptions;

/// The cookie's name.
const NAME: &str = "godoxy_lb_sticky";

/// The member that a request's cookies name.
pub(crate) fn member_of(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == NAME)?;
    u64::from_str_radix(value.trim(), 16).ok()
}

/// What a client is told to come back with. `path`: the service's prefix, `/` if it has none; so
/// services that share a host don't take each other's cookie (clients put the one with the longest
/// path first, RFC 6265 5.4). `tls`: whether it came by TLS.
pub(crate) fn cookie(
    member: u64,
    path: &str,
    options: &BalanceOptions,
    tls: bool,
) -> Option<HeaderValue> {
    let secure = if tls { "; Secure" } else { "" };
    let mut cookie = format!("{NAME}={member:016x}; Path={path}; HttpOnly; SameSite=Lax{secure}");
    if let Some(age) = options.sticky_max_age {
        cookie.push_str(&format!("; Max-Age={}", age.as_secs()));
    }
    HeaderValue::try_from(cookie).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cookies(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect()
    }

    #[test]
    fn the_member_is_found_among_other_cookies_and_nonsense_names_none() {
        let cases: [(&[&str], Option<u64>); 6] = [
            (&["godoxy_lb_sticky=00000000000000ff"], Some(255)),
            (&["a=b; godoxy_lb_sticky=ff; c=d"], Some(255)),
            (&["a=b", "godoxy_lb_sticky=ff"], Some(255)),
            (&["godoxy_lb_sticky=xyz"], None),
            (&["xgodoxy_lb_sticky=ff; godoxy_lb_sticky"], None),
            (&[], None),
        ];
        for (lines, want) in cases {
            assert_eq!(member_of(&cookies(lines)), want, "{lines:?}");
        }
    }

    #[test]
    fn the_cookie_has_the_originals_form_and_is_read_back() {
        let mut options = BalanceOptions { is_sticky: true, ..BalanceOptions::default() };
        let plain = cookie(0xabc, "/", &options, false).unwrap();
        assert_eq!(plain, "godoxy_lb_sticky=0000000000000abc; Path=/; HttpOnly; SameSite=Lax");
        options.sticky_max_age = Some(Duration::from_secs(3600));
        let tls = cookie(0xabc, "/api", &options, true).unwrap();
        assert!(
            tls.to_str()
                .unwrap()
                .ends_with("; Path=/api; HttpOnly; SameSite=Lax; Secure; Max-Age=3600")
        );
        let back = plain.to_str().unwrap().split(';').next().unwrap();
        assert_eq!(member_of(&cookies(&[back])), Some(0xabc));
    }
}
