//! Who of a group gets the next request, or the next stream.
//!
//! The table says who is as good as the best ([`Route::equal`]); among those of one group this
//! chooses. [`mode`] is the choice itself, pure; [`Balancer`] remembers what it needs from one
//! request to the next, and outlives every version of the routes; [`sticky`] is the cookie by which
//! a client stays.
//!
//! Invariants:
//! - who is known to be bad (its standing, the detector's word) is never chosen while a member is
//!   left of which that isn't known, and the members that are left share by their weights;
//! - a choice takes no lock and allocates nothing: it reads the members once or twice, and moves one
//!   count of the group's;
//! - a choice is only the first one: a member that fails is passed over by a further one, within
//!   what failover allows, and after the last member come the other routes by rank.
//!
//! Where all members are known to be bad they are tried all the same, as everywhere in this gateway
//! (the original answers 503 at once): what a probe says may be wrong, and an answer is better than
//! none. A group without a member is a service without a route, which is 503.
//!
//! **Slow start.** A member that comes back, or is new, has cold caches. With `slow_start` its weight
//! rises evenly from a tenth to its own in that time. With [`BalanceMode::IpHash`] it doesn't: each
//! step would send clients away from where they are.

mod mode;
mod sticky;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rutter_route::{BalanceMode, Mono, RouteKey};
use twox_hash::XxHash3_64;

pub(crate) use sticky::{cookie, member_of};

use crate::health::{Belief, HealthCell};
use crate::routes::{Load, Route, Routes};

/// Weights are counted in parts, so that a small one can rise in steps.
const PARTS: u64 = 256;

/// What is remembered of a group between two choices.
#[derive(Debug, Default)]
pub(crate) struct Balancer {
    /// How many first choices there were.
    firsts: AtomicU64,
    /// How many further ones. They count by themselves: if they took turns with the first ones,
    /// who is passed over would decide whose turn is next.
    furthers: AtomicU64,
}

/// For whom is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// The client's address, behind trusted proxies.
    pub(crate) client: IpAddr,
    /// The member that the client was told to stay with.
    pub(crate) sticks_to: Option<u64>,
    /// In what time a member that returns gets its whole weight; zero: at once.
    pub(crate) slow_start: Duration,
}

/// A member among whom is chosen.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// Its number in rank.
    number: usize,
    weight: u64,
    in_flight: u32,
    /// What tells it from the others, the same in every gateway and for ever.
    hash: u64,
}

impl Balancer {
    /// The number, in rank, of the member that gets the request. `passed_over` are those that had
    /// their chance. `None`: no member is left that isn't known to be bad.
    pub(crate) fn choose(
        &self,
        routes: &Routes,
        asker: Asker,
        now: Mono,
        passed_over: &[usize],
    ) -> Option<usize> {
        let options = routes.ranked.first()?.delivery.balance;
        let slow_start = match options.mode {
            BalanceMode::IpHash => Duration::ZERO,
            _ => asker.slow_start,
        };
        let members = routes.ranked.iter().enumerate().take_while(|(_, route)| route.equal);
        let candidates = members.filter_map(|(number, route)| {
            let weight = weight(route, now, slow_start)?;
            let in_flight = route.load.in_flight.load(Ordering::Relaxed);
            (!passed_over.contains(&number)).then(|| Candidate {
                number,
                weight,
                in_flight,
                hash: route.hash,
            })
        });
        if let Some(hash) = asker.sticks_to.filter(|_| options.is_sticky)
            && let Some(kept) = candidates.clone().find(|candidate| candidate.hash == hash)
        {
            return Some(kept.number);
        }
        let turns = if passed_over.is_empty() { &self.firsts } else { &self.furthers };
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        mode::choose(options.mode, turn, asker.client, candidates).map(|chosen| chosen.number)
    }
}

/// What tells a member from all others of its group: GoDoxy's form, by a key that is ours.
pub(crate) fn hash_of(key: &RouteKey) -> u64 {
    XxHash3_64::oneshot(key.to_string().as_bytes())
}

/// The weight that a route has now, in parts; `None`: it is known to be bad.
fn weight(route: &Route, now: Mono, slow_start: Duration) -> Option<u64> {
    let whole = u64::from(route.weight.max(1)) * PARTS;
    if is_out(&route.health, now) {
        if !slow_start.is_zero() {
            route.load.recovery.is_out();
        }
        return None;
    }
    if slow_start.is_zero() {
        return Some(whole);
    }
    let returned = route.load.recovery.is_in(now);
    let (since, all) = (now.since(returned).as_millis() as u64, slow_start.as_millis() as u64);
    let risen = whole.saturating_mul(since.min(all)) / all.max(1);
    Some(risen.max(whole / 10))
}

fn is_out(cell: &HealthCell, now: Mono) -> bool {
    cell.belief(now) == Belief::Unhealthy
}

/// Since when a member has been there, as far as choices have seen.
#[derive(Debug)]
pub(crate) struct Recovery {
    is_out: AtomicBool,
    /// In milliseconds.
    returned: AtomicU64,
}

impl Default for Recovery {
    /// A member that is new begins as one that returns.
    fn default() -> Self {
        Self { is_out: AtomicBool::new(true), returned: AtomicU64::new(0) }
    }
}

impl Recovery {
    /// It is out. Written once: every choice comes by here.
    pub(crate) fn is_out(&self) {
        if !self.is_out.load(Ordering::Relaxed) {
            self.is_out.store(true, Ordering::Relaxed);
        }
    }

    /// It is in; since when.
    fn is_in(&self, now: Mono) -> Mono {
        let was_out = self.is_out.load(Ordering::Relaxed);
        if was_out && self.is_out.swap(false, Ordering::Relaxed) {
            self.returned.store(now.0, Ordering::Relaxed);
        }
        Mono(self.returned.load(Ordering::Relaxed))
    }
}

/// Something that a member of a group has to do, until it is dropped. Only what is balanced is
/// counted: the count of a route that everybody uses would be a cache line that every worker writes
/// to.
#[derive(Debug)]
pub(crate) struct UnderWay(std::sync::Arc<Load>);

impl UnderWay {
    /// Counts one more; `None`: the route is in no group.
    pub(crate) fn of(route: &Route) -> Option<Self> {
        route.group.as_ref()?;
        route.load.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Self(route.load.clone()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
