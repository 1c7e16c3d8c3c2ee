//! The table: candidates of destinations, the facts about each, and the ranked list of the rest.
//!
//! # What it is
//!
//! Destinations lie in one chunked vector; a sharded hash table of 32-bit ids finds them; the
//! first candidate lies in its destination, further ones in a slab, in the order of rank. Sources,
//! next hops, attribute sets and path ids are each kept once and named by id. That is the layout
//! that measured best (69 bytes a route where a map of vectors costs 135 to 180); a trie inside
//! the update path was rejected, since it costs 42 bytes a route and six times BIRD's withdrawal.
//!
//! # How updates interleave, and why that is safe
//!
//! An update (advertise, withdraw, a decision, a verdict) writes facts and *marks* the
//! destination. [`Table::commit`] ranks each marked destination once, however many updates came,
//! and says what changed. Between two commits `selected` answers what the last one decided: a
//! candidate that came since is not shown, one that left still is, so readers and outlets always
//! agree with the events.
//!
//! What concerns many routes flips one state: the source's, the next hop's, the policy's. A
//! *walk* ([`Table::work`]) then marks the routes in slices. Standing is derived from the flipped
//! state, so a destination that is committed before the walk reaches it is already right; the walk
//! only brings the rest. What runs import again (a decision on a whole source, other facts about
//! it) is the exception: it reaches a route with the walk, not before. One walk runs at a time and keeps its place by ids that are checked when
//! used, so any other call may come between two slices. Walks are queued once a source or next
//! hop, so the queue is bounded by their number.
//!
//! Members of a (source, next hop) group are ids that may be stale: a withdrawal leaves its own.
//! Each pass of a walk takes the group's ids out and puts back those that live, once each (a bit
//! of the candidate says which pass saw it last), which compacts the group on the way.
//!
//! A freed destination's id is reused only after the commit that told of its end. Leases and
//! timers are hints that are checked when they fire.
//!
//! # What is recorded
//!
//! The first announcement of a route is told from the route itself. A route that stands alone and
//! is barred or freed by its source, next hop or policy is told from that one event and the
//! route's own standing. Everything else that happens to a best route is an event of its own.

mod candidate;
mod changes;
mod claims;
mod commit;
mod decisions;
mod evaluate;
mod explain;
mod heard;
mod hops;
mod lookup;
mod notes;
mod rank;
mod read;
mod record;
mod reload;
mod said;
mod sources;
mod stability;
mod standing;
mod state;
mod time;
mod views;
mod walk;

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use rutter_route::{
    Attributes, ClusterId, Criterion, Destination, Event, EventNumber, Now, PathId, RouteKey,
    TableName, Wall,
};

use crate::parts::index::Index;
use crate::parts::intern::Interner;
use crate::parts::marks::Marks;
use crate::parts::ring::Ring;
use crate::parts::slots::Slots;
use crate::parts::wheel::{NEVER, Tick, Wheel};
use crate::policy::{Policy, PolicyError};

use candidate::{Candidate, Dest, Extra, Place};
use decisions::Decisions;
use hops::Hops;
use sources::{Group, Sources};
use views::View;

pub use changes::{Asks, Change, Changes};
pub use decisions::Decided;
pub use heard::Heard;
pub use read::{Counts, Match as LongestMatch, Page, Selected, SelectedRoute, Tallied, Tally};
pub use reload::{Cursor, PolicyEffect};
pub use views::{TooMany, ViewId, ViewSpec};

/// Milliseconds of a tick.
const TICK_MS: u64 = 100;

/// Whether a call did all there was, or was stopped by its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left.
    Done,
    /// Call again.
    More,
}

impl Progress {
    /// Whether nothing is left.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }

    /// More, if either has more.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.is_done() { other } else { Self::More }
    }
}

/// What the interner keeps beside an attribute set.
#[derive(Debug)]
struct SetInfo {
    hop: u32,
}

/// What is to be looked at again at some time.
#[derive(Debug, Clone, Copy)]
enum Timer {
    /// A source's lease, or its time as stale.
    Source(u32),
    /// A hold, a verdict's end: the destination is looked at.
    Destination(u32),
    /// A nominated incumbent's time ends.
    Nominated(u16, u32),
    /// What is remembered of flaps is looked through.
    Calm,
}

