//! What sources have said of a destination as of now, and how a protocol above the table ends it.
//!
//! [`Table::candidates`] shows what the last commit showed. A protocol that learns that a route's
//! claim is void has to reach the routes that came since, too, and those of sources that are away.

use rutter_route::{Attributes, Destination, Left, Now, PathId, SourceId};

use super::Table;
use super::candidate::Place;

/// One route as its source said it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// Whose.
    pub source: &'a SourceId,
    /// Which of its routes.
    pub path: &'a PathId,
    /// What was received.
    pub received: &'a Attributes,
}

impl<D: Destination> Table<D> {
    /// Every route to a destination as of now, barred ones too, whether or not a commit has told of
    /// it; in no order that means anything.
    pub fn heard(&self, destination: &D) -> Vec<Heard<'_>> {
        let Some(id) = self.find(destination) else { return Vec::new() };
        let there = |place: &Place| {
            let candidate = self.candidate(*place);
            !candidate.is_gone() && self.sources[candidate.source].swept(candidate).is_none()
        };
        let heard = |place: Place| {
            let candidate = self.candidate(place);
            Heard {
                source: &self.sources[candidate.source].id,
                path: self.paths.get(candidate.path),
                received: self.sets.get(candidate.received),
            }
        };
        self.places(id).filter(there).map(heard).collect()
    }

    /// A route ends though its source didn't say so, and whether or not the source is here: what it
    /// rests on is void. `left` says whether that counts as a withdrawal (hold-down, a flap) or as a
    /// lease's end, which does not. Says whether there was one.
    pub fn retract(
        &mut self,
        now: Now,
        source: &SourceId,
        destination: &D,
        path: &PathId,
        left: Left,
    ) -> bool {
        let Some(ix) = self.sources.find(source) else { return false };
        let Some((id, place)) = self.locate(now, ix, destination, path) else { return false };
        self.leave(now, id, place, left);
        true
    }

    /// What holds a route that is there: `hold-down`, `too many flaps` or `damped`; `None` if nothing
    /// does.
    pub fn held_by(
        &self,
        now: Now,
        source: &SourceId,
        destination: &D,
        path: &PathId,
    ) -> Option<&'static str> {
        let ix = self.sources.find(source)?;
        let id = self.find(destination)?;
        let place = self.place_of(id, ix, self.path_id(path)?)?;
        self.hold_of(now, id, place)
    }
}
