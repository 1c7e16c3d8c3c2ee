//! The providers themselves.

use axum::Json;
use axum::extract::State;
use rutter_providers::ProviderKind;
use rutter_providers::registry::{ProviderState, ProviderStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::{ApiError, OfServices};

/// Providers, in the order of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Providers {
    /// The providers.
    providers: Vec<ProviderRow>,
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderRow {
    /// Its full name.
    #[schema(example = "docker@local")]
    name: String,
    /// The name that people see.
    #[schema(example = "local")]
    short_name: String,
    /// `file`, `docker` or `static`.
    #[schema(example = "docker")]
    kind: &'static str,
    /// `ready`, `lost` (what it said stands) or `not_yet`.
    #[schema(example = "ready")]
    state: &'static str,
    /// Why it can't be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Routes that stand, with those that have no place.
    routes: usize,
    /// Of those, how many another has the place of.
    denied: usize,
    /// Routes that were refused.
    refused: usize,
    /// Routes that are shown and not served.
    excluded: usize,
    /// Routes that the table has no room for.
    not_taken: usize,
    /// What whoever wrote its text may not expect, a line each.
    remarks: Vec<String>,
}

impl From<&ProviderStatus> for ProviderRow {
    fn from(status: &ProviderStatus) -> Self {
        let (state, why) = match &status.state {
            // What is built in is there from the start, and may have nothing to say.
            ProviderState::NotYet if status.id.kind() == ProviderKind::BuiltIn => ("ready", None),
            ProviderState::NotYet => ("not_yet", None),
            ProviderState::Ready => ("ready", None),
            ProviderState::Lost { why } => ("lost", Some(why.clone())),
        };
        let remarks = status.remarks.iter().filter(|remark| remark.kind.is_warning());
        Self {
            name: status.id.to_string(),
            short_name: status.id.short_name().to_owned(),
            kind: status.id.kind().as_str(),
            state,
            why,
            routes: status.said.n_routes,
            denied: status.said.n_denied,
            refused: status.said.n_refused,
            excluded: status.said.n_excluded,
            not_taken: status.said.n_not_taken,
            remarks: remarks.map(|remark| remark.problem.to_string()).collect(),
        }
    }
}

/// Lists the providers.
#[utoipa::path(get, path = "/v1/providers", tag = "services", responses(
    (status = 200, description = "All of them.", body = Providers),
    (status = 404, description = "There are no providers here.", body = ApiError)))]
pub(crate) async fn list(State(api): State<OfServices>) -> Json<Providers> {
    let providers = api.services.registry.providers();
    Json(Providers { providers: providers.iter().map(ProviderRow::from).collect() })
}
