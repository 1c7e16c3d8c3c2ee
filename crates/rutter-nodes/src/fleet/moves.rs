//! Moves of primaries: why, how soon after their cause, and how soon everybody knew.
//!
//! What the table tells of them is read once, as it comes, and not looked for again for each prefix:
//! when a router of a thousand prefixes is lost, the owner of the book has other things to do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use rutter_rib::{Table, ViewId};
use rutter_route::{
    Cause, Event, EventNumber, FactExplanation, Left, Mono, NodeId, Now, PathId, Prefix, SourceId,
    What,
};

use super::Moved;
use super::state::{State, lock};
use crate::election;
use crate::node::node_of;

/// How many are kept; the oldest gives way.
pub(super) const KEPT: usize = 10_000;

/// How many events that concern many routes are kept, for moves that point to them later.
const WIDE: usize = 1024;

/// The last moves.
#[derive(Debug, Default)]
pub(super) struct Moves(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// The oldest first, each with when it was on the clock of deadlines.
    moves: VecDeque<(Mono, Moved)>,
    n_total: u64,
    /// Told before the move itself was seen; [`KEPT`] at most.
    early: BTreeMap<Prefix, Mono>,
    events: Events,
}

/// What the table has told since it was looked at last.
#[derive(Debug, Default)]
struct Events {
    /// The last that was read.
    last: EventNumber,
    /// Of prefixes, until all that was touched is looked through.
    of: BTreeMap<Prefix, Vec<Event<Prefix>>>,
    wide: BTreeMap<EventNumber, Event<Prefix>>,
}

impl Moves {
    /// The latest first: of a prefix, or of all.
    pub(super) fn latest(&self, prefix: Option<&Prefix>, limit: usize) -> Vec<Moved> {
        let ring = lock(&self.0);
        let all = ring.moves.iter().rev().map(|(_, moved)| moved);
        all.filter(|m| prefix.is_none_or(|p| m.prefix == *p)).take(limit).cloned().collect()
    }

    /// How many there were since the start.
    pub(super) fn n_total(&self) -> u64 {
        lock(&self.0).n_total
    }

    /// The last connected node was told of what became of a prefix.
    pub(super) fn told(&self, prefix: &Prefix, at: Mono) {
        let ring = &mut *lock(&self.0);
        let latest = ring.moves.iter_mut().rev().find(|(_, m)| m.prefix == *prefix);
        match latest.filter(|(_, m)| m.told_in.is_none()) {
            Some((moved, m)) => m.told_in = Some(at.since(*moved)),
            None => {
                // What was told and is no move is of no use to anybody.
                if ring.early.len() >= KEPT {
                    ring.early.clear();
                }
                ring.early.insert(*prefix, at);
            }
        }
    }

    /// After a commit that touched these prefixes: which have another primary, and why.
    pub(super) fn see(
        &self,
        now: Now,
        state: &mut State,
        table: &Table<Prefix>,
        touched: &[Prefix],
    ) {
        let ring = &mut *lock(&self.0);
        ring.events.read(table);
        for prefix in touched {
            let to = election::primary(table, prefix, ViewId::DEFAULT);
            let from = match to {
                Some(id) => state.primaries.insert(*prefix, id),
                None => state.primaries.remove(prefix),
            };
            if from != to {
                let (at, moved) = ring.events.moved(now, table, prefix, (from, to));
                ring.push(at, moved);
            }
        }
    }

    /// All that was touched has been looked through.
    pub(super) fn seen(&self) {
        lock(&self.0).events.of.clear();
    }
}

impl Ring {
    fn push(&mut self, at: Mono, mut moved: Moved) {
        let early = self.early.remove(&moved.prefix).filter(|told| *told >= at);
        moved.told_in = early.map(|told| told.since(at));
        if self.moves.len() >= KEPT {
            self.moves.pop_front();
        }
        self.moves.push_back((at, moved));
        self.n_total += 1;
    }
}

impl Events {
    /// Where the table has forgotten some, none is read: what speaks against a router tells then.
    fn read(&mut self, table: &Table<Prefix>) {
        let last = table.last_event();
        let new = table.events_after(self.last).into_iter().flatten();
        for event in new {
            match event.destination {
                Some(prefix) => self.of.entry(prefix).or_default().push(event),
                None => drop(self.wide.insert(event.number, event)),
            }
        }
        while self.wide.len() > WIDE {
            self.wide.pop_first();
        }
        self.last = last;
    }

