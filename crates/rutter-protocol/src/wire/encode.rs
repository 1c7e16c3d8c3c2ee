//! Frames and messages to bytes.
//!
//! ```text
//!   frame     1 open, 2 batch, 3 close
//!   open      revision, cluster, to, incarnation, nonce (16 bytes), count and (scope, kind)
//!             ascending, paths (1 byte), gateway
//!   batch     stream, number, signed, count, messages (each: its length, its bytes)
//!   signed    0 not; 1 a batch: key (8), signature (64); 2 each: key (8), and before each message's
//!             length its signature (64)
//!   close     0 goodbye; 1 restart: ms; 2 refused: text
//!
//!   message   1 announce: scope, count and clusters of the path, metrics, tags, standing (1 byte),
//!               count, records
//!             2 withdraw: scope, count, records
//!             3 renew, 4 held: scope, one record with a claim and no path id
//!             5 keys: cluster, version (two), primary (8), count and (key (32), 0 or 1 and end in
//!               ms since 1970) ascending, key (8), signature (64)
//!             6 begin of refresh, 7 end of refresh, 8 refresh: scope
//!   metrics   hops, latency, bandwidth, reliability, cost
//!   kind      0 prefix, 1 service, 2 cluster
//! ```
//!
//! Records stand in `record.rs`. Encoding never fails: what is over a bound is written as it is, and
//! refused by who reads it; only texts for people are cut.

use bytes::{BufMut, Bytes, BytesMut};
use rutter_route::{DestinationKind, PathId};

use super::codec::{cut, put_text, put_varint};
use super::record::{Before, put_record, put_tags};
use super::{
    Announcement, Batch, Claim, Close, Frame, MAX_TEXT, Message, Metrics, Open, Scope, Signed,
    Withdrawal,
};
use crate::keys::KeySet;

impl Frame {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut to = BytesMut::new();
        match self {
            Self::Open(open) => {
                to.put_u8(1);
                put_open(&mut to, open);
            }
            Self::Batch(batch) => {
                let n_bytes: usize = batch.messages.iter().map(|m| m.len() + 70).sum();
                to.reserve(n_bytes + 128);
                to.put_u8(2);
                put_batch(&mut to, batch);
            }
            Self::Close(close) => {
                to.put_u8(3);
                put_close(&mut to, close);
            }
        }
        to.freeze()
    }
}

impl Message {
    /// Appends its bytes.
    pub fn encode(&self, to: &mut BytesMut) {
        match self {
            Self::Announce(announcement) => {
                to.put_u8(1);
                put_announcement(to, announcement);
            }
            Self::Withdraw(withdrawal) => {
                to.put_u8(2);
                put_withdrawal(to, withdrawal);
            }
            Self::Renew(scope, claim) => put_one_claim(to, 3, scope, claim),
            Self::Held(scope, claim) => put_one_claim(to, 4, scope, claim),
            Self::Keys(keys) => {
                to.put_u8(5);
                put_keys(to, keys);
            }
            Self::BeginRefresh(scope) => put_scope(to, 6, scope),
            Self::EndOfRefresh(scope) => put_scope(to, 7, scope),
            Self::Refresh(scope) => put_scope(to, 8, scope),
        }
    }

    /// Its bytes, for themselves.
    pub fn to_bytes(&self) -> Bytes {
        let mut to = BytesMut::new();
        self.encode(&mut to);
        to.freeze()
    }
}

/// Also what the id of a session is made of.
pub(super) fn put_open(to: &mut impl BufMut, open: &Open) {
    put_varint(to, u64::from(open.revision));
    put_text(to, open.cluster.as_str());
    put_text(to, open.to.as_str());
    put_varint(to, open.incarnation);
    to.put_slice(&open.nonce);
    put_varint(to, open.scopes.len() as u64);
    for (scope, kind) in &open.scopes {
        put_text(to, scope.as_str());
        to.put_u8(match kind {
            DestinationKind::Prefix => 0,
            DestinationKind::Service => 1,
            DestinationKind::Cluster => 2,
        });
    }
    to.put_u8(open.paths);
    put_text(to, cut(&open.gateway, MAX_TEXT));
}

