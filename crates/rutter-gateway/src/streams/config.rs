//! What streams are told.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Bounds and times of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    /// Where services listen that say a port and no address.
    pub address: IpAddr,
    /// Whether services of TCP that say no port are asked for on the HTTPS listeners, by the name in
    /// the TLS handshake (SNI). If not, nobody reaches them.
    pub sni: bool,
    /// How long nothing may move on a stream of TCP, either way; zero: for as long as both ends are
    /// there, which the system asks them now and then.
    pub tcp_idle_timeout: Duration,
    /// How long nothing may move between a client of UDP and its upstream before the two are
    /// forgotten.
    pub udp_idle_timeout: Duration,
    /// Clients of UDP with an upstream at once, over all services; more are not served.
    pub max_udp_sessions: usize,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            sni: true,
            tcp_idle_timeout: Duration::from_secs(24 * 60 * 60),
            udp_idle_timeout: Duration::from_secs(60),
            max_udp_sessions: 10_000,
        }
    }
}
