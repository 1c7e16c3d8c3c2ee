//! The accepting end: a controller that gateways and agents dial.
//!
//! ```text
//!   listener ─TLS─▶ service ─▶ session ─┬─ pump: an outlet of a table ──▶ updates
//!                      │                ├─ what the speaker says ───────▶ Announced
//!                  Admission            ├─ what the speaker sees ───────▶ the tables' `health`
//!                 who is this?          └─ a node's map, whether it is there
//! ```
//!
//! The link knows callers, sessions and tables; who a caller is and what it may do is the
//! [`Admission`]'s word, asked when a session begins and, of the caller alone, as long as it lasts.
//! [`LinkListener`] is for callers that are keys; where callers are known otherwise, [`link_service`]
//! is served beside other services over [`Incoming`] connections.
//!
//! Bounds: [`AcceptConfig::max_connections`] connections, of which one that has shown no key in
//! [`HANDSHAKE`] is cut; one session a caller, the newer ends the older; [`MAX_SUBSCRIPTIONS`] tables
//! a session; 64 outlets that wait for a sink to come back, over which the oldest is forgotten and
//! its sink gets a snapshot. What a sink doesn't read stays in its outlet, where later overwrites
//! earlier.

mod incoming;
mod listener;
mod node;
mod observed;
mod parked;
mod pump;
mod service;
mod session;
mod subscribe;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rutter_book::BookHandle;
use rutter_rib::OutletSpec;
use rutter_route::{DestinationKind, NodeId, Prefix, TableName};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use incoming::{ByteStream, Connection, Handshake, Incoming};
pub use listener::LinkListener;
pub use node::{MAX_PINGS, Pinged, TellsMap};
pub use service::Accepter;
pub(crate) use service::{CODE, peer, status};
pub(crate) use session::run as run_session;

use crate::wire::MAX_MESSAGE;
use crate::wire::v1::link_server::LinkServer;
use crate::{
    Caller, Observation, PeerKey, Pulse, Refusal, RefusalCode, SourceReport, SourceUpdate,
};

/// How long a connection may take until it has shown its key.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// The tables that one session may subscribe to.
pub const MAX_SUBSCRIPTIONS: usize = 64;

/// Bounds of an accepting end.
#[derive(Debug, Clone)]
pub struct AcceptConfig {
    /// What it calls itself in its hello.
    pub name: String,
    /// How it shows that it lives, to callers of whom the admission says nothing else.
    pub pulse: Pulse,
    /// Connections open at once; over it new ones are closed at once.
    pub max_connections: usize,
}

impl AcceptConfig {
    /// The usual bounds under a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), pulse: Pulse::default(), max_connections: 4096 }
    }
}

/// Who asks to be made known.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Its key.
    pub key: PeerKey,
    /// Where it speaks from.
    pub from: SocketAddr,
    /// Its token, as it was presented. A secret.
    pub token: String,
    /// The name that it wants.
    pub name: String,
    /// What it wants to be; `None`: whatever the token is for.
    pub role: Option<String>,
}

/// What it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its name.
    pub name: String,
    /// What it is: `agent`, `gateway`.
    pub role: String,
    /// An agent's name under the server's domain.
    pub domain: Option<String>,
    /// Its address as the accepter saw it.
    pub address: Option<String>,
    /// The accepter's CA, DER; empty: it has none.
    pub ca: Vec<u8>,
}

/// A table that a speaker may be told of.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The name by which it asks for it.
    pub table: TableName,
    /// What kind of table it is.
    pub kind: DestinationKind,
    /// The book that has it.
    pub book: BookHandle,
    /// What may leave: export policy, view, split horizon, pacing. Depth and unreachable are the
    /// sink's to choose.
    pub spec: OutletSpec,
}

/// What a caller may do in a session.
pub struct Admitted {
    /// By what name it is known, such as `gateway/edge-1`: its outlets' and its verdicts' name.
    pub name: String,
    /// The session's number.
    pub incarnation: u64,
    /// How this end shows it that it lives; `None`: as it does to everybody.
    pub pulse: Option<Pulse>,
    /// How often it is asked to say something, at least; `None`: as often as it likes.
    pub asks: Option<Duration>,
    /// Cancelled when what was admitted has changed: the caller is told to begin again within
    /// [`AGAIN`].
    pub changed: CancellationToken,
    /// An agent's name under the server's domain, as it is now: what it announces lies under it.
    pub domain: Option<String>,
    /// What it may be told of.
    pub offers: Vec<Offer>,
    /// Who takes what it says; `None`: it may say nothing.
    pub announced: Option<Box<dyn Announced>>,
    /// A node's number, and its addresses in the mesh.
    pub node: Option<(NodeId, Vec<IpAddr>)>,
    /// The network map that it is told.
    pub map: Option<Box<dyn TellsMap>>,
    /// Questions whether it is there; over [`MAX_PINGS`] that wait, the oldest is dropped.
    pub pings: Option<mpsc::Receiver<Pinged>>,
}

impl Admitted {
    /// A caller of that name may do nothing, for as long as it is known.
    pub fn new(name: impl Into<String>, incarnation: u64) -> Self {
        Self {
            name: name.into(),
            incarnation,
            pulse: None,
            asks: None,
            changed: CancellationToken::new(),
            domain: None,
            offers: Vec::new(),
            announced: None,
            node: None,
            map: None,
            pings: None,
        }
    }
}

/// Who takes what one speaker says as a source. It lives as long as the session.
#[async_trait]
pub trait Announced: Send + Sync {
    /// Something that the speaker says.
    ///
    /// # Errors
    /// It is refused as a whole, and nothing has changed.
    async fn heard(&mut self, update: SourceUpdate) -> Result<SourceReport, Refusal>;

    /// What the speaker sees of prefixes in a table that it isn't told of: what lies behind itself.
    /// Passed over unless this says otherwise.
    async fn observed(&mut self, table: TableName, observations: Vec<Observation<Prefix>>) {
        let n = observations.len();
        tracing::debug!(%table, n, "observations of a table not offered");
    }

    /// The session has ended; `said` is whether the speaker said goodbye. Nothing was withdrawn.
    async fn ended(&mut self, said: bool);
}

/// In what time a caller whose session ends because something changed is to be back.
pub const AGAIN: Duration = Duration::from_secs(5);

/// Who decides about callers.
#[async_trait]
pub trait Admission: Send + Sync + 'static {
    /// Makes a key known by a token. Nobody enrols unless it says otherwise.
    ///
    /// # Errors
    /// What speaks against it.
    async fn enrol(&self, _: Enrolment) -> Result<Enrolled, Refusal> {
        Err(Refusal::new(RefusalCode::NotAllowed, "nobody enrols here"))
    }

    /// A session of a caller begins.
    ///
    /// # Errors
    /// What speaks against it.
    async fn admit(&self, caller: &Caller, from: SocketAddr) -> Result<Admitted, Refusal>;

    /// Whether the caller is still known; asked while a session lasts, so from memory.
    fn knows(&self, caller: &Caller) -> bool;

    /// In what time the accepter means to be back when it ends; `None`: it says nothing of that.
    fn back_within(&self) -> Option<Duration> {
        None
    }
}

/// The gRPC service of an accepting end, for a server over [`Incoming`] connections. Sessions are
/// told goodbye when `stop` is cancelled.
pub fn link_service(
    config: AcceptConfig,
    admission: Arc<dyn Admission>,
    stop: CancellationToken,
) -> LinkServer<Accepter> {
    LinkServer::new(Accepter::new(config, admission, stop))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}
