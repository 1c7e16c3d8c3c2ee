//! The routes of one kernel table: what is wanted of each prefix, against what is there.
//!
//! Pure: it says what is to be asked of the kernel, hears what came of it, and keeps what is there
//! in mind. Whoever drives it ([`crate::sink`]) alternates:
//!
//! ```text
//!   want(prefix, ..) ─┐            ┌──▶ next() ── requests ──▶ kernel
//!   found(listing)   ─┼─▶ entries ─┤                             │
//!   set_links(..)    ─┘            └─── answered(refusals) ◀─────┘
//! ```
//!
//! until `next` has nothing more to ask. Then what is there is what is wanted, but for what was
//! refused.
//!
//! # Order within what is asked
//!
//! A route is put in the place of the one before it, in one message, so a prefix that has a route
//! before and after has one at each moment. Where that can't be, because the priority is another
//! and the kernel knows a route by (destination, type of service, priority), the new one is put
//! first and the old one removed when the new one stands. Objects are made before the routes that
//! name them, and removed after.
//!
//! # Next-hop objects
//!
//! Routes name their hops by an object of the kernel, one for all prefixes of the same hops. When
//! all routes of an object are to lead elsewhere, and to the same, the object is changed and not
//! they: one message, however many they are. Routes whose router is in no network of a link are
//! plain, because an object must name its link; and all are where objects are switched off, where
//! the kernel has none, or where their numbers are used up.
//!
//! # Whose routes
//!
//! Ours are those with our protocol number in our table. Another's is never replaced or removed: a
//! new route is put only where there is none of its key (`NLM_F_EXCL`), a replacement only where
//! ours was seen. A prefix whose key another's route has is refused and says whose it is; ours
//! gives way. Where that is configured ours takes the other's place instead: the other's is kept on
//! disk before ([`crate::shelf`]), and put again when ours goes. Objects are ours by number range and
//! protocol. One that a route of another table names, which only another hand can have put, goes
//! with ours all the same: the listing is of our table.
//!
//! # What is refused
//!
//! A prefix that the kernel refuses has no route of ours afterwards: the one before led where
//! selection doesn't want it any more, and a shorter prefix may do better. It is tried again when
//! it is wanted again, when links or addresses change, or when what is in its way has changed. Only
//! where the kernel was short of memory for a route it stays as it was until then.
//!
//! Bounds: an entry a prefix that is wanted or there; [`ObjectIds::count`] objects, over which
//! routes are plain; [`crate::MAX_HOPS`] hops a route; [`MAX_REMEMBERED`] sets of hops resolved or
//! refused, over which all are forgotten and found out again.

mod answers;
mod find;
mod hops;
mod moves;
mod objects;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;
use rutter_route::Prefix;
use smallvec::SmallVec;

use crate::hop::{Hop, HopSet, KernelHops};
use crate::links::Links;
use crate::wire::{How, Object};
use moves::Move;
use objects::Objects;

pub(crate) use find::Drift;

/// The priority that the kernel gives to an IPv6 route without one.
const DEFAULT_PRIORITY_V6: u32 = 1024;

/// Sets of hops that are remembered as resolved or refused.
const MAX_REMEMBERED: usize = 65_536;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Where a prefix is to lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the hops.
    Via(HopSet),
    /// Nowhere: the sender hears that it is unreachable, and no shorter prefix is asked.
    Unreachable,
    /// Nowhere: the sender hears that it is prohibited.
    Prohibit,
    /// Nowhere, and nobody hears of it.
    Blackhole,
    /// It can't be told to the kernel, for this reason: the prefix is refused with it.
    Refused(String),
}

/// What is wanted of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is to lead.
    pub target: Target,
    /// The kernel's priority (metric): lower first. With IPv6, 0 is 1024.
    pub priority: u32,
}

/// The numbers of the objects of one sink; no two sinks of a network namespace may share any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectIds {
    /// The first, at least 1.
    pub first: u32,
    /// How many: the most objects there are.
    pub count: u32,
}

impl ObjectIds {
    /// Whether the number is one of these.
    pub fn contains(self, id: u32) -> bool {
        id >= self.first && id - self.first < self.count
    }

