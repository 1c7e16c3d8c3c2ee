//! A node: it advertises the networks behind it, and uses those of others.
//!
//! ```text
//!            ┌──── says: prefixes, what probes see ───▶ controller
//!   Node ────┤                                             │
//!            └──◀── network map: who leads where ──────────┘
//!              │
//!              ├─▶ ways (pure) ─▶ routes of the kernel ─▶ "applied"
//!              └─▶ router: forwarding on, masquerading towards its networks
//! ```
//!
//! A node has a key of its own beside an agent's of the same name: they are different speakers to the
//! controller, with different words.
//!
//! Invariants:
//! - a lost session changes nothing here: routes that were told stay, and so does forwarding; nor do
//!   its last words, and what the next session's first map leaves out is held until routers had the
//!   time to return, too;
//! - a map counts as applied when its routes are in the kernel and not before;
//! - neither this host's own networks, nor those that it advertises, nor the way to its controller or
//!   to a router are ever led elsewhere by what is told;
//! - a process that is killed leaves routes and masquerading, and the next one takes them on; one that
//!   is ended says goodbye first, goes on forwarding for [`LINGER`] while others turn elsewhere, and
//!   then removes what is its own.
//!
//! A goodbye withdraws nothing: what a person approved outlives a restart.
//!
//! Bounds: [`MAX_ADVERTISED`] prefixes, [`MAX_PROBES`] probes; routes are bounded by the kernel's part.

mod config;
mod kernel;
mod probe;
mod said;
mod status;
mod task;
#[cfg(test)]
mod tests;
mod told;
mod ways;

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::AgentError;

pub use config::{MAX_ADVERTISED, MAX_PROBES, NodeConfig};
pub use probe::{ProbeSpec, ProbeTarget};
pub use status::NodeStatus;

/// How long a router goes on forwarding after its goodbye: others have heard of another by then, or
/// there is none. On a quiet network that takes some tens of milliseconds.
pub const LINGER: Duration = Duration::from_secs(2);

/// A node that is ready to run.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    status: watch::Sender<NodeStatus>,
}

impl Node {
    /// Checks the configuration; nothing is asked of anyone yet.
    ///
    /// # Errors
    /// A configuration that can't work.
    pub fn new(config: NodeConfig) -> Result<Self, AgentError> {
        config.check()?;
        Ok(Self { config, status: watch::Sender::new(NodeStatus::default()) })
    }

    /// Follows how the node is doing.
    pub fn status(&self) -> watch::Receiver<NodeStatus> {
        self.status.subscribe()
    }

    /// Runs until `shutdown`, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Before its first session, what only a person can mend; later it is tried again.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AgentError> {
        task::run(self.config, self.status, shutdown).await
    }
}
