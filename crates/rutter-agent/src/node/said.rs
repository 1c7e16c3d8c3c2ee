//! What a node says over the link, and the controller's answers as what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rutter_link::{Observation, Outcome, Seen, SourceUpdate};
use rutter_route::{
    Attributes, Destination, NextHop, NodeId, ParseError, PathId, Prefix, RouteKey, SourceId,
    TableName,
};

/// The controller's table of nodes' prefixes.
const TABLE: &str = "nodes";

/// The one source that a node has.
const SOURCE: &str = "node";

/// The table that it speaks of.
pub(super) fn table() -> Result<TableName, ParseError> {
    TABLE.parse()
}

/// All that a node advertises; what is for it is sent to the first of `at` that is of its family, or
/// to the first of all, of which a neighbour may make more than this host can.
pub(super) fn update(
    id: NodeId,
    prefixes: &BTreeSet<Prefix>,
    at: &[IpAddr],
) -> Result<SourceUpdate, ParseError> {
    let routes = prefixes.iter().filter_map(|prefix| {
        let of_family = at.iter().find(|at| at.is_ipv4() == prefix.is_v4());
        let hop = NextHop::Address(*of_family.or(at.first())?);
        Some((*prefix, PathId::default(), Attributes::via(hop)))
    });
    Ok(SourceUpdate::prefixes(table()?, SOURCE.to_owned(), &SourceId::node(id.0), routes))
}

/// What its probe sees of one of them.
pub(super) fn observation(id: NodeId, prefix: Prefix, is: Seen) -> Observation<Prefix> {
    let route = RouteKey { source: SourceId::node(id.0), path: PathId::default() };
    Observation { destination: prefix, route, is }
}

/// How what is advertised stands; `shown` makes the controller's words fit to be shown.
pub(super) fn standings(
    prefixes: &BTreeSet<Prefix>,
    outcomes: &[Outcome],
    shown: impl Fn(&str) -> String,
) -> BTreeMap<Prefix, String> {
    let of = |prefix: &Prefix| {
        let any = prefix.to_any();
        let outcome = outcomes.iter().find(|outcome| outcome.destination.as_ref() == Some(&any));
        let standing = match outcome.map(|outcome| &outcome.is) {
            Some(Ok(standing)) => standing.as_str().to_owned(),
            Some(Err(why)) => format!("refused: {}", shown(why)),
            None => "said".to_owned(),
        };
        (*prefix, standing)
    };
    prefixes.iter().map(of).collect()
}
