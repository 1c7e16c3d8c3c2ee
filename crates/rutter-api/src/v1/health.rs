//! Whether the program lives, and whether it may be sent work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, ApiError, Code, Result};

/// Parts of the program that must be ready before it may be sent work, beside the controller's
/// restore: a gateway that has its first snapshot, say. A part is waited for from when it is named.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Readiness {
    /// Says whether a part is ready.
    pub fn set(&self, part: &'static str, ready: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, ready);
    }

    /// The parts that are not ready.
    fn missing(&self) -> Vec<&'static str> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter(|(_, ready)| !**ready).map(|(part, _)| *part).collect()
    }
}

/// A word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// `ok` or `ready`.
    status: &'static str,
}

/// The program lives.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "It lives.", body = Status)))]
pub(crate) async fn healthz() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// The program may be sent work: what was stored is restored, and every part is ready.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It is ready.", body = Status),
    (status = 503, description = "It isn't yet.", body = ApiError)))]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Json<Status>> {
    if !api.controller.is_ready() {
        let error = "what was stored is still being restored";
        return Err(ApiError::new(Code::NotReady, error));
    }
    let missing = api.readiness.missing();
    if !missing.is_empty() {
        let error = format!("waiting for {}", missing.join(", "));
        return Err(ApiError::new(Code::NotReady, error));
    }
    if api.stop.is_cancelled() {
        return Err(ApiError::new(Code::ShuttingDown, "the program is stopping"));
    }
    Ok(Json(Status { status: "ready" }))
}
