//! Rows: a view of the table and of what is kept beside it.

use rutter_rib::{Decided, Table, ViewId};
use rutter_route::{NodeId, Now, Prefix, SourceId, Standing};

use crate::RouteRow;
use crate::election;
use crate::node::node_of;
use crate::row::{Kept, Seen};

use super::Nodes;

impl Nodes {
    /// The rows of a node, by prefix, as of the last commit.
    pub fn rows_of(&self, table: &Table<Prefix>, id: NodeId) -> Vec<RouteRow> {
        let rows = self.members.get(&id).into_iter().flat_map(|member| &member.rows);
        rows.map(|(prefix, kept)| row(table, id, prefix, kept)).collect()
    }

    /// All rows, by node and prefix, as of the last commit.
    pub fn rows(&self, table: &Table<Prefix>) -> impl Iterator<Item = RouteRow> {
        self.members.iter().flat_map(move |(id, member)| {
            member.rows.iter().map(move |(prefix, kept)| row(table, *id, prefix, kept))
        })
    }

    /// One row, as of the last commit.
    pub fn row(&self, table: &Table<Prefix>, id: NodeId, prefix: &Prefix) -> Option<RouteRow> {
        let kept = self.members.get(&id)?.rows.get(prefix)?;
        Some(row(table, id, prefix, kept))
    }

    /// After a commit that touched these prefixes: rows that won or lost their prefix, or that a rule
    /// approved or left, were updated now. Returns them, and those that aren't the last primary any
    /// more: what of the rows is to be written.
    pub fn note<'p>(
        &mut self,
        now: Now,
        table: &Table<Prefix>,
        touched: impl IntoIterator<Item = &'p Prefix>,
    ) -> Vec<(NodeId, Prefix)> {
        let mut changed = Vec::new();
        for prefix in touched {
            for id in table.candidates(prefix).iter().filter_map(|c| node_of(c.source)) {
                let kept = self.members.get_mut(&id).and_then(|m| m.rows.get_mut(prefix));
                let Some(kept) = kept else { continue };
                let RouteRow { enabled, is_primary, was_primary, .. } =
                    row(table, id, prefix, kept);
                let seen = Seen { enabled, is_primary, was_primary };
                let before = std::mem::replace(&mut kept.seen, seen);
                if (before.enabled, before.is_primary) != (enabled, is_primary) {
                    kept.updated = now.wall;
                }
                if before != seen {
                    changed.push((id, *prefix));
                }
            }
        }
        changed
    }
}

fn row(table: &Table<Prefix>, id: NodeId, prefix: &Prefix, kept: &Kept) -> RouteRow {
    let source = SourceId::node(id.0);
    let standing =
        table.candidates(prefix).iter().find(|c| *c.source == source).map(|c| c.standing);
    let may = |s: Standing| !matches!(s, Standing::Denied | Standing::Unapproved);
    let is_primary = election::primary(table, prefix, ViewId::DEFAULT) == Some(id);
    let Decided { approval, preference, drain } = table.decisions(&source, Some(prefix));
    RouteRow {
        id: kept.id,
        node: id,
        prefix: *prefix,
        advertised: standing.is_some(),
        enabled: standing.is_some_and(may),
        is_primary,
        was_primary: !is_primary
            && election::primary(table, prefix, ViewId::DEFAULT).is_none()
            && election::last_primary(table, prefix) == Some(id),
        standing,
        approval,
        preference,
        drain,
        was_enabled: kept.was_enabled.clone(),
        created: kept.created,
        updated: kept.updated,
        deleted: None,
    }
}