/// A walk over many routes.
#[derive(Debug, Clone, Copy)]
enum Walk {
    /// All routes of a source.
    Source { ix: u32, group: usize },
    /// All routes over a next hop.
    Hop { ix: u32, group: usize },
    /// Every destination, since a view came or changed.
    All { next: u32 },
    /// Every destination, to make the lease wheel anew.
    Leases { next: u32 },
}

/// The routes of one kind and scope. See the module's head.
#[derive(Debug)]
pub struct Table<D> {
    name: TableName,
    /// This cluster, for the path list.
    cluster: ClusterId,
    started: Now,

    policy: Policy,
    criteria: Vec<Criterion>,
    policy_event: u64,
    /// The reload under way changes what is unreachable.
    fall_through_changes: bool,
    /// How far a reload has come.
    reload: Option<u32>,

    index: Index,
    dests: Slots<Dest<D>>,
    /// Ids whose destinations ended and that are still in the index.
    husks: Marks,
    extras: Slots<Extra>,
    sets: Interner<Attributes, SetInfo>,
    paths: Interner<PathId>,

    sources: Sources,
    groups: Slots<Group>,
    group_of: HashMap<(u32, u32), u32, foldhash::fast::FixedState>,
    /// Groups that had no route at some time since walks were last done.
    idle_groups: Vec<u32>,
    hops: Hops,

    marks: Marks,
    /// Marks of a reload that is under way.
    deferred: Marks,
    /// Where the next commit goes on.
    commit_at: u32,
    walks: VecDeque<Walk>,
    leases: Wheel<u32>,
    /// The lease wheel before, while a walk makes it anew.
    worn_leases: Option<Wheel<u32>>,
    timers: Wheel<Timer>,
    /// When each destination that waits for a hold's or a verdict's end is looked at.
    wakes: HashMap<u32, Tick, foldhash::fast::FixedState>,

    ring: Ring<D>,
    /// Keys of routes that events name.
    told: Interner<RouteKey>,
    /// (source, next hop, group) of the last: sources repeat themselves.
    last_group: (u32, u32, u32),
    /// (source, path id, key) of the last two: a flood of moves is from one source to another.
    last_told: [Option<(u32, u32, u32)>; 2],
    decisions: Decisions<D>,
    verdicts: HashMap<(u32, u32, u32), Vec<sources::Verdict>, foldhash::fast::FixedState>,
    flaps: stability::Flaps<D>,
    views: Vec<View<D>>,
    asks: notes::Asked<D>,
    /// How many destinations there are of each length, by family: what longest match probes.
    lengths: Box<[[u32; 129]; 2]>,
    memo: Option<evaluate::Memo>,
    n_candidates: usize,
    scratch: Vec<rank::Ranked>,
}

impl<D: Destination> Table<D> {
    /// An empty table. `seed` seeds the hash tables: one that others don't know keeps them from
    /// choosing keys that collide; it never shows in what the table says.
    ///
    /// # Errors
    /// A policy that contradicts itself.
    pub fn new(
        name: TableName,
        cluster: ClusterId,
        policy: Policy,
        now: Now,
        seed: u64,
    ) -> Result<Self, PolicyError> {
        policy.check()?;
        let criteria = policy.criteria_for(D::KIND);
        let state = foldhash::fast::FixedState::with_seed(seed);
        let mut paths = Interner::new(seed);
        // The empty path id is nearly everyone's: it is 0, and stays.
        paths.intern(PathId::default(), |_| ());
        let mut told = Interner::new(seed);
        // A route's key in the ring is 0 for none; no source has this path id twice.
        told.intern(RouteKey { source: rutter_route::SourceId::node(0), path: no_path() }, |_| ());
        let sticks = policy.sticks(&criteria);
        let bounds = &policy.bounds;
        Ok(Self {
            name,
            cluster,
            started: now,
            policy_event: 0,
            fall_through_changes: false,
            reload: None,
            index: Index::new(seed),
            dests: Slots::new(),
            husks: Marks::default(),
            extras: Slots::new(),
            sets: Interner::new(seed),
            paths,
            sources: Sources::new(seed),
            groups: Slots::new(),
            group_of: HashMap::with_hasher(state.clone()),
            idle_groups: Vec::new(),
            hops: Hops::new(seed),
            marks: Marks::default(),
            deferred: Marks::default(),
            commit_at: 0,
            walks: VecDeque::new(),
            leases: Wheel::new(),
            worn_leases: None,
            timers: Wheel::new(),
            wakes: HashMap::with_hasher(state.clone()),
            ring: Ring::new(bounds.events, bounds.events_per_destination),
            told,
            last_group: (candidate::NONE, candidate::NONE, candidate::NONE),
            last_told: [None; 2],
            decisions: Decisions::new(seed),
            verdicts: HashMap::with_hasher(state.clone()),
            flaps: stability::Flaps::new(seed),
            views: vec![View::default_view(criteria.clone(), sticks, seed)],
            asks: notes::Asked::new(seed),
            lengths: Box::new([[0; 129]; 2]),
            memo: None,
            n_candidates: 0,
            scratch: Vec::new(),
            criteria,
            policy,
        })
    }

