//! A candidate as it is held, and the destination that holds it.
//!
//! One destination in a million has more than one candidate, so the first lies in the destination
//! itself and the rest in a slab. The layout is what `docs/benchmarks.md` counts bytes of.

use rutter_route::{Left, Standing};

use crate::parts::wheel::{NEVER, Tick};

/// No id.
pub(super) const NONE: u32 = u32::MAX;

/// Facts about one candidate that are its own; those of its source and next hop are read there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const EMPTY: Self = Self(0);
    /// It came since the last commit.
    pub(super) const NEW: Self = Self(1);
    /// It left since the last commit.
    pub(super) const GONE: Self = Self(1 << 1);
    /// What is told of it changed since the last commit.
    pub(super) const CHANGED: Self = Self(1 << 2);
    /// Policy, a credential or a person denies it.
    pub(super) const DENIED: Self = Self(1 << 3);
    /// Nobody approved it, and the table requires that.
    pub(super) const UNAPPROVED: Self = Self(1 << 4);
    /// A decision drains it.
    pub(super) const DRAINED: Self = Self(1 << 5);
    /// Hold-down or damping holds it.
    pub(super) const HELD: Self = Self(1 << 6);
    /// An acting observer says it doesn't work.
    pub(super) const UNHEALTHY: Self = Self(1 << 7);
    /// Its lease is its own.
    pub(super) const OWN_LEASE: Self = Self(1 << 8);
    /// In the ranked list of the default view since the last commit.
    pub(super) const SHOWN: Self = Self(1 << 9);
    /// The parity of the pass over its group that saw it last.
    pub(super) const PARITY: Self = Self(1 << 10);
    /// An observer said something of it.
    pub(super) const OBSERVED: Self = Self(1 << 11);
    /// It came draining.
    pub(super) const CAME_DRAINING: Self = Self(1 << 12);
    /// It came stale.
    pub(super) const CAME_STALE: Self = Self(1 << 13);
    /// It came unhealthy.
    pub(super) const CAME_UNHEALTHY: Self = Self(1 << 14);
    /// The best of the default view as of the last commit, or as good.
    pub(super) const EQUAL: Self = Self(1 << 15);

    #[inline]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(super) fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        } else {
            self.0 &= !other.0;
        }
    }

    /// The bits with which an impairment that the advertisement carries is kept.
    pub(super) fn carried(standing: Standing) -> Self {
        match standing {
            Standing::Draining => Self::CAME_DRAINING,
            Standing::Stale => Self::CAME_STALE,
            Standing::Unhealthy => Self::CAME_UNHEALTHY,
            _ => Self::EMPTY,
        }
    }

    /// Only the carried impairment.
    pub(super) fn only_carried(self) -> Self {
        let all = Self::CAME_DRAINING.0 | Self::CAME_STALE.0 | Self::CAME_UNHEALTHY.0;
        Self(self.0 & all)
    }

    /// With the carried impairment replaced.
    pub(super) fn set_carried(&mut self, carried: Self) {
        self.0 = (self.0 & !self.only_carried().0) | carried.0;
    }
}

/// One claim. Ids lead to the source, the path id and the interned attribute sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) source: u32,
    pub(super) path: u32,
    /// What was received: what a policy reload runs from.
    pub(super) received: u32,
    /// What counts.
    pub(super) effective: u32,
    /// When its own lease ends.
    pub(super) lease: Tick,
    /// When it came.
    pub(super) since: Tick,
    /// The source's refresh that it was last part of.
    pub(super) refresh: u16,
    pub(super) flags: Flags,
    /// As of the last commit.
    pub(super) standing: Standing,
    /// Why it left, if it did.
    pub(super) left: Left,
}

impl Candidate {
    pub(super) fn is(&self, source: u32, path: u32) -> bool {
        self.source == source && self.path == path
    }

    pub(super) fn is_gone(&self) -> bool {
        self.flags.has(Flags::GONE)
    }

    pub(super) fn own_lease(&self) -> Option<Tick> {
        (self.flags.has(Flags::OWN_LEASE) && self.lease != NEVER).then_some(self.lease)
    }
}

/// A destination with its first candidate.
#[derive(Debug)]
pub(super) struct Dest<D> {
    pub(super) key: D,
    /// The first in rank as of the last commit. Meaningless while `n` is 0: the id is free.
    pub(super) first: Candidate,
    /// The second candidate, in the slab.
    pub(super) next: u32,
    pub(super) n: u16,
}

/// A candidate behind the first.
#[derive(Debug)]
pub(super) struct Extra {
    pub(super) candidate: Candidate,
    pub(super) next: u32,
}

/// Where a candidate lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the destination itself.
    First(u32),
    /// In the slab.
    Extra(u32),
}