    fn moved(
        &self,
        now: Now,
        table: &Table<Prefix>,
        prefix: &Prefix,
        (from, to): (Option<NodeId>, Option<NodeId>),
    ) -> (Mono, Moved) {
        let events = self.of.get(prefix).map_or(&[][..], Vec::as_slice);
        let told = events.iter().rev().find(|event| is_move(event, to));
        let at = told.map_or(now.wall, |event| event.at);
        let cause = told.and_then(|event| self.cause_of(event, events));
        let after = cause.map(|cause| Duration::from_millis(at.0.saturating_sub(cause.at.0)));
        let against = from.and_then(|id| {
            let source = SourceId::node(id.0);
            table.facts_against(now, prefix, &source, &PathId::default()).into_iter().next()
        });
        let why = match (told, cause) {
            (_, Some(cause)) => self::told(cause),
            (Some(event), None) => why(event, events, (from, to), against.as_ref()),
            (None, None) => unmoved((from, to), against.as_ref()),
        };
        let ago = now.wall.0.saturating_sub(at.0);
        let moved = Moved { prefix: *prefix, from, to, at, why, after, told_in: None };
        (Mono(now.mono.0.saturating_sub(ago)), moved)
    }

    /// The event that a move points to.
    fn cause_of<'e>(
        &'e self,
        moved: &Event<Prefix>,
        events: &'e [Event<Prefix>],
    ) -> Option<&'e Event<Prefix>> {
        let number = match moved.cause.as_ref()? {
            Cause::Source(n) | Cause::Decision(n) | Cause::NextHop(n) | Cause::Policy(n) => *n,
            _ => return None,
        };
        self.wide.get(&number).or_else(|| events.iter().find(|event| event.number == number))
    }
}

fn is_move(event: &Event<Prefix>, to: Option<NodeId>) -> bool {
    match &event.what {
        What::Moved { to: is, view: None, .. } => {
            is.as_ref().and_then(|key| node_of(&key.source)) == to
        }
        _ => false,
    }
}

fn why(
    moved: &Event<Prefix>,
    events: &[Event<Prefix>],
    (from, to): (Option<NodeId>, Option<NodeId>),
    against: Option<&FactExplanation>,
) -> String {
    match &moved.cause {
        Some(Cause::Health | Cause::Source(_) | Cause::Decision(_)) => {
            let stood = events.iter().rev().filter(|e| e.number < moved.number);
            let mut stood = stood.filter(|e| matches!(e.what, What::Standing { .. }));
            match (against, stood.next()) {
                (Some(fact), _) => speaks(from, fact),
                (None, Some(stood)) => told(stood),
                (None, None) => format!("{} stands otherwise than before", name(to.or(from))),
            }
        }
        Some(Cause::Left(Left::SourceGone)) => format!("{} is gone", name(from)),
        Some(Cause::Left(_)) => format!("{} withdrew it", name(from)),
        Some(Cause::Advertised) => format!("{} advertises it", name(to)),
        Some(Cause::Held) => format!("{} is held for flapping, or was", name(from.or(to))),
        Some(Cause::Nominated) => {
            format!("{} was set as primary, or the wait after a start ended", name(to.or(from)))
        }
        Some(Cause::Policy(_)) => "the policy changed".into(),
        Some(Cause::NextHop(_) | Cause::View) | None => "unknown".into(),
    }
}

/// Where a prefix has one router the table has no event of it: the router itself tells.
fn unmoved(
    (from, to): (Option<NodeId>, Option<NodeId>),
    against: Option<&FactExplanation>,
) -> String {
    match (to, against) {
        (Some(_), _) => format!("{} can be used", name(to)),
        (None, Some(fact)) => speaks(from, fact),
        (None, None) => format!("{} withdrew it", name(from)),
    }
}

fn speaks(id: Option<NodeId>, against: &FactExplanation) -> String {
    format!("{} is {}: {}", name(id), against.fact, against.reason)
}

fn told(event: &Event<Prefix>) -> String {
    match &event.what {
        What::Source { source, state, why } if why.is_empty() => {
            format!("{} is {state}", name(node_of(source)))
        }
        What::Source { source, state, why } => {
            format!("{} is {state}: {why}", name(node_of(source)))
        }
        What::Decided { source, decision, by, why, .. } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("{decision} {} by {by}{why}", name(node_of(source)))
        }
        What::Standing { route, to, why, .. } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("{} is {to}{why}", name(node_of(&route.source)))
        }
        What::Policy => "the policy changed".into(),
        _ => "unknown".into(),
    }
}

fn name(id: Option<NodeId>) -> String {
    id.map_or_else(|| "nobody".into(), |id| format!("node {}", id.0))
}
