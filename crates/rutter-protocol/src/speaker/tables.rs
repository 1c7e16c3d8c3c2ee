//! Tables of any kind, by the scope that they are.

use rutter_rib::{Book, Table};
use rutter_route::{
    Advertisement, AnyDestination, Attributes, By, ClusterId, Decision, Destination,
    DestinationKind, Left, Now, PathId, Prefix, Refused, Service, Session, SourceId, SourceKind,
    SourceState,
};

use super::ScopeSpec;

/// Does the same to a scope's table, of whichever kind it is; `None`: there is no such table.
macro_rules! with_table {
    ($book:expr, $spec:expr, $table:ident => $do:expr) => {
        match $spec.kind {
            rutter_route::DestinationKind::Cluster => {
                $book.table_mut::<rutter_route::ClusterId>(&$spec.table).map(|$table| $do)
            }
            rutter_route::DestinationKind::Service => {
                $book.table_mut::<rutter_route::Service>(&$spec.table).map(|$table| $do)
            }
            rutter_route::DestinationKind::Prefix => {
                $book.table_mut::<rutter_route::Prefix>(&$spec.table).map(|$table| $do)
            }
        }
    };
}
pub(crate) use with_table;

/// As [`with_table`], with a destination of any kind; `None`: the table is of another kind.
macro_rules! with_destination {
    ($book:expr, $spec:expr, $any:expr, ($table:ident, $destination:ident) => $do:expr) => {
        match $any {
            AnyDestination::Cluster($destination) => {
                $book.table_mut::<ClusterId>(&$spec.table).map(|$table| $do)
            }
            AnyDestination::Service($destination) => {
                $book.table_mut::<Service>(&$spec.table).map(|$table| $do)
            }
            AnyDestination::Prefix($destination) => {
                $book.table_mut::<Prefix>(&$spec.table).map(|$table| $do)
            }
        }
    };
}

/// The rule by which a route is barred whose claim nobody can check.
pub(crate) const CLAIM_RULE: &str = "claim";

/// A source has another state.
pub(crate) fn set_source(
    now: Now,
    book: &mut Book,
    spec: &ScopeSpec,
    session: &Session,
    to: &SourceState,
) -> Result<(), Refused> {
    with_table!(book, spec, table => table.source(now, session, to.clone())).unwrap_or(Ok(()))
}

/// How many routes a source has.
pub(crate) fn routes_of(book: &Book, spec: &ScopeSpec, source: &SourceId) -> usize {
    let n = match spec.kind {
        DestinationKind::Cluster => {
            book.table::<ClusterId>(&spec.table).map(|t| t.routes_of(source))
        }
        DestinationKind::Service => book.table::<Service>(&spec.table).map(|t| t.routes_of(source)),
        DestinationKind::Prefix => book.table::<Prefix>(&spec.table).map(|t| t.routes_of(source)),
    };
    n.unwrap_or(0)
}

/// Whether all that was said has come through: nothing waits for a walk or a commit.
pub(crate) fn is_settled(book: &Book, spec: &ScopeSpec) -> bool {
    let counts = match spec.kind {
        DestinationKind::Cluster => book.table::<ClusterId>(&spec.table).map(|t| t.counts()),
        DestinationKind::Service => book.table::<Service>(&spec.table).map(|t| t.counts()),
        DestinationKind::Prefix => book.table::<Prefix>(&spec.table).map(|t| t.counts()),
    };
    counts.is_none_or(|counts| counts.marked == 0 && counts.walks == 0)
}

/// Bars a route, or takes the bar back. Says whether the table has room for the word.
pub(crate) fn bar(
    now: Now,
    book: &mut Book,
    spec: &ScopeSpec,
    source: &SourceId,
    (destination, path): (&AnyDestination, &PathId),
    what: Decision,
    why: &str,
) -> bool {
    let by = By::Rule(CLAIM_RULE.into());
    let decided = with_destination!(book, spec, destination, (table, d) =>
        table.decide_path(now, source, (d, path), what, by, why));
    decided.is_none_or(|decided| decided.is_ok())
}

/// A neighbour's route, as it said it.
pub(crate) struct Said {
    pub(crate) source: SourceId,
    pub(crate) path: PathId,
    pub(crate) received: Attributes,
}

/// What neighbours say of a destination of that originator's.
pub(crate) fn said_of(
    book: &mut Book,
    spec: &ScopeSpec,
    originator: &ClusterId,
    destination: &AnyDestination,
) -> Vec<Said> {
    let said = with_destination!(book, spec, destination, (table, d) => {
        let of = |a: &Attributes| a.path_list.first().is_some_and(|s| s.cluster == *originator);
        let heard = table.heard(d).into_iter();
        let theirs = heard.filter(|h| h.source.kind() == SourceKind::Neighbour && of(h.received));
        theirs
            .map(|h| Said {
                source: h.source.clone(),
                path: h.path.clone(),
                received: h.received.clone(),
            })
            .collect()
    });
    said.unwrap_or_default()
}

/// A neighbour's route ends, wherever the neighbour is.
pub(crate) fn retract(
    now: Now,
    book: &mut Book,
    spec: &ScopeSpec,
    source: &SourceId,
    (destination, path): (&AnyDestination, &PathId),
    left: Left,
) -> bool {
    let done = with_destination!(book, spec, destination, (table, d) =>
        table.retract(now, source, d, path, left));
    done.unwrap_or(false)
}

/// Whether a source has a route to the destination.
pub(crate) fn holds(
    book: &mut Book,
    spec: &ScopeSpec,
    source: &SourceId,
    destination: &AnyDestination,
    path: &PathId,
) -> bool {
    let holds = with_destination!(book, spec, destination, (table, d) =>
        table.heard(d).iter().any(|h| h.source == source && h.path == path));
    holds.unwrap_or(false)
}

/// Says a route again, with other attributes.
pub(crate) fn readvertise(
    now: Now,
    book: &mut Book,
    spec: &ScopeSpec,
    session: &Session,
    destination: &AnyDestination,
    said: Said,
) {
    with_destination!(book, spec, destination, (table, d) => again(now, table, session, d, said));
}

fn again<D: Destination>(now: Now, table: &mut Table<D>, session: &Session, on: &D, said: Said) {
    let mut route = Advertisement::new(on.clone(), said.received);
    route.path = said.path;
    // Refused only if its source is away: then its next refresh says it.
    let _ = table.advertise(now, session, route);
}
