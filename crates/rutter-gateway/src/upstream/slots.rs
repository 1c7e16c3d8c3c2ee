//! How many connections there may be to one upstream, over all workers.
//!
//! What is counted is exchanges: a request takes a slot before it takes a connection, idle or new,
//! and gives it back behind the connection. A new connection is made only where no idle one is left,
//! so there are never more connections than slots. That holds across workers because the idle
//! connections of such upstreams lie in one pool that all workers share; with a pool a worker, idle
//! ones of one would keep the others from connecting. Over HTTP/2, where one connection carries many
//! requests, the bound is one on requests.
//!
//! Bounds: a request waits for a slot for as long as a connect may take, and [`WAITING`] requests
//! wait for one upstream at most; beyond either it goes on to another route, or gets 503.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rutter_route::HostName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::target::Target;

/// How many requests may wait for a slot of one upstream.
const WAITING: usize = 1024;

/// How many upstreams are counted before those at rest are forgotten.
const MAX_COUNTED: usize = 1024;

/// One of an upstream's connections, until it is dropped.
pub(crate) type Slot = OwnedSemaphorePermit;

/// There was none in time, or too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The upstreams whose connections are counted.
#[derive(Debug, Default)]
pub(super) struct Slots {
    counted: Mutex<HashMap<Key, Arc<Counted>>>,
}

/// Routes that lead to one address with different bounds are counted apart.
type Key = (HostName, u16, NonZeroU32);

#[derive(Debug)]
struct Counted {
    free: Arc<Semaphore>,
    n_slots: usize,
    n_waiting: AtomicUsize,
}

impl Slots {
    /// A slot of the target; `None`: it has no bound.
    pub(super) async fn take(
        &self,
        target: &Target,
        patience: Duration,
    ) -> Result<Option<Slot>, Busy> {
        let Some(limit) = target.limit else { return Ok(None) };
        let counted = self.of((target.host.clone(), target.port, limit));
        if let Ok(slot) = counted.free.clone().try_acquire_owned() {
            return Ok(Some(slot));
        }
        let _place = Place::take(&counted).ok_or(Busy)?;
        match tokio::time::timeout(patience, counted.free.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(Some(slot)),
            // Too late; or closed, which it never is.
            Err(_) | Ok(Err(_)) => Err(Busy),
        }
    }

    fn of(&self, key: Key) -> Arc<Counted> {
        let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = all.get(&key) {
            return counted.clone();
        }
        if all.len() >= MAX_COUNTED {
            // Who holds a slot of one that is forgotten would not be counted any more.
            all.retain(|_, counted| counted.is_in_use());
        }
        let n_slots =
            usize::try_from(key.2.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(n_slots));
        let counted = Arc::new(Counted { free, n_slots, n_waiting: AtomicUsize::new(0) });
        all.insert(key, counted.clone());
        counted
    }
}

impl Counted {
    fn is_in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || self.free.available_permits() < self.n_slots
    }
}

/// One of those who wait, until it is dropped.
struct Place<'a>(&'a Counted);

impl<'a> Place<'a> {
    fn take(counted: &'a Counted) -> Option<Self> {
        let place = Self(counted);
        let before = counted.n_waiting.fetch_add(1, Ordering::Relaxed);
        (before < WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.n_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
