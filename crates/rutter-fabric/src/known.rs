//! Which cluster a key is of, for those who can't wait for the owner of the book: TLS handshakes.

use std::sync::Arc;

use rutter_protocol::keys::PublicKey;
use rutter_route::ClusterId;
use tokio::sync::watch;

use crate::Forwarding;

/// The keys of neighbours as they are now. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Known(pub(crate) watch::Receiver<Arc<Forwarding>>);

impl Known {
    /// The neighbour that a key is an active one of. A key that two have is nobody's.
    pub(crate) fn cluster_of(&self, key: &PublicKey) -> Option<ClusterId> {
        self.0.borrow().neighbour_of(key).cloned()
    }
}
