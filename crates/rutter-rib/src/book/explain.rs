//! `explain` across tables: why a next hop resolves or not, and where a fed route came from.

use rutter_route::{
    AnyDestination, CandidateExplanation, ClusterId, Explanation, HopExplanation, NextHop, Now,
    Prefix, Service, SourceKind, TableName,
};

use crate::policy::HopKind;
use crate::table::{LongestMatch, ViewId};

use super::{Book, Kind};

impl Book {
    /// All there is to say about a destination in a table, with the chain through the tables that
    /// its next hops resolve in and those that feed it. `None`: there is no such table.
    pub fn explain<D: Kind>(
        &self,
        now: Now,
        table: &TableName,
        destination: &D,
    ) -> Option<Explanation<D>> {
        let mut told = self.table::<D>(table)?.explain(now, destination);
        for candidate in &mut told.candidates {
            candidate.next_hop = self.explain_hop(now, table, &destination.to_any(), candidate);
        }
        told.sinks = self.feeds_of(table, destination);
        Some(told)
    }

    fn explain_hop(
        &self,
        now: Now,
        table: &TableName,
        destination: &AnyDestination,
        candidate: &CandidateExplanation,
    ) -> Option<HopExplanation> {
        let mut hop = candidate.next_hop.clone().unwrap_or(HopExplanation {
            hop: candidate.attributes.next_hop.clone(),
            table: None,
            unresolved: None,
            chain: Vec::new(),
        });
        let kind = HopKind::of(&hop.hop);
        let link = self.resolves.iter().filter(|r| r.spec.table == *table);
        if let Some(link) = link.into_iter().find(|r| r.spec.hops == kind) {
            hop.table = Some(link.spec.through.clone());
            self.chain_of_hop(now, &link.spec.through, &hop.hop, &mut hop.chain, 0);
        }
        if candidate.route.source.kind() == SourceKind::Table
            && let Ok(from) = candidate.route.source.name().parse()
        {
            self.chain_of(now, &from, destination, &mut hop.chain, 0);
            hop.table = hop.table.or(Some(from));
        }
        let says_something = hop.table.is_some() || hop.unresolved.is_some();
        says_something.then_some(hop)
    }

    fn chain_of_hop(
        &self,
        now: Now,
        through: &TableName,
        hop: &NextHop,
        lines: &mut Vec<String>,
        depth: usize,
    ) {
        if let NextHop::Cluster(cluster) = hop {
            self.chain_of(now, through, &AnyDestination::Cluster(cluster.clone()), lines, depth);
        } else if let Some(address) = hop.address()
            && let Some(table) = self.table::<Prefix>(through)
        {
            match table.longest_match(address, ViewId::DEFAULT) {
                LongestMatch::Route(prefix, _) | LongestMatch::Unreachable(prefix) => {
                    self.chain_of(now, through, &AnyDestination::Prefix(*prefix), lines, depth);
                }
                LongestMatch::None => lines.push(format!("{through}: no route to {address}")),
            }
        }
    }

    fn chain_of(
        &self,
        now: Now,
        table: &TableName,
        destination: &AnyDestination,
        lines: &mut Vec<String>,
        depth: usize,
    ) {
        match destination {
            AnyDestination::Prefix(d) => self.chain_in::<Prefix>(now, table, d, lines, depth),
            AnyDestination::Service(d) => self.chain_in::<Service>(now, table, d, lines, depth),
            AnyDestination::Cluster(d) => self.chain_in::<ClusterId>(now, table, d, lines, depth),
        }
    }

    /// One line a candidate of the destination in that table, and below the best what it in turn
    /// rests on. As deep as there are tables: resolving has no circles, and a feed's is cut there.
    fn chain_in<D: Kind>(
        &self,
        now: Now,
        table: &TableName,
        destination: &D,
        lines: &mut Vec<String>,
        depth: usize,
    ) {
        let Some(told) = self.table::<D>(table).map(|t| t.explain(now, destination)) else {
            return;
        };
        let indent = "  ".repeat(depth);
        if told.candidates.is_empty() {
            lines.push(format!("{indent}{table}: nothing leads to {destination}"));
        }
        for candidate in &told.candidates {
            let hop = &candidate.attributes.next_hop;
            let why = match (&candidate.lost_by, candidate.facts.first()) {
                (Some(lost), _) => format!(", loses by {:?}", lost.criterion).to_lowercase(),
                (None, Some(fact)) => format!(", {}", fact.reason),
                (None, None) => String::new(),
            };
            let place =
                if candidate.rank == Some(1) { "best" } else { candidate.standing.as_str() };
            let route = &candidate.route;
            lines
                .push(format!("{indent}{table}: {destination} by {route} via {hop}: {place}{why}"));
        }
        let best = told.candidates.iter().find(|c| c.rank == Some(1));
        let Some(best) = best.filter(|_| depth < self.order.len()) else { return };
        let kind = HopKind::of(&best.attributes.next_hop);
        let link = self.resolves.iter().find(|r| r.spec.table == *table && r.spec.hops == kind);
        if let Some(link) = link {
            let through = &link.spec.through;
            self.chain_of_hop(now, through, &best.attributes.next_hop, lines, depth + 1);
        }
        if best.route.source.kind() == SourceKind::Table
            && let Ok(from) = best.route.source.name().parse()
        {
            self.chain_of(now, &from, &destination.to_any(), lines, depth + 1);
        }
    }
}
