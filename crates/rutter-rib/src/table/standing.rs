//! From facts to standing.

use rutter_route::{Destination, Standing};

use super::Table;
use super::candidate::{Candidate, Flags, Place};
use super::sources::Phase;

impl<D: Destination> Table<D> {
    pub(super) fn standing_at(&self, _id: u32, place: Place) -> Standing {
        self.standing(self.candidate(place))
    }

    /// The standing that follows from the facts as they are now: the first that bars, in the
    /// order of [`Standing`]; else the worst that impairs.
    #[inline]
    pub(super) fn standing(&self, candidate: &Candidate) -> Standing {
        let hop = &self.hops[self.sets.extra(candidate.received).hop];
        self.standing_if(candidate, hop.unresolved.is_some())
    }

    /// As [`Table::standing`], if the next hop were or weren't to be reached.
    #[inline]
    pub(super) fn standing_if(&self, candidate: &Candidate, unresolved: bool) -> Standing {
        let flags = candidate.flags;
        let source = &self.sources[candidate.source];
        let swept = source.swept(candidate).is_some();
        if flags.has(Flags::DENIED) {
            Standing::Denied
        } else if flags.has(Flags::UNAPPROVED) {
            Standing::Unapproved
        } else if matches!(source.phase, Phase::Offline | Phase::Gone) || swept {
            Standing::Offline
        } else if unresolved {
            Standing::Unresolved
        } else if flags.has(Flags::HELD) {
            Standing::Held
        } else if flags.has(Flags::UNHEALTHY)
            || flags.has(Flags::CAME_UNHEALTHY)
            || source.unhealthy
        {
            Standing::Unhealthy
        } else if self.is_stale(candidate) {
            Standing::Stale
        } else if source.phase == Phase::Draining
            || flags.has(Flags::DRAINED)
            || flags.has(Flags::CAME_DRAINING)
        {
            Standing::Draining
        } else {
            Standing::Eligible
        }
    }

    pub(super) fn is_stale(&self, candidate: &Candidate) -> bool {
        let source = &self.sources[candidate.source];
        source.phase == Phase::Stale
            || source.carries_over(candidate)
            || candidate.flags.has(Flags::CAME_STALE)
    }
}
