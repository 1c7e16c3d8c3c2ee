//! A neighbour: its source, its session, what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rutter_rib::{Book, Outlet};
use rutter_route::{ClusterId, Mono, Prefix, Service, Session, SourceId, SourceKind};
use serde::{Deserialize, Serialize};

use super::inbound::From;
use super::{ConnectionId, NeighbourSpec, Parting, Speaker, tables};
use crate::link::{Link, LinkSettings};
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
    /// The last there was, also when it is over.
    pub(crate) last_session: Option<Session>,
    /// What it said of itself when the session began.
    pub(crate) open: Option<Open>,
    /// Scopes that both carry, of the last session.
    pub(crate) scopes: BTreeSet<Scope>,
    /// The same while its session is up, each with what is looked up for all that is said of it.
    pub(crate) carried: BTreeMap<Scope, Arc<From>>,
    /// Its opened connections, in the order in which they opened.
    pub(crate) connections: Vec<ConnectionId>,
    /// The newest boot that was heard, and the newest stream of it.
    pub(crate) heard_boot: u64,
    pub(crate) heard_stream: u64,
    /// Over which connection it is told, and as which stream.
    pub(crate) telling: Option<(ConnectionId, u64)>,
    pub(crate) last_stream: u64,
    /// How it said that it parts, and when.
    pub(crate) parting: Option<(Parting, Mono)>,
    /// It is to be back until then.
    pub(crate) back_until: Option<Mono>,
    /// It was lost then.
    pub(crate) lost_at: Option<Mono>,
    /// Scopes of which it has said all that there is, since this cluster's start.
    pub(crate) refreshed: BTreeSet<Scope>,
    /// Scopes of whose refresh something was refused that can't be told, and those whose last end of
    /// refresh swept nothing for that.
    pub(crate) gaps: BTreeSet<Scope>,
    pub(crate) spared: BTreeSet<Scope>,
    /// Scopes whose limit a warning was given of.
    pub(crate) warned: BTreeSet<Scope>,
    /// Scopes in which a bound has refused a route.
    pub(crate) over: BTreeSet<Scope>,
    /// Scopes that are to be heard again, and how each was asked for.
    pub(crate) missed: BTreeSet<Scope>,
    pub(crate) asked: BTreeMap<Scope, Asked>,
    /// What it is told, by scope.
    pub(crate) outlets: BTreeMap<Scope, AnyOutlet>,
    pub(crate) outbox: super::outbound::Outbox,
}

/// How a scope was asked for: when last, and how often without a pause.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    last: Mono,
    n_times: u32,
}

/// The least time between two requests for a refresh of one scope by one neighbour; it doubles while
/// they go on, up to 64 times, since what is refused each time it is said is no better for being said
/// more often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

impl Asked {
    /// When it may be asked for again.
    pub(crate) fn again(self) -> Mono {
        match self.n_times {
            0 => Mono::default(),
            n => self.last.after(REFRESH_INTERVAL * (1 << (n - 1).min(6))),
        }
    }

    /// It is asked for now.
    pub(crate) fn ask(&mut self, now: Mono) {
        let pause = now >= self.again().after(REFRESH_INTERVAL);
        self.n_times = if pause { 1 } else { self.n_times + 1 };
        self.last = now;
    }
}

impl Neighbour {
    /// One that was never connected.
    pub(crate) fn new(id: &ClusterId, spec: NeighbourSpec, links: &LinkSettings) -> Option<Self> {
        // A cluster's name is short and made of what a source's may hold.
        let source = SourceId::new(SourceKind::Neighbour, id.as_str()).ok()?;
        Some(Self {
            id: id.clone(),
            link: Link::new(links.clone(), spec.link),
            spec,
            source,
            session: None,
            last_session: None,
            open: None,
            scopes: BTreeSet::new(),
            carried: BTreeMap::new(),
            connections: Vec::new(),
            heard_boot: 0,
            heard_stream: 0,
            telling: None,
            last_stream: 0,
            parting: None,
            back_until: None,
            lost_at: None,
            refreshed: BTreeSet::new(),
            gaps: BTreeSet::new(),
            spared: BTreeSet::new(),
            warned: BTreeSet::new(),
            over: BTreeSet::new(),
            missed: BTreeSet::new(),
            asked: BTreeMap::new(),
            outlets: BTreeMap::new(),
            outbox: super::outbound::Outbox::default(),
        })
    }
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

impl Speaker {
    /// How the neighbours are, by name.
    pub fn neighbours(&self, book: &Book) -> Vec<NeighbourStatus> {
        self.neighbours.values().map(|n| self.status_of(book, n)).collect()
    }

    fn status_of(&self, book: &Book, neighbour: &Neighbour) -> NeighbourStatus {
        let heard = self
            .config
            .scopes
            .iter()
            .map(|spec| (spec.scope.clone(), tables::routes_of(book, spec, &neighbour.source)));
        let open = neighbour.open.as_ref();
        NeighbourStatus {
            cluster: neighbour.id.clone(),
            connected: neighbour.session.is_some(),
            connections: neighbour.connections.len(),
            incarnation: open.filter(|_| neighbour.session.is_some()).map(|o| o.incarnation),
            link: neighbour.link.metrics(),
            routes_heard: heard.collect(),
            routes_told: neighbour.routes_told(),
            gateway: open.map(|o| o.gateway.clone()).unwrap_or_default(),
        }
    }
}
