//! How nodes end, and how they return after a start.

use rutter_rib::{Table, ViewId};
use rutter_route::{
    Advertisement, Attributes, By, Decision, Incarnation, NextHop, NodeId, Now, PathId, Prefix,
    Session, SourceState,
};

use crate::node::Node;
use crate::row::{Kept, RouteRow, Seen};

use super::{Nodes, NodesError};

/// Why a node that was stored is away.
const NOT_BACK: &str = "not back yet since the start";

impl Nodes {
    /// A node is deleted or collected: it goes with all its routes and every word on them. Returns
    /// its rows as they were, with the time of their end.
    ///
    /// # Errors
    /// It is unknown, or the table doesn't take its end.
    pub fn remove(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        id: NodeId,
    ) -> Result<Vec<RouteRow>, NodesError> {
        let source = self.member(id)?.node.source();
        let mut rows = self.rows_of(table, id);
        match table.session_of(&source) {
            Some(session) => {
                table.source(now, &session, SourceState::Gone).map_err(NodesError::Refused)?;
            }
            // A node that never came may have words on routes that were waited for.
            None => {
                for row in &rows {
                    let by = By::Person("the node's end".into());
                    // Taking back needs no room.
                    let _ = table.decide(now, &source, Some(&row.prefix), Decision::Clear, by, "");
                }
            }
        }
        if let Some(member) = self.members.remove(&id) {
            let Node { name, key, addresses, expiry, .. } = member.node;
            self.names.remove(&name);
            self.keys.remove(&key);
            for address in &addresses {
                self.addresses.remove(address);
            }
            expiry.map(|at| self.expiries.remove(&(at, id)));
        }
        for row in &mut rows {
            row.deleted = Some(now.wall);
        }
        Ok(rows)
    }

    /// Keys that have expired by now: their nodes' sessions end and all their routes are withdrawn.
    /// The nodes stay, and what people revoked with them. Returns which.
    pub fn expire(&mut self, now: Now, table: &mut Table<Prefix>) -> Vec<NodeId> {
        let mut expired = Vec::new();
        while let Some((_, id)) = self.expiries.first().copied().filter(|(at, _)| *at <= now.wall) {
            self.expiries.pop_first();
            self.end_session(now, table, id);
            expired.push(id);
        }
        expired
    }

    fn end_session(&mut self, now: Now, table: &mut Table<Prefix>, id: NodeId) {
        let Ok(member) = self.member(id) else { return };
        let Some(session) = table.session_of(&member.node.source()) else { return };
        let up = SourceState::Up(member.node.info());
        // Only a session that is up may withdraw; one that is away speaks for this last time.
        if !table.speaks(&session.source) && table.source(now, &session, up).is_err() {
            return;
        }
        self.withdraw(now, table, &session, id, |_| true);
        let offline = SourceState::Offline { why: "its key has expired".into() };
        // The session was just heard, so it is the one that counts.
        let _ = table.source(now, &session, offline);
    }

    /// A node that was stored is there again, away until its own session returns; its rows are as
    /// they were. A prefix that it was primary for waits for it until the grace ends: nobody else is
    /// elected before. Nothing may be committed between the first node and the last.
    ///
    /// # Errors
    /// As [`Nodes::add`], but for the number; or the table refuses.
    pub fn restore(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        (node, incarnation): (Node, Incarnation),
        rows: &[RouteRow],
        grace: std::time::Duration,
    ) -> Result<(), NodesError> {
        let (id, source, info) = (node.id, node.source(), node.info());
        let is_expired = node.is_expired(now.wall);
        self.insert(node)?;
        let session = Session { source, incarnation };
        for row in rows {
            self.keep(row, id);
            self.say_again(now, table, &session, row)?;
        }
        table.source(now, &session, SourceState::Up(info)).map_err(NodesError::Refused)?;
        let until = Some(now.deadline(grace));
        for row in rows.iter().filter(|row| row.advertised) {
            let attributes = Attributes::via(NextHop::Node(id));
            table.advertise(now, &session, Advertisement::new(row.prefix, attributes));
            if (row.is_primary || row.was_primary) && !row.prefix.is_default() {
                let (view, path) = (ViewId::DEFAULT, PathId::default());
                table.nominate(now, view, &row.prefix, &session.source, &path, until);
            }
        }
        let offline = SourceState::Offline { why: NOT_BACK.into() };
        table.source(now, &session, offline).map_err(NodesError::Refused)?;
        if is_expired {
            self.end_session(now, table, id);
        }
        Ok(())
    }

    fn keep(&mut self, row: &RouteRow, id: NodeId) {
        self.last_row = self.last_row.max(row.id.0);
        let kept = Kept {
            id: row.id,
            created: row.created,
            updated: row.updated,
            was_enabled: row.was_enabled.clone(),
            seen: Seen { enabled: row.enabled, is_primary: row.is_primary },
        };
        if let Some(member) = self.members.get_mut(&id) {
            member.rows.insert(row.prefix, kept);
        }
    }

    /// The word on a stored row, said again with the time it was said at.
    fn say_again(
        &self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        row: &RouteRow,
    ) -> Result<(), NodesError> {
        let Some(word) = &row.approval else { return Ok(()) };
        let what = if word.is { Decision::Approve } else { Decision::Revoke };
        let then = Now { mono: now.mono, wall: word.at };
        let (by, on) = (word.by.clone(), Some(&row.prefix));
        let said = table.decide(then, &session.source, on, what, by, &word.why);
        said.map_err(|e| NodesError::TooMany { what: e.what, bound: e.bound })
    }
}
