//! What one request may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// The largest body: 100 kB, as the original's.
pub(crate) const MAX_BODY: usize = 100 * 1024;

/// From the head of a request to the head of its answer, its body read between. Event streams
/// answer at once and go on after it.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Why a body wasn't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Over [`MAX_BODY`].
    TooLarge,
    /// The connection failed, or its framing is broken.
    Broken,
}

/// The whole body, [`MAX_BODY`] at most.
pub(crate) async fn read(body: Body) -> Result<Bytes, BodyError> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

/// The answer to a request, unless it takes longer than [`REQUEST_TIME`].
pub(crate) async fn in_time(request: Request, next: Next) -> Option<Response> {
    tokio::time::timeout(REQUEST_TIME, next.run(request)).await.ok()
}
