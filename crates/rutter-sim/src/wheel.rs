//! Dispute wheels, as `explain` shows them.

use rutter_route::AnyDestination;

use crate::network::Network;

/// What explanations say of a destination that doesn't come to rest.
pub(crate) fn named(_network: &Network, _over: &AnyDestination) -> Vec<String> {
    Vec::new()
}
