//! Who is asked when, and whose turns are still to be told. Pure: time is an argument.
//!
//! Each route is asked at once, again after a jitter of up to 9 seconds (less if its interval is
//! shorter), and then each interval: so routes that come together aren't asked together for ever.
//! A queue holds all times, one entry a route at most, so its room is in proportion to routes
//! whatever comes and goes. Routes that are due when all places are taken wait in the order of
//! their times; who waited isn't asked twice for it. Whoever was slow to answer stands in a queue
//! apart, which gets half of the places at most: a thousand hosts that swallow what they are asked
//! must not keep the others from being asked.
//!
//! Turns are kept a route, not an event: whoever is slow to hear is told the last one, and there
//! are never more of them than routes. What is watched is bounded by who says so, the catalogue.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use rutter_route::{Mono, Now};

use crate::Route;
use crate::registry::EntryKey;

use super::rings::{History, Period, Rings};
use super::state::{Answer, State};
use super::{HealthCell, HealthStatus, Seen, Turned};

/// Who took so long to answer is slow.
const SLOW: Duration = Duration::from_millis(500);

/// The longest jitter.
const MOST_JITTER: Duration = Duration::from_secs(9);

/// One stretch of watching one route; who is watched anew by another target gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WatchId(u64);

/// Who is asked next when, the first first.
type Queue = BTreeSet<(Mono, WatchId)>;

/// Somebody who is to be asked.
#[derive(Debug)]
pub(super) struct ToAsk {
    pub(super) id: WatchId,
    pub(super) route: Arc<Route>,
    /// Whether it was slow to answer.
    pub(super) is_slow: bool,
}

/// All that is watched.
#[derive(Debug)]
pub(super) struct Schedule {
    by_key: HashMap<EntryKey, WatchId, RandomState>,
    watched: HashMap<WatchId, Watched, RandomState>,
    due: Queue,
    due_slow: Queue,
    turned: BTreeSet<WatchId>,
    n_watches: u64,
    turns_at_once: bool,
    seed: u64,
}

#[derive(Debug)]
struct Watched {
    key: EntryKey,
    route: Arc<Route>,
    cell: Arc<HealthCell>,
    state: State,
    rings: Rings,
    phase: Phase,
    n_asked: u32,
    /// The status that was told last.
    told: HealthStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is asked next at that time; or, while an engine has the word, its cell is refreshed.
    Due(Mono),
    /// It is being asked since then.
    Asked(Mono),
    /// Nobody asks it.
    Resting,
}

impl Schedule {
    pub(super) fn new(turns_at_once: bool, seed: u64) -> Self {
        Self {
            by_key: HashMap::default(),
            watched: HashMap::default(),
            due: Queue::new(),
            due_slow: Queue::new(),
            turned: BTreeSet::new(),
            n_watches: 0,
            turns_at_once,
            seed,
        }
    }

    /// Watches a route from now on, or by its new settings.
    pub(super) fn watch(
        &mut self,
        key: &EntryKey,
        route: &Arc<Route>,
        now: Now,
    ) -> Arc<HealthCell> {
        let known = self.by_key.get(key).copied();
        if let Some(id) = known
            && let Some(watched) = self.watched.get_mut(&id)
            && is_asked_alike(&watched.route, route)
        {
            let is_same = watched.route.health == route.health;
            watched.route = route.clone();
            let cell = watched.cell.clone();
            if !is_same {
                self.set_off(id, now);
            }
            return cell;
        }
        let old = known.and_then(|id| self.remove(id));
        let id = WatchId(self.n_watches);
        self.n_watches += 1;
        let mut watched = Watched::new(key.clone(), route.clone(), now);
        if let Some(old) = old {
            // How it was is its own history still; what an engine says is of its container, which
            // is part of the key.
            watched.cell = old.cell;
            watched.rings = old.rings;
            watched.told = old.told;
            if old.state.is_engines() {
                watched.state = old.state;
            }
        }
        let cell = watched.cell.clone();
        self.by_key.insert(key.clone(), id);
        self.watched.insert(id, watched);
        self.publish(id, now);
        self.set_off(id, now);
        cell
    }

    /// Watches it no longer.
    pub(super) fn forget(&mut self, key: &EntryKey) {
        if let Some(watched) = self.by_key.remove(key).and_then(|id| self.remove(id)) {
            watched.cell.set(Seen::default());
        }
    }

    /// What its container's engine says. Of a route that isn't watched nothing is kept.
    pub(super) fn engine_says(&mut self, key: &EntryKey, health: Option<Seen>, now: Now) {
        let Some(&id) = self.by_key.get(key) else { return };
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let was_engines = watched.state.is_engines();
        if health.is_none() && !was_engines {
            return;
        }
        watched.state.engine_says(health, now);
        let is_handed_back = was_engines && !watched.state.is_engines();
        if is_handed_back {
            // Who has the word again asks at once.
            watched.n_asked = 0;
        }
        self.publish(id, now);
        self.set_off(id, now);
    }

    /// The next that is to be asked now, if one is due; of the slow ones only if there is a place
    /// for one. Its answer is waited for without end: whoever asks must answer, or forget it.
    pub(super) fn take_due(&mut self, takes_slow: bool, now: Now) -> Option<ToAsk> {
        loop {
            let (due, id) = self.first(takes_slow)?;
            if due > now.mono {
                return None;
            }
            let is_slow = !self.due.remove(&(due, id));
            self.due_slow.remove(&(due, id));
            let watched = self.watched.get_mut(&id)?;
            if watched.state.is_engines() {
                let next = now.mono.after(watched.interval());
                self.set_due(id, next);
                self.publish(id, now);
                continue;
            }
            watched.phase = Phase::Asked(now.mono);
            return Some(ToAsk { id, route: watched.route.clone(), is_slow });
        }
    }

