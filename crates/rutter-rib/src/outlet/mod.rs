//! What one sink was told, and what it must still be told.
//!
//! # Level-triggered
//!
//! An outlet keeps, per destination, the version that the sink was last told and whether it may be
//! out of date. Changes only mark; [`Outlet::next`] looks at the table as it is and yields what
//! makes the sink true, so later overwrites earlier and a slow sink costs no memory beyond one
//! entry a destination. Nothing is lost by cutting a sink off: what it was told is known.
//!
//! ```text
//!   commit ──note──▶ marked ──next──▶ told      (withdrawals and first routes at once)
//!                      ▲  └──paced──▶ waits ──┐
//!                      └──── refused: retry ◀─┘
//! ```
//!
//! # Numbers and resuming
//!
//! Each advertisement and withdrawal has a number. A sink that was cut off says the last it heard;
//! if all since then is remembered (a bounded window), those destinations are told again, else
//! everything is, as a snapshot: the sink drops what isn't mentioned until its end.
//!
//! # Split horizon
//!
//! Nothing goes back to the source it came from: with depth `Best` a best of the sink's own means
//! that there is nothing to tell, not that the next best is told.

mod onlooker;
mod pace;
mod version;

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use rutter_route::{
    Attributes, Deadline, Destination, Mono, Now, RouteKey, SinkExplanation, SourceId, Standing,
};

use crate::policy::{Rules, Subject};
use crate::table::{Change, Changes, SelectedRoute, Table, ViewId};

pub use onlooker::{Difference, Onlooker};
use pace::Waiting;
pub use version::Version;

/// How much of a ranked list a sink asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The best.
    Best,
    /// The best and its equals.
    Equals,
    /// The first so many.
    First(usize),
    /// All.
    All,
}

/// What a sink wants to hear, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutletSpec {
    /// The sink's name, for `explain`.
    pub sink: String,
    /// As which view sees the table.
    pub view: ViewId,
    /// How much of each list.
    pub depth: Depth,
    /// What may leave, and what becomes of it.
    pub export: Rules,
    /// The source that the sink is itself: its own routes don't go back.
    pub split_horizon: Option<SourceId>,
    /// The least time between two advertisements of one destination, and between its withdrawal and
    /// the next; zero: none. Withdrawals and first advertisements never wait.
    pub pacing: Duration,
    /// Whether the sink hears that a destination is unreachable, as an advertisement without
    /// routes, instead of a withdrawal.
    pub unreachable: bool,
    /// How many of the last numbers can be resumed after.
    pub window: usize,
}

impl OutletSpec {
    /// A sink that hears everything as the default view sees it, at once.
    pub fn all(sink: impl Into<String>) -> Self {
        Self {
            sink: sink.into(),
            view: ViewId::DEFAULT,
            depth: Depth::All,
            export: Rules::default(),
            split_horizon: None,
            pacing: Duration::ZERO,
            unreachable: false,
            window: 16_384,
        }
    }

    /// As [`OutletSpec::all`], but only the best.
    pub fn best(sink: impl Into<String>) -> Self {
        Self { depth: Depth::Best, ..Self::all(sink) }
    }
}

/// One route as a sink hears it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ToldRoute {
    /// Whose, and which of its routes.
    #[serde(flatten)]
    pub route: RouteKey,
    /// What counts, after export policy.
    pub attributes: Attributes,
    /// How it stands: eligible or impaired.
    pub standing: Standing,
    /// Whether it is the best or as good.
    pub equal: bool,
}

/// What makes a sink true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell<D> {
    /// From now on the destination is reached by these, best first. Without any, it is
    /// unreachable.
    Advertise {
        /// The number.
        number: u64,
        /// The destination.
        destination: D,
        /// Its routes.
        routes: Vec<ToldRoute>,
    },
    /// The destination isn't reached any more.
    Withdraw {
        /// The number.
        number: u64,
        /// The destination.
        destination: D,
    },
}

impl<D> Tell<D> {
    /// Its number.
    pub fn number(&self) -> u64 {
        match self {
            Self::Advertise { number, .. } | Self::Withdraw { number, .. } => *number,
        }
    }

    /// Its destination.
    pub fn destination(&self) -> &D {
        match self {
            Self::Advertise { destination, .. } | Self::Withdraw { destination, .. } => destination,
        }
    }
}

