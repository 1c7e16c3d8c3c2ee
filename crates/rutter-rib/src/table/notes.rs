//! Claims that had to give way, to be asked for when there is room.

use hashbrown::HashMap;
use rutter_route::{Destination, RouteKey};

/// Evicted or refused claims by destination. Over the bound of destinations a further one isn't
/// remembered; its source's next refresh brings it.
#[derive(Debug)]
pub(super) struct Asked<D> {
    of: HashMap<D, Vec<RouteKey>, foldhash::fast::FixedState>,
}

const PER_DESTINATION: usize = 64;

impl<D: Destination> Asked<D> {
    pub(super) fn new(seed: u64) -> Self {
        Self { of: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)) }
    }

    pub(super) fn add(&mut self, destination: &D, key: RouteKey, bound: usize) {
        if let Some(keys) = self.of.get_mut(destination) {
            if keys.len() < PER_DESTINATION && !keys.contains(&key) {
                keys.push(key);
            }
        } else if self.of.len() < bound {
            self.of.insert(destination.clone(), vec![key]);
        }
    }

    /// Those of a destination, now that there is room for them.
    pub(super) fn take(&mut self, destination: &D) -> Vec<RouteKey> {
        if self.of.is_empty() {
            return Vec::new();
        }
        self.of.remove(destination).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}
