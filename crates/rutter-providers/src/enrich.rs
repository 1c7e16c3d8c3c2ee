//! What stands elsewhere than in a provider's text, and is added to its routes.

use tokio::sync::watch;

use crate::Reading;

/// Somebody who knows more of routes than was written of them, such as a Proxmox cluster.
///
/// A provider keeps what it read as it was written, and says a copy to which this was added:
/// whenever [`Enriches::changes`] moves, the same text is said again as it is now.
pub trait Enriches: Send + Sync + 'static {
    /// Adds what is known at this moment. Waits for nobody: what isn't known yet comes later, by
    /// a change.
    fn enrich(&self, reading: &mut Reading);

    /// A number that rises whenever [`Enriches::enrich`] would add something else.
    fn changes(&self) -> watch::Receiver<u64>;
}
