//! What is seen of a network from outside: counters, selected paths, what has to be watched at each
//! step.

use std::collections::BTreeMap;

use rutter_protocol::speaker::{LogEvent, What};
use rutter_rib::{Kind, SelectedRoute, Table, ViewId};
use rutter_route::{
    AnyDestination, ClusterId, Destination, Now, PathId, Prefix, Service, SourceKind,
};
use serde::{Deserialize, Serialize};

use super::Network;
use crate::node::{Node, kind_of, scope_of};

/// What was counted of a whole network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Events of the agenda.
    pub events: u64,
    /// Inputs of engines.
    pub inputs: u64,
    /// Frames that were sent.
    pub frames: u64,
    /// Signatures that were verified.
    pub verified: u64,
    /// Speakers that were started.
    pub boots: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that a speaker closed.
    pub closed: u64,
    /// Faults that came.
    pub faults: u64,
    /// Frames that a meddler took out.
    pub meddled: u64,
    /// Lines of the log, by what they say.
    pub logged: BTreeMap<String, u64>,
}

impl Totals {
    pub(crate) fn log(&mut self, event: &LogEvent) {
        let name = match event.what {
            What::RouteAnnounce => "route_announce",
            What::RouteAccept => "route_accept",
            What::RouteReject => "route_reject",
            What::RouteWithdraw => "route_withdraw",
            What::RouteHoldDown => "route_hold_down",
            What::RouteSuppress => "route_suppress",
            What::RoutePurge => "route_purge",
            What::SessionUp => "session_up",
            What::SessionDown => "session_down",
            What::LimitWarning => "limit_warning",
            What::KeysChanged => "keys_changed",
            What::SignFailed => "sign_failed",
            What::PolicyRefused => "policy_refused",
        };
        match self.logged.get_mut(name) {
            Some(n) => *n += 1,
            None => {
                self.logged.insert(name.to_owned(), 1);
            }
        }
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.inputs += other.inputs;
        self.frames += other.frames;
        self.verified += other.verified;
        self.boots += other.boots;
        self.connections += other.connections;
        self.closed += other.closed;
        self.faults += other.faults;
        self.meddled += other.meddled;
        for (name, n) in &other.logged {
            *self.logged.entry(name.clone()).or_default() += n;
        }
    }
}

/// A route as the simulator compares it: who gave it, its path from this cluster on, how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The neighbour; `None`: it is this cluster's own.
    pub(crate) from: Option<ClusterId>,
    /// The clusters that it leads through, the neighbour first, the originator last.
    pub(crate) path: Vec<ClusterId>,
    pub(crate) standing: rutter_route::Standing,
}

impl Seen {
    fn of(route: &SelectedRoute<'_>) -> Self {
        let is_neighbours = route.source.kind() == SourceKind::Neighbour;
        let from = is_neighbours.then(|| route.source.name().parse().ok()).flatten();
        let path = route.received.path_list.iter().rev().map(|step| step.cluster.clone()).collect();
        Self { from, path, standing: route.standing }
    }
}

impl Node {
    /// All candidates for a destination.
    pub(crate) fn candidates(&self, destination: &AnyDestination) -> Vec<Seen> {
        self.at_table(destination, Candidates).unwrap_or_default()
    }

    /// Routes of neighbours that hold-down or damping holds, whatever else bars them, and for which of
    /// its reasons.
    pub(crate) fn held(&self, at: u64, destination: &AnyDestination) -> Vec<Hold> {
        self.at_table(destination, Holds(self.now(at))).unwrap_or_default()
    }

    /// The selected route, if there is one.
    pub(crate) fn best(&self, destination: &AnyDestination) -> Option<Seen> {
        self.at_table(destination, Best).flatten()
    }

    /// Asks the table of a destination.
    pub(crate) fn at_table<A: Ask>(
        &self,
        destination: &AnyDestination,
        ask: A,
    ) -> Option<A::Answer> {
        let book = &self.engine.as_ref()?.book;
        let name = scope_of(kind_of(destination))?;
        match destination {
            AnyDestination::Cluster(d) => Some(ask.ask(book.table::<ClusterId>(&name)?, d)),
            AnyDestination::Service(d) => Some(ask.ask(book.table::<Service>(&name)?, d)),
            AnyDestination::Prefix(d) => Some(ask.ask(book.table::<Prefix>(&name)?, d)),
        }
    }
}

/// A question to a table of any kind.
pub(crate) trait Ask {
    type Answer;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Self::Answer;
}

struct Candidates;

impl Ask for Candidates {
    type Answer = Vec<Seen>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Vec<Seen> {
        table.candidates(destination).iter().map(Seen::of).collect()
    }
}

/// A neighbour's route that is held, and why.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) from: ClusterId,
    pub(crate) path: PathId,
    pub(crate) why: &'static str,
}

struct Holds(Now);

impl Ask for Holds {
    type Answer = Vec<Hold>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Vec<Hold> {
        if table.counts().held == 0 {
            return Vec::new();
        }
        let heard = table.heard(destination).into_iter();
        let held = heard.filter_map(|route| {
            let why = table.held_by(self.0, route.source, destination, route.path)?;
            Some(Hold { from: route.source.name().parse().ok()?, path: route.path.clone(), why })
        });
        held.collect()
    }
}

