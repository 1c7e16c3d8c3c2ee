//! What is there, as a listing shows it.

use rutter_route::Prefix;
use smallvec::SmallVec;

use super::{Entry, Fib, Foreign, Held, Map, To};
use crate::wire::{ObjectRow, RouteRow};

/// How what was found differs from what was known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Drift {
    /// Ours, and gone.
    pub(crate) missing: usize,
    /// Ours, and changed.
    pub(crate) changed: usize,
    /// Ours by number, and unknown: a predecessor's, or put by another hand.
    pub(crate) unknown: usize,
}

impl Drift {
    /// What someone else has done to ours.
    pub(crate) fn n(&self) -> usize {
        self.missing + self.changed
    }
}

#[derive(Default)]
struct Found {
    held: SmallVec<[Held; 1]>,
    foreign: Vec<Foreign>,
}

impl Fib {
    /// What is there: all routes of the table and all next-hop objects. It replaces what was
    /// known; what isn't as it is wanted is looked at.
    pub(crate) fn found(
        &mut self,
        protocol: u8,
        routes: Vec<RouteRow>,
        objects: &[ObjectRow],
    ) -> Drift {
        self.objects.found(objects, protocol);
        self.seen.append(&mut self.doubted);
        self.seen.retain(|id| self.objects.has(*id));
        // What was under way ends here: it starts anew from what is there.
        self.needed.clear();
        self.moves.clear();
        self.waiting.clear();
        self.queue.clear();
        self.fresh.clear();
        let mut found: Map<Prefix, Found> = Map::default();
        for route in routes {
            self.sort_in(&mut found, protocol, route);
        }
        self.n_held = found.values().map(|found| found.held.len()).sum();
        let mut drift = Drift::default();
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|prefix, entry| {
            let mut found = found.remove(prefix).unwrap_or_default();
            entry.queued = false;
            drift.add(entry, &found);
            found.held.sort_by_key(|held| held.priority);
            if entry.foreign != found.foreign {
                entry.given_up = false;
            }
            // Who put another route where one of his was displaced meant the new one.
            let found_at = |priority| found.foreign.iter().any(|f| f.priority == priority);
            entry.displaced.retain(|other| !found_at(other.priority));
            (entry.held, entry.foreign) = (found.held, found.foreign);
            !entry.is_empty()
        });
        for (prefix, found) in found {
            drift.unknown += found.held.len();
            let left_over = !found.held.is_empty();
            let Found { held, foreign } = found;
            entries.insert(prefix, Entry { held, foreign, left_over, ..Entry::default() });
        }
        self.entries = entries;
        self.try_hops();
        self.mark_all(|entry| {
            entry.wanted.is_some() || !entry.held.is_empty() || !entry.displaced.is_empty()
        });
        drift
    }

    fn sort_in(&mut self, found: &mut Map<Prefix, Found>, protocol: u8, route: RouteRow) {
        let ours = route.protocol == protocol && !route.special;
        if let To::Object(id) = route.to {
            if ours { self.objects.name(id) } else { self.objects.name_by_other(id) }
        }
        if route.special {
            return;
        }
        let of = found.entry(route.prefix).or_default();
        if !ours {
            let RouteRow { priority, protocol, again, .. } = route;
            of.foreign.push(Foreign { priority, protocol, again });
        } else if of.held.iter().all(|held| held.priority != route.priority) {
            of.held.push(Held { priority: route.priority, to: route.to });
        } else {
            // A second one of one key, which is never used and can't be ours: only an append
            // makes it. It is seen when the first is gone.
            tracing::debug!(prefix = %route.prefix, "two routes of one key");
        }
    }
}

impl Drift {
    fn add(&mut self, entry: &Entry, found: &Found) {
        for held in &entry.held {
            match found.held.iter().find(|found| found.priority == held.priority) {
                None => self.missing += 1,
                Some(found) if !is_same(&held.to, &found.to) => self.changed += 1,
                Some(_) => {}
            }
        }
        let known = |found: &&Held| entry.held.iter().any(|h| h.priority == found.priority);
        self.unknown += found.held.iter().filter(|found| !known(found)).count();
    }
}

/// As asked for and as listed: the kernel adds what it chose itself.
fn is_same(asked: &To, found: &To) -> bool {
    match (asked, found) {
        (To::Hops(asked), To::Hops(found)) => {
            asked.len() == found.len()
                && asked.iter().zip(found.iter()).all(|(asked, found)| asked.is_met_by(found))
        }
        (asked, found) => asked == found,
    }
}