    /// Its name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// This cluster's name, as path lists give it.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The policy in force; stored routes follow it once [`Table::work`] is done.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn tick(&self, now: Now) -> Tick {
        let ms = now.mono.0.saturating_sub(self.started.mono.0);
        Tick::try_from(ms / TICK_MS).unwrap_or(NEVER - 1)
    }

    /// The first tick at which `in_` has passed: what ends then never ends early.
    fn tick_after(&self, now: Now, in_: Duration) -> Tick {
        let ms = now.mono.after(in_).0.saturating_sub(self.started.mono.0);
        Tick::try_from(ms.div_ceil(TICK_MS)).map_or(NEVER - 1, |tick| tick.min(NEVER - 1))
    }

    /// The wall's time of a tick, as it is reckoned now.
    fn wall_of(&self, now: Now, tick: Tick) -> Wall {
        let ago = u64::from(self.tick(now).saturating_sub(tick)) * TICK_MS;
        Wall(now.wall.0.saturating_sub(ago))
    }

    fn candidate(&self, place: Place) -> &Candidate {
        match place {
            Place::First(id) => &self.dests[id].first,
            Place::Extra(id) => &self.extras[id].candidate,
        }
    }

    fn candidate_mut(&mut self, place: Place) -> &mut Candidate {
        match place {
            Place::First(id) => &mut self.dests[id].first,
            Place::Extra(id) => &mut self.extras[id].candidate,
        }
    }

    /// The candidates of a destination in use, in the order of the last commit's ranking, those
    /// that came since behind.
    fn places(&self, id: u32) -> impl Iterator<Item = Place> + '_ {
        let dest = &self.dests[id];
        let first = (dest.n > 0).then_some(Place::First(id));
        let next = if dest.n > 0 { dest.next } else { candidate::NONE };
        let some = |at: u32| (at != candidate::NONE).then_some(at);
        first.into_iter().chain(
            std::iter::successors(some(next), move |at| some(self.extras[*at].next))
                .map(Place::Extra),
        )
    }

    #[inline]
    fn place_of(&self, id: u32, source: u32, path: u32) -> Option<Place> {
        let dest = &self.dests[id];
        if dest.n > 0 && dest.first.is(source, path) {
            return Some(Place::First(id));
        }
        if dest.n < 2 {
            return None;
        }
        self.places(id).find(|p| self.candidate(*p).is(source, path))
    }

    fn key_of(&self, candidate: &Candidate) -> RouteKey {
        RouteKey {
            source: self.sources[candidate.source].id.clone(),
            path: self.paths.get(candidate.path).clone(),
        }
    }

    /// The number of the newest event.
    pub fn last_event(&self) -> EventNumber {
        self.ring.last()
    }

    /// Events after a number, oldest first; `None` if some of them are lost, and the reader has to
    /// begin with what stands now.
    pub fn events_after(&self, number: EventNumber) -> Option<impl Iterator<Item = Event<D>>> {
        let slots = self.ring.after(number.0)?;
        Some(slots.filter_map(|(n, s)| self.event_of(n, s)))
    }
}

fn no_path() -> PathId {
    // `PathId` takes any text without control characters, so this parses.
    "(none)".parse().unwrap_or_default()
}

#[cfg(test)]
mod tests;
