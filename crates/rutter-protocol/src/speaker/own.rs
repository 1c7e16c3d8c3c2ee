//! What this cluster originates: its claims, signed, renewed at a third of their life, withdrawn.
//!
//! A claim is made when a neighbour is first told of an own destination, so nothing is signed that
//! nobody hears. What is told waits for it. It is signed again, in the same words, at a third of its
//! life and after a rotation of the key, at most [`PACE`] a second unless the old key would end
//! before; and in other words when the destination's tags change. When no own route to the
//! destination is left, its end is signed likewise, and kept until the claims before it have ended
//! for sure.
//!
//! Versions rise over all claims of this cluster. Should somebody hold a newer one than this cluster
//! knows of (its state was lost), its next ones are newer still.

mod rotation;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use rutter_rib::{Book, BookChanges, Kind, ViewId};
use rutter_route::{
    AnyDestination, ClusterId, Deadline, DestinationKind, Mono, Now, Prefix, Service, SourceKind,
    Standing, TableName, Tags, Wall,
};

use super::outbound::sign_failed;
use super::{Output, Signing, Speaker, Ticket};
use crate::claims::Claim;
use crate::keys::{KeyId, KeySet};
use crate::wire::{Scope, Signature, sign};

/// How many claims are renewed a second, at most.
pub(crate) const PACE: u32 = 100;

/// After a signer failed at a renewal it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

type Key = (Scope, AnyDestination);

/// What a signature was asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// An own claim.
    Claim(Scope, AnyDestination),
    /// The own keys.
    Keys(Box<KeySet>),
    /// A message of a neighbour's sealed batch, or the whole.
    Batch(ClusterId, usize),
}

/// How own claims are signed now.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    cluster: ClusterId,
    incarnation: u64,
    /// Whether claims are made at all.
    on: bool,
    key: Option<KeyId>,
    life: Duration,
}

/// What there is of an own claim that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Claims aren't made here.
    None,
    /// It is signed.
    Signed,
    /// It is being signed.
    Asked,
    /// There is no key.
    NoKey,
}

/// A claim that counts, or its end.
#[derive(Debug)]
struct Mine {
    claim: Claim,
    /// When it is to be signed again; an end: when it is forgotten.
    due: Mono,
}

/// Own destinations with their claims.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// The version of the last claim.
    version: (u64, u64),
    signed: BTreeMap<Key, Mine>,
    due: BTreeSet<(Mono, Key)>,
    /// What is being signed; its ticket.
    making: BTreeMap<Key, (Ticket, Claim)>,
    asked: BTreeMap<Ticket, Asked>,
    /// Claims renewed in the second that began then.
    paced: (Mono, u32),
    /// Claims by other keys than the current one are signed anew, from here on, until then.
    again: Option<(Option<Key>, Mono)>,
    rotation: rotation::Rotation,
}

impl Own {
    /// The newest signed claim on a destination, its end too.
    pub(crate) fn claim(&self, scope: &Scope, on: &AnyDestination) -> Option<&Claim> {
        if self.signed.is_empty() {
            return None;
        }
        self.signed.get(&(scope.clone(), on.clone())).map(|mine| &mine.claim)
    }

    /// Whether the end of a claim is being signed.
    pub(super) fn is_ending(&self, scope: &Scope, on: &AnyDestination) -> bool {
        if self.making.is_empty() {
            return false;
        }
        let making = self.making.get(&(scope.clone(), on.clone()));
        making.is_some_and(|(_, claim)| claim.withdrawn)
    }

