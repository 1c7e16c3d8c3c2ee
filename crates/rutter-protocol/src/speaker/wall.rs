//! The wall's clock, and what has to be done when it jumps.
//!
//! Only a claim's not-after is an instant of the wall's; all else is measured by the clock that never
//! jumps. Between the two the distance stays, but for a drift. When it changes at once, claims may
//! have been refused or ended that count now, and own ones may have been signed for an instant that
//! others refuse. So everything is asked for again, and signed again: after a jump, and after the
//! jump back. What a wrong wall has made of the tables doesn't outlast it.

use std::time::Duration;

use rutter_rib::Book;
use rutter_route::{ClusterId, Now};

use super::{Speaker, tables};
use crate::wire::{Claim, Scope};

/// The clocks may move apart by so much before it counts as a jump: a drift of 300 parts a million
/// takes ten hours for it.
const JUMP: Duration = Duration::from_secs(10);

impl Speaker {
    /// Looks at both clocks.
    pub(crate) fn watch_wall(&mut self, now: Now) {
        let ahead = i128::from(now.wall.0) - i128::from(now.mono.0);
        let moved = (ahead - *self.wall_ahead.get_or_insert(ahead)).unsigned_abs();
        if moved <= JUMP.as_millis() {
            return;
        }
        self.wall_ahead = Some(ahead);
        self.miss_all();
        self.own.sign_all_again(now);
    }

    /// A neighbour says a claim alone, so it takes the route for told; where it was refused,
    /// such as for the claim before, the scope is asked for again.
    pub(crate) fn miss_unheld(
        &mut self,
        book: &mut Book,
        by: &ClusterId,
        scope: &Scope,
        of: &Claim,
    ) {
        let Some(spec) = self.scope_spec(scope) else { return };
        let Some(source) = self.neighbours.get(by).map(|n| n.source.clone()) else { return };
        let said = tables::said_of(book, &spec, &of.originator, &of.destination);
        if said.iter().any(|said| said.source == source) {
            return;
        }
        if let Some(neighbour) = self.neighbours.get_mut(by) {
            neighbour.missed.insert(scope.clone());
        }
    }
}
