//! Destinations and claims, as announcements, withdrawals and renewals have them.
//!
//! ```text
//!   record       flags, body of the destination, [path id], [claim]
//!   flags        bits 0-1  kind: 0 IPv4 prefix, 1 IPv6 prefix, 2 service, 3 cluster
//!                bit 2     a path id follows
//!                bit 3     a claim follows; else bits 4 to 7 are 0
//!                bit 4     the claim takes back
//!                bit 5     its originator follows, which isn't the one before
//!                bit 6     its destination follows, which isn't the record's
//!                bit 7     its tags follow, which aren't those before
//!   prefix       length in bits, then as many bytes of the address as have some of them
//!   service      text, up to 1,536 bytes; cluster: text
//!   claim        [originator], [kind, body of the destination], [tags], incarnation, sequence,
//!                not-after (ms since 1970), key (8 bytes), signature (64 bytes)
//!   tags         count, texts, ascending
//! ```
//!
//! "The one before" is that of the claim before in the message; before the first it is the last
//! cluster of an announcement's path and no tags. So what all claims of an announcement have in
//! common costs nothing, and nothing is implied that a claim of another kind couldn't say: what
//! differs is written out, and only then.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BufMut;
use rutter_route::{AnyDestination, ClusterId, PathId, Prefix, Service, Tags, Wall};

use super::codec::{Malformed, Reader, put_text, put_varint};
use super::{Claim, Signature};
use crate::keys::KeyId;

const KIND: u8 = 0b11;
const V4: u8 = 0;
const V6: u8 = 1;
const SERVICE: u8 = 2;
const CLUSTER: u8 = 3;
const PATH_ID: u8 = 1 << 2;
const CLAIM: u8 = 1 << 3;
const WITHDRAWN: u8 = 1 << 4;
const ORIGINATOR: u8 = 1 << 5;
const DESTINATION: u8 = 1 << 6;
const TAGS: u8 = 1 << 7;

/// The fewest bytes of a record: `0.0.0.0/0`, and nothing else.
pub(super) const LEAST: usize = 2;

/// The longest service as text: a name, an address with its port, a path.
const MAX_SERVICE: usize = 1536;

const EXPECTED_FLAGS: &str = "flags of a record";
const EXPECTED_TAGS: &str = "at most 64 tags, ascending";
const EXPECTED_CLUSTER: &str = "the name of a cluster";

/// What the claim before has said, to be left out if the next says the same.
#[derive(Debug, Default)]
pub(super) struct Before {
    originator: Option<ClusterId>,
    tags: Tags,
}

impl Before {
    /// At the begin of a message about paths that end there.
    pub(super) fn new(originator: Option<&ClusterId>) -> Self {
        Self { originator: originator.cloned(), tags: Tags::default() }
    }
}

/// One destination with what is said of it.
pub(super) struct Record {
    pub(super) destination: AnyDestination,
    pub(super) path_id: PathId,
    pub(super) claim: Option<Claim>,
}

pub(super) fn put_record(
    to: &mut impl BufMut,
    before: &mut Before,
    destination: &AnyDestination,
    path_id: &PathId,
    claim: Option<&Claim>,
) {
    let mut flags = kind(destination);
    if !path_id.is_empty() {
        flags |= PATH_ID;
    }
    if let Some(claim) = claim {
        flags |= CLAIM;
        flags |= if claim.withdrawn { WITHDRAWN } else { 0 };
        flags |= if before.originator.as_ref() == Some(&claim.originator) { 0 } else { ORIGINATOR };
        flags |= if *destination == claim.destination { 0 } else { DESTINATION };
        flags |= if before.tags == claim.tags { 0 } else { TAGS };
    }
    to.put_u8(flags);
    put_body(to, destination);
    if flags & PATH_ID != 0 {
        put_text(to, path_id.as_str());
    }
    if let Some(claim) = claim {
        put_claim(to, before, flags, claim);
    }
}

