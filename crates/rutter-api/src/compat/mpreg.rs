//! MPREG's monitoring endpoints for routing between clusters, on a listener of their own.
//!
//! `/routing/trace` has the original's JSON (its fields, names, units and errors), and beside it what
//! that lacks: why a candidate is barred, what was refused and so is no candidate, and the neighbour that
//! a request would go to. `/routing/metrics` has the `route_metrics` snapshot by the original's names;
//! `convergence_seconds_*` keep their names and mean what they should: from what set a change off to the
//! last that followed of it, where the original's rises with each refresh.
//!
//! Who may ask has a token of scope `read`: the original asks nobody, and tells strangers the whole
//! fabric.

#[cfg(test)]
mod tests;
mod wire;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rutter_fabric::FabricHandle;
use rutter_registry::{Scope, TokenSecret};
use serde::Deserialize;

use crate::metrics::{self, Metrics};
use crate::v1::fabric::clusters;
use crate::v1::{ApiError, Owner, bearer};
use crate::{Clock, limits};

/// What the listener is about.
#[derive(Clone)]
pub struct Parts {
    /// The fabric; `None`: this process has none, and says so.
    pub fabric: Option<FabricHandle>,
    /// Who knows the tokens.
    pub owner: Owner,
    /// The time, for the answers' stamps.
    pub clock: Clock,
    /// Counts requests.
    pub metrics: Metrics,
}

/// The router of the listener `compat.mpreg`.
pub fn router(parts: Parts) -> Router {
    let count = (parts.metrics.clone(), "compat_mpreg");
    Router::new()
        .route("/routing/trace", get(trace))
        .route("/routing/metrics", get(route_metrics))
        .layer(middleware::from_fn_with_state(parts.clone(), check))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(count, metrics::count))
        .with_state(parts)
}

/// Middleware: lets in who has a token that reads.
async fn check(
    State(parts): State<Parts>,
    request: axum::extract::Request,
    next: middleware::Next,
) -> Response {
    let secret = bearer(request.headers()).map(TokenSecret::presented);
    let known = async { parts.owner.authenticate(parts.clock.now(), &secret?).await };
    match known.await {
        Ok(known) if known.scopes.allow(Scope::Read) => next.run(request).await,
        Ok(_) => failed(StatusCode::FORBIDDEN, "this needs a token of scope `read`"),
        Err(error) => {
            let ApiError { error, code } = error;
            failed(code.status(), &error)
        }
    }
}

async fn in_time(request: axum::extract::Request, next: middleware::Next) -> Response {
    let late = || failed(StatusCode::REQUEST_TIMEOUT, "the request took too long");
    limits::in_time(request, next).await.unwrap_or_else(late)
}

/// An error in the original's form.
fn failed(status: StatusCode, message: &str) -> Response {
    (status, Json(wire::Failed { status: "error", message: message.to_owned() })).into_response()
}

#[derive(Debug, Deserialize)]
struct TraceQuery {
    #[serde(default)]
    destination: String,
    #[serde(default)]
    avoid: String,
}

async fn trace(State(parts): State<Parts>, query: axum::extract::Query<TraceQuery>) -> Response {
    let Some(fabric) = &parts.fabric else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "route tracing not available");
    };
    if query.destination.trim().is_empty() {
        return failed(StatusCode::BAD_REQUEST, "destination required");
    }
    let asked = clusters("destination", &query.destination)
        .and_then(|named| Ok((named, clusters("avoid", &query.avoid)?)));
    let (destination, avoid) = match asked {
        Ok((mut named, avoid)) if named.len() == 1 => (named.remove(0), avoid),
        Ok(_) => return failed(StatusCode::BAD_REQUEST, "destination: expected one cluster"),
        Err(error) => return failed(StatusCode::BAD_REQUEST, &error.error),
    };
    let now = parts.clock.now();
    match fabric.trace(destination, avoid.clone()).await {
        Ok(trace) => Json(wire::Traced::of(&trace, &avoid, now)).into_response(),
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn route_metrics(State(parts): State<Parts>) -> Response {
    let Some(fabric) = &parts.fabric else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "route metrics not available");
    };
    let now = parts.clock.now();
    let both = async {
        Ok::<_, rutter_fabric::FabricError>((fabric.stats().await?, fabric.routes().await?))
    };
    match both.await {
        Ok((stats, routes)) => Json(wire::Measured::of(&stats, &routes, now)).into_response(),
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
