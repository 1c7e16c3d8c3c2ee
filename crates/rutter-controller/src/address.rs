//! Which addresses a route may lead to.
//!
//! A registered address is one that the gateway will connect to on a stranger's behalf, so an
//! unchecked one makes the gateway a proxy into its own network: `169.254.169.254` is a cloud's
//! credentials, `127.0.0.1:7070` is this controller. So what only the registrant's own machine or
//! link can mean is refused: loopback, unspecified, link-local (the metadata services with it),
//! multicast and reserved space, also where it is written inside an IPv6 address (mapped,
//! 6to4, NAT64). Private networks are allowed, since a gateway at home or in front of a tunnel
//! has its upstreams there; an operator who doesn't want that adds them to `deny`.
//!
//! The exception is the registrant who is on this machine: who comes over loopback may register
//! loopback, for that is where it runs.
//!
//! **Why nothing is probed here.** The original asks every registered address for a `HEAD` before
//! it accepts the route. That lets any holder of a signature make the controller connect to any
//! address and port, choose the path, and read the outcome off the answer: a port scanner inside
//! the server's network. It also judges from the wrong place: the controller's reach is not the
//! gateway's. The gateway's own probes judge, at the place that forwards.
//!
//! A name can't be judged before it is looked up, and can change after: here only names that mean
//! this machine are refused, and the gateway must ask [`AddressPolicy::check_address`] again of
//! what it looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rutter_route::{HostName, Prefix};
use serde::{Deserialize, Serialize};

/// Where a registration came from, as far as it matters for the addresses it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registrant {
    /// On this machine: it came over loopback.
    Local,
    /// Anywhere else.
    Remote,
}

impl Registrant {
    /// By the address that a request came from.
    pub fn of(peer: IpAddr) -> Self {
        if peer.to_canonical().is_loopback() { Self::Local } else { Self::Remote }
    }
}

/// The rule on addresses. `deny` beats `allow`, `allow` beats what is refused by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddressPolicy {
    /// Networks that a route may lead to although they are refused by default.
    pub allow: Vec<Prefix>,
    /// Networks that no route may lead to.
    pub deny: Vec<Prefix>,
}

/// Why a route may not lead there. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// The operator's list says so.
    #[error("the address lies in a network that this server denies")]
    Denied,
    /// It means this machine.
    #[error("the address is this machine's own (loopback), which only a local agent may register")]
    Loopback,
    /// It means the link, such as a cloud's metadata service.
    #[error("the address is link-local, which is never the same place for two machines")]
    LinkLocal,
    /// It is no host's address: unspecified, multicast, broadcast, reserved.
    #[error("the address is no host's: unspecified, multicast or reserved")]
    NotAHost,
}

impl AddressRefused {
    /// A word for metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Denied => "address_denied",
            Self::Loopback => "address_loopback",
            Self::LinkLocal => "address_link_local",
            Self::NotAHost => "address_not_a_host",
        }
    }
}

impl AddressPolicy {
    /// Whether a route may lead to this host.
    ///
    /// # Errors
    /// [`AddressRefused`] names the rule.
    pub fn check(&self, host: &HostName, by: Registrant) -> Result<(), AddressRefused> {
        match host {
            HostName::Address(address) => self.check_address(*address, by),
            HostName::Name(name) if name.is_under("localhost") => match by {
                Registrant::Local => Ok(()),
                Registrant::Remote => Err(AddressRefused::Loopback),
            },
            HostName::Name(_) => Ok(()),
        }
    }

    /// Whether a route may lead to this address, given or looked up.
    ///
    /// # Errors
    /// [`AddressRefused`] names the rule.
    pub fn check_address(&self, address: IpAddr, by: Registrant) -> Result<(), AddressRefused> {
        let address = address.to_canonical();
        if self.deny.iter().any(|p| p.contains_address(address)) {
            return Err(AddressRefused::Denied);
        }
        if self.allow.iter().any(|p| p.contains_address(address)) {
            return Ok(());
        }
        match by_default(address) {
            Err(AddressRefused::Loopback) if by == Registrant::Local => Ok(()),
            verdict => verdict,
        }
    }
}

fn by_default(address: IpAddr) -> Result<(), AddressRefused> {
    match address {
        IpAddr::V4(v4) => v4_by_default(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => v4_by_default(v4),
            None => v6_by_default(v6),
        },
    }
}

fn v4_by_default(address: Ipv4Addr) -> Result<(), AddressRefused> {
    let first = address.octets()[0];
    if address.is_loopback() {
        return Err(AddressRefused::Loopback);
    }
    if address.is_link_local() {
        return Err(AddressRefused::LinkLocal);
    }
    // 0/8 is "this network" (RFC 1122 3.2.1.3), 224/4 multicast, 240/4 reserved and broadcast.
    if first == 0 || first >= 224 {
        return Err(AddressRefused::NotAHost);
    }
    Ok(())
}

/// EC2's metadata service over IPv6, which is a unique local address and so a host's otherwise.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn v6_by_default(address: Ipv6Addr) -> Result<(), AddressRefused> {
    if address.is_loopback() {
        return Err(AddressRefused::Loopback);
    }
    if address.is_unicast_link_local() || address == METADATA_V6 {
        return Err(AddressRefused::LinkLocal);
    }
    if address.is_unspecified() || address.is_multicast() {
        return Err(AddressRefused::NotAHost);
    }
    Ok(())
}

/// The IPv4 address inside a 6to4 (RFC 3056), NAT64 (RFC 6052) or IPv4-compatible (RFC 4291
/// 2.5.5.1) address. A mapped one is made canonical before.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b) {
        (0x2002, _) => Some(v4(b, c)),
        (0x0064, 0xff9b) if [c, d, e, f] == [0; 4] => Some(v4(g, h)),
        (0, 0) if [c, d, e, f] == [0; 4] && g != 0 => Some(v4(g, h)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