    /// What a ticket was for.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Asked> {
        self.asked.remove(&ticket)
    }

    pub(super) fn ask(&mut self, ticket: Ticket, what: Asked) {
        self.asked.insert(ticket, what);
    }

    /// A neighbour's batches are given up.
    pub(super) fn forget_batches(&mut self, of: &ClusterId) {
        self.asked.retain(|_, asked| !matches!(asked, Asked::Batch(to, _) if to == of));
    }

    /// An own destination is to be told with these tags: its claim, or that it is asked for.
    #[allow(clippy::too_many_arguments, reason = "the caller holds parts of the speaker")]
    pub(super) fn want(
        &mut self,
        now: Now,
        scope: &Scope,
        on: &AnyDestination,
        tags: &Tags,
        signer: &Signer,
        last_ticket: &mut u64,
        out: &mut Vec<Output>,
    ) -> Wanted {
        if !signer.on {
            return Wanted::None;
        }
        let key = (scope.clone(), on.clone());
        let fits = |claim: &Claim| !claim.withdrawn && claim.tags == *tags;
        if let Some((_, making)) = self.making.get(&key) {
            if fits(making) {
                return Wanted::Asked;
            }
        } else if let Some(mine) = self.signed.get(&key)
            && fits(&mine.claim)
            && mine.claim.not_after > now.wall
        {
            return Wanted::Signed;
        }
        match self.make(now, key, (tags.clone(), false), signer, last_ticket, out) {
            true => Wanted::Asked,
            false => Wanted::NoKey,
        }
    }

    /// Has a claim signed, in place of what was being signed for it.
    fn make(
        &mut self,
        now: Now,
        key: Key,
        (tags, withdrawn): (Tags, bool),
        signer: &Signer,
        last_ticket: &mut u64,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(by) = signer.key else { return false };
        if self.version.0 < signer.incarnation {
            self.version = (signer.incarnation, 0);
        }
        self.version.1 += 1;
        let not_after = Wall(Mono(now.wall.0).after(signer.life).0);
        let claim = Claim {
            originator: signer.cluster.clone(),
            destination: key.1.clone(),
            tags,
            incarnation: self.version.0,
            sequence: self.version.1,
            not_after,
            withdrawn,
            key: by,
            signature: Signature([0; 64]),
        };
        *last_ticket += 1;
        let ticket = Ticket(*last_ticket);
        let bytes = sign::claim_bytes(&key.0, &claim);
        out.push(Output::Sign { ticket, key: by, bytes });
        self.asked.insert(ticket, Asked::Claim(key.0.clone(), key.1.clone()));
        if let Some((before, _)) = self.making.insert(key, (ticket, claim)) {
            self.asked.remove(&before);
        }
        true
    }

    /// Keeps a signed claim; returns the one before.
    fn keep(&mut self, now: Now, key: Key, claim: Claim, life: Duration) -> Option<Claim> {
        // An end outlives whatever was claimed before it.
        let due = now.mono.after(if claim.withdrawn { life } else { life / 3 });
        let before = self.signed.insert(key.clone(), Mine { claim, due });
        if let Some(before) = &before {
            self.due.remove(&(before.due, key.clone()));
        }
        self.due.insert((due, key));
        before.map(|mine| mine.claim)
    }

    fn put_off(&mut self, key: &Key, to: Mono) {
        if let Some(mine) = self.signed.get_mut(key) {
            self.due.remove(&(mine.due, key.clone()));
            mine.due = to;
            self.due.insert((to, key.clone()));
        }
    }

    /// All claims are to be signed again, paced.
    pub(crate) fn sign_all_again(&mut self, now: Now) {
        let living = self.signed.iter().filter(|(_, mine)| !mine.claim.withdrawn);
        let keys: Vec<Key> = living.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.put_off(&key, now.mono);
        }
    }

    /// A claim that is to be signed again now: by its age, or for another key.
    fn next_due(&mut self, now: Now, by: Option<KeyId>) -> Option<Key> {
        if let Some((_, key)) = self.due.first().filter(|(at, _)| *at <= now.mono) {
            return Some(key.clone());
        }
        let (after, _) = self.again.as_ref()?;
        let from = after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.signed.range((from, Bound::Unbounded));
        let found = rest.find(|(_, mine)| Some(mine.claim.key) != by && !mine.claim.withdrawn);
        let found = found.map(|(key, _)| key.clone());
        self.again = match (&found, self.again.take()) {
            (Some(key), Some((_, until))) => Some((Some(key.clone()), until)),
            _ => None,
        };
        found
    }

    /// How many may be renewed a second: [`PACE`], or as many as are needed before the old key ends.
    fn pace(&self, now: Now) -> u32 {
        let Some((_, until)) = &self.again else { return PACE };
        let seconds = until.since(now.mono).as_secs().max(1);
        let needed = (self.signed.len() as u64).div_ceil(seconds);
        PACE.max(u32::try_from(needed).unwrap_or(u32::MAX))
    }
}

impl Speaker {
    /// How own claims are signed.
    pub(super) fn signer(&self, now: Now) -> Signer {
        let security = &self.config.security;
        Signer {
            cluster: self.config.cluster.clone(),
            incarnation: self.config.incarnation,
            on: security.require_claims || security.signing != Signing::Off,
            key: self.own_key(now),
            life: security.claim_life,
        }
    }

    /// Own destinations that are gone everywhere: their ends are claimed.
    pub(crate) fn note_own(
        &mut self,
        now: Now,
        book: &Book,
        changes: &BookChanges,
        out: &mut Vec<Output>,
    ) {
        if self.own.signed.is_empty() && self.own.making.is_empty() {
            return;
        }
        let mut gone = Vec::new();
        for spec in &self.config.scopes {
            let table = &spec.table;
            let mut add = |on| gone.push((spec.scope.clone(), on));
            match spec.kind {
                DestinationKind::Cluster => self.gone::<ClusterId>(book, changes, table, &mut add),
                DestinationKind::Service => self.gone::<Service>(book, changes, table, &mut add),
                DestinationKind::Prefix => self.gone::<Prefix>(book, changes, table, &mut add),
            }
        }
        let signer = self.signer(now);
        for key in gone {
            let lives = |claim: &Claim| !claim.withdrawn;
            let lives = match self.own.making.get(&key) {
                Some((_, making)) => lives(making),
                None => self.own.signed.get(&key).is_some_and(|mine| lives(&mine.claim)),
            };
            if lives {
                let what = (Tags::default(), true);
                self.own.make(now, key, what, &signer, &mut self.last_ticket, out);
            }
        }
    }

