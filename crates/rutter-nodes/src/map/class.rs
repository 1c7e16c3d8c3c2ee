//! Who is told the same.

use rutter_route::Prefix;

/// What a reader's map follows from. Readers of one class share a map.
///
/// A reader's class changes with what it advertises and has approved, and with the routers that its
/// own prefixes have: it is asked for again when a commit changed one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Class {
    /// Grants that name the reader, or a subnet of its, as their source; by their place.
    pub(super) src: Vec<usize>,
    /// Grants that name the reader, or a subnet of its, as their destination.
    pub(super) dst: Vec<usize>,
    /// The reader's own subnets that others have too and no grant leads it to: it is told who is
    /// primary for them. Those that it has alone would keep it from sharing a map for nothing.
    pub(super) own: Vec<Prefix>,
}

#[cfg(test)]
impl Class {
    /// All of it but the reader's own prefixes.
    pub(crate) fn without_own(&self) -> Self {
        Self { own: Vec::new(), ..self.clone() }
    }

    /// The reader's own prefixes that make a difference.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Prefix> {
        self.own.iter()
    }
}
