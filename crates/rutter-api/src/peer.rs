//! Who is at the other end of a connection, and what that is worth.
//!
//! Being on this machine, or in a trusted network, opens doors: loopback may be registered, home
//! addresses may be read. A reverse proxy on this machine would hand those doors to everyone it
//! forwards for. It can be told by the headers that proxies add; whoever adds one to a request of
//! their own only gives up what the connection was worth. What such a header *says* is never
//! believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use rutter_controller::address::Registrant;
use rutter_route::Prefix;

/// Who sent a request: the other end of its connection. Never what a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

const FORWARDING: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

impl Peer {
    /// The address of who sent the request; `None` where a proxy stands between.
    pub(crate) fn address(self, headers: &HeaderMap) -> Option<IpAddr> {
        let proxied = FORWARDING.iter().any(|name| headers.contains_key(*name));
        (!proxied).then(|| self.0.ip().to_canonical())
    }

    /// As who registers addresses.
    pub(crate) fn registrant(self, headers: &HeaderMap) -> Registrant {
        self.address(headers).map_or(Registrant::Remote, Registrant::of)
    }

    /// Whether the sender is in one of these networks.
    pub(crate) fn is_in(self, networks: &[Prefix], headers: &HeaderMap) -> bool {
        let within = |address| networks.iter().any(|network| network.contains_address(address));
        self.address(headers).is_some_and(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_address_is_nobodys() {
        let networks = ["127.0.0.0/8".parse().unwrap()];
        let peer = |text: &str| Peer(text.parse().unwrap());
        let plain = HeaderMap::new();
        assert_eq!(peer("127.0.0.1:1").registrant(&plain), Registrant::Local);
        assert!(peer("[::ffff:127.0.0.1]:1").is_in(&networks, &plain));
        assert_eq!(peer("192.0.2.1:1").registrant(&plain), Registrant::Remote);
        for name in FORWARDING {
            let mut proxied = HeaderMap::new();
            proxied.insert(name, "127.0.0.1".parse().unwrap());
            assert_eq!(peer("127.0.0.1:1").registrant(&proxied), Registrant::Remote, "{name}");
            assert!(!peer("127.0.0.1:1").is_in(&networks, &proxied), "{name}");
        }
    }
}
