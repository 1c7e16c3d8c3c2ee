//! Withdrawals, out of the tables.

use rutter_rib::{Book, Kind};
use rutter_route::{AnyDestination, ClusterId, DestinationKind, Now, PathId, Prefix, Service};

use super::From;
use crate::speaker::bars::BarKey;
use crate::speaker::tables::{self, Said};
use crate::speaker::waiting::Verdicts;
use crate::speaker::{Level, LogEvent, Output, Speaker, Weakness, What};
use crate::stats::Reason;
use crate::wire::{Withdrawal, Withdrawn};

impl Speaker {
    /// Routes that stand no more. Their order is the session's; a claim that comes along, the
    /// originator's own withdrawal, ends everybody's routes to it.
    pub(super) fn withdrawn(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        said: Withdrawal,
        verdicts: Verdicts<'_>,
        out: &mut Vec<Output>,
    ) {
        let n_received = said.routes.len() as u64;
        self.stats.neighbours.entry(by.clone()).or_default().withdrawals_received += n_received;
        let Some(from) = self.carried(by, &said.scope) else {
            let stats = self.stats.neighbours.entry(by.clone()).or_default();
            return stats.refuse(Reason::UnknownScope, n_received);
        };
        let first = said.routes.first().map(|r| r.destination.clone());
        let mut n_applied = 0;
        for (place, route) in said.routes.into_iter().enumerate() {
            let Withdrawn { destination, path_id, claim } = route;
            // First its own word: that of the originator would end it too, and be counted alone.
            let applied = match from.spec.kind {
                DestinationKind::Cluster => {
                    self.take_back::<ClusterId>(now, book, &from, &destination, path_id)
                }
                DestinationKind::Service => {
                    self.take_back::<Service>(now, book, &from, &destination, path_id)
                }
                DestinationKind::Prefix => {
                    self.take_back::<Prefix>(now, book, &from, &destination, path_id)
                }
            };
            n_applied += u64::from(applied);
            let Some(claim) = claim else { continue };
            if claim.withdrawn && claim.destination == destination {
                let said = (&from.spec.scope, claim, verdicts.at(place));
                self.claim_heard(now, book, by, said, out);
            } else {
                let reason = Reason::DestinationMismatch;
                self.stats.neighbours.entry(by.clone()).or_default().refuse(reason, 1);
            }
        }
        self.stats.neighbours.entry(by.clone()).or_default().withdrawals_applied += n_applied;
        self.ask_where_there_is_room(book, &from);
        if self.config.log_routes && n_applied > 0 {
            out.push(Output::Log(LogEvent {
                what: What::RouteWithdraw,
                level: Level::Debug,
                neighbour: Some(by.clone()),
                scope: Some(from.spec.scope.clone()),
                destination: first,
                reason: None,
                why: format!("{n_applied} of {n_received} stood"),
            }));
        }
    }

    fn take_back<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        from: &From,
        any: &AnyDestination,
        path: PathId,
    ) -> bool {
        let Some(destination) = D::from_any(any) else { return false };
        let Some(table) = book.table_mut::<D>(&from.spec.table) else { return false };
        let applied = table.withdraw(now, &from.session, &destination, &path);
        if applied && self.is_weak(Weakness::HoldAll) {
            self.hold_all::<D>(now, book, from, any);
        }
        if !self.bars.is_empty() {
            let (scope, destination, by) = (from.spec.scope.clone(), any.clone(), from.by.clone());
            self.lift(now, book, &BarKey { scope, destination, by, path });
        }
        applied
    }

    /// What [`Weakness::HoldAll`] does: everybody's paths flap along.
    fn hold_all<D: Kind>(&mut self, now: Now, book: &mut Book, from: &From, any: &AnyDestination) {
        let Some(spec) = self.scope_spec(&from.spec.scope) else { return };
        let sessions: Vec<_> = self.neighbours.values().filter_map(|n| n.session.clone()).collect();
        let (Some(table), Some(destination)) =
            (book.table_mut::<D>(&from.spec.table), D::from_any(any))
        else {
            return;
        };
        let heard = table.heard(&destination).into_iter();
        let said: Vec<_> = heard
            .filter_map(|h| {
                let session = sessions.iter().find(|session| session.source == *h.source)?.clone();
                let (source, path) = (h.source.clone(), h.path.clone());
                Some((session, Said { source, path, received: h.received.clone() }))
            })
            .collect();
        for (session, said) in said {
            if let Some(table) = book.table_mut::<D>(&from.spec.table) {
                table.withdraw(now, &session, &destination, &said.path);
            }
            tables::readvertise(now, book, &spec, &session, any, said);
        }
    }
}
