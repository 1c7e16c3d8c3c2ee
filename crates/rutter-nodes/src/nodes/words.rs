//! What people say of a node's routes.

use rutter_rib::{Decided, Table};
use rutter_route::{By, Decision, NodeId, Now, Prefix, SourceId};

use super::{Kept, MAX_ROWS, Member, Nodes, NodesError};

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approved {
    /// The route is advertised, and may be used.
    Enabled,
    /// The word is kept until the node advertises the route.
    Waits,
}

impl Nodes {
    /// A person approves a node's route; of an exit route both families.
    ///
    /// A route that the node doesn't advertise is refused, unless the approval is meant to wait:
    /// then it is kept, and the row shows that. A withdrawal ends it as any other.
    ///
    /// # Errors
    /// The node is unknown, doesn't advertise the route, or there is no room for the word.
    pub fn approve(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        (id, prefix): (NodeId, &Prefix),
        (who, why): (&str, &str),
        may_wait: bool,
    ) -> Result<Approved, NodesError> {
        let source = self.member(id)?.node.source();
        let is_advertised = families(prefix).iter().any(|p| table.holds(&source, p));
        if !is_advertised && !may_wait {
            return Err(NodesError::NotAdvertised { node: id, prefix: *prefix });
        }
        self.decide(now, table, (id, prefix), Decision::Approve, (who, why))?;
        Ok(if is_advertised { Approved::Enabled } else { Approved::Waits })
    }

    /// A person revokes a node's route, advertised or not; of an exit route both families. No rule
    /// approves it from now on.
    ///
    /// # Errors
    /// The node is unknown, or there is no room for the word.
    pub fn revoke(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        (id, prefix): (NodeId, &Prefix),
        (who, why): (&str, &str),
    ) -> Result<(), NodesError> {
        self.decide(now, table, (id, prefix), Decision::Revoke, (who, why))?;
        self.forget_health_if_idle(now, table, id);
        Ok(())
    }

    /// A person deletes the row of a route that the node doesn't advertise, with every word on it;
    /// of an exit route both families. Rules may approve it again.
    ///
    /// # Errors
    /// The node is unknown, or advertises the route.
    pub fn forget(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        (id, prefix): (NodeId, &Prefix),
        (who, why): (&str, &str),
    ) -> Result<(), NodesError> {
        let source = self.member(id)?.node.source();
        let families = families(prefix);
        if let Some(prefix) = families.iter().find(|p| table.holds(&source, p)) {
            return Err(NodesError::Advertised { node: id, prefix: *prefix });
        }
        for prefix in &families {
            let by = By::Person(who.to_owned());
            let cleared = table.decide(now, &source, Some(prefix), Decision::Clear, by, why);
            cleared.map_err(|e| NodesError::TooMany { what: e.what, bound: e.bound })?;
            if let Some(member) = self.members.get_mut(&id) {
                member.rows.remove(prefix);
            }
        }
        Ok(())
    }

    /// A person says something of a node's route, advertised or not; of an exit route, of both
    /// families.
    ///
    /// # Errors
    /// The node is unknown, or there is no room for the word.
    pub fn decide(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        (id, prefix): (NodeId, &Prefix),
        what: Decision,
        (who, why): (&str, &str),
    ) -> Result<(), NodesError> {
        let source = self.member(id)?.node.source();
        let families = families(prefix);
        for prefix in &families {
            self.make_row(now, table, id, prefix)?;
        }
        for prefix in &families {
            let by = By::Person(who.to_owned());
            let decided = table.decide(now, &source, Some(prefix), what, by, why);
            decided.map_err(|e| NodesError::TooMany { what: e.what, bound: e.bound })?;
            if let Some(row) = self.row_for(now, table, id, prefix) {
                row.updated = now.wall;
            }
        }
        Ok(())
    }

    /// A person says something of all routes of a node, those to come too.
    ///
    /// # Errors
    /// The node is unknown, or there is no room for the word.
    pub fn decide_on_all(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        id: NodeId,
        what: Decision,
        (who, why): (&str, &str),
    ) -> Result<(), NodesError> {
        let source = self.member(id)?.node.source();
        let decided = table.decide(now, &source, None, what, By::Person(who.to_owned()), why);
        decided.map_err(|e| NodesError::TooMany { what: e.what, bound: e.bound })
    }

    /// Makes the row of a node's route if there is none, so that a word on it has its place.
    ///
    /// # Errors
    /// The node is unknown, or has as many rows as it may.
    pub fn make_row(
        &mut self,
        now: Now,
        table: &Table<Prefix>,
        id: NodeId,
        prefix: &Prefix,
    ) -> Result<(), NodesError> {
        self.member(id)?;
        let too_many = NodesError::TooMany { what: "rows of the node", bound: MAX_ROWS };
        self.row_for(now, table, id, prefix).map(drop).ok_or(too_many)
    }

    /// Takes back a row that was made for a word, where the word couldn't be kept: one that says
    /// nothing and never did.
    pub fn unmake_row(&mut self, table: &Table<Prefix>, id: NodeId, prefix: &Prefix) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let source = member.node.source();
        let is_empty = |row: &Kept| row.created == row.updated && row.was_enabled.is_none();
        if member.rows.get(prefix).is_some_and(is_empty) && is_idle(table, &source, prefix) {
            member.rows.remove(prefix);
        }
    }

    /// The row of a node's route, made if there is none. `None`: the node is unknown, or all its
    /// rows are of routes that are advertised or decided on.
    pub(super) fn row_for(
        &mut self,
        now: Now,
        table: &Table<Prefix>,
        id: NodeId,
        prefix: &Prefix,
    ) -> Option<&mut Kept> {
        let Self { members, last_row, given_way, .. } = self;
        let member = members.get_mut(&id)?;
        if !member.rows.contains_key(prefix) {
            make_room(table, member, given_way)?;
        }
        let new = || Kept::new(Self::take_row_id(last_row), now);
        Some(member.rows.entry(*prefix).or_insert_with(new))
    }
}

/// A prefix, or both exit routes for one.
pub(crate) fn families(prefix: &Prefix) -> Vec<Prefix> {
    match prefix.is_default() {
        true => vec![Prefix::DEFAULT_V4, Prefix::DEFAULT_V6],
        false => vec![*prefix],
    }
}

/// How many rows give way at once: so a node that says other routes each time has its rows looked
/// through once in so many.
const AT_ONCE: usize = MAX_ROWS / 8;

/// Over the bound those rows give way that were touched longest ago, of those that say nothing but
/// what was.
fn make_room(
    table: &Table<Prefix>,
    member: &mut Member,
    given_way: &mut Vec<(NodeId, Prefix)>,
) -> Option<()> {
    if member.rows.len() < MAX_ROWS {
        return Some(());
    }
    let source = member.node.source();
    let idle = member.rows.iter().filter(|(prefix, _)| is_idle(table, &source, prefix));
    let mut idle: Vec<_> = idle.map(|(prefix, row)| (row.updated, row.id, *prefix)).collect();
    idle.sort_unstable();
    idle.truncate(AT_ONCE);
    for (.., prefix) in &idle {
        member.rows.remove(prefix);
        given_way.push((member.node.id, *prefix));
    }
    (!idle.is_empty()).then_some(())
}

/// A row that says nothing but what was.
fn is_idle(table: &Table<Prefix>, source: &SourceId, prefix: &Prefix) -> bool {
    !table.holds(source, prefix) && table.decisions(source, Some(prefix)) == Decided::default()
}