fn put_claim(to: &mut impl BufMut, before: &mut Before, flags: u8, claim: &Claim) {
    if flags & ORIGINATOR != 0 {
        put_text(to, claim.originator.as_str());
        before.originator = Some(claim.originator.clone());
    }
    if flags & DESTINATION != 0 {
        put_destination(to, &claim.destination);
    }
    if flags & TAGS != 0 {
        put_tags(to, &claim.tags);
        before.tags = claim.tags.clone();
    }
    put_varint(to, claim.incarnation);
    put_varint(to, claim.sequence);
    put_varint(to, claim.not_after.0);
    to.put_slice(&claim.key.0);
    to.put_slice(&claim.signature.0);
}

#[inline]
pub(super) fn record(from: &mut Reader<'_>, before: &mut Before) -> Result<Record, Malformed> {
    let at = from.clone();
    let flags = from.byte()?;
    if flags & CLAIM == 0 && flags & (WITHDRAWN | ORIGINATOR | DESTINATION | TAGS) != 0 {
        return Err(at.malformed(EXPECTED_FLAGS));
    }
    let destination = body(from, flags & KIND)?;
    let path_id = if flags & PATH_ID == 0 { PathId::default() } else { path_id(from)? };
    let claim =
        if flags & CLAIM == 0 { None } else { Some(claim(from, before, flags, &destination)?) };
    Ok(Record { destination, path_id, claim })
}

fn path_id(from: &mut Reader<'_>) -> Result<PathId, Malformed> {
    let at = from.clone();
    let id: PathId = from.name("a path id")?;
    if id.is_empty() { Err(at.malformed("a path id that isn't empty")) } else { Ok(id) }
}

fn claim(
    from: &mut Reader<'_>,
    before: &mut Before,
    flags: u8,
    destination: &AnyDestination,
) -> Result<Claim, Malformed> {
    if flags & ORIGINATOR != 0 {
        let at = from.clone();
        let originator = Some(from.name(EXPECTED_CLUSTER)?);
        if originator == before.originator {
            return Err(at.malformed("another originator than the one before"));
        }
        before.originator = originator;
    }
    let Some(originator) = before.originator.clone() else {
        return Err(from.malformed("an originator"));
    };
    let mut of = destination.clone();
    if flags & DESTINATION != 0 {
        let at = from.clone();
        of = self::destination(from)?;
        if of == *destination {
            return Err(at.malformed("another destination than the record's"));
        }
    }
    if flags & TAGS != 0 {
        let at = from.clone();
        let tags = self::tags(from)?;
        if tags == before.tags {
            return Err(at.malformed("other tags than those before"));
        }
        before.tags = tags;
    }
    Ok(Claim {
        originator,
        destination: of,
        tags: before.tags.clone(),
        incarnation: from.varint()?,
        sequence: from.varint()?,
        not_after: Wall(from.varint()?),
        withdrawn: flags & WITHDRAWN != 0,
        key: KeyId(from.array()?),
        signature: Signature(from.array()?),
    })
}

pub(super) fn put_tags(to: &mut impl BufMut, tags: &Tags) {
    put_varint(to, tags.iter().count() as u64);
    tags.iter().for_each(|tag| put_text(to, tag.as_str()));
}

pub(super) fn tags(from: &mut Reader<'_>) -> Result<Tags, Malformed> {
    let at = from.clone();
    let n = from.count(rutter_route::MAX_TAGS, 2, EXPECTED_TAGS)?;
    let mut list = Vec::with_capacity(n);
    for _ in 0..n {
        let tag: rutter_route::Tag = from.name("a tag")?;
        if list.last().is_some_and(|last| *last >= tag) {
            return Err(at.malformed(EXPECTED_TAGS));
        }
        list.push(tag);
    }
    Tags::try_from(list).map_err(|_| at.malformed(EXPECTED_TAGS))
}

