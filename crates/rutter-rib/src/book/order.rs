//! The order in which tables are committed, and the checks that a book is sound.

use std::collections::BTreeSet;

use rutter_route::{DestinationKind, TableName};

use crate::policy::HopKind;

use super::{BookError, Feed, Resolve, TableSpec};

type Named = (DestinationKind, TableName);

/// The tables, lower ones first: a table stands behind those it resolves through and, where that
/// leaves a choice, behind those that feed it.
pub(super) fn of(
    tables: &[TableSpec],
    resolves: &[Resolve],
    feeds: &[Feed],
) -> Result<Vec<Named>, BookError> {
    let mut names = BTreeSet::new();
    for spec in tables {
        if !names.insert(&spec.name) {
            return Err(BookError::Twice(spec.name.clone()));
        }
    }
    check_resolves(tables, resolves)?;
    check_feeds(tables, feeds)?;
    let mut order: Vec<Named> = Vec::new();
    while order.len() < tables.len() {
        let placed = |name: &TableName| order.iter().any(|(_, n)| n == name);
        let rest = || tables.iter().filter(|t| !placed(&t.name));
        let resolved = |t: &&TableSpec| {
            resolves.iter().filter(|r| r.table == t.name).all(|r| placed(&r.through))
        };
        let fed = |t: &&TableSpec| feeds.iter().filter(|f| f.to == t.name).all(|f| placed(&f.from));
        // Tables that feed each other have no first: among those any will do, since a feed that
        // comes too late for one walk is carried on by the next.
        let next = rest().find(|t| resolved(t) && fed(t)).or_else(|| rest().find(resolved));
        let Some(next) = next else { break };
        order.push((next.kind, next.name.clone()));
    }
    match circle(tables, resolves, feeds) {
        Some(circle) => Err(BookError::Circle(circle)),
        None => Ok(order),
    }
}

fn kind_of(tables: &[TableSpec], name: &TableName) -> Option<DestinationKind> {
    tables.iter().find(|t| t.name == *name).map(|t| t.kind)
}

fn check_resolves(tables: &[TableSpec], resolves: &[Resolve]) -> Result<(), BookError> {
    for link in resolves {
        let what = format!("`{}` resolves through", link.table);
        let error = |table: &TableName, expected: &str| {
            let (table, expected) = (table.clone(), expected.into());
            Err(BookError::NoTable { what: what.clone(), table, expected })
        };
        if kind_of(tables, &link.table).is_none() {
            return error(&link.table, "there is no such table");
        }
        let wanted = match link.hops {
            HopKind::Cluster => DestinationKind::Cluster,
            HopKind::Address | HopKind::Endpoint => DestinationKind::Prefix,
            _ => {
                return error(
                    &link.through,
                    "only clusters, addresses and endpoints are looked up",
                );
            }
        };
        match kind_of(tables, &link.through) {
            Some(kind) if kind == wanted => {}
            Some(_) => return error(&link.through, "its destinations are of another kind"),
            None => return error(&link.through, "there is no such table"),
        }
    }
    Ok(())
}

fn check_feeds(tables: &[TableSpec], feeds: &[Feed]) -> Result<(), BookError> {
    for feed in feeds {
        let error = |table: &TableName, expected: &str| {
            let what = format!("the feed from `{}` to `{}`", feed.from, feed.to);
            Err(BookError::NoTable { what, table: table.clone(), expected: expected.into() })
        };
        let Some(from) = kind_of(tables, &feed.from) else {
            return error(&feed.from, "there is no such table");
        };
        if feed.from == feed.to {
            return error(&feed.to, "a table doesn't feed itself");
        }
        match kind_of(tables, &feed.to) {
            Some(to) if to == from => {}
            Some(_) => return error(&feed.to, "both must be of one kind"),
            None => return error(&feed.to, "there is no such table"),
        }
    }
    Ok(())
}

/// A circle that has a "resolves through" in it, as names in a row.
fn circle(tables: &[TableSpec], resolves: &[Resolve], feeds: &[Feed]) -> Option<String> {
    let below = |name: &TableName| -> Vec<&TableName> {
        let through = resolves.iter().filter(|r| r.table == *name).map(|r| &r.through);
        let from = feeds.iter().filter(|f| f.to == *name).map(|f| &f.from);
        let mut below: Vec<_> = through.chain(from).collect();
        below.retain(|n| kind_of(tables, n).is_some());
        below
    };
    for link in resolves {
        let mut seen = BTreeSet::new();
        let mut open = vec![vec![&link.table, &link.through]];
        while let Some(way) = open.pop() {
            let Some(last) = way.last().copied() else { continue };
            if *last == link.table {
                let names: Vec<_> = way.iter().map(ToString::to_string).collect();
                return Some(names.join(" -> "));
            }
            if !seen.insert(last) {
                continue;
            }
            for next in below(last) {
                let mut longer = way.clone();
                longer.push(next);
                open.push(longer);
            }
        }
    }
    None
}
