//! Sessions of nodes.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use rutter_link::Pinged;
use rutter_registry::PublicKey;
use rutter_route::{Health, NodeId, Prefix, Verdict};
use tokio::sync::mpsc;

use super::{Fleet, FleetError, MapReader};
use crate::Node;

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
        let _ = key;
        todo!("H1")
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
        let _ = (key, from);
        todo!("H1")
    }
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
        endpoints: Vec<IpAddr>,
    ) -> Result<Vec<(Prefix, Verdict)>, FleetError> {
        let _ = (heard, endpoints);
        todo!("H1")
    }

    /// What the node's own probes say of what lies behind it. It acts.
    ///
    /// # Errors
    /// A newer session is there.
    pub async fn health(&mut self, of: Vec<(Prefix, Health)>) -> Result<(), FleetError> {
        let _ = of;
        todo!("H1")
    }

    /// The session has ended; `said`: the node said goodbye.
    pub async fn ended(self, said: bool) {
        let _ = said;
        todo!("H1")
    }

    /// The node.
    pub fn id(&self) -> NodeId {
        self.node.id
    }
}
