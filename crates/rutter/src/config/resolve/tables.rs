//! Tables: those that are always there, those of the file, and that they hang together.

use std::collections::BTreeMap;

use rutter_rib::{Book, BookError, Feed, HopKind, Resolve, TableSpec};
use rutter_route::{ClusterId, DestinationKind, Now, TableName};

use super::Problems;
use crate::config::resolved::{Fabric, Table, TableFeed, TableResolve};
use crate::config::{Problem, raw};

/// The controller's table of services.
pub(crate) const SERVICES: &str = "services";
/// The gateway's own.
pub(crate) const GATEWAY_SERVICES: &str = "gateway/services";
/// The clusters that the fabric knows.
pub(crate) const FABRIC: &str = "fabric";
/// The controller's table of nodes' subnets and exit routes.
pub(crate) const NODES: &str = "nodes";

pub(super) fn resolve(
    file: &raw::File,
    fabric: Option<&Fabric>,
    cluster: &ClusterId,
    to: &mut Problems,
) -> BTreeMap<TableName, Table> {
    let mut tables = BTreeMap::new();
    for (role, name, kind) in [
        (file.controller.is_some(), SERVICES, DestinationKind::Service),
        (file.gateway.is_some(), GATEWAY_SERVICES, DestinationKind::Service),
        (file.nodes.is_some(), NODES, DestinationKind::Prefix),
    ] {
        // The names are literals that parse.
        if let (true, Ok(name)) = (role, name.parse()) {
            tables.insert(name, empty(kind));
        }
    }
    let written = file.tables.iter().flatten();
    let n_before = to.len();
    for (name, raw) in written {
        if let Some(table) = table(name, raw, to) {
            tables.insert(name.clone(), table);
        }
    }
    if let Some(fabric) = fabric {
        carried(file, fabric, &mut tables);
    }
    // A book of half the tables would complain of the other half.
    if to.len() == n_before {
        check(&tables, cluster, to);
    }
    tables
}

/// The tables that the fabric carries are there, and look next hops that are clusters up in its own.
/// Those of an overlay that runs here are the overlay's to make.
fn carried(file: &raw::File, fabric: &Fabric, tables: &mut BTreeMap<TableName, Table>) {
    for scope in fabric.scopes.values() {
        if file.overlay.is_some() && scope.table.as_str().starts_with("overlay/") {
            continue;
        }
        let table = tables.entry(scope.table.clone()).or_insert_with(|| empty(scope.kind));
        if scope.kind != DestinationKind::Cluster {
            table.resolves.extend(through_fabric(&table.resolves));
        }
    }
}

/// Clusters as next hops are looked up in the fabric's table, unless something is said of them.
pub(crate) fn through_fabric(said: &[TableResolve]) -> Option<TableResolve> {
    let through = FABRIC.parse().ok()?;
    let hops = HopKind::Cluster;
    said.iter().all(|resolve| resolve.hops != hops).then_some(TableResolve { hops, through })
}

fn empty(kind: DestinationKind) -> Table {
    Table { kind, policy: rutter_rib::Policy::default(), feeds: Vec::new(), resolves: Vec::new() }
}

fn table(name: &TableName, raw: &raw::Table, to: &mut Problems) -> Option<Table> {
    let at = |rest: &[&str]| {
        let head = ["tables".to_owned(), name.to_string()];
        head.into_iter().chain(rest.iter().map(|s| (*s).to_owned())).collect::<Vec<_>>()
    };
    let usual = usual_kind(name.as_str());
    let kind = match (raw.kind, usual) {
        (Some(kind), Some(usual)) if kind != usual => {
            let words = word(usual);
            to.push(Problem::at_path(at(&["kind"]), format!("`{name}` holds what is {words}")));
            return None;
        }
        (Some(kind), _) => kind,
        (None, Some(usual)) => usual,
        (None, None) => {
            let problem = Problem::at_path(at(&[]), "what does this table hold?");
            to.push(problem.help("write `kind: service`, `kind: prefix` or `kind: cluster` in it"));
            return None;
        }
    };
    let mut feeds = Vec::new();
    for (n, feed) in raw.feeds.iter().flatten().enumerate() {
        match &feed.to {
            Some(table) => feeds.push(TableFeed {
                to: table.clone(),
                export: feed.export.clone().unwrap_or_default(),
            }),
            None => to.push(Problem::at_path(
                at(&["feeds", &n.to_string()]),
                "the key `to` is missing: the table that is fed",
            )),
        }
    }
    let mut resolves = Vec::new();
    for (n, resolve) in raw.resolves.iter().flatten().enumerate() {
        match (&resolve.hops, &resolve.through) {
            (Some(hops), Some(through)) => {
                resolves.push(TableResolve { hops: *hops, through: through.clone() });
            }
            _ => to.push(Problem::at_path(
                at(&["resolves", &n.to_string()]),
                "both keys are needed: `hops`, which next hops, and `through`, the table",
            )),
        }
    }
    let linked = !feeds.is_empty() || !resolves.is_empty();
    if name.as_str().starts_with("gateway/") && (!is_gateways(name) || linked) {
        let problem = Problem::at_path(at(&[]), "a gateway's tables stand apart from the others");
        to.push(problem.help(
            "only the policy of `gateway/services` can be told here; it neither feeds nor resolves",
        ));
        return None;
    }
    Some(Table { kind, policy: raw.policy.clone().unwrap_or_default(), feeds, resolves })
}

