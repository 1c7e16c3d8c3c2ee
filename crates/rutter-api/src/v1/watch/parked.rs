//! Watches whose connection is lost, kept so that they can be resumed.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rutter_route::TableName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::v1::{ApiError, Code};

/// The most watchers at a time.
const MAX_WATCHERS: usize = 256;

/// The most watches that are parked; one more ends the oldest, whose watcher gets a snapshot.
const MAX_PARKED: usize = 64;

/// The name of a watch: nobody guesses it, so nobody goes on with another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WatchId(String);

impl WatchId {
    pub(super) fn new() -> Result<Self, ApiError> {
        let token = rutter_registry::TokenSecret::generate(rutter_registry::TokenKind::Api);
        // Sixteen bytes of its hash: random, and no token.
        let hash = token.map_err(|e| ApiError::new(Code::Unavailable, e))?.hash();
        let bytes = hash.as_bytes().iter().take(16);
        Ok(Self(bytes.map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The watch and the number that an event id names.
    pub(super) fn parse(text: &str) -> Option<(Self, u64)> {
        let (id, number) = text.split_once('-')?;
        Some((Self(id.to_owned()), number.parse().ok()?))
    }
}

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A watch without a connection.
pub(super) struct Parked {
    pub(super) id: WatchId,
    pub(super) table: TableName,
    pub(super) complete_at: Option<u64>,
    /// A `Subscription` of the table's kind of destination.
    pub(super) subscription: Box<dyn Any + Send>,
}

/// The watchers there are, and the watches that wait for theirs.
pub(crate) struct Watchers {
    room: Arc<Semaphore>,
    parked: Mutex<VecDeque<Parked>>,
}

impl Watchers {
    pub(crate) fn new() -> Arc<Self> {
        let room = Arc::new(Semaphore::new(MAX_WATCHERS));
        Arc::new(Self { room, parked: Mutex::new(VecDeque::new()) })
    }

    /// A place for one more; `None` when there is none.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    pub(super) fn park(&self, watch: Parked) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.push_back(watch);
        if parked.len() > MAX_PARKED {
            parked.pop_front();
        }
    }

    /// The parked watch of that id, if it is of that table.
    pub(super) fn take(&self, id: &WatchId, table: &TableName) -> Option<Parked> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let at = parked.iter().position(|p| p.id == *id && p.table == *table)?;
        parked.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(id: &str) -> Parked {
        let table = "services".parse().unwrap();
        Parked { id: WatchId(id.into()), table, complete_at: None, subscription: Box::new(()) }
    }

    #[test]
    fn watchers_and_parked_watches_have_a_bound() {
        let watchers = Watchers::new();
        let places: Vec<_> = std::iter::from_fn(|| watchers.enter()).collect();
        assert_eq!(places.len(), MAX_WATCHERS);
        drop(places);
        assert!(watchers.enter().is_some());
        (0..=MAX_PARKED).for_each(|n| watchers.park(parked(&n.to_string())));
        let services = "services".parse().unwrap();
        let take = |id: &str| watchers.take(&WatchId(id.into()), &services).is_some();
        assert!(!take("0"), "the oldest gave way");
        assert!(take("1") && !take("1"), "each is taken once");
        let other = "gateway/services".parse().unwrap();
        assert!(watchers.take(&WatchId("2".into()), &other).is_none());
    }

    #[test]
    fn an_event_id_names_a_watch_and_a_number() {
        let id = WatchId::new().unwrap();
        assert_eq!(WatchId::parse(&format!("{id}-17")), Some((id.clone(), 17)));
        assert_ne!(id, WatchId::new().unwrap());
        for bad in ["", "17", "x-", "x-y", "x--1"] {
            assert_eq!(WatchId::parse(bad), None, "{bad}");
        }
    }
}
