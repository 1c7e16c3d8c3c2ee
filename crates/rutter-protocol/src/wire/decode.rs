//! Bytes to frames and messages. What stands where is said in `encode.rs`.
//!
//! Whatever is read would be written as the same bytes. What is reserved is in proportion to what was
//! sent: a message of n bytes takes at most 128 n while it is held.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rutter_route::{DestinationKind, Standing, Wall};
use smallvec::SmallVec;

use super::codec::{Malformed, Reader};
use super::record::{Before, LEAST, Record, record, tags};
use super::{
    Announced, Announcement, Batch, Claim, Close, Frame, MAX_BATCH, MAX_FRAME, MAX_PATH,
    MAX_ROUTES, MAX_SCOPES, MAX_TEXT, Message, Metrics, Open, Scope, Signature, Signed, Withdrawal,
    Withdrawn,
};
use crate::keys::{KeyId, KeySet, MAX_KEYS, PublicKey};

const EXPECTED_CLUSTER: &str = "the name of a cluster";
const EXPECTED_SCOPES: &str = "at most 4096 scopes, ascending";
const EXPECTED_KEYS: &str = "at most 16 keys, ascending";

impl Frame {
    /// Reads a frame; the messages of a batch share its bytes.
    ///
    /// # Errors
    /// Anything that isn't the canonical form of a frame.
    pub fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        if bytes.len() > MAX_FRAME {
            return Err(Malformed { at: MAX_FRAME, expected: "at most a MiB" });
        }
        let mut from = Reader::new(&bytes);
        let frame = match from.byte()? {
            1 => Self::Open(open(&mut from)?),
            2 => Self::Batch(batch(&mut from, &bytes)?),
            3 => Self::Close(close(&mut from)?),
            _ => return Err(Malformed { at: 0, expected: "a kind of frame" }),
        };
        from.end()?;
        Ok(frame)
    }
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// Anything that isn't the canonical form of a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let message = match from.byte()? {
            1 => Self::Announce(announcement(&mut from)?),
            2 => Self::Withdraw(withdrawal(&mut from)?),
            3 => one_claim(&mut from).map(|(scope, claim)| Self::Renew(scope, claim))?,
            4 => one_claim(&mut from).map(|(scope, claim)| Self::Held(scope, claim))?,
            5 => Self::Keys(keys(&mut from)?),
            6 => Self::BeginRefresh(scope(&mut from)?),
            7 => Self::EndOfRefresh(scope(&mut from)?),
            8 => Self::Refresh(scope(&mut from)?),
            _ => return Err(Malformed { at: 0, expected: "a kind of message" }),
        };
        from.end()?;
        Ok(message)
    }
}

fn open(from: &mut Reader<'_>) -> Result<Open, Malformed> {
    Ok(Open {
        revision: from.u32()?,
        cluster: from.name(EXPECTED_CLUSTER)?,
        to: from.name(EXPECTED_CLUSTER)?,
        incarnation: from.varint()?,
        nonce: from.array()?,
        scopes: scopes(from)?,
        paths: from.byte()?,
        gateway: from.text(MAX_TEXT, "the address of a gateway")?.to_owned(),
    })
}

fn scopes(from: &mut Reader<'_>) -> Result<BTreeMap<Scope, DestinationKind>, Malformed> {
    let n = from.count(MAX_SCOPES, 3, EXPECTED_SCOPES)?;
    let mut scopes = BTreeMap::new();
    for _ in 0..n {
        let at = from.clone();
        let scope = scope(from)?;
        let kind = match from.byte()? {
            0 => DestinationKind::Prefix,
            1 => DestinationKind::Service,
            2 => DestinationKind::Cluster,
            _ => return Err(at.malformed("a scope and its kind")),
        };
        if scopes.last_key_value().is_some_and(|(last, _)| *last >= scope) {
            return Err(at.malformed(EXPECTED_SCOPES));
        }
        scopes.insert(scope, kind);
    }
    Ok(scopes)
}

fn batch(from: &mut Reader<'_>, whole: &Bytes) -> Result<Batch, Malformed> {
    let stream = from.varint()?;
    let number = from.varint()?;
    let at = from.clone();
    let mut signed = match from.byte()? {
        0 => Signed::Not,
        1 => Signed::Batch(KeyId(from.array()?), Signature(from.array()?)),
        2 => Signed::Each(KeyId(from.array()?), Vec::new()),
        _ => return Err(at.malformed("how it is signed")),
    };
    let at = from.clone();
    let n = from.count(MAX_BATCH, 2, "1 to 256 messages")?;
    if n == 0 {
        return Err(at.malformed("1 to 256 messages"));
    }
    let mut messages = Vec::with_capacity(n);
    for _ in 0..n {
        if let Signed::Each(_, signatures) = &mut signed {
            signatures.push(Signature(from.array()?));
        }
        let length = from.up_to(MAX_FRAME as u64, "the length of a message")? as usize;
        let begin = from.at();
        from.take(length)?;
        messages.push(whole.slice(begin..begin + length));
    }
    Ok(Batch { stream, number, messages, signed })
}

