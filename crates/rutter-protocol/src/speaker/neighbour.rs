//! A neighbour: its source, its session, what it is told.

use std::collections::BTreeMap;

use rutter_rib::Outlet;
use rutter_route::{ClusterId, Mono, Prefix, Service, Session, SourceId};
use serde::{Deserialize, Serialize};

use super::{ConnectionId, NeighbourSpec};
use crate::link::Link;
use crate::wire::{Open, Scope};

/// A neighbour, connected or not.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) id: ClusterId,
    pub(crate) spec: NeighbourSpec,
    pub(crate) source: SourceId,
    pub(crate) link: Link,
    /// The session in the tables; `None`: it isn't up.
    pub(crate) session: Option<Session>,
    /// What it said of itself when the session began.
    pub(crate) open: Option<Open>,
    /// Its opened connections, in the order in which they opened.
    pub(crate) connections: Vec<ConnectionId>,
    /// The newest stream that was heard of its boot.
    pub(crate) heard_stream: u64,
    /// Over which connection it is told, and as which stream.
    pub(crate) telling: Option<(ConnectionId, u64)>,
    pub(crate) last_stream: u64,
    /// It is to be back until then.
    pub(crate) back_until: Option<Mono>,
    /// It was lost then.
    pub(crate) lost_at: Option<Mono>,
    /// What it is told, by scope.
    pub(crate) outlets: BTreeMap<Scope, AnyOutlet>,
    pub(crate) outbox: super::outbound::Outbox,
}

/// An outlet of any kind of table.
#[derive(Debug)]
pub(crate) enum AnyOutlet {
    Clusters(Outlet<ClusterId>),
    Services(Outlet<Service>),
    Prefixes(Outlet<Prefix>),
}

/// How a neighbour is, for people and the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourStatus {
    /// Its name.
    pub cluster: ClusterId,
    /// Whether its session is up.
    pub connected: bool,
    /// How many connections carry it.
    pub connections: usize,
    /// Its boot, while it is up.
    pub incarnation: Option<u64>,
    /// What its link costs.
    pub link: crate::wire::Metrics,
    /// Routes that it has said, by scope.
    pub routes_heard: BTreeMap<Scope, usize>,
    /// Routes that it was told, by scope.
    pub routes_told: BTreeMap<Scope, usize>,
    /// Its gateway, as it said.
    pub gateway: String,
}
