//! How nodes end, and how they return after a start.

use std::time::Duration;

use rutter_rib::{Decided, Table, ViewId};
use rutter_route::{
    Advertisement, Attributes, By, Decision, Incarnation, NextHop, NodeId, Now, PathId, Prefix,
    Session, SourceState, Wall, Word,
};

use crate::Node;
use crate::RouteRow;
use crate::row::{Kept, Seen};

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
                for on in rows.iter().map(|row| Some(&row.prefix)).chain([None]) {
                    let by = By::Person("the node's end".into());
                    // Taking back needs no room.
                    let _ = table.decide(now, &source, on, Decision::Clear, by, "");
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

    /// A node that was stored is there again, away until its own session returns; its rows, and the
    /// words on them, are as they were. A prefix that it was primary for waits for it until the grace
    /// ends: nobody else is elected before. Nothing may be committed between the first node and the
    /// last.
    ///
    /// # Errors
    /// As [`Nodes::add`], but for the number; or the table refuses.
    pub fn restore(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        stored: &StoredNode,
        grace: Duration,
    ) -> Result<(), NodesError> {
        let node = &stored.node;
        let (source, up) = (node.source(), SourceState::Up(node.info()));
        self.insert(node.clone())?;
        let session = Session { source, incarnation: stored.incarnation };
        let whole = &stored.words;
        say_again(now, table, &session, None, whole)?;
        for row in &stored.rows {
            self.keep(row, node.id);
            // The row shows what counts; what was said of the whole node is said once.
            let own = Decided {
                approval: row.approval.clone().filter(|w| whole.approval.as_ref() != Some(w)),
                preference: row.preference.clone().filter(|w| whole.preference.as_ref() != Some(w)),
                drain: row.drain.clone().filter(|w| whole.drain.as_ref() != Some(w)),
            };
            say_again(now, table, &session, Some(&row.prefix), &own)?;
        }
        table.source(now, &session, up).map_err(NodesError::Refused)?;
        let until = Some(now.deadline(grace));
        for row in stored.rows.iter().filter(|row| row.advertised) {
            let attributes = Attributes::via(NextHop::Node(node.id));
            // Over a bound that is lower than before it is refused, and its row says so.
            table.advertise(now, &session, Advertisement::new(row.prefix, attributes));
            if (row.is_primary || row.was_primary) && !row.prefix.is_default() {
                let (view, path) = (ViewId::DEFAULT, PathId::default());
                table.nominate(now, view, &row.prefix, &session.source, &path, until);
            }
        }
        let offline = SourceState::Offline { why: NOT_BACK.into() };
        table.source(now, &session, offline).map_err(NodesError::Refused)?;
        if node.is_expired(now.wall) {
            self.end_session(now, table, node.id);
        }
        Ok(())
    }

    /// What is to be stored of a node, as of the last commit.
    ///
    /// # Errors
    /// It is unknown.
    pub fn stored(&self, table: &Table<Prefix>, id: NodeId) -> Result<StoredNode, NodesError> {
        let node = self.member(id)?.node.clone();
        let source = node.source();
        let incarnation = table.session_of(&source).map_or(Incarnation(0), |s| s.incarnation);
        let words = table.decisions(&source, None);
        Ok(StoredNode { node, incarnation, words, rows: self.rows_of(table, id) })
    }

    fn keep(&mut self, row: &RouteRow, id: NodeId) {
        self.last_row = self.last_row.max(row.id.0);
        let kept = Kept {
            id: row.id,
            created: row.created,
            updated: row.updated,
            was_enabled: row.was_enabled.clone(),
            seen: Seen {
                enabled: row.enabled,
                is_primary: row.is_primary,
                was_primary: row.was_primary,
            },
        };
        if let Some(member) = self.members.get_mut(&id) {
            member.rows.insert(row.prefix, kept);
        }
    }
}

/// A node as it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNode {
    /// Who it is.
    pub node: Node,
    /// Its last session: an older one is refused also after a start.
    pub incarnation: Incarnation,
    /// What was said of all its routes.
    pub words: Decided,
    /// Its rows.
    pub rows: Vec<RouteRow>,
}

/// Stored words, said again with the times they were said at.
fn say_again(
    now: Now,
    table: &mut Table<Prefix>,
    session: &Session,
    on: Option<&Prefix>,
    words: &Decided,
) -> Result<(), NodesError> {
    let mut say = |what, at: Wall, by: &By, why: &str| {
        let then = Now { mono: now.mono, wall: at };
        let said = table.decide(then, &session.source, on, what, by.clone(), why);
        said.map_err(|e| NodesError::TooMany { what: e.what, bound: e.bound })
    };
    if let Some(Word { is, by, why, at }) = &words.approval {
        let what = if *is { Decision::Approve } else { Decision::Revoke };
        say(what, *at, by, why)?;
    }
    if let Some(Word { is, by, why, at }) = &words.preference {
        say(Decision::Prefer(*is), *at, by, why)?;
    }
    if let Some(Word { by, why, at, .. }) = &words.drain {
        say(Decision::Drain, *at, by, why)?;
    }
    Ok(())
}
