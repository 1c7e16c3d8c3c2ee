//! Policy to rules.

use std::collections::BTreeMap;

use rutter_route::ClusterId;

use super::{Compiled, FabricPolicy, FabricPolicyError};
use crate::wire::{Metrics, Scope};

pub(super) fn compile(
    _policy: &FabricPolicy,
    _own: &ClusterId,
    _fabric: &Scope,
    _links: &BTreeMap<ClusterId, Metrics>,
) -> Result<Compiled, FabricPolicyError> {
    todo!("H4")
}
