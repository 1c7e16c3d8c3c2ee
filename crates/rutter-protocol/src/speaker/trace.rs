//! What was refused and so stands in no table, for `explain`, `/routing/trace` and the log.

use rutter_route::{AnyDestination, ClusterId, Wall};
use serde::{Deserialize, Serialize};

use crate::stats::Reason;
use crate::wire::Scope;

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Wall,
    /// Who said it.
    pub neighbour: ClusterId,
    /// In which scope.
    pub scope: Scope,
    /// Of what.
    pub destination: AnyDestination,
    /// By which path.
    pub path: Vec<ClusterId>,
    /// Why.
    pub reason: Reason,
}

/// The last refusals: [`Refusals::MAX`] in all, [`Refusals::PER_DESTINATION`] a destination.
#[derive(Debug, Default)]
pub(crate) struct Refusals {}

impl Refusals {
    pub(crate) const MAX: usize = 4096;
    pub(crate) const PER_DESTINATION: usize = 8;
}
