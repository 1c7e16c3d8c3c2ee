//! MPREG's keys and policies, taken over once: how a cluster comes to Rutter.
//!
//! [`import_keys`] reads what `RouteKeyRegistry.to_dict` writes (also inside a saved snapshot).
//! [`import_policies`] reads a settings file (`MPREGSettings`, as JSON) and gives a policy that lets
//! pass what the original let pass, with a [`Remark`] for each field that means something else here
//! or nothing: none is dropped without a word. What can't be understood is an error, for a filter
//! that was left out would let more pass.
//!
//! The two protocols don't speak with each other: a fabric switches as a whole, or a cluster stands
//! in both (docs/fabric.md).

mod config;
mod error;
mod map;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use rutter_protocol::keys::KeySnapshot;
use rutter_protocol::policy::FabricPolicy;
use rutter_route::ClusterId;
use serde::Serialize;

pub use error::ImportError;

/// What becomes of a field that isn't taken over as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has no meaning here, and nothing that passed is lost by that.
    Ignored,
    /// It means something else here.
    Different,
    /// It can't be said here; somebody has to decide.
    Refused,
}

/// What is to be said of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// Which, such as `fabric_route_policy.weight_bandwidth`.
    pub field: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// For people.
    pub why: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Ignored => "ignored",
            Outcome::Different => "different",
            Outcome::Refused => "refused",
        };
        write!(f, "{}: {outcome}: {}", self.field, self.why)
    }
}

/// The keys of a registry or of a saved snapshot of one (`route_keys` in it).
///
/// # Errors
/// It isn't one; the place is named.
pub fn import_keys(json: &str) -> Result<KeySnapshot, ImportError> {
    let all = config::object(json)?;
    let registry = ["route_keys", "route_key_registry", "fabric_route_key_registry"]
        .iter()
        .find_map(|name| all.get(*name).filter(|value| value.is_object()));
    let text = registry.map_or_else(|| json.to_owned(), ToString::to_string);
    text.parse().map_err(ImportError::from)
}

/// The policies of a settings file.
///
/// # Errors
/// A field that is read has another form than the original writes; the place is named.
pub fn import_policies(json: &str) -> Result<(FabricPolicy, Vec<Remark>), ImportError> {
    import_policies_for(json, &BTreeSet::new())
}

/// The same for a cluster with these neighbours: what the original says of all others by default is
/// spelled out for each of them.
///
/// # Errors
/// A field that is read has another form than the original writes; the place is named.
pub fn import_policies_for(
    json: &str,
    neighbours: &BTreeSet<ClusterId>,
) -> Result<(FabricPolicy, Vec<Remark>), ImportError> {
    map::policies(&config::settings(json)?, neighbours)
}
