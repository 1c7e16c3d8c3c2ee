//! A person's word: written, in effect, what followed written, then acknowledged.

use std::sync::Arc;

use rutter_registry::{AuditEvent, NodeWrite, Note};
use rutter_rib::Table;
use rutter_route::{NodeId, Now, Prefix};

use super::state::{State, lock};
use super::{Fleet, FleetError, Inner};

/// What a person did, for the audit.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) who: String,
    pub(super) what: &'static str,
    pub(super) subject: String,
    pub(super) detail: String,
}

impl Act {
    pub(super) fn new(who: &str, what: &'static str, subject: impl ToString) -> Self {
        Self { who: who.into(), what, subject: subject.to_string(), detail: String::new() }
    }

    pub(super) fn because(self, detail: impl ToString) -> Self {
        Self { detail: detail.to_string(), ..self }
    }
}

impl Fleet {
    /// Runs what writes to its end, also when whoever asked goes away: a word that is written takes
    /// effect.
    pub(super) async fn to_the_end<R, F, W>(&self, work: W) -> Result<R, FleetError>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, FleetError>> + Send + 'static,
        W: FnOnce(Arc<Inner>) -> F,
    {
        let done = tokio::spawn(work(self.0.clone()));
        done.await.map_err(|_| rutter_registry::Error::Closed)?
    }

    /// A word on nodes and rows. `prepare` says what is to be written of it and changes nothing that
    /// counts; `effect` does it. A row or node that it writes is written again as it is then.
    pub(super) async fn word<R, P, E>(
        &self,
        act: Act,
        prepare: P,
        effect: E,
    ) -> Result<R, FleetError>
    where
        R: Send + 'static,
        P: FnOnce(&mut State, &mut Table<Prefix>, Now) -> Result<Vec<NodeWrite>, FleetError>
            + Send
            + 'static,
        E: FnOnce(&mut State, &mut Table<Prefix>, Now) -> Result<R, FleetError> + Send + 'static,
    {
        self.to_the_end(|this| async move { this.word(act, prepare, effect).await }).await
    }
}

impl Inner {
    pub(super) async fn word<R, P, E>(
        &self,
        act: Act,
        prepare: P,
        effect: E,
    ) -> Result<R, FleetError>
    where
        R: Send + 'static,
        P: FnOnce(&mut State, &mut Table<Prefix>, Now) -> Result<Vec<NodeWrite>, FleetError>
            + Send
            + 'static,
        E: FnOnce(&mut State, &mut Table<Prefix>, Now) -> Result<R, FleetError> + Send + 'static,
    {
        let mut turn = self.store.turn().await;
        self.check_open()?;
        let writes = self.apply(prepare).await??;
        let (rows, nodes) = named(&writes);
        if let Err(error) = self.registry.write_nodes(writes).await {
            self.apply(move |state, table, _| {
                for (id, prefix) in rows {
                    state.nodes.unmake_row(table, id, &prefix);
                }
            })
            .await?;
            return Err(error.into());
        }
        self.store.wait_for(rows, nodes);
        let done = self.apply(effect).await?;
        let written = self.write_what_waits(&mut turn).await;
        drop(turn);
        let done = done?;
        written?;
        self.note(act).await;
        Ok(done)
    }

    /// Nobody's word is taken while the registry may be another's.
    pub(super) fn check_open(&self) -> Result<(), FleetError> {
        match lock(&self.state).paused {
            true => Err(rutter_registry::Error::Closed.into()),
            false => Ok(()),
        }
    }

    /// Writes down an act that has happened. That it can't be written down doesn't undo it, so a
    /// failure is logged and no more.
    pub(super) async fn note(&self, act: Act) {
        let Act { who, what, subject, detail } = act;
        let event = AuditEvent {
            at: self.clock.now().wall,
            who: Note::from(who),
            what: Note::from(what),
            subject: Note::from(subject),
            detail: Note::from(detail),
        };
        if let Err(error) = self.registry.audit(event).await {
            tracing::warn!(%error, what, "an audit event can't be written");
        }
    }
}

/// The rows and nodes that are written.
fn named(writes: &[NodeWrite]) -> (Vec<(NodeId, Prefix)>, Vec<NodeId>) {
    let (mut rows, mut nodes) = (Vec::new(), Vec::new());
    for write in writes {
        match write {
            NodeWrite::Node(record) => nodes.push(record.node.id),
            NodeWrite::Row(row) => rows.push((row.node, row.prefix)),
            NodeWrite::RowGone(id, prefix) => rows.push((*id, *prefix)),
            NodeWrite::NodeGone(id) => nodes.push(*id),
        }
    }
    (rows, nodes)
}