    /// Destinations that changed and have no own route any more.
    fn gone<D: Kind>(
        &self,
        book: &Book,
        changes: &BookChanges,
        table: &TableName,
        add: &mut dyn FnMut(AnyDestination),
    ) {
        let (Some(changes), Some(table)) = (changes.of::<D>(table), book.table::<D>(table)) else {
            return;
        };
        for change in changes.changes.iter().filter(|c| c.view == ViewId::DEFAULT) {
            let own = table.candidates(&change.destination).into_iter().any(|route| {
                route.source.kind() != SourceKind::Neighbour
                    && !matches!(route.standing, Standing::Denied | Standing::Unapproved)
            });
            if !own {
                add(change.destination.to_any());
            }
        }
    }

    /// An own claim is signed, or can't be.
    pub(super) fn claim_signed(
        &mut self,
        now: Now,
        scope: Scope,
        on: AnyDestination,
        signature: &Result<Signature, String>,
        out: &mut Vec<Output>,
    ) {
        let key = (scope, on);
        let Some((_, mut claim)) = self.own.making.remove(&key) else { return };
        match signature {
            Ok(signature) => {
                claim.signature = *signature;
                let life = self.config.security.claim_life;
                let before = self.own.keep(now, key.clone(), claim.clone(), life);
                let again = |b: &Claim| !b.withdrawn && (claim.withdrawn || b.tags == claim.tags);
                if before.as_ref().is_some_and(again) {
                    self.renewed(&key.0, &claim, None);
                }
            }
            Err(why) => {
                out.push(sign_failed(None, why));
                self.own.put_off(&key, now.mono.after(AGAIN));
            }
        }
        self.claim_settled(now, &key, signature.is_err() && !claim.withdrawn);
    }

    /// Somebody holds a newer claim of this cluster, signed by it, than this cluster knows of: jump
    /// past it.
    pub(crate) fn outdone(&mut self, scope: &Scope, held: &Claim) {
        let version = self.own.version.max(held.version());
        // A sequence that can't rise goes on in a later incarnation.
        self.own.version = match version.1 {
            u64::MAX => (version.0.saturating_add(1), 0),
            _ => version,
        };
        let key = (scope.clone(), held.destination.clone());
        let mine = self.own.signed.get(&key).map(|mine| (mine.claim.version(), mine.due));
        let Some((_, due)) = mine.filter(|(mine, _)| *mine <= held.version()) else { return };
        // Whoever holds the newer one has refused the route: it is told again, by a claim yet to be
        // made.
        self.own.signed.remove(&key);
        self.own.due.remove(&(due, key));
        let all: Vec<ClusterId> = self.neighbours.keys().cloned().collect();
        all.iter().for_each(|to| self.tell_again(to, scope, &held.destination));
    }

    /// Claims whose third has passed, or whose key is about to end, are signed again, paced.
    pub(crate) fn renew_own(&mut self, now: Now, out: &mut Vec<Output>) {
        self.end_rotation(now);
        let signer = self.signer(now);
        if now.mono.since(self.own.paced.0) >= Duration::from_secs(1) {
            self.own.paced = (now.mono, 0);
        }
        let pace = self.own.pace(now);
        while self.own.paced.1 < pace {
            let Some(key) = self.own.next_due(now, signer.key) else { return };
            let Some(mine) = self.own.signed.get(&key) else { return };
            if mine.claim.withdrawn {
                self.own.due.remove(&(mine.due, key.clone()));
                self.own.signed.remove(&key);
                continue;
            }
            self.own.paced.1 += 1;
            let tags = mine.claim.tags.clone();
            self.own.put_off(&key, now.mono.after(AGAIN));
            if !self.own.making.contains_key(&key) {
                let what = (tags, false);
                self.own.make(now, key, what, &signer, &mut self.last_ticket, out);
            }
        }
    }

    /// When `renew_own` is next worth calling.
    pub(crate) fn own_deadline(&self, now: Now) -> Option<Deadline> {
        let paced = self.own.paced.0.after(Duration::from_secs(1));
        let free = match self.own.paced.1 >= self.own.pace(now) {
            true => paced,
            false => now.mono,
        };
        let due = self.own.due.first().map(|(at, _)| *at);
        let again = self.own.again.as_ref().map(|_| now.mono);
        let due = due.into_iter().chain(again).min().map(|at| Deadline(at.max(free)));
        due.into_iter().chain(self.own.rotation.deadline()).min()
    }
}
