//! Answers: compact JSON under the original's content type.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rutter_route::Wall;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::wire::{Kind, Port, Route};

/// A route that was not taken.
#[derive(Debug, Serialize)]
pub(super) struct Rejected {
    ip: String,
    port: Port,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    error: String,
}

impl Rejected {
    /// The route and why.
    pub(super) fn new(route: &Route, error: impl std::fmt::Display) -> Self {
        Self {
            ip: route.ip.clone(),
            port: route.port.clone(),
            kind: route.kind,
            domain: route.domain.clone(),
            error: error.to_string(),
        }
    }
}

/// An answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let content_type = HeaderValue::from_static("application/json; charset=utf-8");
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, content_type)], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An answer under 200.
pub(super) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// A time as JavaScript writes it: UTC with three digits of milliseconds and `Z`.
pub(super) fn iso(at: Wall) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000);
    // Only a time beyond the year 9999 can't be written.
    time.ok().and_then(|time| time.format(format).ok()).unwrap_or_default()
}
