//! Routes that move together: an object that becomes another, instead of each of its routes.

use rutter_route::Prefix;

use super::{Desired, Fib, Map, Request, To, Wanted};
use crate::hop::KernelHops;

/// Fewer than these move one by one: their object's hops may have one already, and objects that
/// say the same don't pile up.
pub(super) const MIN_TOGETHER: usize = 8;

/// The same where a change of an object has the kernel tell of each of its routes
/// (`nexthop_compat_mode`): that takes it some 4 ms a change, in which it takes as many routes one by
/// one.
const MIN_TOGETHER_TOLD: usize = 500;

/// Routes that move together.
#[derive(Debug)]
pub(super) struct Move {
    /// The object that all of them name.
    id: u32,
    /// What it becomes.
    hops: KernelHops,
    prefixes: Vec<Prefix>,
}

/// What becomes of the routes of one object.
#[derive(Default)]
struct Tally {
    /// Routes that are looked at.
    n: usize,
    /// Those that move, by where.
    to: Map<KernelHops, Vec<Prefix>>,
}

impl Fib {
    /// Whether a change of an object has the kernel tell of each of its routes.
    pub(crate) fn tells_of_each_route(&mut self, tells: bool) {
        self.min_together = if tells { MIN_TOGETHER_TOLD } else { MIN_TOGETHER };
    }

    /// Sorts out who moves together from what was marked. It is one walk over what was marked,
    /// however many batches follow.
    pub(super) fn survey(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        if !self.objects.is_on() || fresh.len() < self.min_together {
            self.queue.extend(fresh);
            return;
        }
        let mut tallies: Map<u32, Tally> = Map::default();
        for prefix in fresh {
            let moved = self.movement(&prefix);
            match self.object_named_by(&prefix) {
                None => self.queue.push_back(prefix),
                Some(id) => {
                    let tally = tallies.entry(id).or_default();
                    tally.n += 1;
                    match moved {
                        Some(hops) => tally.to.entry(hops).or_default().push(prefix),
                        None => self.queue.push_back(prefix),
                    }
                }
            }
        }
        for (id, tally) in tallies {
            let together = tally.n == self.objects.n_routes(id) && self.objects.may_change(id);
            let most = tally.to.iter().max_by_key(|(_, prefixes)| prefixes.len());
            let most = most.filter(|(_, p)| together && p.len() >= self.min_together);
            let most = most.map(|(hops, _)| hops.clone());
            for (hops, prefixes) in tally.to {
                if most.as_ref() == Some(&hops) {
                    self.moves.push(Move { id, hops, prefixes });
                } else {
                    self.queue.extend(prefixes);
                }
            }
        }
    }

    /// The object of the sole route of a prefix.
    fn object_named_by(&self, prefix: &Prefix) -> Option<u32> {
        match self.entries.get(prefix)?.held.as_slice() {
            [held] => match held.to {
                To::Object(id) => Some(id),
                _ => None,
            },
            _ => None,
        }
    }

    /// The one hop to which a prefix moves, with nothing else changed.
    fn movement(&mut self, prefix: &Prefix) -> Option<KernelHops> {
        let entry = self.entries.get(prefix)?;
        let wanted = entry.wanted.clone()?;
        let Wanted { target, priority } = wanted;
        let [held] = entry.held.as_slice() else { return None };
        let in_the_way = entry.foreign.iter().any(|other| other.priority == priority);
        if held.priority != priority || in_the_way || entry.given_up {
            return None;
        }
        let desired = self.desired(&target, prefix.is_v4()).ok()?;
        let held = self.entries.get(prefix)?.held.first()?;
        let To::Object(id) = held.to else { return None };
        let before = self.objects.hops_of(id)?;
        match desired {
            // Within a family: the other one's routes might be of those that name it.
            Desired::Object(hops) => match (before.as_ref(), hops.as_ref()) {
                ([from], [to]) if from != to && from.v6 == to.v6 => Some(hops),
                _ => None,
            },
            Desired::Route(_) => None,
        }
    }

    /// Asks for the moves for which the others have made way. One that can't be any more, because
    /// one of its routes stayed or, where they `waited`, is wanted otherwise by now, is given up: its
    /// routes are queued.
    pub(super) fn next_move(&mut self, room: usize, waited: bool) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < room
            && let Some(moved) = self.moves.pop()
        {
            let alone = moved.prefixes.len() == self.objects.n_routes(moved.id)
                && self.objects.may_change(moved.id);
            let still = |fib: &mut Self, prefix: &Prefix| {
                fib.object_named_by(prefix) == Some(moved.id)
                    && fib.movement(prefix).as_ref() == Some(&moved.hops)
            };
            // What was sorted out in this very call is as it was: nothing was asked or told since.
            let possible =
                alone && (!waited || moved.prefixes.iter().all(|prefix| still(self, prefix)));
            let object = self.objects.object_of(&moved.hops);
            match object {
                Ok(object) if possible => {
                    requests.push(Request::PutObject { id: moved.id, object, replace: true });
                    // They are looked at once more when it is done: accepted, or told why not.
                    self.waiting.extend(moved.prefixes);
                }
                _ => self.queue.extend(moved.prefixes),
            }
        }
        requests
    }
}