    pub(crate) fn is_valid(self) -> bool {
        self.first > 0 && self.count > 0 && self.first.checked_add(self.count).is_some()
    }
}

/// Where a route of the kernel leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Object(u32),
    Hops(KernelHops),
    Unreachable,
    Prohibit,
    Blackhole,
    /// Where no route of ours ever leads.
    Other,
}

/// What is to be asked of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    PutObject {
        id: u32,
        object: Object,
        replace: bool,
    },
    DeleteObject {
        id: u32,
    },
    PutRoute {
        prefix: Prefix,
        priority: u32,
        to: To,
        how: How,
    },
    /// Ours in the place of another's, which is on the shelf before this is asked.
    TakeOver {
        prefix: Prefix,
        to: To,
        other: Foreign,
    },
    /// Another's again: in the place of ours, or where there is none.
    GiveBack {
        prefix: Prefix,
        other: Foreign,
        how: How,
    },
    DeleteRoute {
        prefix: Prefix,
        priority: u32,
    },
}

/// A route of ours in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    priority: u32,
    to: To,
}

/// Another's route of the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) priority: u32,
    pub(crate) protocol: u8,
    /// The message that puts it again.
    pub(crate) again: Option<Arc<[u8]>>,
}

/// All that is known of a prefix.
#[derive(Debug, Default)]
struct Entry {
    wanted: Option<Wanted>,
    held: SmallVec<[Held; 1]>,
    foreign: Vec<Foreign>,
    /// Others' routes in whose place ours was put.
    displaced: Vec<Foreign>,
    /// One of those couldn't be put again; not tried until something changes.
    stuck: bool,
    /// It is looked at soon.
    queued: bool,
    /// It was there before anyone wanted it: not removed before sweeping begins.
    left_over: bool,
    /// The kernel or the machine's state refused it, and whoever wants it was told.
    refused: bool,
    /// It isn't tried until something changes.
    given_up: bool,
}

/// Where a prefix is to lead, as the kernel would be told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Desired {
    /// To an object of these hops.
    Object(KernelHops),
    /// There.
    Route(To),
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Fib {
    objects: Objects,
    links: Links,
    entries: Map<Prefix, Entry>,
    /// Queued, and not yet asked whether they move together.
    fresh: Vec<Prefix>,
    queue: VecDeque<Prefix>,
    /// Queued until the objects that are needed are there.
    waiting: Vec<Prefix>,
    needed: Vec<KernelHops>,
    moves: Vec<Move>,
    /// Fewer move one by one.
    min_together: usize,
    resolved: Map<(HopSet, bool), Result<KernelHops, String>>,
    /// Hops and sets of hops that the kernel didn't take, and why.
    unusable: Map<KernelHops, String>,
    /// What is left over stays where it isn't in the way.
    keeps_left_over: bool,
    /// Ours is put in the place of another's, which is put again when ours goes.
    replaces: bool,
    /// Objects that a route was refused for as if they weren't there, and those of them that a look
    /// has found to be there.
    doubted: BTreeSet<u32>,
    seen: BTreeSet<u32>,
    /// Hops that were told to be unusable.
    unusable_hops: BTreeSet<Hop>,
    /// Those of them that are tried.
    trying: Vec<Hop>,
    hop_verdicts: BTreeMap<Hop, Option<String>>,
    sweeping: bool,
    look_again: bool,
    n_held: usize,
    n_refused: usize,
    /// What is to be told of prefixes: why they are refused, or `None`: they aren't any more.
    verdicts: Map<Prefix, Option<String>>,
}

impl Fib {
    /// Of a table in which nothing is known to be. Without `objects` all routes are plain. What a
    /// predecessor left and nobody wants goes with the first [`Fib::sweep`], or is kept.
    pub(crate) fn new(objects: Option<ObjectIds>, keeps_left_over: bool, replaces: bool) -> Self {
        Self {
            replaces,
            keeps_left_over,
            objects: Objects::new(objects),
            links: Links::default(),
            entries: Map::default(),
            fresh: Vec::new(),
            queue: VecDeque::new(),
            waiting: Vec::new(),
            needed: Vec::new(),
            moves: Vec::new(),
            min_together: moves::MIN_TOGETHER,
            resolved: Map::default(),
            unusable: Map::default(),
            doubted: BTreeSet::new(),
            seen: BTreeSet::new(),
            unusable_hops: BTreeSet::new(),
            trying: Vec::new(),
            hop_verdicts: BTreeMap::new(),
            sweeping: false,
            look_again: false,
            n_held: 0,
            n_refused: 0,
            verdicts: Map::default(),
        }
    }