    /// When the next is due, of the slow ones only if there is a place for one.
    pub(super) fn next_due(&self, takes_slow: bool) -> Option<Mono> {
        self.first(takes_slow).map(|(due, _)| due)
    }

    fn first(&self, takes_slow: bool) -> Option<(Mono, WatchId)> {
        let slow = self.due_slow.first().filter(|_| takes_slow);
        self.due.first().into_iter().chain(slow).min().copied()
    }

    /// What came of asking. An answer of who is asked otherwise by now, or not at all, is none.
    pub(super) fn answered(&mut self, id: WatchId, answer: Answer, now: Now) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let Phase::Asked(begun) = watched.phase else { return };
        let failures = match self.turns_at_once {
            true => 1,
            false => watched.route.health.failures(),
        };
        watched.state.probed(answer, failures, now);
        let wait = match watched.n_asked {
            0 => jitter(self.seed, id, watched.interval()),
            _ => watched.interval(),
        };
        watched.n_asked = watched.n_asked.saturating_add(1);
        self.publish(id, now);
        self.set_due(id, begun.after(wait).max(now.mono));
    }

    /// Whether there are turns to be told.
    pub(super) fn has_turned(&self) -> bool {
        !self.turned.is_empty()
    }

    /// The next turn that is to be told.
    pub(super) fn next_turned(&mut self, now: Now) -> Option<Turned> {
        while let Some(id) = self.turned.pop_first() {
            let Some(watched) = self.watched.get_mut(&id) else { continue };
            if watched.told != watched.state.status() {
                watched.told = watched.state.status();
                return Some(Turned { key: watched.key.clone(), to: watched.state.seen(now) });
            }
        }
        None
    }

    /// Nobody hears of turns any more.
    pub(super) fn forget_turns(&mut self) {
        self.turned.clear();
    }

    /// How a route was over a period.
    pub(super) fn history(&mut self, key: &EntryKey, period: Period, now: Now) -> Option<History> {
        let id = self.by_key.get(key)?;
        Some(self.watched.get_mut(id)?.rings.history(period, now))
    }

    /// How many are watched.
    pub(super) fn len(&self) -> usize {
        self.watched.len()
    }

    /// Sets when it is asked, as its settings and its engine have it now.
    fn set_off(&mut self, id: WatchId, now: Now) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let is_engines = watched.state.is_engines();
        if !watched.is_asked() && !is_engines {
            if let Phase::Due(due) = watched.phase {
                self.due.remove(&(due, id));
                self.due_slow.remove(&(due, id));
            }
            watched.phase = Phase::Resting;
            watched.n_asked = 0;
            watched.state.rest(now);
            return self.publish(id, now);
        }
        let latest = now.mono.after(watched.interval());
        match watched.phase {
            // Its answer sets the next time.
            Phase::Asked(_) => {}
            Phase::Due(due) if watched.n_asked > 0 || is_engines => {
                self.set_due(id, due.min(latest));
            }
            Phase::Due(_) | Phase::Resting => self.set_due(id, now.mono),
        }
    }

    fn set_due(&mut self, id: WatchId, at: Mono) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        if let Phase::Due(before) = watched.phase {
            self.due.remove(&(before, id));
            self.due_slow.remove(&(before, id));
        }
        watched.phase = Phase::Due(at);
        match watched.state.latency() >= SLOW {
            true => self.due_slow.insert((at, id)),
            false => self.due.insert((at, id)),
        };
    }

    /// Shows what is known, and notes a turn.
    fn publish(&mut self, id: WatchId, now: Now) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let seen = watched.state.seen(now);
        watched.rings.note(seen.status, watched.state.latency(), now.mono);
        if seen.status != watched.told {
            self.turned.insert(id);
        }
        watched.cell.set(seen);
    }

    fn remove(&mut self, id: WatchId) -> Option<Watched> {
        let watched = self.watched.remove(&id)?;
        if let Phase::Due(due) = watched.phase {
            self.due.remove(&(due, id));
            self.due_slow.remove(&(due, id));
        }
        self.turned.remove(&id);
        Some(watched)
    }
}

impl Watched {
    fn new(key: EntryKey, route: Arc<Route>, now: Now) -> Self {
        Self {
            key,
            route,
            cell: Arc::default(),
            state: State::new(now),
            rings: Rings::new(now.mono),
            phase: Phase::Resting,
            n_asked: 0,
            told: HealthStatus::Unknown,
        }
    }

    /// Whether anybody asks it at all: nobody does where it can't be told whom to ask.
    fn is_asked(&self) -> bool {
        !self.route.health.is_disabled && self.route.unresolved.is_none()
    }

    /// A loop without waiting would come of zero.
    fn interval(&self) -> Duration {
        self.route.health.interval.max(Duration::from_millis(1))
    }
}

/// Whether an answer of one is one of the other.
fn is_asked_alike(a: &Route, b: &Route) -> bool {
    a.target == b.target
        && a.unresolved.is_some() == b.unresolved.is_some()
        && a.health.path == b.health.path
        && a.health.use_get == b.health.use_get
}

/// Up to [`MOST_JITTER`] and the interval, by lot of a seed (splitmix64).
fn jitter(seed: u64, id: WatchId, interval: Duration) -> Duration {
    let mut lot = seed.wrapping_add(id.0.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    lot ^= lot >> 31;
    let most = u64::try_from(interval.min(MOST_JITTER).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(lot % most.saturating_add(1))
}
