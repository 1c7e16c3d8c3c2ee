//! Who is told the same.

use rutter_route::Prefix;

/// What a reader's map follows from. Readers of one class share a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Class {
    /// Grants that name the reader, or a subnet of its, as their source; by their place.
    pub(super) src: Vec<usize>,
    /// Grants that name the reader, or a subnet of its, as their destination.
    pub(super) dst: Vec<usize>,
    /// The reader's own subnets, advertised and approved: it is told who is primary for them.
    pub(super) own: Vec<Prefix>,
}
