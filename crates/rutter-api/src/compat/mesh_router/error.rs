//! Refusals in Mesh Router's form: `{"error":"..."}` under the original's status codes.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rutter_controller::{Error, NameError};
use serde::Serialize;

use super::reply;
use crate::limits::BodyError;

/// What the original says of a name.
pub(super) const NOT_AVAILABLE: &str = "Domain name is not available.";
const CHARACTERS: &str = "Domain name can only contain lowercase letters and numbers.";
const TOO_LONG: &str = "Domain name cannot be longer than 63 characters.";

/// A refusal.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    /// Routes that were refused, each with its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<reply::Rejected>,
}

impl Refused {
    /// With a code of any kind: the original makes up its own.
    pub(super) fn new(status: u16, error: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, error: error.into(), rejected: Vec::new() }
    }

    /// What the original throws: 500, the text behind `Error: `.
    pub(super) fn thrown(text: impl std::fmt::Display) -> Self {
        Self::new(500, format!("Error: {text}"))
    }

    /// No route of a call was taken.
    pub(super) fn all_rejected(rejected: Vec<reply::Rejected>) -> Self {
        Self { rejected, ..Self::new(400, "All routes failed validation") }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        reply::json(self.status, &self)
    }
}

/// What the original says of a text that is no name, but for a blank one.
pub(super) fn name_text(why: NameError) -> &'static str {
    match why {
        NameError::Blank => "Domain name is required.",
        NameError::Character => CHARACTERS,
        NameError::TooLong => TOO_LONG,
        NameError::Reserved => NOT_AVAILABLE,
    }
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(413, "The request body is over 100 kB."),
            BodyError::Broken => Self::new(400, "The request body can't be read."),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Name(why) => Self::thrown(name_text(why)),
            Error::NameTaken(_) => Self::thrown("Domain name is not owned by you."),
            Error::UnknownUser => Self::new(404, "User not found. Register a domain first."),
            Error::Token(_) => Self::new(401, "Unauthorized"),
            Error::TooManyRoutes { .. } | Error::Bound(_) => Self::new(400, error.to_string()),
            Error::Closed => Self::new(503, error.to_string()),
            Error::Registry(ref why) => {
                tracing::error!(error = %why, "the registry failed a Mesh Router request");
                Self::new(503, error.to_string())
            }
            other => Self::thrown(other),
        }
    }
}
