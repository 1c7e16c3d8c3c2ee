//! What ends by itself.

use rutter_route::{Deadline, Destination, Left, Mono, Now, What};

use crate::parts::wheel::{NEVER, Tick, Wheel};

use super::sources::{Look, Phase, Verdict};
use super::{Progress, TICK_MS, Table, Timer};

impl<D: Destination> Table<D> {
    /// Ends what is due: leases, holds, verdicts, nominations. `budget` is in entries.
    pub fn expire(&mut self, now: Now, budget: usize) -> Progress {
        let tick = self.tick(now);
        let mut left = budget;
        while left > 0 {
            let worn = self.worn_leases.as_mut().and_then(|w| w.pop(tick));
            if let Some(id) = worn.or_else(|| self.leases.pop(tick)) {
                self.expire_leases(now, id);
            } else if let Some(timer) = self.timers.pop(tick) {
                self.fire(now, timer);
            } else {
                return Progress::Done;
            }
            left -= 1;
        }
        let due = |next: Option<u32>| next.is_some_and(|t| t <= tick);
        let worn = self.worn_leases.as_ref().and_then(Wheel::next);
        match due(worn) || due(self.leases.next()) || due(self.timers.next()) {
            true => Progress::More,
            false => Progress::Done,
        }
    }

    /// When `expire` is next worth calling: no later than the first real deadline.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let worn = self.worn_leases.as_ref().and_then(Wheel::next);
        let next = [worn, self.leases.next(), self.timers.next()].into_iter().flatten().min()?;
        Some(Deadline(Mono(self.started.mono.0 + u64::from(next) * TICK_MS)))
    }

    fn expire_leases(&mut self, now: Now, id: u32) {
        let tick = self.tick(now);
        if self.dests[id].n == 0 {
            return;
        }
        let mut first = NEVER;
        if self.dests[id].n == 1 {
            let candidate = &self.dests[id].first;
            match candidate.own_lease() {
                Some(lease) if lease <= tick => {
                    self.leave(now, id, super::Place::First(id), Left::LeaseEnded);
                }
                Some(lease) => first = lease,
                None => {}
            }
        } else {
            let places: Vec<_> = self.places(id).collect();
            for place in places {
                if self.candidate(place).own_lease().is_some_and(|lease| lease <= tick) {
                    self.leave(now, id, place, Left::LeaseEnded);
                }
            }
            first = self.first_lease(id);
        }
        self.leases.add(first, id);
    }

    /// Adds an entry to the lease wheel. Routes that come and go leave entries behind until their
    /// leases would have ended; where those are many, a walk makes the wheel anew from the routes
    /// that stand, so its size is bounded by theirs and not by how often they came.
    pub(super) fn add_lease(&mut self, at: Tick, id: u32) {
        self.leases.add(at, id);
        if self.leases.len() > 4 * self.n_candidates + (1 << 16) && self.worn_leases.is_none() {
            self.worn_leases = Some(std::mem::replace(&mut self.leases, Wheel::new()));
            self.walks.push_back(super::Walk::Leases { next: 0 });
        }
    }

    /// Goes on with making the lease wheel anew, and says where it has come to.
    pub(super) fn remake_leases(&mut self, from: u32, budget: usize) -> u32 {
        let span = self.dests.span();
        let end = span.min(from.saturating_add(u32::try_from(budget).unwrap_or(u32::MAX)));
        for id in from..end {
            if self.dests[id].n > 0 {
                let first = self.first_lease(id);
                self.leases.add(first, id);
            }
        }
        if end == span {
            self.worn_leases = None;
        }
        end
    }

    fn fire(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Source(ix) if self.sources.is_live(ix) => self.source_due(now, ix),
            Timer::Destination(id) if id < self.dests.span() => self.destination_due(now, id),
            Timer::Nominated(view, id) => self.end_nomination(now, view, id),
            Timer::Calm => self.calm_due(now),
            Timer::Source(_) | Timer::Destination(_) => {}
        }
    }

    /// Sets the timer of a source, unless one fires sooner: it looks, and sets the next.
    pub(super) fn schedule(&mut self, ix: u32, at: Tick) {
        let source = &mut self.sources[ix];
        if at < source.timer {
            source.timer = at;
            self.timers.add(at, Timer::Source(ix));
        }
    }

    fn source_due(&mut self, now: Now, ix: u32) {
        let tick = self.tick(now);
        if self.sources[ix].timer <= tick {
            self.sources[ix].timer = NEVER;
        }
        self.judge_source(now, ix);
        let source = &mut self.sources[ix];
        let judged = source.verdicts.iter().filter_map(Verdict::ends).min();
        let deadline = source.deadline;
        if let Some(judged) = judged {
            let at = self.tick_of(now, judged);
            self.schedule(ix, at);
        }
        if deadline > tick {
            self.schedule(ix, deadline);
            return;
        }
        let source = &mut self.sources[ix];
        // Routes with a lease of their own outlive the source's, but not its time as stale.
        let stale = source.phase == Phase::Stale;
        source.deadline = NEVER;
        source.refresh = source.refresh.wrapping_add(1);
        source.sweep(source.refresh, Left::LeaseEnded, !stale);
        let (state, why) = match stale {
            true => ("offline", "it did not come back in time"),
            false => ("expired", "its lease ended"),
        };
        if stale {
            source.phase = Phase::Offline;
            source.why = why.into();
        }
        let source = source.id.clone();
        let what = What::Source { source, state: state.into(), why: why.into() };
        self.sources[ix].event = self.record_wide(now, None, what);
        self.walk_source(ix, Look::default());
    }

    fn destination_due(&mut self, now: Now, id: u32) {
        let tick = self.tick(now);
        if self.wakes.get(&id).is_none_or(|at| *at > tick) {
            // One that a sooner timer overtook.
            return;
        }
        self.wakes.remove(&id);
        let places: Vec<_> = self.places(id).collect();
        for place in places {
            self.judge(now, id, place, "");
            if let Some(until) = self.judged_until(id, place) {
                self.look_again(now, id, until);
            }
            self.hold_if_flapping(now, id, place);
        }
    }
}
