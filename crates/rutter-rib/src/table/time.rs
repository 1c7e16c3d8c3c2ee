//! What ends by itself.

use rutter_route::{Deadline, Destination, Left, Mono, Now, What};

use crate::parts::wheel::NEVER;

use super::sources::{Look, Phase};
use super::{Progress, TICK_MS, Table, Timer};

impl<D: Destination> Table<D> {
    /// Ends what is due: leases, holds, verdicts, nominations. `budget` is in entries.
    pub fn expire(&mut self, now: Now, budget: usize) -> Progress {
        let tick = self.tick(now);
        let mut left = budget;
        while left > 0 {
            if let Some(id) = self.leases.pop(tick) {
                self.expire_leases(now, id);
            } else if let Some(timer) = self.timers.pop(tick) {
                self.fire(now, timer);
            } else {
                return Progress::Done;
            }
            left -= 1;
        }
        let due = |next: Option<u32>| next.is_some_and(|t| t <= tick);
        match due(self.leases.next()) || due(self.timers.next()) {
            true => Progress::More,
            false => Progress::Done,
        }
    }

    /// When `expire` is next worth calling: no later than the first real deadline.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let next = [self.leases.next(), self.timers.next()].into_iter().flatten().min()?;
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

    fn fire(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Source(ix) if self.sources.is_live(ix) => self.source_due(now, ix),
            Timer::Destination(id) if id < self.dests.span() => self.destination_due(now, id),
            Timer::Nominated(view, id) => self.end_nomination(now, view, id),
            Timer::Source(_) | Timer::Destination(_) => {}
        }
    }

    fn source_due(&mut self, now: Now, ix: u32) {
        let tick = self.tick(now);
        self.judge_source(now, ix);
        let source = &mut self.sources[ix];
        if source.deadline == NEVER {
            return;
        }
        if source.deadline > tick {
            let deadline = source.deadline;
            self.timers.add(deadline, Timer::Source(ix));
            return;
        }
        // Routes with a lease of their own outlive the source's, but not its time as stale.
        let stale = source.phase == Phase::Stale;
        source.deadline = NEVER;
        source.refresh = source.refresh.wrapping_add(1);
        source.sweep(Left::LeaseEnded, !stale);
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
        let places: Vec<_> = self.places(id).collect();
        for place in places {
            self.judge(now, id, place, "");
            self.hold_if_flapping(now, id, place);
        }
    }
}