pub(super) fn usual_kind(name: &str) -> Option<DestinationKind> {
    match name {
        SERVICES | GATEWAY_SERVICES => Some(DestinationKind::Service),
        NODES => Some(DestinationKind::Prefix),
        FABRIC => Some(DestinationKind::Cluster),
        name if name.starts_with("overlay/") => Some(DestinationKind::Prefix),
        _ => None,
    }
}

fn word(kind: DestinationKind) -> &'static str {
    match kind {
        DestinationKind::Service => "of kind `service`",
        DestinationKind::Prefix => "of kind `prefix`",
        DestinationKind::Cluster => "of kind `cluster`",
    }
}

/// Makes the book that the tables will be, and throws it away: its own checks are the ones that
/// will hold.
fn check(tables: &BTreeMap<TableName, Table>, cluster: &ClusterId, to: &mut Problems) {
    if let Err(error) = book(tables, cluster, Now::default(), 0) {
        to.push(problem(tables, &error));
    }
    if let Some(own) = tables.iter().find(|(name, _)| is_gateways(name)).map(|(_, own)| own)
        && let Err(error) = own.policy.check()
    {
        let mut path = vec!["tables".to_owned(), GATEWAY_SERVICES.to_owned(), "policy".to_owned()];
        path.extend(steps(&error.field));
        to.push(Problem::at_path(path, error.to_string()));
    }
}

/// Whether a table stands in the gateway's own book, which would go on if the controller's ended.
pub(crate) fn is_gateways(name: &TableName) -> bool {
    name.as_str() == GATEWAY_SERVICES
}

/// The book of these tables, without the gateway's own.
///
/// # Errors
/// What [`Book::new`] dislikes.
pub(crate) fn book(
    tables: &BTreeMap<TableName, Table>,
    cluster: &ClusterId,
    now: Now,
    seed: u64,
) -> Result<Book, BookError> {
    let spec = |(name, table): (&TableName, &Table)| TableSpec {
        name: name.clone(),
        kind: table.kind,
        policy: table.policy.clone(),
    };
    let tables: BTreeMap<_, _> = tables
        .iter()
        .filter(|(name, _)| !is_gateways(name))
        .map(|(n, t)| (n.clone(), t.clone()))
        .collect();
    let mut feeds = Vec::new();
    let mut resolves = Vec::new();
    for (name, table) in &tables {
        feeds.extend(table.feeds.iter().map(|feed| Feed {
            from: name.clone(),
            to: feed.to.clone(),
            export: feed.export.clone(),
        }));
        resolves.extend(table.resolves.iter().map(|resolve| Resolve {
            table: name.clone(),
            hops: resolve.hops,
            through: resolve.through.clone(),
        }));
    }
    Book::new(cluster.clone(), tables.iter().map(spec).collect(), resolves, feeds, now, seed)
}

/// Where in the file the book's complaint is at home.
fn problem(tables: &BTreeMap<TableName, Table>, error: &BookError) -> Problem {
    let top = || vec!["tables".to_owned()];
    match error {
        BookError::Policy { table, error } => {
            let mut path = top();
            path.extend([table.to_string(), "policy".to_owned()]);
            path.extend(steps(&error.field));
            Problem::at_path(path, format!("{}: {}", error.field, error.why))
        }
        BookError::NoTable { table, .. } => {
            let mut path = top();
            for (name, from) in tables {
                let feed = from.feeds.iter().position(|feed| feed.to == *table);
                let resolve = from.resolves.iter().position(|r| r.through == *table);
                let place = feed.map(|n| ("feeds", n, "to"));
                let place = place.or_else(|| resolve.map(|n| ("resolves", n, "through")));
                if let Some((list, n, key)) = place {
                    path.extend([name.to_string(), list.to_owned(), n.to_string(), key.to_owned()]);
                    break;
                }
            }
            Problem::at_path(path, error.to_string())
        }
        BookError::Twice(_) | BookError::Circle(_) => Problem::at_path(top(), error.to_string()),
    }
}

/// `import.rules[2].match` as steps.
fn steps(field: &str) -> impl Iterator<Item = String> + '_ {
    let parts = field.split(['.', '[']);
    parts.map(|part| part.trim_end_matches(']').to_owned()).filter(|part| !part.is_empty())
}
