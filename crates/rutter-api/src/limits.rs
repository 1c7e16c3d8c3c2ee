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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let late = async |request: Request, next: Next| {
            in_time(request, next).await.unwrap_or(StatusCode::REQUEST_TIMEOUT.into_response())
        };
        let handler = async |body: Body| read(body).await.map(|_| ()).map_err(|_| "broken");
        let router = Router::new().route("/", post(handler)).layer(from_fn(late));
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::post("/").body(Body::from_stream(never)).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_is_taken_up_to_its_bound() {
        let body = |n: usize| Body::from(vec![b'x'; n]);
        assert_eq!(read(body(MAX_BODY)).await.map(|b| b.len()), Ok(MAX_BODY));
        assert_eq!(read(body(MAX_BODY + 1)).await, Err(BodyError::TooLarge));
        let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        assert_eq!(read(Body::from_stream(broken)).await, Err(BodyError::Broken));
    }
}