/// What [`Outlet::next`] yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<D> {
    /// In order.
    pub tells: Vec<Tell<D>>,
    /// A snapshot begins with this batch: what isn't mentioned until its end is to be dropped
    /// then.
    pub begin_snapshot: bool,
    /// The snapshot ends with this batch.
    pub end_of_snapshot: bool,
    /// There is more to be had at once.
    pub more: bool,
}

impl<D> Batch<D> {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.tells.is_empty() && !self.begin_snapshot && !self.end_of_snapshot
    }
}

/// What the sink knows of a destination.
#[derive(Debug, Clone, Default)]
struct Told {
    /// What it was told last; `None`: nothing.
    version: Option<Version>,
    number: u64,
    at: Mono,
    /// In the queue.
    queued: bool,
    /// When it is looked at again by itself.
    waits: Option<Mono>,
    refused: Option<Refusal>,
}

/// A sink's refusal of what it was told.
#[derive(Debug, Clone)]
struct Refusal {
    why: String,
    n_times: u32,
}

/// How far a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Snapshot {
    /// The sink must still hear that it begins.
    Due,
    /// The sink must still hear that it ends.
    Begun,
    /// There is none.
    None,
}

/// See the module's head. Its size is bounded by the table's: one entry a destination told.
#[derive(Debug)]
pub struct Outlet<D> {
    spec: OutletSpec,
    told: HashMap<D, Told, foldhash::fast::FixedState>,
    queue: VecDeque<D>,
    waiting: Waiting<D>,
    /// The last numbers and their destinations.
    recent: VecDeque<(u64, D)>,
    last: u64,
    /// Where a look through the whole table goes on; `None`: none is under way.
    all: Option<u32>,
    /// The look is a snapshot, whose beginning and end the sink hears of.
    snapshot: Snapshot,
}

impl<D: Destination> Outlet<D> {
    /// An outlet that begins with a snapshot.
    pub fn new(spec: OutletSpec, seed: u64) -> Self {
        Self {
            spec,
            told: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            queue: VecDeque::new(),
            waiting: Waiting::new(),
            recent: VecDeque::new(),
            last: 0,
            all: Some(0),
            snapshot: Snapshot::Due,
        }
    }

    /// What the sink wants.
    pub fn spec(&self) -> &OutletSpec {
        &self.spec
    }

    /// Another export policy: everything that was told, and what wasn't, is looked at again.
    pub fn set_export(&mut self, export: Rules) {
        self.spec.export = export;
        // From the start also if a look is under way: what it passed went by the policy before.
        self.all = Some(0);
    }

    /// A commit of the table: what it changed may be out of date.
    pub fn note(&mut self, table: &Table<D>, changes: &Changes<D>) {
        if self.snapshot == Snapshot::Due && self.told.is_empty() {
            // Its snapshot hasn't begun, and will look at all there is by then.
            return;
        }
        let view = self.spec.view;
        for change in changes.changes.iter().filter(|c| c.view == view) {
            if self.told.contains_key(&change.destination) || self.concerns(table, change) {
                self.mark(&change.destination);
            }
        }
    }

    /// Whether a sink that was told nothing of a destination may have to be told of it now. What a
    /// neighbour says itself is no news to it: a flood of its own isn't even queued.
    fn concerns(&self, table: &Table<D>, change: &Change<D>) -> bool {
        if self.spec.depth != Depth::Best || self.spec.unreachable {
            return true;
        }
        let best = table.best_of(change);
        best.is_some_and(|best| self.spec.split_horizon.as_ref() != Some(best.source))
    }

    fn mark(&mut self, destination: &D) {
        let told = match self.told.get_mut(destination) {
            Some(told) => told,
            None => self.told.entry(destination.clone()).or_default(),
        };
        if !told.queued {
            told.queued = true;
            self.queue.push_back(destination.clone());
        }
    }

    /// What the sink holds already, as it was found at the start.
    pub fn found(&mut self, destination: D, version: Version) {
        let told = self.told.entry(destination.clone()).or_default();
        told.version = Some(version);
        self.mark(&destination);
    }

