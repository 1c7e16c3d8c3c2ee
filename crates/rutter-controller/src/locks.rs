//! One writer per user at a time.
//!
//! A registration is written to the registry and then told to the table. Two at once for one
//! source could do so in opposite orders, and a restart would bring back what the table had
//! replaced. So whoever writes for a user holds that user's lock from the first step to the last.
//!
//! The locks are a fixed number of stripes by hash rather than a map of locks: nothing grows, and
//! two users on one stripe cost each other a wait, never a wrong answer.

use std::hash::{BuildHasher, RandomState};

use rutter_registry::UserId;
use tokio::sync::{Mutex, MutexGuard};

const N_STRIPES: usize = 256;

/// The locks of all users.
pub(crate) struct Locks {
    stripes: Vec<Mutex<()>>,
    hash: RandomState,
}

impl Locks {
    pub(crate) fn new() -> Self {
        let stripes = std::iter::repeat_with(|| Mutex::new(())).take(N_STRIPES).collect();
        Self { stripes, hash: RandomState::new() }
    }

    /// Waits for the user's lock.
    pub(crate) async fn of(&self, user: &UserId) -> MutexGuard<'_, ()> {
        let stripe = self.hash.hash_one(user) as usize % N_STRIPES;
        #[allow(clippy::indexing_slicing)] // The remainder is below the number of stripes.
        self.stripes[stripe].lock().await
    }
}
