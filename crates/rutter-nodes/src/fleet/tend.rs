//! What time does: keys expire, ephemeral nodes are collected.

use std::sync::Arc;
use std::time::Duration;

use rutter_registry::NodeWrite;
use rutter_rib::Table;
use rutter_route::{NodeId, Now, Prefix, Wall};

use super::session::away_since;
use super::state::{Presence, State, lock};
use super::word::Act;
use super::{FleetError, Inner};
use crate::{NodesError, RouteRow};

/// The wall's clock may jump, so it is looked at as often as this.
const AT_LEAST: Duration = Duration::from_secs(60);

impl Inner {
    /// The task, until the fleet is closed.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            if let Err(error) = self.tend().await {
                tracing::warn!(%error, "nodes whose time is over stay until the registry can write");
            }
            let due = self.next_due().unwrap_or(AT_LEAST).min(AT_LEAST);
            // Never sooner than a moment: what can't be written now is tried again, not spun on.
            let due = due.max(Duration::from_millis(100));
            tokio::select! {
                () = self.closing.cancelled() => return,
                () = self.look_at_the_clock.notified() => {}
                () = tokio::time::sleep(due) => {}
            }
        }
    }

    /// Does what is due by the clock of the book.
    pub(super) async fn tend(self: &Arc<Self>) -> Result<(), FleetError> {
        if self.check_open().is_err() {
            return Ok(());
        }
        let this = self.clone();
        let timeout = self.config().ephemeral_timeout;
        let collected = self.apply(move |state, table, now| {
            this.expire_due(state, table, now);
            let due = |id: &NodeId, p: &Presence| {
                let is_ephemeral = state.nodes.get(*id).is_some_and(|node| node.ephemeral);
                is_ephemeral && away_since(p, now.mono).is_some_and(|away| away >= timeout)
            };
            let due = state.presence.iter().filter(|(id, p)| due(id, p)).map(|(id, _)| *id);
            due.collect::<Vec<_>>()
        });
        for id in collected.await? {
            let act = Act::new("controller", "node.collect", id.0).because("ephemeral, and away");
            let still = move |presence: &Presence, now: Now| {
                away_since(presence, now.mono).is_some_and(|away| away >= timeout)
            };
            match self.remove(act, id, still).await {
                // Back, or gone by a person's word meanwhile.
                Ok(_) | Err(FleetError::InUse(_) | FleetError::Nodes(NodesError::Unknown(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Keys whose time is over.
    pub(super) fn expire_due(&self, state: &mut State, table: &mut Table<Prefix>, now: Now) {
        let expired = state.nodes.expire(now, table);
        for id in &expired {
            if let Some(presence) = state.presence.get_mut(id).filter(|p| p.online) {
                // Its session ends with the key, whenever the link notices.
                let (since, away) = (Some(now.wall), Some(now.mono));
                *presence = Presence { online: false, since, away, ..*presence };
            }
            lock(&self.pings).remove(id);
            let rows = state.nodes.rows_of(table, *id);
            self.store.wait_for(rows.iter().map(|row| (*id, row.prefix)), [*id]);
        }
        if !expired.is_empty() {
            self.changed.note(|what| what.roster = true);
        }
    }

    /// A node goes with all its routes, if its session is as expected when it does. Returns its rows
    /// as they were.
    pub(super) async fn remove(
        self: &Arc<Self>,
        act: Act,
        id: NodeId,
        may_go: impl Fn(&Presence, Now) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<RouteRow>, FleetError> {
        let may_go = Arc::new(may_go);
        let check = move |state: &State, now: Now| {
            state.nodes.get(id).ok_or(NodesError::Unknown(id))?;
            match may_go(&state.presence.get(&id).copied().unwrap_or_default(), now) {
                true => Ok(()),
                false => Err(FleetError::InUse(format!("node {} is back", id.0))),
            }
        };
        let again = check.clone();
        let prepare = move |state: &mut State, _: &mut Table<Prefix>, now| {
            check(state, now).map(|()| vec![NodeWrite::NodeGone(id)])
        };
        let this = self.clone();
        let effect = move |state: &mut State, table: &mut Table<Prefix>, now| {
            if let Err(back) = again(state, now) {
                // It was taken out of the registry: all of it is written again.
                let rows = state.nodes.rows_of(table, id);
                this.store.wait_for(rows.iter().map(|row| (id, row.prefix)), [id]);
                return Err(back);
            }
            let rows = state.nodes.remove(now, table, id)?;
            state.presence.remove(&id);
            state.endpoints.remove(&id);
            Ok(rows)
        };
        let rows = self.word(act, prepare, effect).await?;
        lock(&self.pings).remove(&id);
        self.changed.note(|what| what.roster = true);
        Ok(rows)
    }

    /// How long until something is due.
    fn next_due(&self) -> Option<Duration> {
        let now = self.clock.now();
        let timeout = self.config().ephemeral_timeout;
        let state = lock(&self.state);
        let until = |at: Wall| Duration::from_millis(at.0.saturating_sub(now.wall.0));
        let expiry = state.nodes.next_expiry().map(until);
        let is_ephemeral = |id: &NodeId| state.nodes.get(*id).is_some_and(|node| node.ephemeral);
        let ephemeral = state.presence.iter().filter(|(id, _)| is_ephemeral(id));
        let ephemeral = ephemeral.filter_map(|(_, p)| away_since(p, now.mono));
        expiry.into_iter().chain(ephemeral.map(|away| timeout.saturating_sub(away))).min()
    }
}
