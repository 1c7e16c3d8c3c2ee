//! What happened to routes: the last hundred, and whoever listens from now on.
//!
//! Bounds: [`KEPT`] events are kept, the oldest gives way. A listener that is [`BEHIND`] events
//! behind misses the oldest of them and is told how many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rutter_book::{Clock, SystemClock};
use rutter_route::Wall;
use smol_str::SmolStr;
use tokio::sync::broadcast;

use super::{Entry, PoolKind};
use crate::ProviderId;
use crate::monitor::Seen;

/// Events that are kept.
pub const KEPT: usize = 100;

/// Events that a listener may be behind.
pub const BEHIND: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct RegistryEvent {
    /// Its number, rising by one from 1.
    pub number: u64,
    /// When.
    pub at: Wall,
    /// What.
    pub what: Happened,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Happened {
    /// An entry came into its pool.
    Added(Arc<Entry>),
    /// An entry is another than it was.
    Reloaded(Arc<Entry>),
    /// An entry left its pool.
    Removed(Arc<Entry>),
    /// A route is well again.
    Up(Arc<Entry>, Seen),
    /// A route isn't well any more.
    Down(Arc<Entry>, Seen),
    /// Something about a provider.
    Provider {
        /// Which.
        provider: Arc<ProviderId>,
        /// GoDoxy's word, such as `written`, `started` or `died`.
        action: SmolStr,
        /// Who did it, such as a container's name; may be empty.
        actor: SmolStr,
    },
}

impl Happened {
    /// GoDoxy's category.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Added(entry) | Self::Reloaded(entry) | Self::Removed(entry) => match entry.pool {
                PoolKind::Http => "pool.http_routes",
                PoolKind::Stream => "pool.stream_routes",
                PoolKind::Excluded => "pool.excluded_routes",
            },
            Self::Up(..) | Self::Down(..) => "health",
            Self::Provider { .. } => "provider_event",
        }
    }

    /// GoDoxy's word for it.
    pub fn action(&self) -> &str {
        match self {
            Self::Added(_) => "added",
            Self::Reloaded(_) => "reloaded",
            Self::Removed(_) => "removed",
            Self::Up(..) => "service_up",
            Self::Down(..) => "service_down",
            Self::Provider { action, .. } => action,
        }
    }
}

/// The events.
#[derive(Debug)]
pub(super) struct Events {
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<RegistryEvent>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Arc<RegistryEvent>>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), live: broadcast::Sender::new(BEHIND) }
    }

    pub(super) fn publish(&self, happened: impl IntoIterator<Item = Happened>) {
        let at = SystemClock.now().wall;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for what in happened {
            kept.last += 1;
            let event = Arc::new(RegistryEvent { number: kept.last, at, what });
            if kept.events.len() >= KEPT {
                kept.events.pop_front();
            }
            kept.events.push_back(event.clone());
            // Without listeners it is kept all the same.
            drop(self.live.send(event));
        }
    }

    pub(super) fn recent(&self) -> Vec<Arc<RegistryEvent>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.events.iter().cloned().collect()
    }

    /// What is kept, and what comes behind it, none missing between.
    pub(super) fn follow(
        &self,
    ) -> (Vec<Arc<RegistryEvent>>, broadcast::Receiver<Arc<RegistryEvent>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.events.iter().cloned().collect(), self.live.subscribe())
    }
}
