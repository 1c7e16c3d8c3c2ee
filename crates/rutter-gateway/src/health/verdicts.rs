//! Verdicts on their way to the table.
//!
//! A board, not a queue: it holds the last verdict of each route, so a table that is slow to take
//! them finds what is true now, and the board is never larger than the number of routes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::events::Verdict;
use crate::routes::RouteId;

/// A verdict. How long it holds is a duration, since the table's clock is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) is: Verdict,
    pub(crate) left: Option<Duration>,
}

/// The last verdict of each route that was not taken yet.
#[derive(Debug, Default)]
pub(crate) struct VerdictBoard {
    waiting: Mutex<HashMap<RouteId, Told>>,
    put: Notify,
}

impl VerdictBoard {
    /// Puts a verdict in the place of the route's last one.
    pub(crate) fn put(&self, id: RouteId, told: Told) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, told);
        self.put.notify_one();
    }

    /// Waits until there are verdicts, and takes them all. For one reader; dropping the future
    /// loses nothing.
    pub(crate) async fn take(&self) -> HashMap<RouteId, Told> {
        loop {
            let taken =
                std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.put.notified().await;
        }
    }
}
