//! Versions: what a sink was told, in 64 bits.

use std::hash::{Hash, Hasher};

use super::ToldRoute;

/// A digest of what a sink was told of a destination, the same on every machine and after every
/// restart of one build, so a sink that reads back what it holds can say which version that is.
///
/// Two different lists share a version once in 2⁶⁴; one who crafted such a pair would hide his own
/// route's change from a sink, and nobody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version(u64);

impl Version {
    /// What the sink holds isn't known: it equals no list.
    pub(super) const UNKNOWN: Self = Self(0);

    /// The version of a list of routes; none: the destination is unreachable.
    pub fn of(routes: &[ToldRoute]) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        for route in routes {
            route.route.hash(&mut hasher);
            route.attributes.hash(&mut hasher);
            route.standing.hash(&mut hasher);
            route.equal.hash(&mut hasher);
        }
        Self(hasher.finish().max(1))
    }
}
