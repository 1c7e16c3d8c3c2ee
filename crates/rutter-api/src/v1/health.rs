//! Whether the program lives, and whether it may be sent work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, ApiError, Code, Result};

/// Parts of the program that must be ready before it may be sent work, beside the controller's
/// restore: a gateway that has its first snapshot, say. A part is waited for from when it is named.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Part>>>);

/// How a part of the program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// It is ready.
    Ready,
    /// It is ready, and there is something that whoever looks should know.
    ReadyBut(String),
    /// It isn't ready, and that is why.
    NotReady(String),
}

/// Whether a part is ready: said once and for all, or asked each time.
enum Part {
    Said(bool),
    Asked(Box<dyn Fn() -> PartState + Send>),
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(ready) => f.debug_tuple("Said").field(ready).finish(),
            Self::Asked(_) => f.write_str("Asked(..)"),
        }
    }
}

impl Readiness {
    /// Says whether a part is ready.
    pub fn set(&self, part: &'static str, ready: bool) {
        self.insert(part, Part::Said(ready));
    }

    /// Has a part asked whenever somebody wants to know. It should answer at once.
    pub fn ask(&self, part: &'static str, ask: impl Fn() -> PartState + Send + 'static) {
        self.insert(part, Part::Asked(Box::new(ask)));
    }

    fn insert(&self, part: &'static str, is: Part) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, is);
    }

    /// What is waited for; otherwise what there is to say all the same.
    fn check(&self) -> std::result::Result<Vec<String>, Vec<String>> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut missing, mut notes) = (Vec::new(), Vec::new());
        for (name, part) in &*parts {
            match part {
                Part::Said(true) => {}
                Part::Said(false) => missing.push((*name).to_owned()),
                Part::Asked(ask) => match ask() {
                    PartState::Ready => {}
                    PartState::ReadyBut(note) => notes.push(format!("{name}: {note}")),
                    PartState::NotReady(why) => missing.push(format!("{name} ({why})")),
                },
            }
        }
        if missing.is_empty() { Ok(notes) } else { Err(missing) }
    }
}

/// A word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    /// `ok` or `ready`.
    status: &'static str,
    /// What isn't as it should be and is no reason to send work elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Status {
    fn word(status: &'static str) -> Json<Self> {
        Json(Self { status, notes: Vec::new() })
    }
}

/// The program lives.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "It lives.", body = Status)))]
pub(crate) async fn healthz() -> Json<Status> {
    Status::word("ok")
}

/// The program may be sent work: what was stored is restored, and every part is ready.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It is ready.", body = Status),
    (status = 503, description = "It isn't yet.", body = ApiError)))]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Json<Status>> {
    if !api.owner.is_restored() {
        let error = "what was stored is still being restored";
        return Err(ApiError::new(Code::NotReady, error));
    }
    let notes = api.readiness.check().map_err(|missing| {
        ApiError::new(Code::NotReady, format!("waiting for {}", missing.join(", ")))
    })?;
    if api.stop.is_cancelled() {
        return Err(ApiError::new(Code::ShuttingDown, "the program is stopping"));
    }
    Ok(Json(Status { status: "ready", notes }))
}
