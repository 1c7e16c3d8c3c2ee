//! Idle connections, to be used again.
//!
//! Last in, first out: what was used last is least likely to have been closed by the other end,
//! and the rest grow old and are closed. Bounds: [`PoolConfig`], and a connection over a bound is
//! closed instead of kept. A worker has one pool; its lock is only ever taken by that worker's
//! thread, so it costs no waiting.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Target;
use super::connection::Connection;

/// How many connections are kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolConfig {
    pub(crate) max_idle: usize,
    pub(crate) max_idle_per_target: usize,
    pub(crate) idle_timeout: Duration,
}

/// Idle connections by where they lead.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<Idle>,
    config: PoolConfig,
}

#[derive(Debug, Default)]
struct Idle {
    by_target: HashMap<Target, Vec<Connection>>,
    n: usize,
}

impl Pool {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self { idle: Mutex::new(Idle::default()), config }
    }

    /// The connection to that target that was used last and is still open.
    pub(crate) fn take(&self, target: &Target) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.lock();
        let list = idle.by_target.get_mut(target)?;
        let before = list.len();
        let mut found = None;
        while let Some(connection) = list.pop() {
            // What follows is older still.
            if now - connection.idle_since > self.config.idle_timeout {
                list.clear();
                break;
            }
            if connection.is_ready() && !connection.is_closed() {
                found = Some(connection);
                break;
            }
        }
        let after = list.len();
        if after == 0 {
            idle.by_target.remove(target);
        }
        idle.n -= before - after;
        found
    }

    /// Keeps a connection whose last exchange is over.
    pub(crate) fn put(&self, target: Target, mut connection: Connection) {
        if !connection.is_ready() || connection.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if idle.n >= self.config.max_idle {
            return;
        }
        let list = idle.by_target.entry(target).or_default();
        if list.len() >= self.config.max_idle_per_target {
            return;
        }
        connection.put_to_rest(Instant::now());
        list.push(connection);
        idle.n += 1;
    }

    /// Closes what is idle to that target: one of them was found dead, so the others are.
    pub(crate) fn forget(&self, target: &Target) {
        let mut idle = self.lock();
        if let Some(list) = idle.by_target.remove(target) {
            idle.n -= list.len();
        }
    }

    /// Closes what is too old or was closed by the other end.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.lock();
        let timeout = self.config.idle_timeout;
        idle.by_target.retain(|_, list| {
            list.retain(|c| !c.is_closed() && now - c.idle_since <= timeout);
            !list.is_empty()
        });
        idle.n = idle.by_target.values().map(Vec::len).sum();
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
