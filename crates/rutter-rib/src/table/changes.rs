//! What a commit says: which destinations changed, and whose claims have room again.

use rutter_route::{EventNumber, RouteKey};

use super::views::ViewId;

/// A destination whose ranked list, or what is told of its members, changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<D> {
    /// Which.
    pub destination: D,
    /// As seen by whom.
    pub view: ViewId,
    /// The newest event at that time, which tells of it or of what led to it.
    pub event: EventNumber,
    /// Where it lay in the table by then. Whoever looks at it right after the commit need not find it
    /// once more, which at a million destinations is a miss of the cache each.
    pub(crate) at: u32,
}

/// A destination that has room again for claims it had to let go: their sources are asked to send
/// them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks<D> {
    /// Which destination.
    pub destination: D,
    /// Whose claims.
    pub routes: Vec<RouteKey>,
}

/// What a commit said. Reused from commit to commit: [`Changes::clear`] keeps the room.
#[derive(Debug)]
pub struct Changes<D> {
    /// What changed, in the order of the commit.
    pub changes: Vec<Change<D>>,
    /// Whom to ask again.
    pub ask: Vec<Asks<D>>,
}

impl<D> Default for Changes<D> {
    fn default() -> Self {
        Self { changes: Vec::new(), ask: Vec::new() }
    }
}

impl<D> Changes<D> {
    /// Empties it. Room over 64 Ki entries is given back.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.changes.shrink_to(1 << 16);
        self.ask.clear();
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.ask.is_empty()
    }
}
