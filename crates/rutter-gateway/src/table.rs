//! The gateway's own services table: who forwards knows what works.
//!
//! ```text
//!  controller's `services` ──outlet, all──▶ relay ──▶ own table ──outlet, all──▶ feed ──▶ index
//!            ▲        in this process, or over a link       ▲                              │
//!            └────── observation, only shown ────── verdicts, which act ◀── detector ◀─────┘
//! ```
//!
//! Each route keeps its effective attributes and its impaired standing, and its path id is (first
//! source, its path id) in a form that keeps the order ([`rutter_link::relay`]), so both ends rank
//! alike, and a verdict finds its way back. A verdict acts here: the gateway's table ranks by it,
//! so `explain` of that table says why traffic moved. At the controller it is shown under the
//! gateway's name and moves nothing, so two gateways with different reach don't flap each other.
//!
//! # Without the controller
//!
//! A link that is lost changes nothing at first. After [`STALE_AFTER`] the controller's source is
//! said to be away: its routes are `Stale`, which `explain` shows, and still forwarded by. Only
//! after [`LinkedController::keep`] are they withdrawn: a gateway that was cut off for so long knows
//! nothing any more. The next session then begins with a snapshot.
//!
//! Invariants:
//! - the index holds what the own table ranks, and nothing else; a cut anywhere is healed by a
//!   snapshot, which also takes back what it doesn't mention;
//! - the first request is accepted when the first snapshot is in the index, or after
//!   [`PATIENCE`] without one, and then a name that isn't known is 503, not 404;
//! - with the controller gone the table stands, and requests go on.
//!
//! Bounds are the tables' own: the set of known services without routes is never larger than the
//! controller's table, and the verdicts that wait are one a route.

mod task;
mod teller;
#[cfg(test)]
mod tests;
mod to_index;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::BookHandle;
use rutter_link::Dials;
use rutter_route::{SourceKind, TableName};

use crate::compat::mesh_router::MeshRouterConfig;

pub(crate) use task::start;

/// How long the start waits for the controller's first snapshot before it goes on without.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a link may be lost before its routes are said to be stale: a controller that is
/// restarted is back by then, and nothing has moved.
const STALE_AFTER: Duration = Duration::from_secs(20);

pub use rutter_link::relay::claim_of;

/// A table in a book that some task owns.
#[derive(Debug, Clone)]
pub struct TableRef {
    /// The book.
    pub book: BookHandle,
    /// The table in it.
    pub table: TableName,
}

/// The controller, at the other end of a link.
#[derive(Clone)]
pub struct LinkedController {
    /// Dials it.
    pub dials: Arc<dyn Dials>,
    /// Its table of services, by its own name for it.
    pub table: TableName,
    /// How long the gateway forwards by what it knows while the controller is away.
    pub keep: Duration,
}

impl fmt::Debug for LinkedController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedController")
            .field("table", &self.table)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// Who tells a gateway its routes.
#[derive(Debug, Clone)]
pub enum ControllerAt {
    /// A controller in this process.
    Here(TableRef),
    /// A controller elsewhere.
    Link(LinkedController),
    /// A Mesh Router backend, which answers for one name at a time.
    MeshRouter(MeshRouterConfig),
}

impl ControllerAt {
    /// The source that its routes have in the own table.
    fn source(&self) -> (SourceKind, &'static str) {
        match self {
            Self::Here(_) | Self::Link(_) => (SourceKind::Controller, "main"),
            Self::MeshRouter(_) => (SourceKind::Provider, "mesh-router"),
        }
    }
}

/// Where a gateway's routes come from, and where it keeps them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Who tells them.
    pub controller: ControllerAt,
    /// The gateway's own table of services.
    pub own: TableRef,
}