/// A destination for itself: its kind, its body.
pub(super) fn put_destination(to: &mut impl BufMut, destination: &AnyDestination) {
    to.put_u8(kind(destination));
    put_body(to, destination);
}

fn destination(from: &mut Reader<'_>) -> Result<AnyDestination, Malformed> {
    let at = from.clone();
    match from.byte()? {
        kind @ V4..=CLUSTER => body(from, kind),
        _ => Err(at.malformed("a kind of destination")),
    }
}

#[inline]
fn kind(destination: &AnyDestination) -> u8 {
    match destination {
        AnyDestination::Prefix(prefix) if prefix.is_v4() => V4,
        AnyDestination::Prefix(_) => V6,
        AnyDestination::Service(_) => SERVICE,
        AnyDestination::Cluster(_) => CLUSTER,
    }
}

#[inline]
fn put_body(to: &mut impl BufMut, destination: &AnyDestination) {
    match destination {
        AnyDestination::Prefix(prefix) => put_prefix(to, prefix),
        AnyDestination::Service(service) => put_text(to, &service.to_string()),
        AnyDestination::Cluster(cluster) => put_text(to, cluster.as_str()),
    }
}

#[inline]
fn body(from: &mut Reader<'_>, kind: u8) -> Result<AnyDestination, Malformed> {
    match kind {
        V4 => prefix(from, 32, Ipv4Addr::from_bits).map(AnyDestination::Prefix),
        V6 => prefix(from, 128, Ipv6Addr::from_bits).map(AnyDestination::Prefix),
        SERVICE => service(from).map(AnyDestination::Service),
        _ => from.name(EXPECTED_CLUSTER).map(AnyDestination::Cluster),
    }
}

fn put_prefix(to: &mut impl BufMut, prefix: &Prefix) {
    let length = prefix.length();
    to.put_u8(length);
    let n = usize::from(length).div_ceil(8);
    match prefix.address() {
        IpAddr::V4(v4) => to.put_slice(v4.octets().get(..n).unwrap_or_default()),
        IpAddr::V6(v6) => to.put_slice(v6.octets().get(..n).unwrap_or_default()),
    }
}

/// `Prefix::new` refuses host bits, lengths over the family's, and IPv6 that is IPv4-mapped.
#[inline]
fn prefix<B, A>(from: &mut Reader<'_>, bits: u8, address: fn(B) -> A) -> Result<Prefix, Malformed>
where
    B: TryFrom<u128>,
    A: Into<IpAddr>,
{
    const EXPECTED: &str = "a prefix without host bits";
    let at = from.clone();
    let length = from.byte()?;
    if length > bits {
        return Err(at.malformed(EXPECTED));
    }
    let n = usize::from(length).div_ceil(8);
    let network = from.take(n)?.iter().fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
    // `n` is at most 16, so an IPv6 address is shifted by less than 128 unless it is `::/0`.
    let network = network.checked_shl(u32::from(bits) - 8 * n as u32).unwrap_or_default();
    let network = B::try_from(network).map_err(|_| at.malformed(EXPECTED))?;
    Prefix::new(address(network).into(), length).map_err(|_| at.malformed(EXPECTED))
}

/// A service's text has one form: lower case, and nothing that says nothing.
fn service(from: &mut Reader<'_>) -> Result<Service, Malformed> {
    const EXPECTED: &str = "a service in its one form";
    let at = from.clone();
    let text = from.text(MAX_SERVICE, EXPECTED)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    if text.bytes().all(plain) {
        return text.parse().map(Service::http).map_err(|_| at.malformed(EXPECTED));
    }
    let service: Service = text.parse().map_err(|_| at.malformed(EXPECTED))?;
    let mut rest = Rest(text);
    match write!(rest, "{service}") {
        Ok(()) if rest.0.is_empty() => Ok(service),
        _ => Err(at.malformed(EXPECTED)),
    }
}

/// What is left of a text when what is written is taken off its begin; an error if it differs.
struct Rest<'a>(&'a str);

impl Write for Rest<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}
