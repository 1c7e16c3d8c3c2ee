//! The metrics, for who may read.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Api;
use crate::metrics::CONTENT_TYPE;

/// All metrics, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "OpenMetrics text.", body = String,
        content_type = "application/openmetrics-text")))]
pub(crate) async fn serve(State(api): State<Api>) -> Response {
    let text = api.metrics.encode(Some(&api.owner), &api.tables, api.fabric.as_ref()).await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
