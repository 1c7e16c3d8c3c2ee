//! Moves of primaries: why, how soon after their cause, and how soon everybody knew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use rutter_rib::{Table, ViewId};
use rutter_route::{
    CandidateExplanation, Cause, Event, EventNumber, Explanation, FactExplanation, Left, Mono,
    NodeId, Now, Prefix, Standing, What,
};

use super::Moved;
use super::state::{State, lock};
use crate::election;
use crate::node::node_of;

/// How many are kept; the oldest gives way.
pub(super) const KEPT: usize = 10_000;

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
            None if ring.early.len() < KEPT => {
                ring.early.insert(*prefix, at);
            }
            None => {}
        }
    }

    fn push(&self, at: Mono, mut moved: Moved) {
        let mut ring = lock(&self.0);
        let early = ring.early.remove(&moved.prefix).filter(|told| *told >= at);
        moved.told_in = early.map(|told| told.since(at));
        if ring.moves.len() >= KEPT {
            ring.moves.pop_front();
        }
        ring.moves.push_back((at, moved));
        ring.n_total += 1;
    }

    /// After a commit that touched a prefix: whether it has another primary, and why.
    pub(super) fn see(&self, now: Now, state: &mut State, table: &Table<Prefix>, prefix: &Prefix) {
        let to = election::primary(table, prefix, ViewId::DEFAULT);
        let from = match to {
            Some(id) => state.primaries.insert(*prefix, id),
            None => state.primaries.remove(prefix),
        };
        if from == to {
            return;
        }
        let Explanation { events, candidates, .. } = table.explain(now, prefix);
        let told = events.iter().rev().find(|e| is_move(e, to));
        let at = told.map_or(now.wall, |e| e.at);
        let ago = Duration::from_millis(now.wall.0.saturating_sub(at.0));
        let cause = told.and_then(|e| cause_of(e, &events));
        let after = cause.map(|cause| Duration::from_millis(at.0.saturating_sub(cause.at.0)));
        let why = match told {
            Some(event) => why(event, cause, &events, &candidates),
            None => unmoved(&candidates, from, to),
        };
        let mono = Mono(now.mono.0.saturating_sub(ago.as_millis() as u64));
        self.push(mono, Moved { prefix: *prefix, from, to, at, why, after, told_in: None });
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

/// The event that a move points to.
fn cause_of<'e>(moved: &Event<Prefix>, events: &'e [Event<Prefix>]) -> Option<&'e Event<Prefix>> {
    let number: EventNumber = match moved.cause.as_ref()? {
        Cause::Source(n) | Cause::Decision(n) | Cause::NextHop(n) | Cause::Policy(n) => *n,
        _ => return None,
    };
    events.iter().find(|e| e.number == number)
}

fn why(
    moved: &Event<Prefix>,
    cause: Option<&Event<Prefix>>,
    events: &[Event<Prefix>],
    candidates: &[CandidateExplanation],
) -> String {
    if let Some(cause) = cause {
        return told(cause);
    }
    let (from, to) = match &moved.what {
        What::Moved { from, to, .. } => (
            from.as_ref().and_then(|key| node_of(&key.source)),
            to.as_ref().and_then(|key| node_of(&key.source)),
        ),
        _ => (None, None),
    };
    match &moved.cause {
        Some(Cause::Health) => {
            let sick = fact(candidates, from).filter(|f| f.fact == Standing::Unhealthy);
            let stood = events.iter().rev().filter(|e| e.number < moved.number);
            let mut stood = stood.filter(|e| matches!(e.what, What::Standing { .. }));
            match (sick, stood.next()) {
                (Some(sick), _) => format!("{} is unhealthy: {}", name(from), sick.reason),
                (None, Some(stood)) => told(stood),
                (None, None) => format!("the health of {} changed", name(to.or(from))),
            }
        }
        Some(Cause::Left(Left::SourceGone)) => format!("{} is gone", name(from)),
        Some(Cause::Left(_)) => format!("{} withdrew it", name(from)),
        Some(Cause::Advertised) => format!("{} advertises it", name(to)),
        Some(Cause::Held) => format!("{} is held for flapping, or was", name(from.or(to))),
        Some(Cause::Nominated) => {
            format!("{} was set as primary, or the wait after a start ended", name(to.or(from)))
        }
        Some(Cause::Source(_)) => format!("the state of {} changed", name(from.or(to))),
        Some(Cause::Decision(_)) => format!("somebody decided on {}", name(from.or(to))),
        Some(Cause::Policy(_)) => "the policy changed".into(),
        Some(Cause::NextHop(_) | Cause::View) | None => "unknown".into(),
    }
}

fn told(event: &Event<Prefix>) -> String {
    match &event.what {
        What::Source { source, state, why } if why.is_empty() => {
            format!("{} is {state}", name(node_of(source)))
        }
        What::Source { source, state, why } => {
            format!("{} is {state}: {why}", name(node_of(source)))
        }
        What::Decided { source, decision, by, why } => {
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

/// Where a prefix has one router the table has no event of it: the router itself tells.
fn unmoved(
    candidates: &[CandidateExplanation],
    from: Option<NodeId>,
    to: Option<NodeId>,
) -> String {
    if let Some(to) = to {
        return format!("{} can be used", name(Some(to)));
    }
    match fact(candidates, from) {
        Some(fact) => format!("{} is {}: {}", name(from), fact.fact, fact.reason),
        None => format!("{} withdrew it", name(from)),
    }
}

/// What speaks against a node's route, first of all.
fn fact(candidates: &[CandidateExplanation], id: Option<NodeId>) -> Option<&FactExplanation> {
    let of = candidates.iter().find(|c| node_of(&c.route.source) == id)?;
    of.facts.first()
}

fn name(id: Option<NodeId>) -> String {
    id.map_or_else(|| "nobody".into(), |id| format!("node {}", id.0))
}
