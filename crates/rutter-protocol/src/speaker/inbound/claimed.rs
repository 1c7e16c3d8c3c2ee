//! Claims that come with routes, and alone.

use rutter_rib::Book;
use rutter_route::{AnyDestination, ClusterId, Left, Now, SourceId, Tags};

use crate::claims::Judged;
use crate::speaker::bars::BarKey;
use crate::speaker::{Check, Output, Speaker, Weakness, tables};
use crate::stats::Reason;
use crate::wire::{Claim, Scope, sign};

/// The most claims that are verified by one output beside batches.
const RECHECK: usize = 256;

/// What becomes of a route by its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It may stand.
    Fine,
    /// It may stand barred: nobody knows the claim's key.
    Unknown,
    /// It may not stand.
    Refused(Reason),
}

/// Which claim a route has to have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) by: &'a ClusterId,
    pub(crate) scope: &'a Scope,
    pub(crate) originator: &'a ClusterId,
    pub(crate) destination: &'a AnyDestination,
}

impl Speaker {
    /// What becomes of a route that comes with this claim. `good`: what the verifier said of it.
    pub(crate) fn claimed(
        &mut self,
        now: Now,
        book: &mut Book,
        wanted: Wanted<'_>,
        claim: Option<&Claim>,
        good: Option<bool>,
    ) -> Claimed {
        let Some(claim) = claim else { return self.unclaimed(wanted) };
        if claim.originator != *wanted.originator || claim.destination != *wanted.destination {
            return Claimed::Refused(Reason::DestinationMismatch);
        }
        if claim.withdrawn {
            return Claimed::Refused(Reason::Stale);
        }
        match self.judged(now, wanted.by, wanted.scope, claim, good) {
            Ok(Heard::Known) => Claimed::Fine,
            Ok(Heard::New) => {
                self.accept(now, book, wanted.by, wanted.scope, claim);
                Claimed::Fine
            }
            Ok(Heard::UnknownKey) => {
                self.claims.put(now, wanted.scope, claim.clone(), false);
                Claimed::Unknown
            }
            Err(reason) => {
                if reason == Reason::Conflict {
                    // An originator that lost its state has come to the same number: it jumps past.
                    let Wanted { by, scope, originator, destination } = wanted;
                    self.say_held(now, by, scope, originator, destination);
                }
                Claimed::Refused(reason)
            }
        }
    }

    fn unclaimed(&self, wanted: Wanted<'_>) -> Claimed {
        if self.config.security.require_claims {
            return Claimed::Refused(Reason::NoClaim);
        }
        // Nobody but the path says whose it is: a cluster is reached where its path ends.
        let AnyDestination::Cluster(cluster) = wanted.destination else { return Claimed::Fine };
        let origin = self.config.policy.origins.get(wanted.originator);
        let may = origin.is_some_and(|o| o.clusters.contains(cluster));
        match cluster == wanted.originator || may {
            true => Claimed::Fine,
            false => Claimed::Refused(Reason::DestinationMismatch),
        }
    }

    /// What a claim is that was heard. Whoever says an older one than is held is told the one held.
    fn judged(
        &mut self,
        now: Now,
        by: &ClusterId,
        scope: &Scope,
        claim: &Claim,
        good: Option<bool>,
    ) -> Result<Heard, Reason> {
        match self.claims.judge(now, scope, claim) {
            Judged::Same => Ok(Heard::Known),
            Judged::Newer if self.is_weak(Weakness::Claims) => Ok(Heard::New),
            Judged::Newer => {
                let known = self.keys.find(now, &claim.originator, &claim.key).is_some();
                match good {
                    Some(true) if known => Ok(Heard::New),
                    Some(false) => Err(Reason::BadSignature),
                    // With a key that came to be known only now, it is verified apart.
                    _ => Ok(Heard::UnknownKey),
                }
            }
            Judged::Stale(_) if self.is_weak(Weakness::Order) => Ok(Heard::Known),
            Judged::Stale(_) => {
                self.say_held(now, by, scope, &claim.originator, &claim.destination);
                Err(Reason::Stale)
            }
            Judged::Conflict => Err(Reason::Conflict),
            Judged::Expired => Err(Reason::Expired),
            Judged::TooFar => Err(Reason::TooFar),
            Judged::Full => Err(Reason::Limit),
        }
    }

