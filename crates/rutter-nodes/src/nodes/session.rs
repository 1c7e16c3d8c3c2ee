//! What a node's session says.

use std::collections::BTreeSet;

use rutter_rib::Table;
use rutter_route::{
    Advertisement, Attributes, Health, Incarnation, NextHop, NodeId, Now, Observer, PathId, Prefix,
    Refused, Session, SourceState, Verdict,
};

use crate::WasEnabled;
use crate::node::node_of;

use super::{MAX_ROWS, Nodes, NodesError};

/// What became of an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced {
    /// Each prefix that was said, and how its route stands.
    pub verdicts: Vec<(Prefix, Verdict)>,
    /// What was said before and isn't any more.
    pub withdrawn: Vec<Prefix>,
}

/// Whose verdicts those of [`Nodes::health`] are.
const OBSERVER: &str = "controller";

impl Nodes {
    /// A session of a node begins. What older ones say is refused from now on; a verdict on the
    /// node's health ends.
    ///
    /// # Errors
    /// The node is unknown or its key has expired, or a newer session is there.
    pub fn connect(
        &self,
        now: Now,
        table: &mut Table<Prefix>,
        id: NodeId,
        incarnation: Incarnation,
    ) -> Result<Session, NodesError> {
        let node = &self.member(id)?.node;
        if node.is_expired(now.wall) {
            return Err(NodesError::Expired(id));
        }
        let session = Session { source: node.source(), incarnation };
        let up = SourceState::Up(node.info());
        table.source(now, &session, up).map_err(NodesError::Refused)?;
        Ok(session)
    }

    /// A session is lost: its node's routes are out of use, and none is withdrawn.
    ///
    /// # Errors
    /// A newer session is there: it is none of this one's business any more.
    pub fn disconnect(
        &self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        why: &str,
    ) -> Result<(), NodesError> {
        let offline = SourceState::Offline { why: why.to_owned() };
        table.source(now, session, offline).map_err(NodesError::Refused)
    }

    /// A session says all that its node advertises; what it said before and doesn't any more is
    /// withdrawn.
    ///
    /// # Errors
    /// The session isn't the one that counts, or its node is unknown.
    pub fn announce(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        prefixes: &BTreeSet<Prefix>,
    ) -> Result<Announced, NodesError> {
        let unknown = || NodesError::Unknown(node_of(&session.source).unwrap_or(NodeId(0)));
        let id = node_of(&session.source).ok_or_else(unknown)?;
        self.member(id)?;
        if !table.begin_refresh(now, session) {
            let current = table.session_of(&session.source).map(|s| s.incarnation);
            return Err(NodesError::Refused(Refused::OldSession { current }));
        }
        let mut announced = Announced {
            withdrawn: self.withdraw(now, table, session, id, |p| !prefixes.contains(p)),
            ..Announced::default()
        };
        for prefix in prefixes {
            let verdict = self.advertise(now, table, session, id, prefix);
            announced.verdicts.push((*prefix, verdict));
        }
        table.end_of_refresh(now, session);
        self.forget_health_if_idle(now, table, id);
        Ok(announced)
    }

    fn advertise(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        id: NodeId,
        prefix: &Prefix,
    ) -> Verdict {
        let is_new = !table.holds(&session.source, prefix);
        let had_row = self.members.get(&id).is_some_and(|m| m.rows.contains_key(prefix));
        // What has no row would be seen by nobody: it is refused as what is over the table's bound.
        let Some(row) = self.row_for(now, table, id, prefix) else {
            return Verdict::Refused(Refused::SourceBound(MAX_ROWS));
        };
        if is_new {
            row.updated = now.wall;
        }
        let attributes = Attributes::via(NextHop::Node(id));
        let verdict = table.advertise(now, session, Advertisement::new(*prefix, attributes));
        if let (Verdict::Refused(_), false, Some(member)) =
            (&verdict, had_row, self.members.get_mut(&id))
        {
            member.rows.remove(prefix);
        }
        verdict
    }

    /// Withdraws those of a node's routes that are `gone`, and notes whose approvals end with them.
    /// The session must be one that may speak.
    pub(super) fn withdraw(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        id: NodeId,
        gone: impl Fn(&Prefix) -> bool,
    ) -> Vec<Prefix> {
        let Some(member) = self.members.get_mut(&id) else { return Vec::new() };
        let mut withdrawn = Vec::new();
        for (prefix, row) in member.rows.iter_mut().filter(|(prefix, _)| gone(prefix)) {
            let before = table.decisions(&session.source, Some(prefix)).approval;
            if !table.withdraw(now, session, prefix, &PathId::default()) {
                continue;
            }
            let after = table.decisions(&session.source, Some(prefix)).approval;
            row.updated = now.wall;
            row.seen.enabled = false;
            if let (Some(word), None) = (before.filter(|w| w.is), after) {
                let (by, since) = (word.by, word.at);
                row.was_enabled = Some(WasEnabled { by, since, until: now.wall });
            }
            withdrawn.push(*prefix);
        }
        withdrawn
    }

    /// What the controller's probes say of a node. One that is away or has no route in use is not
    /// judged: nothing hangs on it, and its next session begins well.
    pub fn health(&self, now: Now, table: &mut Table<Prefix>, id: NodeId, is: Health) -> bool {
        self.is_in_use(table, id) && judge(now, table, id, is)
    }

    /// A node without a route in use has no verdict.
    pub(super) fn forget_health_if_idle(&self, now: Now, table: &mut Table<Prefix>, id: NodeId) {
        if !self.is_in_use(table, id) {
            judge(now, table, id, Health::Unknown);
        }
    }

    /// Whether a node has a live session and a route that is approved.
    fn is_in_use(&self, table: &Table<Prefix>, id: NodeId) -> bool {
        let Ok(member) = self.member(id) else { return false };
        let source = member.node.source();
        let approved =
            |p: &Prefix| table.decisions(&source, Some(p)).approval.is_some_and(|w| w.is);
        table.speaks(&source) && member.rows.keys().any(|p| table.holds(&source, p) && approved(p))
    }
}

fn judge(now: Now, table: &mut Table<Prefix>, id: NodeId, is: Health) -> bool {
    let by = Observer { name: OBSERVER.into(), acts: true };
    table.health(now, &by, &rutter_route::SourceId::node(id.0), None, is)
}