    /// The sink can't do what it was told. It is told again after a while that doubles from one
    /// second to a minute, or when there is something new to tell.
    pub fn refused(&mut self, now: Now, destination: &D, why: &str) {
        // Also a withdrawal, of which nothing is kept otherwise.
        let told = self.told.entry(destination.clone()).or_default();
        let n_times = told.refused.as_ref().map_or(0, |r| r.n_times) + 1;
        told.refused = Some(Refusal { why: why.into(), n_times });
        // Whether it holds what it was told before isn't known: neither is taken for granted.
        told.version = Some(Version::UNKNOWN);
        let seconds = 1u64 << (n_times - 1).min(6);
        let at = now.mono.after(Duration::from_secs(seconds.min(60)));
        self.waiting.add(told, destination, at);
    }

    /// The sink has lost what it was told of a destination: it is told again, if there is anything.
    pub fn again(&mut self, destination: &D) {
        let Some(told) = self.told.get_mut(destination) else { return };
        if told.version.is_some() {
            told.version = Some(Version::UNKNOWN);
            self.mark(destination);
        }
    }

    /// The sink has it after all.
    pub fn accepted(&mut self, destination: &D) {
        if let Some(told) = self.told.get_mut(destination) {
            told.refused = None;
            if told.version.is_none() && !told.queued && told.waits.is_none() {
                self.told.remove(destination);
            }
        }
    }

    /// The sink was away and heard everything up to `after`. `None`, or a number that is too far
    /// back or was never given, begins a snapshot. Says whether it could go on from there.
    pub fn resume(&mut self, after: Option<u64>) -> bool {
        let first = self.recent.front().map_or(self.last + 1, |(n, _)| *n);
        let known =
            after.filter(|n| *n <= self.last && *n + 1 >= first && self.snapshot == Snapshot::None);
        let Some(after) = known else {
            self.told.clear();
            self.queue.clear();
            self.waiting = Waiting::new();
            self.all = Some(0);
            self.snapshot = Snapshot::Due;
            return false;
        };
        let from = self.recent.partition_point(|(n, _)| *n <= after);
        let again: Vec<D> = self.recent.range(from..).map(|(_, d)| d.clone()).collect();
        for destination in again {
            let told = self.told.entry(destination.clone()).or_default();
            told.version = Some(Version::UNKNOWN);
            self.mark(&destination);
        }
        true
    }

