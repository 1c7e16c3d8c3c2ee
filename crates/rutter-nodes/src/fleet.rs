//! The nodes of an installation, running: what a controller does with them, however it is asked.
//!
//! ```text
//!   people (API) ─┐                 ┌─▶ registry        written before it is acknowledged
//!   sessions ─────┼─▶ Fleet ─▶ book ┤
//!   time ─────────┘   table `nodes` └─▶ touched ─▶ maps, one a class ─▶ sessions
//! ```
//!
//! [`crate::Nodes`] and the table decide; this keeps what they hold in the registry, gives them
//! time, and tells every node what changed. [`crate::Nodes`] is looked at and changed only where the
//! table is: on the owner of the book, so the two are always of one moment.
//!
//! What always holds:
//! - what a person said is in the registry before it takes effect and before it is acknowledged;
//! - what a session said takes effect at once, and its report follows when its rows are written, so
//!   that forwarding never waits for a disk and nothing that was acknowledged is lost;
//! - who is primary is written with the rows of the commit that moved it.

mod config;
mod error;
mod maps;
mod people;
mod registration;
mod routes;
mod session;
mod state;
mod views;

use std::sync::Arc;

use rutter_book::{BookHandle, Clock};
use rutter_registry::Registry;

pub use config::{FleetConfig, PolicyText, Probing};
pub use error::FleetError;
pub use maps::MapReader;
pub use people::{NewPreauthKey, NewUser, PreauthKey, PreauthKeyId, User};
pub use registration::{EnrolNode, Pending};
pub use routes::{Drained, PolicyDiff, Preferred};
pub use session::{Connected, Heard, NodeSession};
pub use views::{Moved, NodeRef, NodeView};

/// A handle on the nodes; cheap to clone.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    #[allow(dead_code)]
    config: FleetConfig,
    #[allow(dead_code)]
    book: BookHandle,
    #[allow(dead_code)]
    registry: Arc<dyn Registry>,
    #[allow(dead_code)]
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fleet")
    }
}

impl Fleet {
    /// Brings back the nodes, rows and words that were stored, and begins to tend them. The book has
    /// the table; nothing else writes to it.
    ///
    /// # Errors
    /// The registry can't be read, or the book is closed.
    pub async fn start(
        config: FleetConfig,
        book: BookHandle,
        registry: Arc<dyn Registry>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FleetError> {
        Ok(Self(Arc::new(Inner { config, book, registry, clock })))
    }

    /// What it runs by.
    pub fn config(&self) -> &FleetConfig {
        &self.0.config
    }

    /// Runs by other settings from now on; the table's name and the prefixes stay what they are. What
    /// was given stays given.
    ///
    /// # Errors
    /// [`FleetError::Policy`], [`FleetError::Enforce`]; all that was before stands.
    pub async fn reconfigure(&self, config: FleetConfig) -> Result<(), FleetError> {
        let _ = config;
        todo!("H1")
    }

    /// All sessions are about to be ended from this side, since the controller stops or hands over:
    /// that says nothing of the nodes, so no primary moves by it and nothing is written of it.
    pub async fn pause(&self) {
        // H1
    }

    /// The controller goes on after all: nodes are waited for as after a start.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn resume(&self) -> Result<(), FleetError> {
        // H1
        Ok(())
    }

    /// Writes what waits and ends its tasks. Sessions end by their own.
    pub async fn close(&self) {
        // H1
    }
}
