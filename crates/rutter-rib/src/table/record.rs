//! Writing events, and the keys of the routes that they name.
//!
//! Keys are interned and counted by the ring: what leaves it releases its own.

use rutter_route::{Cause, Destination, Now, What};

use crate::parts::ring::{KeyId, Story};

use super::Table;
use super::candidate::Candidate;

impl<D: Destination> Table<D> {
    /// Writes an event about a destination.
    pub(super) fn record(&mut self, now: Now, id: u32, story: Story, cause: Option<Cause>) {
        let key = self.dests[id].key.clone();
        let hash = self.index.hash(&key);
        self.ring.push(now.wall, Some((key, hash)), story, cause);
        self.release_dropped();
    }

    /// Writes an event about many destinations, or about one that isn't in the table.
    pub(super) fn record_wide(&mut self, now: Now, destination: Option<&D>, what: What) -> u64 {
        let destination = destination.map(|d| (d.clone(), self.index.hash(d)));
        let number = self.ring.push(now.wall, destination, Story::Whole(Box::new(what)), None);
        self.release_dropped();
        number
    }

    /// The ring's id of a route's key, counted once more.
    pub(super) fn told_key(&mut self, candidate: &Candidate) -> KeyId {
        let known = |told: &Option<(u32, u32, u32)>| match told {
            Some((source, path, id)) if candidate.is(*source, *path) => Some(*id),
            _ => None,
        };
        if let Some(id) = self.last_told.iter().find_map(known) {
            self.told.retain(id);
            return id;
        }
        let id = self.told.intern(self.key_of(candidate), |_| ());
        // Held once more by the shortcut itself.
        self.told.retain(id);
        self.last_told.rotate_right(1);
        let [newest, _] = &mut self.last_told;
        if let Some((_, _, old)) = newest.replace((candidate.source, candidate.path, id)) {
            self.told.release(old);
        }
        id
    }

    /// Ids that the shortcut names may be given again.
    pub(super) fn forget_last_told(&mut self) {
        for (_, _, told) in std::mem::take(&mut self.last_told).into_iter().flatten() {
            self.told.release(told);
        }
    }

    pub(super) fn release_dropped(&mut self) {
        while let Some(story) = self.ring.pop_dropped() {
            let keys = match story {
                Story::Changed(key) | Story::Left(key, _) => [key, 0],
                Story::Standing(stood) => [stood.route, 0],
                Story::Moved { from, to, .. } => [from, to],
                Story::Whole(_) => [0, 0],
            };
            for key in keys {
                if key != 0 {
                    self.told.release(key);
                }
            }
        }
    }
}