fn close(from: &mut Reader<'_>) -> Result<Close, Malformed> {
    let at = from.clone();
    Ok(match from.byte()? {
        0 => Close::Goodbye,
        1 => Close::Restart(Duration::from_millis(from.varint()?)),
        2 => Close::Refused(from.text(MAX_TEXT, "a text of at most 1024 bytes")?.to_owned()),
        _ => return Err(at.malformed("a kind of close")),
    })
}

fn announcement(from: &mut Reader<'_>) -> Result<Announcement, Malformed> {
    let scope = scope(from)?;
    let n = from.count(MAX_PATH, 2, "a path of at most 64 hops")?;
    let mut path = SmallVec::with_capacity(n);
    for _ in 0..n {
        path.push(from.name(EXPECTED_CLUSTER)?);
    }
    let metrics = metrics(from)?;
    let tags = tags(from)?;
    let standing = standing(from)?;
    let n = from.count(MAX_ROUTES, LEAST, "at most 1024 routes")?;
    let mut routes = Vec::with_capacity(n);
    let mut before = Before::new(path.last());
    for _ in 0..n {
        let Record { destination, path_id, claim } = record(from, &mut before)?;
        routes.push(Announced { destination, path_id, claim });
    }
    Ok(Announcement { scope, path, metrics, tags, standing, routes })
}

fn metrics(from: &mut Reader<'_>) -> Result<Metrics, Malformed> {
    Ok(Metrics {
        hops: from.u16()?,
        latency_us: from.u32()?,
        bandwidth_kbps: from.u32()?,
        reliability_ppm: from.u32()?,
        cost: from.u32()?,
    })
}

/// Nobody tells what is barred.
fn standing(from: &mut Reader<'_>) -> Result<Standing, Malformed> {
    let at = from.clone();
    let byte = from.byte()?;
    let found = Standing::ALL.get(usize::from(byte)).filter(|standing| !standing.is_barred());
    found.copied().ok_or_else(|| at.malformed("a standing that isn't barred"))
}

fn withdrawal(from: &mut Reader<'_>) -> Result<Withdrawal, Malformed> {
    let scope = scope(from)?;
    let n = from.count(MAX_ROUTES, LEAST, "at most 1024 routes")?;
    let mut routes = Vec::with_capacity(n);
    let mut before = Before::default();
    for _ in 0..n {
        let Record { destination, path_id, claim } = record(from, &mut before)?;
        routes.push(Withdrawn { destination, path_id, claim });
    }
    Ok(Withdrawal { scope, routes })
}

fn one_claim(from: &mut Reader<'_>) -> Result<(Scope, Claim), Malformed> {
    let scope = scope(from)?;
    let at = from.clone();
    match record(from, &mut Before::default())? {
        Record { destination, path_id, claim: Some(claim) }
            if path_id.is_empty() && destination == claim.destination =>
        {
            Ok((scope, claim))
        }
        _ => Err(at.malformed("a claim and nothing else")),
    }
}

fn keys(from: &mut Reader<'_>) -> Result<KeySet, Malformed> {
    let cluster = from.name(EXPECTED_CLUSTER)?;
    let version = (from.varint()?, from.varint()?);
    let primary = KeyId(from.array()?);
    let n = from.count(MAX_KEYS, 33, EXPECTED_KEYS)?;
    let mut keys: Vec<(PublicKey, Option<Wall>)> = Vec::with_capacity(n);
    for _ in 0..n {
        let at = from.clone();
        let key = PublicKey(from.array()?);
        if keys.last().is_some_and(|(last, _)| *last >= key) {
            return Err(at.malformed(EXPECTED_KEYS));
        }
        let ends = match from.byte()? {
            0 => None,
            1 => Some(Wall(from.varint()?)),
            _ => return Err(at.malformed("a key and its end")),
        };
        keys.push((key, ends));
    }
    let (key, signature) = (KeyId(from.array()?), Signature(from.array()?));
    Ok(KeySet { cluster, version, primary, keys, key, signature })
}

fn scope(from: &mut Reader<'_>) -> Result<Scope, Malformed> {
    from.name("the name of a scope")
}
