//! Health of all services, in the three forms of GoDoxy's registry and in its units.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::v1::body::Query;
use crate::v1::{ApiError, OfServices};

/// Which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// Status, uptime and latency.
    #[default]
    Plain,
    /// The same and what was seen.
    Detail,
    /// The status alone.
    Simple,
}

/// In which form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HealthQuery {
    /// `plain` (status, uptime and latency; absent: this), `detail` (the same and what was seen) or
    /// `simple` (the status alone).
    #[serde(default)]
    #[param(value_type = Option<String>)]
    form: Form,
}

/// The health of all services by name; durations are nanoseconds.
#[utoipa::path(get, path = "/v1/health", tag = "services", params(HealthQuery), responses(
    (status = 200, description = "By name; durations are nanoseconds.", body = Object),
    (status = 404, description = "There are no providers here.", body = ApiError)))]
pub(crate) async fn serve(
    State(api): State<OfServices>,
    Query(query): Query<HealthQuery>,
) -> Response {
    let registry = &api.services.registry;
    match query.form {
        Form::Plain => Json(registry.health_info_without_detail()).into_response(),
        Form::Detail => Json(registry.health_info()).into_response(),
        Form::Simple => Json(registry.health_info_simple()).into_response(),
    }
}