fn put_batch(to: &mut BytesMut, batch: &Batch) {
    put_varint(to, batch.stream);
    put_varint(to, batch.number);
    let each: &[_] = match &batch.signed {
        Signed::Not => {
            to.put_u8(0);
            &[]
        }
        Signed::Batch(key, signature) => {
            to.put_u8(1);
            to.put_slice(&key.0);
            to.put_slice(&signature.0);
            &[]
        }
        Signed::Each(key, signatures) => {
            to.put_u8(2);
            to.put_slice(&key.0);
            signatures
        }
    };
    put_varint(to, batch.messages.len() as u64);
    let mut signatures = each.iter();
    for message in &batch.messages {
        if let Some(signature) = signatures.next() {
            to.put_slice(&signature.0);
        }
        put_varint(to, message.len() as u64);
        to.put_slice(message);
    }
}

fn put_close(to: &mut BytesMut, close: &Close) {
    match close {
        Close::Goodbye => to.put_u8(0),
        Close::Restart(within) => {
            to.put_u8(1);
            put_varint(to, u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        }
        Close::Refused(why) => {
            to.put_u8(2);
            put_text(to, cut(why, MAX_TEXT));
        }
    }
}

fn put_announcement(to: &mut BytesMut, announcement: &Announcement) {
    put_text(to, announcement.scope.as_str());
    put_varint(to, announcement.path.len() as u64);
    announcement.path.iter().for_each(|cluster| put_text(to, cluster.as_str()));
    put_metrics(to, &announcement.metrics);
    put_tags(to, &announcement.tags);
    to.put_u8(announcement.standing as u8);
    put_varint(to, announcement.routes.len() as u64);
    let mut before = Before::new(announcement.path.last());
    for route in &announcement.routes {
        let claim = route.claim.as_ref();
        put_record(to, &mut before, &route.destination, &route.path_id, claim);
    }
}

fn put_metrics(to: &mut BytesMut, metrics: &Metrics) {
    put_varint(to, u64::from(metrics.hops));
    put_varint(to, u64::from(metrics.latency_us));
    put_varint(to, u64::from(metrics.bandwidth_kbps));
    put_varint(to, u64::from(metrics.reliability_ppm));
    put_varint(to, u64::from(metrics.cost));
}

fn put_withdrawal(to: &mut BytesMut, withdrawal: &Withdrawal) {
    put_text(to, withdrawal.scope.as_str());
    put_varint(to, withdrawal.routes.len() as u64);
    let mut before = Before::default();
    for route in &withdrawal.routes {
        let claim = route.claim.as_ref();
        put_record(to, &mut before, &route.destination, &route.path_id, claim);
    }
}

fn put_one_claim(to: &mut BytesMut, tag: u8, scope: &Scope, claim: &Claim) {
    put_scope(to, tag, scope);
    let none = PathId::default();
    put_record(to, &mut Before::default(), &claim.destination, &none, Some(claim));
}

fn put_scope(to: &mut BytesMut, tag: u8, scope: &Scope) {
    to.put_u8(tag);
    put_text(to, scope.as_str());
}

fn put_keys(to: &mut BytesMut, set: &KeySet) {
    put_text(to, set.cluster.as_str());
    put_varint(to, set.version.0);
    put_varint(to, set.version.1);
    to.put_slice(&set.primary.0);
    put_varint(to, set.keys.len() as u64);
    for (key, ends) in &set.keys {
        to.put_slice(&key.0);
        match ends {
            None => to.put_u8(0),
            Some(at) => {
                to.put_u8(1);
                put_varint(to, at.0);
            }
        }
    }
    to.put_slice(&set.key.0);
    to.put_slice(&set.signature.0);
}