    /// A claim that is newer than what is held, and verified.
    fn accept(&mut self, now: Now, book: &mut Book, by: &ClusterId, scope: &Scope, claim: &Claim) {
        let before = self.claims.get(scope, &claim.originator, &claim.destination);
        let before = before.filter(|h| h.verified && h.claim.tags != claim.tags);
        let other_tags = before.map(|h| h.claim.tags.clone());
        self.claims.put(now, scope, claim.clone(), true);
        if claim.withdrawn {
            self.bury(now, book, scope, claim);
            // Also to who said it, where it was told another way there.
            self.renewed(scope, claim, None);
            return;
        }
        self.lift_by(now, book, scope, claim);
        if let Some(before) = other_tags {
            self.retag(now, book, scope, claim, &before);
        }
        self.renewed(scope, claim, Some(by));
    }

    /// The originator has taken back what it claimed: nobody has a way there any more, whatever they
    /// say until they have heard of it.
    fn bury(&mut self, now: Now, book: &mut Book, scope: &Scope, claim: &Claim) {
        self.end_routes(now, book, scope, claim, Left::Withdrawn);
    }

    /// Routes that rest on a claim end.
    pub(crate) fn end_routes(
        &mut self,
        now: Now,
        book: &mut Book,
        scope: &Scope,
        claim: &Claim,
        left: Left,
    ) -> u64 {
        let Some(spec) = self.scope_spec(scope) else { return 0 };
        let said = tables::said_of(book, &spec, &claim.originator, &claim.destination);
        let n = said.len() as u64;
        for route in said {
            let on = (&claim.destination, &route.path);
            tables::retract(now, book, &spec, &route.source, on, left);
            let key = bar_key(scope, &claim.destination, &route.source, route.path);
            if let Some(key) = key {
                self.lift(now, book, &key);
            }
        }
        n
    }

    /// The originator's own tags are others: routes that rest on its claim take them over at once,
    /// so that no neighbour can keep policy from seeing them.
    fn retag(&mut self, now: Now, book: &mut Book, scope: &Scope, claim: &Claim, before: &Tags) {
        let Some(spec) = self.scope_spec(scope) else { return };
        for mut route in tables::said_of(book, &spec, &claim.originator, &claim.destination) {
            let by = self.neighbours.values().find(|n| n.source == route.source);
            let Some((by, session)) = by.and_then(|n| Some((n.id.clone(), n.session.clone()?)))
            else {
                continue;
            };
            before.iter().for_each(|tag| route.received.tags.remove(tag));
            let added = claim.tags.iter().try_for_each(|t| route.received.tags.insert(t.clone()));
            if added.is_err() {
                // A route that has no room for all of its tags may lack the one that denies it: who
                // fills it with tags of its own loses it, as its next announcement is refused.
                let on = (&claim.destination, &route.path);
                tables::retract(now, book, &spec, &route.source, on, Left::Evicted);
                self.stats.neighbours.entry(by).or_default().refuse(Reason::Limit, 1);
                continue;
            }
            tables::readvertise(now, book, &spec, &session, &claim.destination, route);
        }
    }

    /// A renewed claim. Who says one that is known already takes its route for told all the same: where
    /// that was refused for the claim before, and the newer one came of somebody else first, nothing
    /// but this says that the route is there.
    pub(super) fn renewal_heard(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        (scope, claim, good): (&Scope, Claim, Option<bool>),
        out: &mut Vec<Output>,
    ) {
        let known = self.claim_heard(now, book, by, (scope, claim.clone(), good), out);
        if known && !claim.withdrawn {
            self.miss_unheld(book, by, scope, &claim);
        }
    }

