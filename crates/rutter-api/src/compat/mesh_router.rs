//! Mesh Router's HTTP API, as its agents, tunnels and gateways in the field speak it.
//!
//! Bodies, the order of their keys and the odd status codes are the original's (200 for a
//! signature that is wrong, 209 for a name that is taken, 280 for an unknown user, 500 for a bad
//! field), because clients look at bodies and not at codes. What is changed, and why:
//!
//! - every path is served at `/` and under `/router/api`, since agents use the one and gateways
//!   the other;
//! - a bare array of routes and an entry without `source` are taken, as the project's own document
//!   describes them; the source follows from the priority;
//! - `"success":true` is added to what the document says so of;
//! - errors of the server are JSON, without stack traces;
//! - addresses are judged by rule and not by asking them ([`rutter_controller::address`]); what is
//!   refused is told in the place where the original tells what it couldn't reach;
//! - **home addresses are shown to gateways only** (module `access`): in the original anyone could list
//!   them, which made hiding them behind a proxy void.
//!
//! Signatures stand in URLs, so this module logs no path.

mod access;
mod config;
mod cors;
mod error;
mod identity;
mod map;
mod reply;
mod resolve;
mod routes;
mod wire;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rutter_controller::Controller;

pub use self::config::MeshRouterOptions;
use self::error::Refused;
use crate::Clock;
use crate::limits;
use crate::metrics::Metrics;

/// What the handlers share.
#[derive(Clone)]
struct Surface {
    controller: Controller,
    clock: Clock,
    options: std::sync::Arc<MeshRouterOptions>,
}

/// The router of the listener `compat.mesh_router`.
pub fn router(
    controller: Controller,
    clock: Clock,
    metrics: Metrics,
    options: MeshRouterOptions,
) -> Router {
    let surface = Surface { controller, clock, options: std::sync::Arc::new(options) };
    Router::new()
        .merge(paths())
        .nest("/router/api", paths())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_path)
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(cors::allow_all))
        .layer(middleware::from_fn_with_state((metrics, "mesh_router"), crate::metrics::count))
        .with_state(surface)
}

fn paths() -> Router<Surface> {
    Router::new()
        .route("/version", get(identity::version))
        .route("/available/{domain}", get(identity::available))
        .route("/verify/{user}/{signature}", get(identity::verify))
        .route("/domain/{user}", get(identity::domain))
        .route("/domain", post(identity::claim).delete(identity::delete))
        .route("/heartbeat/{user}/{signature}", post(identity::heartbeat))
        .route("/status/{user}", get(identity::status))
        .route("/routes/{user}/{signature}", post(routes::register).delete(routes::withdraw))
        .route("/routes/{user}", get(routes::list))
        .route("/resolve/v2/{domain}", get(resolve::v2))
        .route("/resolve/{domain}", get(resolve::legacy))
}

/// A path or a method that isn't there. The path is not repeated: it may hold a signature.
async fn unknown_path() -> Refused {
    Refused::new(404, "There is no such endpoint.")
}

/// Middleware: a request that takes too long is answered so.
async fn in_time(request: Request, next: Next) -> Response {
    let late = || Refused::new(408, "The request took too long.").into_response();
    limits::in_time(request, next).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests;