struct Best;

impl Ask for Best {
    type Answer = Option<Seen>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Option<Seen> {
        table.selected(destination, ViewId::DEFAULT).best().map(Seen::of)
    }
}

impl Network {
    /// A cluster by its name.
    pub fn node(&self, name: &ClusterId) -> Option<&Node> {
        self.nodes.get(self.place(name)?)
    }

    /// All clusters.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What was counted.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The path that a cluster has selected, itself first; empty: none.
    pub fn selected_path(&self, at: &ClusterId, to: &AnyDestination) -> Vec<ClusterId> {
        let Some(best) = self.node(at).and_then(|node| node.best(to)) else { return Vec::new() };
        std::iter::once(at.clone()).chain(best.path).collect()
    }

    /// Routes and withdrawals told since the start, by those clusters that are up now; it changes
    /// while there is something to tell.
    pub fn told(&self) -> Told {
        let mut told = Told::default();
        for engine in self.nodes.iter().filter_map(|node| node.engine.as_ref()) {
            for stats in engine.speaker.stats().neighbours.values() {
                told.announcements += stats.announcements_sent;
                told.withdrawals += stats.withdrawals_sent;
                told.renewals += stats.renewals_sent;
                told.batches += stats.batches_sent;
                told.accepted += stats.announcements_accepted;
                told.rejected += stats.announcements_rejected;
            }
            told.held += engine.speaker.stats().hold_down_rejects;
            told.suppressed += engine.speaker.stats().suppression_rejects;
        }
        told
    }

    /// Routes and withdrawals told between clusters that never lied, by those that are up now. Whoever
    /// has a liar for a neighbour is told what is refused again and again, and asks for it ever more
    /// rarely but for ever: what goes over such a link never ends, and moves nothing.
    pub(crate) fn told_in_honesty(&self) -> u64 {
        let is_honest = |name: &ClusterId| self.node(name).is_some_and(Node::is_honest);
        let honest = self.nodes.iter().filter(|node| node.is_honest());
        let speakers = honest.filter_map(|node| node.engine.as_ref());
        let told = speakers.flat_map(|engine| &engine.speaker.stats().neighbours);
        told.filter(|(to, _)| is_honest(to))
            .map(|(_, stats)| stats.announcements_sent + stats.withdrawals_sent)
            .sum()
    }

    /// How many links there are, each way counted.
    pub fn n_directed_links(&self) -> usize {
        self.links.len() * 2
    }

    /// What must hold after each step of a cluster: what was never to be usable there isn't.
    pub(crate) fn watch(&mut self, node: usize) {
        let Some(one) = self.nodes.get(node) else { return };
        let Some(never) = self.never.get(&node) else { return };
        let leaked = never.iter().find(|what| one.best(what).is_some());
        if let Some(what) = leaked.cloned() {
            self.break_rule(Some(node), "never_leaks", format!("it has a route to {what}"));
        }
    }
}

/// What speakers have told in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// Routes.
    pub announcements: u64,
    /// Withdrawals.
    pub withdrawals: u64,
    /// Renewed claims.
    pub renewals: u64,
    /// Batches.
    pub batches: u64,
    /// Routes that were taken in.
    pub accepted: u64,
    /// Routes that were refused.
    pub rejected: u64,
    /// Routes that came to stand held down.
    pub held: u64,
    /// Routes that came to stand damped.
    pub suppressed: u64,
}

impl Network {
    /// Why what a neighbour says of a destination isn't used: refusals by their names, and what
    /// `explain` says against its routes.
    pub fn why_not(&self, at: &ClusterId, from: &ClusterId, to: &AnyDestination) -> Vec<String> {
        let Some(node) = self.node(at) else { return Vec::new() };
        let now = node.now(self.at());
        let mut why = node.at_table(to, Facts(now, from)).unwrap_or_default();
        if let Some(engine) = &node.engine {
            let refused = engine.speaker.refusals(to).into_iter();
            why.extend(refused.filter(|r| r.neighbour == *from).map(|r| r.reason.to_string()));
        }
        why
    }
}

struct Facts<'a>(Now, &'a ClusterId);

impl Ask for Facts<'_> {
    type Answer = Vec<String>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Vec<String> {
        let explanation = table.explain(self.0, destination);
        let mine = explanation.candidates.iter().filter(|candidate| {
            let source = &candidate.route.source;
            source.kind() == SourceKind::Neighbour && source.name() == self.1.as_str()
        });
        mine.flat_map(|candidate| {
            let facts = candidate.facts.iter();
            facts.map(|fact| format!("{}: {}", fact.fact, fact.reason))
        })
        .collect()
    }
}

impl Told {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.announcements += other.announcements;
        self.withdrawals += other.withdrawals;
        self.renewals += other.renewals;
        self.batches += other.batches;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.held += other.held;
        self.suppressed += other.suppressed;
    }
}
