//! Destinations on the wire.

use std::net::IpAddr;

use rutter_rib::Kind;
use rutter_route::{AnyDestination, Destination, DestinationKind, Prefix};

use super::{Malformed, v1};

/// A kind of destination that a session can carry: every kind that a book has tables of.
pub trait Family: Kind + Send + Sync {
    /// The kind as the wire names it.
    const WIRE: v1::Kind;
}

impl Family for Prefix {
    const WIRE: v1::Kind = v1::Kind::Prefix;
}

impl Family for rutter_route::Service {
    const WIRE: v1::Kind = v1::Kind::Service;
}

impl Family for rutter_route::ClusterId {
    const WIRE: v1::Kind = v1::Kind::Cluster;
}

pub(crate) fn encode(destination: &impl Destination) -> v1::Destination {
    encode_any(&destination.to_any())
}

pub(crate) fn encode_any(destination: &AnyDestination) -> v1::Destination {
    use v1::destination::Of;
    let of = match destination {
        AnyDestination::Prefix(prefix) => Of::Prefix(encode_prefix(prefix)),
        AnyDestination::Service(service) => Of::Service(service.to_string()),
        AnyDestination::Cluster(cluster) => Of::Cluster(cluster.to_string()),
    };
    v1::Destination { of: Some(of) }
}

pub(crate) fn decode<D: Destination>(wire: Option<&v1::Destination>) -> Result<D, Malformed> {
    let any = decode_any(wire)?;
    D::from_any(&any).ok_or_else(|| {
        let kind = match D::KIND {
            DestinationKind::Prefix => "a prefix",
            DestinationKind::Service => "a service",
            DestinationKind::Cluster => "a cluster",
        };
        Malformed::new("destination", format_args!("`{any}` is of another kind: expected {kind}"))
    })
}

pub(crate) fn decode_any(wire: Option<&v1::Destination>) -> Result<AnyDestination, Malformed> {
    use v1::destination::Of;
    let of = wire.and_then(|wire| wire.of.as_ref());
    let of = of.ok_or_else(|| Malformed::new("destination", "expected a destination"))?;
    Ok(match of {
        Of::Prefix(wire) => AnyDestination::Prefix(decode_prefix(wire)?),
        Of::Service(text) => {
            AnyDestination::Service(text.parse().map_err(Malformed::at("destination.service"))?)
        }
        Of::Cluster(text) => {
            AnyDestination::Cluster(text.parse().map_err(Malformed::at("destination.cluster"))?)
        }
    })
}

pub(crate) fn encode_prefix(prefix: &Prefix) -> v1::Prefix {
    v1::Prefix { address: encode_address(prefix.address()), length: prefix.length().into() }
}

pub(crate) fn decode_prefix(wire: &v1::Prefix) -> Result<Prefix, Malformed> {
    let address = decode_address("destination.prefix.address", &wire.address)?;
    let length = u8::try_from(wire.length)
        .map_err(|_| Malformed::new("destination.prefix.length", "expected at most 128"))?;
    Prefix::new(address, length).map_err(Malformed::at("destination.prefix"))
}

/// The bytes of an address, in network order.
pub(crate) fn encode_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(crate) fn decode_address(field: &'static str, wire: &[u8]) -> Result<IpAddr, Malformed> {
    let address = match wire {
        v4 if v4.len() == 4 => <[u8; 4]>::try_from(v4).map(IpAddr::from),
        v6 => <[u8; 16]>::try_from(v6).map(IpAddr::from),
    };
    address.map_err(|_| Malformed::new(field, "expected 4 or 16 bytes"))
}
