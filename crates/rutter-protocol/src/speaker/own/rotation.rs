//! This cluster's keys, as it announces them, and their rotation.
//!
//! A set of keys is signed by a key that neighbours hold already: the one before the rotation. Until
//! the set has had time to get around, half the overlap, everything else is signed by the key before
//! too: whoever got a claim by the new key before the set would have to bar it.

use std::time::Duration;

use rutter_route::{ClusterId, Deadline, Mono, Now};

use super::super::outbound::sign_failed;
use super::super::{Level, LogEvent, Output, Speaker, Ticket, What};
use super::{AGAIN, Asked};
use crate::keys::{KeyId, KeySet, PublicKey};
use crate::wire::{Signature, sign};

/// How far a rotation is.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    /// The number of the last set.
    number: u64,
    /// The set is to be signed, by this key, from then on; `None` for a key: by the primary.
    unsigned: Option<(Mono, Option<KeyId>)>,
    /// It is being signed.
    asked: bool,
    /// This key signs until then, and ends then.
    before: Option<(KeyId, Mono, Mono)>,
}

impl Rotation {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let unsigned = self.unsigned.filter(|_| !self.asked).map(|(at, _)| Deadline(at));
        let before = self.before.map(|(_, at, _)| Deadline(at));
        unsigned.into_iter().chain(before).min()
    }
}

impl Speaker {
    /// The key by which this cluster signs now.
    pub(crate) fn own_key(&self, now: Now) -> Option<KeyId> {
        let own = &self.config.cluster;
        let before = self.own.rotation.before.filter(|(_, at, _)| now.mono < *at);
        let before = before.filter(|(key, ..)| self.keys.find(now, own, key).is_some());
        let primary = || self.keys.primary(now, own).map(|(id, _)| id);
        before.map(|(key, ..)| key).or_else(primary)
    }

    /// This cluster signs by another key from now on, and tells so under the one before.
    pub(crate) fn rotate(
        &mut self,
        now: Now,
        to: PublicKey,
        overlap: Duration,
        out: &mut Vec<Output>,
    ) {
        let own = self.config.cluster.clone();
        let before = self.own_key(now);
        self.keys.rotate(now, &own, to, overlap);
        if let Some(key) = before {
            let (turn, end) = (now.mono.after(overlap / 2), now.mono.after(overlap));
            self.own.rotation.before = Some((key, turn, end));
        }
        self.own.rotation.unsigned = Some((now.mono, before));
        self.own.rotation.asked = false;
        let why = format!("signs by {} from now on", to.id());
        out.push(keys_changed(&own, why));
        out.push(Output::KeepKeys);
    }

    /// A provider has said other keys of this cluster: they are announced.
    pub(crate) fn own_keys_changed(&mut self, now: Now) {
        self.own.rotation.unsigned = Some((now.mono, self.own_key(now)));
        self.own.rotation.asked = false;
    }

    /// Half of the overlap is over: what was claimed under the key before is signed again before
    /// that ends.
    pub(super) fn end_rotation(&mut self, now: Now) {
        if let Some((_, turn, end)) = self.own.rotation.before
            && turn <= now.mono
        {
            self.own.rotation.before = None;
            self.own.again = Some((None, end));
        }
    }

    /// Has the own keys signed, where they have changed.
    pub(crate) fn sign_keys(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some((at, by)) = self.own.rotation.unsigned else { return };
        if self.own.rotation.asked || at > now.mono {
            return;
        }
        let Some(by) = by.or_else(|| self.own_key(now)) else { return };
        let own = self.config.cluster.clone();
        self.own.rotation.number += 1;
        let version = (self.config.incarnation, self.own.rotation.number);
        let Some(set) = self.keys.set_to_sign(now, &own, version, by) else {
            self.own.rotation.unsigned = None;
            return;
        };
        self.own.rotation.asked = true;
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        out.push(Output::Sign { ticket, key: by, bytes: sign::keys_bytes(&set) });
        self.own.ask(ticket, Asked::Keys(Box::new(set)));
    }

    /// The own keys are signed, or can't be: then it is tried again.
    pub(crate) fn keys_signed(
        &mut self,
        now: Now,
        mut set: KeySet,
        signature: &Result<Signature, String>,
        out: &mut Vec<Output>,
    ) {
        if set.version.1 != self.own.rotation.number || !self.own.rotation.asked {
            // They have changed again since.
            return;
        }
        self.own.rotation.asked = false;
        match signature {
            Ok(signature) => {
                set.signature = *signature;
                self.own.rotation.unsigned = None;
                self.keys.apply(now, &set);
                out.push(Output::KeepKeys);
                self.relay_keys(&set.cluster, None);
            }
            Err(why) => {
                out.push(sign_failed(None, why));
                self.own.rotation.unsigned = Some((now.mono.after(AGAIN), Some(set.key)));
            }
        }
    }
}

fn keys_changed(own: &ClusterId, why: String) -> Output {
    Output::Log(LogEvent {
        what: What::KeysChanged,
        level: Level::Info,
        neighbour: Some(own.clone()),
        scope: None,
        destination: None,
        reason: None,
        why,
    })
}