    /// When `next` is worth calling although nothing was noted.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.waiting.next()
    }

    /// Whether there is anything to look at now.
    pub fn is_idle(&self, now: Now) -> bool {
        self.all.is_none()
            && self.queue.is_empty()
            && self.waiting.next().is_none_or(|d| !d.is_due(now))
    }

    /// What makes the sink true: at most `room` tells, and work in proportion.
    pub fn next(&mut self, now: Now, table: &Table<D>, room: usize) -> Batch<D> {
        let mut batch = Batch {
            tells: Vec::new(),
            begin_snapshot: self.snapshot == Snapshot::Due,
            end_of_snapshot: false,
            more: false,
        };
        if batch.begin_snapshot {
            self.snapshot = Snapshot::Begun;
        }
        while let Some(destination) = self.waiting.pop(now) {
            if let Some(told) = self.told.get_mut(&destination)
                && told.waits.is_some_and(|at| at <= now.mono)
            {
                told.waits = None;
                self.mark(&destination);
            }
        }
        let mut looks = 4 * room + 64;
        self.look_at_all(now, table, room, &mut looks, &mut batch);
        while looks > 0 && batch.tells.len() < room {
            let Some(destination) = self.queue.pop_front() else { break };
            looks -= 1;
            self.look(now, table, destination, &mut batch);
        }
        let done = self.all.is_some_and(|at| at >= table.span()) && self.queue.is_empty();
        if done {
            self.all = None;
            batch.end_of_snapshot = self.snapshot == Snapshot::Begun;
            self.snapshot = Snapshot::None;
        }
        batch.more = self.all.is_some() || !self.queue.is_empty();
        batch
    }

    fn look_at_all(
        &mut self,
        now: Now,
        table: &Table<D>,
        room: usize,
        looks: &mut usize,
        batch: &mut Batch<D>,
    ) {
        let Some(mut at) = self.all else { return };
        while at < table.span() && *looks > 0 && batch.tells.len() < room {
            *looks -= 1;
            if let Some(destination) = table.at(at) {
                self.look(now, table, destination.clone(), batch);
            }
            at += 1;
        }
        self.all = Some(at);
    }

    /// Compares what the sink was told of a destination with what is.
    fn look(&mut self, now: Now, table: &Table<D>, destination: D, batch: &mut Batch<D>) {
        let wanted = self.wanted(table, &destination);
        let told = self.told.entry(destination.clone()).or_default();
        told.queued = false;
        let version = wanted.as_ref().map(|routes| Version::of(routes));
        if told.version == version {
            if version.is_none() && told.waits.is_none() && told.refused.is_none() {
                self.told.remove(&destination);
            }
            return;
        }
        let first = told.version.is_none() && told.number == 0;
        let free = told.at.after(self.spec.pacing);
        let paced = !self.spec.pacing.is_zero() && !first && wanted.is_some();
        if paced && free > now.mono {
            self.waiting.add(told, &destination, free);
            return;
        }
        self.last += 1;
        let number = self.last;
        told.version = version;
        told.number = number;
        told.at = now.mono;
        match wanted {
            Some(routes) => {
                self.remember(number, &destination);
                batch.tells.push(Tell::Advertise { number, destination, routes });
            }
            None => {
                // A refusal is remembered until the sink accepts, so that it is told ever rarer; and
                // what may come again is remembered for its pace.
                if told.refused.is_none() && self.spec.pacing.is_zero() {
                    self.told.remove(&destination);
                } else if told.refused.is_none() {
                    self.waiting.add(told, &destination, now.mono.after(self.spec.pacing));
                }
                self.remember(number, &destination);
                batch.tells.push(Tell::Withdraw { number, destination });
            }
        }
    }

    fn remember(&mut self, number: u64, destination: &D) {
        if self.spec.window == 0 {
            return;
        }
        if self.recent.len() >= self.spec.window {
            self.recent.pop_front();
        }
        self.recent.push_back((number, destination.clone()));
    }

    /// What the sink should hold of a destination; `None`: nothing.
    fn wanted(&self, table: &Table<D>, destination: &D) -> Option<Vec<ToldRoute>> {
        if self.spec.depth == Depth::Best
            && let Some(best) = table.best(destination, self.spec.view)
        {
            return self.exported(destination, &best).map(|route| vec![route]);
        }
        let selected = table.selected(destination, self.spec.view);
        if selected.routes().is_empty() {
            return (self.spec.unreachable && selected.is_unreachable()).then(Vec::new);
        }
        let n = match self.spec.depth {
            Depth::Best => 1,
            Depth::Equals => selected.equals().len(),
            Depth::First(n) => n,
            Depth::All => usize::MAX,
        };
        let deep = selected.routes().iter().take(n);
        let routes: Vec<_> = deep.filter_map(|r| self.exported(destination, r)).collect();
        (!routes.is_empty()).then_some(routes)
    }

    fn exported(&self, destination: &D, route: &SelectedRoute<'_>) -> Option<ToldRoute> {
        if self.spec.split_horizon.as_ref() == Some(route.source) {
            return None;
        }
        let mut attributes = route.attributes.clone();
        if !self.spec.export.is_open() {
            let subject = Subject { destination, source: route.source, info: route.info };
            let outcome = self.spec.export.ask(subject, &mut attributes, None);
            if outcome.accepted == Some(false) {
                return None;
            }
        }
        Some(ToldRoute {
            route: route.key(),
            attributes,
            standing: route.standing,
            equal: route.equal,
        })
    }

    /// What the sink was told of a destination.
    pub fn explain(&self, destination: &D) -> SinkExplanation {
        let told = self.told.get(destination);
        SinkExplanation {
            sink: self.spec.sink.clone(),
            told: told.filter(|t| t.version.is_some() && t.number > 0).map(|t| t.number),
            behind: told.is_some_and(|t| t.queued || t.waits.is_some()) || self.all.is_some(),
            refused: told.and_then(|t| t.refused.as_ref()).map(|r| r.why.clone()),
        }
    }

    /// How many destinations the sink was told.
    pub fn n_told(&self) -> usize {
        self.told.values().filter(|t| t.version.is_some()).count()
    }
}
