//! What ends by time: claims, keys, restarts that were waited for, lost neighbours' routes; and
//! what is asked for again, paced.

use rutter_rib::{Book, SLICE};
use rutter_route::{ClusterId, Deadline, Left, Mono, Now, SourceState};

use super::inbound::bar_key;
use super::neighbour::Asked;
use super::{Level, LogEvent, Output, Speaker, What, tables};
use crate::wire::{Claim, Scope};

impl Speaker {
    pub(crate) fn tick(&mut self, now: Now, book: &mut Book, out: &mut Vec<Output>) {
        self.end_deferral(now);
        self.expire_claims(now, book, out);
        for cluster in self.keys.expire(now) {
            self.keys_changed(now, book, &cluster, out);
        }
        self.expire_neighbours(now, book, out);
        self.ask_missed(now);
        self.settling.close(now, &mut self.stats.convergence);
        self.renew_own(now, out);
    }

    /// When a tick is due although nothing has happened.
    pub(crate) fn timers_deadline(&self, now: Now) -> Option<Deadline> {
        let neighbours = self.neighbours.values().flat_map(|n| {
            let forgotten = n.lost_at.map(|at| at.after(self.config.forget));
            let asks = n.missed.iter().map(|scope| n.asked.get(scope).copied());
            let asks = asks.map(|asked| asked.map_or(now.mono, Asked::again));
            let asks = asks.filter(|_| n.session.is_some());
            [n.back_until, forgotten].into_iter().flatten().chain(asks)
        });
        let neighbours = neighbours.min().map(Deadline);
        let mine = [self.claims.next_deadline(now), self.keys.next_deadline(now), neighbours];
        let others = [self.settling.next_deadline(), self.deferral_deadline()];
        mine.into_iter().chain(others).flatten().min()
    }

    /// Claims whose not-after has passed: what rests on them is withdrawn. No flap: nothing was lost.
    fn expire_claims(&mut self, now: Now, book: &mut Book, out: &mut Vec<Output>) {
        for (scope, claim) in self.claims.expire(now, SLICE) {
            let n = self.end_claim(now, book, &scope, &claim);
            if n > 0 {
                self.stats.routes_purged += n;
                out.push(Output::Log(LogEvent {
                    what: What::RoutePurge,
                    level: Level::Info,
                    neighbour: None,
                    scope: Some(scope),
                    destination: Some(claim.destination),
                    reason: None,
                    why: format!("the claim of {} has ended", claim.originator),
                }));
            }
        }
    }

    /// Ends the routes that rest on a claim; how many there were.
    fn end_claim(&mut self, now: Now, book: &mut Book, scope: &Scope, claim: &Claim) -> u64 {
        let held = self.claims.get(scope, &claim.originator, &claim.destination);
        if held.is_none_or(|held| !held.verified) {
            return self.end_routes(now, book, scope, claim, Left::LeaseEnded);
        }
        // One that stood aside: only what is barred by it rests on it.
        let Some(spec) = self.scope_spec(scope) else { return 0 };
        let barred = self.barred_by(scope, claim);
        let n = barred.len() as u64;
        for key in barred {
            if let Some(source) = self.neighbours.get(&key.by).map(|n| n.source.clone()) {
                let on = (&key.destination, &key.path);
                tables::retract(now, book, &spec, &source, on, Left::LeaseEnded);
            }
            self.lift(now, book, &key);
        }
        n
    }

    /// Keys of a cluster are others than before: claims signed by those that count no more are void,
    /// those that nobody could check are looked at again.
    pub(crate) fn keys_changed(
        &mut self,
        now: Now,
        book: &mut Book,
        cluster: &ClusterId,
        out: &mut Vec<Output>,
    ) {
        out.push(Output::KeepKeys);
        out.push(Output::Log(LogEvent {
            what: What::KeysChanged,
            level: Level::Info,
            neighbour: None,
            scope: None,
            destination: None,
            reason: None,
            why: format!("of {cluster}: {} count now", self.keys.active(now, cluster).len()),
        }));
        let keys = &self.keys;
        let active = |key: &crate::keys::KeyId| keys.find(now, cluster, key).is_some();
        for (scope, claim) in self.claims.unvouch(cluster, &active) {
            self.bar_all(now, book, &scope, &claim);
        }
        if !self.recheck(now, cluster, out) {
            self.ask_barred(cluster);
        }
    }

    /// A claim's key counts no more: the routes that rest on it are barred until there is another.
    fn bar_all(&mut self, now: Now, book: &mut Book, scope: &Scope, claim: &Claim) {
        let Some(spec) = self.scope_spec(scope) else { return };
        self.claims.put(now, scope, claim.clone(), false);
        for route in tables::said_of(book, &spec, &claim.originator, &claim.destination) {
            let path = route.path.clone();
            let Some(key) = bar_key(scope, &claim.destination, &route.source, path) else {
                continue;
            };
            if !self.bar(now, book, key, claim) {
                let on = (&claim.destination, &route.path);
                tables::retract(now, book, &spec, &route.source, on, Left::LeaseEnded);
            }
        }
    }

    /// Who isn't back in time, or is away for too long, is forgotten with all that it said.
    fn expire_neighbours(&mut self, now: Now, book: &mut Book, out: &mut Vec<Output>) {
        let forget = self.config.forget;
        let is_due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        let due: Vec<(ClusterId, bool)> = self
            .neighbours
            .values()
            .filter(|n| n.session.is_none())
            .filter(|n| is_due(n.back_until) || is_due(n.lost_at.map(|at| at.after(forget))))
            .map(|n| (n.id.clone(), n.back_until.is_some()))
            .collect();
        for (id, restarting) in due {
            let n = self.forget_neighbour(now, book, &id);
            self.stats.routes_purged += n;
            let why = match restarting {
                true => format!("{id} did not come back in time: {n} routes"),
                false => format!("{id} is away for too long: {n} routes"),
            };
            out.push(Output::Log(LogEvent {
                what: What::RoutePurge,
                level: Level::Info,
                neighbour: Some(id),
                scope: None,
                destination: None,
                reason: None,
                why,
            }));
        }
    }

    /// Withdraws all that a neighbour has said; how many routes that were.
    pub(crate) fn forget_neighbour(&mut self, now: Now, book: &mut Book, id: &ClusterId) -> u64 {
        let Some(neighbour) = self.neighbours.get_mut(id) else { return 0 };
        neighbour.back_until = None;
        neighbour.lost_at = None;
        let Some(session) = neighbour.last_session.clone() else { return 0 };
        let specs = self.config.scopes.iter().filter(|s| neighbour.scopes.contains(&s.scope));
        let n: usize = specs.map(|spec| tables::routes_of(book, spec, &session.source)).sum();
        self.set_source(now, book, id, &session, &SourceState::Gone);
        n as u64
    }

    /// Asks for what was missed, at most once an interval a neighbour and scope.
    fn ask_missed(&mut self, now: Now) {
        let mut asks = Vec::new();
        for neighbour in self.neighbours.values_mut().filter(|n| n.session.is_some()) {
            let asked = &neighbour.asked;
            let may = |scope: &Scope| asked.get(scope).is_none_or(|a| a.again() <= now.mono);
            let due: Vec<Scope> = neighbour.missed.iter().filter(|s| may(s)).cloned().collect();
            for scope in due {
                neighbour.missed.remove(&scope);
                neighbour.asked.entry(scope.clone()).or_default().ask(now.mono);
                asks.push((neighbour.id.clone(), scope));
            }
        }
        for (neighbour, scope) in asks {
            self.ask_refresh(&neighbour, &scope);
        }
    }
}
