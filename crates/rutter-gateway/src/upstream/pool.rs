//! Connections to be used again: idle ones of HTTP/1.1, and those of HTTP/2, which many share.
//!
//! Idle ones: last in, first out: what was used last is least likely to have been closed by the other end,
//! and the rest grow old and are closed. Bounds: [`PoolConfig`], and a connection over a bound is
//! closed instead of kept. A worker has one pool; its lock is only ever taken by that worker's
//! thread, so it costs no waiting. One more is common to all workers, for upstreams that bound the
//! number of their connections ([`super::slots`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::http2::Http2;
use super::target::Target;
use crate::config::UpstreamConfig;

/// How many connections are kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolConfig {
    pub(crate) max_idle: usize,
    pub(crate) max_idle_per_target: usize,
    pub(crate) idle_timeout: Duration,
}

impl PoolConfig {
    /// What the gateway's configuration says.
    pub(crate) fn of(config: &UpstreamConfig) -> Self {
        Self {
            max_idle: config.max_idle,
            max_idle_per_target: config.max_idle_per_upstream,
            idle_timeout: config.idle_timeout,
        }
    }
}

/// Connections by where they lead.
#[derive(Debug)]
pub(crate) struct Pool {
    kept: Mutex<Kept>,
    config: PoolConfig,
}

#[derive(Debug, Default)]
struct Kept {
    by_target: HashMap<Target, ToTarget>,
    n: usize,
}

/// Those to one target.
#[derive(Debug, Default)]
struct ToTarget {
    /// The one used last is the last.
    idle: Vec<Connection>,
    /// The first are filled first, so that those behind them come to rest.
    shared: Vec<Arc<Http2>>,
}

impl ToTarget {
    fn len(&self) -> usize {
        self.idle.len() + self.shared.len()
    }

    /// A place on a shared connection, or the idle connection that was used last and is still open.
    fn take(&mut self, now: Instant, idle_timeout: Duration) -> Option<Connection> {
        if !self.shared.is_empty() {
            self.shared.retain(|shared| !shared.is_closed());
            if let Some(stream) = self.shared.iter().find_map(Http2::stream) {
                return Some(Connection::on(stream));
            }
        }
        while let Some(connection) = self.idle.pop() {
            // What follows is older still.
            if now - connection.idle_since > idle_timeout {
                self.idle.clear();
                break;
            }
            if connection.is_ready() && !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn sweep(&mut self, now: Instant, timeout: Duration) {
        self.idle.retain(|c| !c.is_closed() && now - c.idle_since <= timeout);
        self.shared.retain(|c| {
            !c.is_closed() && c.idle_since().is_none_or(|since| now - since <= timeout)
        });
    }
}

impl Pool {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self { kept: Mutex::new(Kept::default()), config }
    }

    /// A connection to that target that is open.
    pub(crate) fn take(&self, target: &Target) -> Option<Connection> {
        let now = Instant::now();
        let mut kept = self.lock();
        let list = kept.by_target.get_mut(target)?;
        let before = list.len();
        let found = list.take(now, self.config.idle_timeout);
        let after = list.len();
        if after == 0 {
            kept.by_target.remove(target);
        }
        kept.n -= before - after;
        found
    }

    /// Lets others have a place on a new connection, if it is one for many.
    pub(crate) fn share(&self, target: &Target, connection: &Connection) {
        let Some(shared) = connection.shared() else { return };
        let mut kept = self.lock();
        if let Some(list) = self.room(&mut kept, target.clone()) {
            list.shared.push(shared.clone());
            kept.n += 1;
        }
    }

    /// Keeps a connection whose last exchange is over; of a shared one the place is given back.
    pub(crate) fn put(&self, target: Target, connection: Connection) {
        // Declared first, so given back last, behind the connection: who gets it finds that.
        let _slot;
        let mut connection = connection;
        _slot = connection.give_slot_back();
        if connection.shared().is_some() || !connection.is_ready() || connection.is_closed() {
            return;
        }
        let mut kept = self.lock();
        if let Some(list) = self.room(&mut kept, target) {
            connection.put_to_rest(Instant::now());
            list.idle.push(connection);
            kept.n += 1;
        }
    }

    /// Where one more to that target can be kept; `None`: the bounds are reached.
    fn room<'a>(&self, kept: &'a mut Kept, target: Target) -> Option<&'a mut ToTarget> {
        if kept.n >= self.config.max_idle {
            return None;
        }
        let list = kept.by_target.entry(target).or_default();
        (list.len() < self.config.max_idle_per_target).then_some(list)
    }

    /// Closes what is kept to that target: one of them was found dead, so the others are. Requests
    /// that are on a shared one go on.
    pub(crate) fn forget(&self, target: &Target) {
        let mut kept = self.lock();
        if let Some(list) = kept.by_target.remove(target) {
            kept.n -= list.len();
        }
    }

    /// Closes what is too old or was closed by the other end.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut kept = self.lock();
        let timeout = self.config.idle_timeout;
        kept.by_target.retain(|_, list| {
            list.sweep(now, timeout);
            list.len() > 0
        });
        kept.n = kept.by_target.values().map(ToTarget::len).sum();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
