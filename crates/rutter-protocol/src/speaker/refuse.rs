//! What is refused, counted by reason, kept for `explain`, and logged once a neighbour, reason and
//! interval; and the limit of routes of a neighbour.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_rib::Book;
use rutter_route::{AnyDestination, ClusterId, Mono, Now};

use super::inbound::From;
use super::{ConnectionId, Level, LogEvent, Output, Refusal, ScopeSpec, Speaker, What, tables};
use crate::stats::Reason;
use crate::wire::Scope;

/// How long after a refusal was logged the next of that neighbour and reason is not.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What became of an announcement's routes.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) n_accepted: u64,
    /// In the table, and barred there.
    pub(crate) barred: Vec<(Reason, AnyDestination)>,
    /// Not in the table.
    pub(crate) refused: Vec<(Reason, AnyDestination)>,
}

/// When what was logged last. Bounded: an entry a neighbour and reason.
#[derive(Debug, Default)]
pub(crate) struct Logged(BTreeMap<(ClusterId, Reason), Mono>);

impl Speaker {
    /// Counts what became of an announcement, and tells of it.
    pub(crate) fn count_taken(
        &mut self,
        now: Now,
        by: &ClusterId,
        scope: &Scope,
        path: &[ClusterId],
        taken: Taken,
        out: &mut Vec<Output>,
    ) {
        let stats = self.stats.neighbours.entry(by.clone()).or_default();
        stats.announcements_accepted += taken.n_accepted;
        for (reason, _) in taken.barred.iter().chain(&taken.refused) {
            stats.refuse(*reason, 1);
        }
        for (reason, destination) in taken.barred {
            self.stats.hold_down_rejects += u64::from(reason == Reason::HoldDown);
            self.stats.suppression_rejects += u64::from(reason == Reason::Suppressed);
            self.log_refused_route(now, by, scope, reason, destination, out);
        }
        for (reason, destination) in taken.refused {
            self.trace_refusal(now, by, scope, path, destination.clone(), reason);
            self.log_refused_route(now, by, scope, reason, destination, out);
        }
        if self.config.log_routes && taken.n_accepted > 0 {
            out.push(Output::Log(LogEvent {
                what: What::RouteAccept,
                level: Level::Debug,
                neighbour: Some(by.clone()),
                scope: Some(scope.clone()),
                destination: None,
                reason: None,
                why: format!("{} by {}", taken.n_accepted, names(path)),
            }));
        }
    }

    fn log_refused_route(
        &mut self,
        now: Now,
        by: &ClusterId,
        scope: &Scope,
        reason: Reason,
        destination: AnyDestination,
        out: &mut Vec<Output>,
    ) {
        if !self.is_news(now, by, reason) {
            return;
        }
        let (what, level) = match reason {
            Reason::HoldDown => (What::RouteHoldDown, Level::Info),
            Reason::Suppressed => (What::RouteSuppress, Level::Info),
            Reason::Policy | Reason::PolicyMetrics => (What::RouteReject, Level::Info),
            _ => (What::RouteReject, Level::Warn),
        };
        out.push(Output::Log(LogEvent {
            what,
            level,
            neighbour: Some(by.clone()),
            scope: Some(scope.clone()),
            destination: Some(destination),
            reason: Some(reason),
            why: String::new(),
        }));
    }

    /// Logs that something of a neighbour was refused that isn't a route.
    pub(crate) fn log_refusal(
        &mut self,
        now: Now,
        by: &ClusterId,
        reason: Reason,
        what: &str,
        out: &mut Vec<Output>,
    ) {
        if self.is_news(now, by, reason) {
            out.push(Output::Log(LogEvent {
                what: What::RouteReject,
                level: Level::Warn,
                neighbour: Some(by.clone()),
                scope: None,
                destination: None,
                reason: Some(reason),
                why: what.into(),
            }));
        }
    }

    /// Whether a refusal is to be logged: none of this neighbour and reason was for a while.
    fn is_news(&mut self, now: Now, by: &ClusterId, reason: Reason) -> bool {
        let last = self.logged.0.get(&(by.clone(), reason));
        if last.is_some_and(|at| now.mono.since(*at) < LOG_INTERVAL) {
            return false;
        }
        self.logged.0.insert((by.clone(), reason), now.mono);
        true
    }

    /// Keeps a refusal for who asks why a route isn't there.
    pub(crate) fn trace_refusal(
        &mut self,
        now: Now,
        by: &ClusterId,
        scope: &Scope,
        path: &[ClusterId],
        destination: AnyDestination,
        reason: Reason,
    ) {
        self.refusals.add(Refusal {
            at: now.wall,
            neighbour: by.clone(),
            scope: scope.clone(),
            destination,
            path: path.to_vec(),
            reason,
        });
    }

    /// Counts a breach of the protocol by whoever is at the other end of a connection.
    pub(crate) fn count_breach(&mut self, connection: ConnectionId, reason: Reason) {
        if let Some(connection) = self.connections.get(&connection) {
            let by = connection.neighbour.clone();
            self.stats.neighbours.entry(by).or_default().refuse(reason, 1);
        }
    }

    /// Warns once when a neighbour comes near its limit, and again after it was well below.
    pub(crate) fn warn_near_limit(
        &mut self,
        book: &Book,
        by: &ClusterId,
        spec: &ScopeSpec,
        out: &mut Vec<Output>,
    ) {
        let Some(neighbour) = self.neighbours.get_mut(by) else { return };
        let n = tables::routes_of(book, spec, &neighbour.source);
        let most = neighbour.spec.max_routes;
        let near = n.saturating_mul(100) >= most.saturating_mul(neighbour.spec.warn_percent.into());
        if !near {
            neighbour.warned.remove(&spec.scope);
            return;
        }
        if neighbour.warned.insert(spec.scope.clone()) {
            out.push(Output::Log(LogEvent {
                what: What::LimitWarning,
                level: Level::Warn,
                neighbour: Some(by.clone()),
                scope: Some(spec.scope.clone()),
                destination: None,
                reason: None,
                why: format!("it has {n} routes of the {most} that it may have"),
            }));
        }
    }

    /// A bound refused routes of a neighbour and has room again: it is asked for them.
    pub(crate) fn ask_where_there_is_room(&mut self, book: &Book, from: &From) {
        let Some(neighbour) = self.neighbours.get_mut(&from.by) else { return };
        if !neighbour.over.contains(&from.spec.scope) {
            return;
        }
        let n = tables::routes_of(book, &from.spec, &from.source);
        let most = neighbour.spec.max_routes;
        // A tenth of room, so that one at its limit isn't asked for everything at each withdrawal.
        if n.saturating_add(most / 10) < most {
            neighbour.over.remove(&from.spec.scope);
            neighbour.missed.insert(from.spec.scope.clone());
        }
    }
}

/// A path as text.
fn names(path: &[ClusterId]) -> String {
    path.iter().map(ClusterId::as_str).collect::<Vec<_>>().join(" ")
}
