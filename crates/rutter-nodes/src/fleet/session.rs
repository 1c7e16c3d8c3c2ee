//! Sessions of nodes.
//!
//! The table hears of a session with its first announcement, not before: until then the routes of
//! the session before stand as they are, so one that takes over in time moves nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use rutter_link::Pinged;
use rutter_registry::PublicKey;
use rutter_rib::Table;
use rutter_route::{
    Health, Incarnation, Mono, NodeId, Now, Observer, PathId, Prefix, Refused, Session, Verdict,
};
use tokio::sync::mpsc;

use super::state::{Presence, State, lock};
use super::{Fleet, FleetError, Inner, MapReader};
use crate::{Node, NodesError};

/// The most endpoints of a node that are kept: those behind give way.
pub const MAX_ENDPOINTS: usize = 16;

/// What a node says with its routes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// All that it advertises.
    pub prefixes: BTreeSet<Prefix>,
}

/// One session of a node. Dropping it without [`NodeSession::ended`] is a lost session too.
pub struct NodeSession {
    /// Who it is, as of the session's begin.
    pub node: Node,
    /// The session's number.
    pub incarnation: u64,
    fleet: Fleet,
    is_over: bool,
}

/// A session that has begun.
#[derive(Debug)]
pub struct Connected {
    /// What the node says goes here.
    pub session: NodeSession,
    /// What the node is told.
    pub map: MapReader,
    /// Questions to put to the node. At most one waits.
    pub pings: mpsc::Receiver<Pinged>,
}

impl std::fmt::Debug for NodeSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NodeSession").field(&self.node.id).finish()
    }
}

impl Fleet {
    /// Whether a key is a node's that may speak; asked often, from memory.
    pub fn knows(&self, key: &PublicKey) -> bool {
        let now = self.0.clock.now().wall;
        let state = lock(&self.0.state);
        !state.paused && state.nodes.by_key(key).is_some_and(|node| !node.is_expired(now))
    }

    /// A session of a node begins. An older one of it ends: what it says later is refused.
    ///
    /// # Errors
    /// [`FleetError::NotFound`], [`FleetError::Expired`].
    pub async fn connect(
        &self,
        key: &PublicKey,
        from: SocketAddr,
    ) -> Result<Connected, FleetError> {
        let (fleet, key) = (self.clone(), *key);
        // Whoever asked may be gone before it has the session: then it ends as any that is dropped.
        self.to_the_end(move |_| async move { fleet.begin(key, from).await }).await
    }

    async fn begin(self, key: PublicKey, from: SocketAddr) -> Result<Connected, FleetError> {
        self.0.check_open()?;
        let incarnation = self.0.next_incarnation().await;
        let id = self.0.node_of(&key)?.id;
        let begun = move |state: &mut State, _: &mut Table<Prefix>, now: Now| {
            let unknown = || FleetError::NotFound { what: "node", name: key.to_string() };
            let node = state.nodes.by_key(&key).ok_or_else(unknown)?.clone();
            if node.is_expired(now.wall) {
                return Err(FleetError::Expired(node.id));
            }
            let newer = state.presence.get(&node.id).map_or(0, |p| p.incarnation) + 1;
            let incarnation = incarnation.map_or(newer, |Incarnation(n)| n.max(newer));
            let since = Some(now.wall);
            let is = Presence { incarnation, online: true, since, away: None };
            state.presence.insert(node.id, is);
            Ok((node, incarnation))
        };
        let (node, incarnation) = self.0.apply(begun).await??;
        tracing::debug!(node = id.0, incarnation, %from, "a session of a node begins");
        let fleet = self.clone();
        let session = NodeSession { node, incarnation, fleet, is_over: false };
        let (ask, pings) = mpsc::channel(1);
        // Of two that begin at once the newer has the way to the node, and its map.
        let mut ways = lock(&self.0.pings);
        if let Some((newer, _)) = ways.get(&id).filter(|(other, _)| *other > incarnation) {
            let current = Some(Incarnation(*newer));
            return Err(NodesError::Refused(Refused::OldSession { current }).into());
        }
        ways.insert(id, (incarnation, ask));
        let map = self.0.maps.reader(id);
        drop(ways);
        Ok(Connected { session, map, pings })
    }
}

impl Inner {
    /// The registry's, which are higher than any before. Where it can't give one, one that is higher
    /// than the node's last will do: sessions go on without a disk.
    async fn next_incarnation(&self) -> Option<Incarnation> {
        match self.registry.next_incarnation().await {
            Ok(incarnation) => Some(incarnation),
            Err(error) => {
                tracing::debug!(%error, "a session's number follows the node's last");
                None
            }
        }
    }

    fn node_of(&self, key: &PublicKey) -> Result<Node, FleetError> {
        let unknown = || FleetError::NotFound { what: "node", name: key.to_string() };
        lock(&self.state).nodes.by_key(key).cloned().ok_or_else(unknown)
    }
}

/// An announcement as it is taken in.
struct TakenIn {
    verdicts: Vec<(Prefix, Verdict)>,
    /// Rows that are others now.
    rows: Vec<Prefix>,
    /// The node's own record is another now.
    node: bool,
    endpoints: bool,
}

