//! What comes in: bodies and queries, with errors that name the place.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{ApiError, Code};
use crate::limits;

/// A JSON body. An empty one is `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = limits::read(request.into_body()).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| match error.classify() {
            // JSON, but not this: the message names the field and the place.
            Category::Data => ApiError::new(Code::InvalidField, error),
            _ => ApiError::new(Code::InvalidJson, format!("the body is not JSON: {error}")),
        })
    }
}

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        let query = query.map_err(|e| ApiError::new(Code::InvalidParameter, e.body_text()))?;
        Ok(Self(query.0))
    }
}

/// How many entries a page has unless it is said.
pub(crate) const DEFAULT_PAGE: usize = 100;

/// The limit of a page: what was asked, within 1 to 1000.
pub(crate) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(DEFAULT_PAGE).clamp(1, rutter_registry::MAX_PAGE)
}
