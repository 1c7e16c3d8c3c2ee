//! A connection of HTTP/2 on which nothing is asked.
//!
//! h2 has no timer for a header block that doesn't end, nor for a connection without streams. Both
//! look alike from here: no request is under way. Such a connection may stay for
//! `limits.header_timeout`, as one of HTTP/1 may.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How many requests are under way on a connection, and since when there is none.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    n_requests: usize,
    quiet_since: Instant,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Activity);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { n_requests: 0, quiet_since: Instant::now() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins.
    pub(crate) fn begin(&self) -> UnderWay {
        self.lock().n_requests += 1;
        UnderWay(self.clone())
    }

    /// Waits until nothing was asked for so long.
    pub(crate) async fn quiet_for(&self, longest: Duration) {
        loop {
            let until = {
                let state = self.lock();
                let since = if state.n_requests == 0 { state.quiet_since } else { Instant::now() };
                since + longest
            };
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.n_requests -= 1;
        state.quiet_since = Instant::now();
    }
}