impl NodeSession {
    /// The node says all that it advertises, and where its packets are sent to on the underlay.
    /// Returns when the rows are written.
    ///
    /// # Errors
    /// A newer session is there, or the registry can't write: said again, it may pass.
    pub async fn announce(
        &mut self,
        heard: Heard,
        mut endpoints: Vec<IpAddr>,
    ) -> Result<Vec<(Prefix, Verdict)>, FleetError> {
        let (id, incarnation, this) = (self.node.id, self.incarnation, &self.fleet.0);
        endpoints.truncate(MAX_ENDPOINTS);
        let taken = this
            .apply(move |state, table, now| {
                take_in(state, table, now, (id, incarnation), &heard.prefixes, endpoints)
            })
            .await??;
        this.maps.look_again(id);
        if taken.endpoints {
            this.changed.note(|what| what.endpoints.extend([id]));
        }
        if taken.node || !taken.rows.is_empty() {
            let rows = taken.rows.into_iter().map(|prefix| (id, prefix));
            this.store.wait_for(rows, taken.node.then_some(id));
        }
        this.store.settled().await?;
        Ok(taken.verdicts)
    }

    /// What the node's own probes say of what lies behind it. It acts.
    ///
    /// # Errors
    /// A newer session is there.
    pub async fn health(&mut self, of: Vec<(Prefix, Health)>) -> Result<(), FleetError> {
        let (id, incarnation) = (self.node.id, self.incarnation);
        self.fleet
            .0
            .apply(move |state, table, now| {
                check_current(state, id, incarnation)?;
                let source = rutter_route::SourceId::node(id.0);
                // By the node's own name, so that `explain` says whose probe it is.
                let name = state.nodes.get(id).map_or_else(String::new, |n| n.name.to_string());
                let by = Observer { name, acts: true };
                for (prefix, is) in of {
                    // Of a route that isn't there any more nothing is to be said.
                    table.health(now, &by, &source, Some((&prefix, &PathId::default())), is);
                }
                Ok(())
            })
            .await?
    }

    /// The session has ended; `said`: the node said goodbye.
    pub async fn ended(mut self, said: bool) {
        self.is_over = true;
        let (id, incarnation) = (self.node.id, self.incarnation);
        // To its end, though whoever waits for it may not.
        let ending = tokio::spawn(end(self.fleet.clone(), id, incarnation, said));
        if let Err(error) = ending.await {
            tracing::debug!(node = id.0, %error, "a session ended with the program");
        }
    }

    /// The node.
    pub fn id(&self) -> NodeId {
        self.node.id
    }
}

impl Drop for NodeSession {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (fleet, id, incarnation) = (self.fleet.clone(), self.node.id, self.incarnation);
        // Without a runtime the program is at its end, and nobody is told anything any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(end(fleet, id, incarnation, false));
        }
    }
}

async fn end(fleet: Fleet, id: NodeId, incarnation: u64, said: bool) {
    let this = &fleet.0;
    {
        let mut pings = lock(&this.pings);
        if pings.get(&id).is_some_and(|(of, _)| *of == incarnation) {
            pings.remove(&id);
        }
    }
    let why = if said { "it said goodbye" } else { "its session was lost" };
    let ended = this.apply(move |state, table, now| {
        if !state.is_current(id, incarnation) {
            return None;
        }
        if let Some(presence) = state.presence.get_mut(&id) {
            *presence = Presence {
                online: false,
                since: Some(now.wall),
                away: Some(now.mono),
                ..*presence
            };
        }
        // One that was ended from this side says nothing of the node: the table hears of it when
        // the fleet goes on.
        if state.paused {
            return None;
        }
        // The table may know an older session, where this one announced nothing.
        let session = state.nodes.get(id).and_then(|node| table.session_of(&node.source()));
        if let Some(session) = session.filter(|s| table.speaks(&s.source))
            && let Err(error) = state.nodes.disconnect(now, table, &session, why)
        {
            tracing::warn!(node = id.0, %error, "a lost session stands in the table");
        }
        Some(state.nodes.get(id).is_some_and(|node| node.ephemeral))
    });
    match ended.await {
        Ok(Some(is_ephemeral)) => {
            this.store.wait_for([], [id]);
            if is_ephemeral {
                this.look_at_the_clock.notify_one();
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(node = id.0, %error, "a session ended with the book"),
    }
}

fn check_current(state: &State, id: NodeId, incarnation: u64) -> Result<(), FleetError> {
    if state.is_current(id, incarnation) && !state.paused {
        return Ok(());
    }
    let current = state.presence.get(&id).map(|p| Incarnation(p.incarnation));
    Err(NodesError::Refused(Refused::OldSession { current }).into())
}

fn take_in(
    state: &mut State,
    table: &mut Table<Prefix>,
    now: Now,
    (id, incarnation): (NodeId, u64),
    prefixes: &BTreeSet<Prefix>,
    endpoints: Vec<IpAddr>,
) -> Result<TakenIn, FleetError> {
    check_current(state, id, incarnation)?;
    let source = rutter_route::SourceId::node(id.0);
    let session = Session { source, incarnation: Incarnation(incarnation) };
    let is_new = table.session_of(&session.source).as_ref() != Some(&session)
        || !table.speaks(&session.source);
    if is_new {
        state.nodes.connect(now, table, id, session.incarnation)?;
    }
    let fresh: Vec<Prefix> =
        prefixes.iter().filter(|p| !table.holds(&session.source, p)).copied().collect();
    let announced = state.nodes.announce(now, table, &session, prefixes)?;
    let moved = state.endpoints.get(&id) != Some(&endpoints);
    if moved {
        state.endpoints.insert(id, endpoints);
    }
    let mut rows = announced.withdrawn;
    rows.extend(fresh);
    Ok(TakenIn { verdicts: announced.verdicts, rows, node: is_new || moved, endpoints: moved })
}

/// How long a node has been away.
pub(super) fn away_since(presence: &Presence, now: Mono) -> Option<std::time::Duration> {
    presence.away.filter(|_| !presence.online).map(|since| now.since(since))
}