    /// What is wanted of a prefix from now on; `None`: nothing. What was refused is tried again.
    pub(crate) fn want(&mut self, prefix: Prefix, mut wanted: Option<Wanted>) {
        if let Some(wanted) = &mut wanted
            && wanted.priority == 0
            && !prefix.is_v4()
        {
            wanted.priority = DEFAULT_PRIORITY_V6;
        }
        if wanted.is_none() && !self.entries.contains_key(&prefix) {
            return;
        }
        let entry = self.entries.entry(prefix).or_default();
        entry.wanted = wanted;
        entry.stuck = false;
        entry.left_over = false;
        if std::mem::take(&mut entry.given_up) {
            self.retry_hops_of(prefix);
        }
        self.mark(prefix);
    }

    /// Others' routes that an earlier life displaced.
    pub(crate) fn has_displaced(&mut self, displaced: Vec<(Prefix, Foreign)>) {
        for (prefix, other) in displaced {
            let entry = self.entries.entry(prefix).or_default();
            // The later was the one that stood there.
            entry.displaced.retain(|before| before.priority != other.priority);
            entry.displaced.push(other);
            // Ours may be wanted again: it isn't put back before all that is wanted is known.
            entry.left_over |= entry.wanted.is_none();
        }
    }

    /// All others' routes in whose place ours is.
    pub(crate) fn displaced(&self) -> impl Iterator<Item = (&Prefix, &Foreign)> {
        let all = self.entries.iter();
        all.flat_map(|(prefix, entry)| entry.displaced.iter().map(move |other| (prefix, other)))
    }

    /// What was to be asked isn't: another's route that was to be displaced can't be kept.
    pub(crate) fn is_not_kept(&mut self, prefix: Prefix, why: &str) {
        let why =
            format!("another's route is in its place, and can't be kept to be put back: {why}");
        self.refuse(prefix, why);
    }

