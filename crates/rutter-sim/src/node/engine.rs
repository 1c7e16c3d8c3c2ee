//! An engine's tables from outside: made, filled with what a cluster originates, and digested.

use rutter_protocol::Engine;
use rutter_protocol::wire::Scope;
use rutter_rib::{Book, HopKind, Kind, Page, Policy, Progress, Resolve, TableSpec};
use rutter_route::{
    Advertisement, AnyDestination, Attributes, ClusterId, DestinationKind, Incarnation, NextHop,
    Now, PathId, Prefix, Service, Session, SourceId, SourceInfo, SourceKind, SourceState,
};
use sha2::{Digest, Sha256};

/// The kinds that are carried, the fabric's first.
pub(crate) const KINDS: [DestinationKind; 3] =
    [DestinationKind::Cluster, DestinationKind::Service, DestinationKind::Prefix];

/// The table, and the scope, of a kind of destinations in every simulated cluster.
pub(crate) fn scope_of(kind: DestinationKind) -> Option<Scope> {
    let name = match kind {
        DestinationKind::Cluster => "fabric",
        DestinationKind::Service => "services",
        DestinationKind::Prefix => "overlay/1",
    };
    name.parse().ok()
}

/// The kind of a destination.
pub(crate) fn kind_of(destination: &AnyDestination) -> DestinationKind {
    match destination {
        AnyDestination::Prefix(_) => DestinationKind::Prefix,
        AnyDestination::Service(_) => DestinationKind::Service,
        AnyDestination::Cluster(_) => DestinationKind::Cluster,
    }
}

/// A cluster's book: `fabric`, and what resolves through it.
pub(crate) fn book(cluster: &ClusterId, now: Now, seed: u64) -> Result<Book, String> {
    let mut tables = Vec::new();
    let mut resolves = Vec::new();
    for kind in KINDS {
        let (Some(name), Some(through)) = (scope_of(kind), scope_of(DestinationKind::Cluster))
        else {
            return Err("a table's name isn't one".to_owned());
        };
        tables.push(TableSpec { name: name.clone(), kind, policy: Policy::default() });
        if kind != DestinationKind::Cluster {
            resolves.push(Resolve { table: name, hops: HopKind::Cluster, through });
        }
    }
    Book::new(cluster.clone(), tables, resolves, Vec::new(), now, seed)
        .map_err(|why| why.to_string())
}

/// Puts an own destination into its table. The engine has to be stepped then.
pub(crate) fn originate(engine: &mut Engine, boot: u32, now: Now, what: &AnyDestination) {
    match kind_of(what) {
        DestinationKind::Service => advertise::<Service>(engine, boot, now, what),
        DestinationKind::Prefix => advertise::<Prefix>(engine, boot, now, what),
        DestinationKind::Cluster => {}
    }
}

fn advertise<D: Kind>(engine: &mut Engine, boot: u32, now: Now, what: &AnyDestination) {
    let (Some(session), Some(scope)) = (app(boot), scope_of(D::KIND)) else { return };
    let Some(table) = engine.book.table_mut::<D>(&scope) else { return };
    let Some(destination) = D::from_any(what) else { return };
    if table.source(now, &session, SourceState::Up(SourceInfo::default())).is_ok() {
        let attributes = Attributes::via(NextHop::Discard);
        table.advertise(now, &session, Advertisement::new(destination, attributes));
    }
}

/// Takes an own destination out of its table. The engine has to be stepped then.
pub(crate) fn withdraw(engine: &mut Engine, boot: u32, now: Now, what: &AnyDestination) {
    match kind_of(what) {
        DestinationKind::Service => take_back::<Service>(engine, boot, now, what),
        DestinationKind::Prefix => take_back::<Prefix>(engine, boot, now, what),
        DestinationKind::Cluster => {}
    }
}

fn take_back<D: Kind>(engine: &mut Engine, boot: u32, now: Now, what: &AnyDestination) {
    let (Some(session), Some(scope)) = (app(boot), scope_of(D::KIND)) else { return };
    let Some(table) = engine.book.table_mut::<D>(&scope) else { return };
    if let Some(destination) = D::from_any(what) {
        table.withdraw(now, &session, &destination, &PathId::default());
    }
}

/// The source of what a cluster originates itself.
fn app(boot: u32) -> Option<Session> {
    let source = SourceId::new(SourceKind::Agent, "app").ok()?;
    Some(Session { source, incarnation: Incarnation(u64::from(boot)) })
}

/// A digest of all that the tables hold: each destination's candidates, ranked, with what was
/// received, what counts, and how they stand.
pub(crate) fn tables_digest(engine: &Engine) -> String {
    let mut hash = Sha256::new();
    for kind in KINDS {
        match kind {
            DestinationKind::Cluster => digest_table::<ClusterId>(engine, &mut hash),
            DestinationKind::Service => digest_table::<Service>(engine, &mut hash),
            DestinationKind::Prefix => digest_table::<Prefix>(engine, &mut hash),
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_table<D: Kind>(engine: &Engine, hash: &mut Sha256) {
    let Some(table) = scope_of(D::KIND).and_then(|scope| engine.book.table::<D>(&scope)) else {
        return;
    };
    for destination in all(table) {
        hash.update(format!("{destination}\n"));
        for route in table.candidates(&destination) {
            let (received, effective) = (route.received, route.attributes);
            let head = (route.source, route.path, route.standing);
            hash.update(format!("{head:?} {received:?} {effective:?}\n"));
        }
    }
}

/// All destinations of a table, in order.
fn all<D: Kind>(table: &rutter_rib::Table<D>) -> Vec<D> {
    let mut page = Page::new(None, usize::MAX);
    while page.gather(table, usize::MAX, |_| true) == Progress::More {}
    page.into_sorted()
}
