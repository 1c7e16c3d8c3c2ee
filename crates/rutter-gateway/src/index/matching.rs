//! Which service a host asks for, where none has exactly its name.
//!
//! GoDoxy's rules (its entrypoint's matching) and the server domains' own, in this order; the
//! first that is there wins, and an exact name always comes before what it might also mean:
//!
//! | | asked in this order |
//! | --- | --- |
//! | [`HostMatching::Exact`] | the host |
//! | [`HostMatching::AnyDomain`] | the host; its first label |
//! | [`HostMatching::Domains`] | the host without each domain that it lies under, in their order; the host |
//! | all | then its owner's name under a server domain; then `*.` and all but its first label |
//!
//! Two things differ from the original: case and a dot at the end never count (RFC 4343; the
//! original lowers them for wildcards alone), and an address is only itself: the first number of
//! one is nobody's label.

use std::net::Ipv4Addr;

use rutter_route::ServiceName;

/// Which services a host asks for beyond the one of exactly that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostMatching {
    /// None.
    #[default]
    Exact,
    /// The one named by its first label, whatever the domain.
    AnyDomain,
    /// The one named by what stands before one of these domains; of several, in their order.
    Domains(Vec<ServiceName>),
}

/// What stands before a domain.
pub(super) fn before<'h>(host: &'h str, domain: &ServiceName) -> Option<&'h str> {
    let rest = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
    Some(rest).filter(|rest| !rest.is_empty())
}

/// A host's first label and the rest of it, if there is a rest and it is no address.
pub(super) fn split(host: &str) -> Option<(&str, &str)> {
    let (label, rest) = host.split_once('.')?;
    // An IPv6 address that has a dot ends in an IPv4 address; no name has a colon.
    let is_address = host.contains(':') || host.parse::<Ipv4Addr>().is_ok();
    (!is_address).then_some((label, rest))
}
