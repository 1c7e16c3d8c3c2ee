//! The threads that wait for disks in a worker's place.
//!
//! A worker has few threads that may block, and looks names of upstreams up on them too; so files
//! take [`AT_ONCE`] of them at most, and who comes then waits its turn.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// How many bytes of a file are read at once.
pub(super) const CHUNK: usize = 128 * 1024;

/// How many reads of a worker wait for disks at once.
const AT_ONCE: usize = 12;

/// A worker's turns.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    turns: Arc<Semaphore>,
}

impl Default for Reads {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Reads {
    /// Runs what blocks. Who stops waiting gives the turn back when it is over, not before.
    ///
    /// # Errors
    /// Its own; or that it never ran, at the end of the worker.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = self.turns.clone().acquire_owned().await.map_err(io::Error::other)?;
        let read = tokio::task::spawn_blocking(move || {
            let read = read();
            drop(turn);
            read
        });
        read.await.map_err(io::Error::other)?
    }
}
