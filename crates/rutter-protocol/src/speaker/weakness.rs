//! Checks that can be left out, so that the simulator can show that it would find it.
//!
//! Only tests and the feature `weaken` have a way to leave one out; without it [`Speaker::is_weak`] is
//! a constant.

use super::Speaker;

/// A check that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// Paths may lead through this cluster, and through another twice.
    Loops,
    /// Nobody looks at the signatures of claims.
    Claims,
    /// Batches count however often they come, and claims however old they are.
    Order,
    /// A withdrawal holds down everybody's paths to the destination.
    HoldAll,
}

impl Speaker {
    /// Leaves a check out from now on.
    #[cfg(any(test, feature = "weaken"))]
    pub fn weaken(&mut self, weakness: Weakness) {
        self.weak.insert(weakness);
    }

    /// Whether a check is left out.
    #[cfg(any(test, feature = "weaken"))]
    pub(crate) fn is_weak(&self, weakness: Weakness) -> bool {
        self.weak.contains(&weakness)
    }

    /// Whether a check is left out: none ever is.
    #[cfg(not(any(test, feature = "weaken")))]
    #[allow(clippy::unused_self, reason = "the same call with the feature and without")]
    pub(crate) const fn is_weak(&self, _: Weakness) -> bool {
        false
    }
}