    /// The prefixes that are wanted.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Prefix> {
        self.entries.iter().filter(|(_, entry)| entry.wanted.is_some()).map(|(prefix, _)| prefix)
    }

    /// How many routes of ours are there.
    pub(crate) fn n_held(&self) -> usize {
        self.n_held
    }

    /// How many objects of ours are there.
    pub(crate) fn n_objects(&self) -> usize {
        self.objects.len()
    }

    /// How many prefixes are refused.
    pub(crate) fn n_refused(&self) -> usize {
        self.n_refused
    }

    /// Whether objects are used.
    pub(crate) fn uses_objects(&self) -> bool {
        self.objects.is_on()
    }

    /// What is there and isn't wanted is removed from now on.
    pub(crate) fn sweep(&mut self) {
        if std::mem::replace(&mut self.sweeping, true) {
            return;
        }
        self.mark_all(|entry| entry.left_over);
    }

    /// The links and addresses as they are. Where they changed, everything is looked at again: the
    /// kernel has removed routes without a word, or would take now what it refused.
    pub(crate) fn set_links(&mut self, links: Links) {
        if links == self.links {
            return;
        }
        self.links = links;
        self.resolved.clear();
        self.unusable.clear();
        for entry in self.entries.values_mut() {
            entry.given_up = false;
            entry.stuck = false;
        }
        self.mark_all(|_| true);
    }

    /// Whether something was answered that can't be explained by what is known.
    pub(crate) fn wants_a_look(&mut self) -> bool {
        std::mem::take(&mut self.look_again)
    }

    /// What was refused and what was accepted after a refusal since this was asked last.
    pub(crate) fn verdicts(&mut self) -> (Vec<(Prefix, String)>, Vec<Prefix>) {
        let (mut refused, mut accepted) = (Vec::new(), Vec::new());
        for (prefix, verdict) in std::mem::take(&mut self.verdicts) {
            match verdict {
                Some(why) => refused.push((prefix, why)),
                None => accepted.push(prefix),
            }
        }
        (refused, accepted)
    }

    fn mark(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.fresh.push(prefix);
        }
    }

    fn mark_all(&mut self, which: impl Fn(&Entry) -> bool) {
        for (prefix, entry) in &mut self.entries {
            if which(entry) && !std::mem::replace(&mut entry.queued, true) {
                self.fresh.push(*prefix);
            }
        }
    }

    /// Its hops are offered to the kernel again.
    fn retry_hops_of(&mut self, prefix: Prefix) {
        let target = self.entries.get(&prefix).and_then(|entry| entry.wanted.as_ref());
        let Some(Wanted { target: Target::Via(hops), .. }) = target else { return };
        let hops = hops.clone();
        if let Ok(hops) = self.resolve(&hops, prefix.is_v4()) {
            self.unusable.remove(&hops);
            for hop in hops.iter() {
                self.unusable.remove(&objects::of_one(hop));
            }
        }
    }

    fn resolve(&mut self, hops: &HopSet, v4: bool) -> Result<KernelHops, String> {
        let key = (hops.clone(), v4);
        if let Some(known) = self.resolved.get(&key) {
            return known.clone();
        }
        if self.resolved.len() >= MAX_REMEMBERED {
            self.resolved.clear();
        }
        let resolved = self.links.resolve(hops, v4);
        self.resolved.insert(key, resolved.clone());
        resolved
    }

    /// Where a target leads, as the kernel would be told.
    ///
    /// # Errors
    /// It can't be: why.
    fn desired(&mut self, target: &Target, v4: bool) -> Result<Desired, String> {
        let hops = match target {
            Target::Via(hops) => self.resolve(hops, v4)?,
            Target::Unreachable => return Ok(Desired::Route(To::Unreachable)),
            Target::Prohibit => return Ok(Desired::Route(To::Prohibit)),
            Target::Blackhole => return Ok(Desired::Route(To::Blackhole)),
            Target::Refused(why) => return Err(why.clone()),
        };
        if !self.objects.is_on() || hops.iter().any(|hop| hop.link.is_none()) {
            return Ok(Desired::Route(To::Hops(hops)));
        }
        let hops = self.usable(hops)?;
        if self.objects.n_missing(&hops) > self.objects.room() {
            return Ok(Desired::Route(To::Hops(hops)));
        }
        Ok(Desired::Object(hops))
    }

    /// Those of the hops that the kernel took, or wasn't asked about.
    fn usable(&self, hops: KernelHops) -> Result<KernelHops, String> {
        if self.unusable.is_empty() {
            return Ok(hops);
        }
        if let Some(why) = self.unusable.get(&hops) {
            return Err(why.clone());
        }
        let is_usable = |hop: &_| !self.unusable.contains_key(&objects::of_one(hop));
        if hops.iter().all(is_usable) {
            return Ok(hops);
        }
        let mut usable: Vec<_> = hops.iter().filter(|hop| is_usable(hop)).copied().collect();
        if let [sole] = usable.as_mut_slice() {
            sole.weight = 1;
        }
        if usable.is_empty() {
            let first = hops.first().map(objects::of_one);
            let why = first.and_then(|first| self.unusable.get(&first)).cloned();
            return Err(why.unwrap_or_else(|| "no next hop can be used".into()));
        }
        let usable: KernelHops = usable.into();
        match self.unusable.get(&usable) {
            Some(why) => Err(why.clone()),
            None => Ok(usable),
        }
    }

    fn is_met(&self, held: &Held, priority: u32, desired: &Desired) -> bool {
        held.priority == priority
            && match (desired, &held.to) {
                (Desired::Object(hops), To::Object(id)) => self.objects.hops_of(*id) == Some(hops),
                (Desired::Route(To::Hops(hops)), To::Hops(found)) => {
                    hops.len() == found.len()
                        && hops.iter().zip(found.iter()).all(|(hop, found)| hop.is_met_by(found))
                }
                (Desired::Route(to), held) => to == held,
                (Desired::Object(_), _) => false,
            }
    }
}