    /// A claim alone: renewed, or taken back; and what the verifier said of it. Says whether it was
    /// known already.
    pub(super) fn claim_heard(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        (scope, claim, good): (&Scope, Claim, Option<bool>),
        out: &mut Vec<Output>,
    ) -> bool {
        let heard = match () {
            () if claim.originator == self.config.cluster => Err(Reason::Itself),
            () if self.carried(by, scope).is_none() => Err(Reason::UnknownScope),
            () => self.judged(now, by, scope, &claim, good),
        };
        match heard {
            Ok(Heard::Known) => return true,
            Ok(Heard::New) => {
                self.accept(now, book, by, scope, &claim);
                if !claim.withdrawn {
                    self.miss_unheld(book, by, scope, &claim);
                }
            }
            Ok(Heard::UnknownKey) => {
                // Routes stand on the claim before it; of one that nothing rests on nothing is kept.
                let known = self.claims.get(scope, &claim.originator, &claim.destination).is_some();
                if known {
                    self.claims.put(now, scope, claim, false);
                }
            }
            Err(reason) => self.refuse_claim(now, by, scope, &claim, reason, out),
        }
        false
    }

    /// A neighbour holds a newer claim than the one that it was told.
    pub(super) fn held_heard(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        (scope, claim, good): (&Scope, Claim, Option<bool>),
        out: &mut Vec<Output>,
    ) {
        if claim.originator == self.config.cluster {
            match good {
                Some(true) => self.outdone(scope, &claim),
                Some(false) => {
                    self.refuse_claim(now, by, scope, &claim, Reason::BadSignature, out);
                }
                // Signed by a key that this cluster has no more: nobody will hold it for long.
                None => {}
            }
            return;
        }
        let destination = claim.destination.clone();
        self.claim_heard(now, book, by, (scope, claim, good), out);
        self.tell_again(by, scope, &destination);
    }

    /// Claims that couldn't be checked are verified with the keys that are known now. Says whether
    /// there were any.
    pub(crate) fn recheck(&mut self, now: Now, of: &ClusterId, out: &mut Vec<Output>) -> bool {
        let unverified = self.claims.unverified(of);
        let mut any = false;
        for some in unverified.chunks(RECHECK) {
            let mut claims = Vec::new();
            let mut checks = Vec::new();
            for (scope, claim) in some {
                let Some(key) = self.keys.find(now, of, &claim.key) else { continue };
                let bytes = sign::claim_bytes(scope, claim);
                checks.push(Check { key, bytes, signature: claim.signature });
                claims.push((scope.clone(), claim.clone()));
            }
            if !checks.is_empty() {
                let ticket = self.next_ticket();
                self.checking.insert(ticket, claims);
                out.push(Output::Verify { ticket, checks });
                any = true;
            }
        }
        any
    }

    /// The verifier's answer to [`Speaker::recheck`].
    pub(crate) fn rechecked(
        &mut self,
        now: Now,
        book: &mut Book,
        claims: Vec<(Scope, Claim)>,
        good: &[bool],
    ) {
        let own = self.config.cluster.clone();
        for ((scope, claim), good) in claims.into_iter().zip(good) {
            let known = self.keys.find(now, &claim.originator, &claim.key).is_some();
            if *good && known && self.claims.judge(now, &scope, &claim) == Judged::Newer {
                self.accept(now, book, &own, &scope, &claim);
            }
            self.ask_barred(&claim.originator);
        }
    }

    fn refuse_claim(
        &mut self,
        now: Now,
        by: &ClusterId,
        scope: &Scope,
        claim: &Claim,
        reason: Reason,
        out: &mut Vec<Output>,
    ) {
        self.stats.neighbours.entry(by.clone()).or_default().refuse(reason, 1);
        let path = [claim.originator.clone()];
        self.trace_refusal(now, by, scope, &path, claim.destination.clone(), reason);
        self.log_refusal(now, by, reason, &format!("a claim on {}", claim.destination), out);
    }
}

/// What a claim is that was heard, and isn't refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// The one that is held.
    Known,
    /// Newer, and verified.
    New,
    /// Newer, but nobody can check it now.
    UnknownKey,
}

/// The bar of a neighbour's route.
pub(crate) fn bar_key(
    scope: &Scope,
    destination: &AnyDestination,
    source: &SourceId,
    path: rutter_route::PathId,
) -> Option<BarKey> {
    let by = source.name().parse().ok()?;
    Some(BarKey { scope: scope.clone(), destination: destination.clone(), by, path })
}
