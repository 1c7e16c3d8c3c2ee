//! n-netman's health endpoints and metrics, on the addresses of its own file.
//!
//! Bodies and content types are the original's, since what reads them compares text: `/healthz`,
//! `/readyz` and `/livez` are JSON under `text/plain`, `/status` is JSON. What is changed:
//!
//! - `installed` counts what the kernel has, where the original counts what its memory has, refused
//!   and failed routes too;
//! - `/metrics` is OpenMetrics text with Rutter's own metrics beside n-netman's names. The two that the
//!   original registers and never feeds (`grpc_requests_total`, `grpc_request_duration_seconds`) are
//!   left out, and so is `reconciliation_duration_seconds`: what was compared each ten seconds there is
//!   compared here when something happens, in slices.
//!
//! Everyone who reaches the addresses may read them, as in the original: they are loopback's unless
//! the file says otherwise.

mod figures;
#[cfg(test)]
mod tests;
mod wire;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::metrics::{self, Metrics};
use crate::overlay::{AsksOverlay, OverlayStatus};
use crate::tables::Tables;

const TEXT: &str = "text/plain; charset=utf-8";

/// The router of the health listener.
pub fn health(ask: AsksOverlay, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/livez", get(livez))
        .route("/status", get(status))
        .layer(middleware::from_fn_with_state((metrics, "nnetman_health"), metrics::count))
        .with_state(ask)
}

/// What the metrics listener shows.
#[derive(Clone)]
struct Shown {
    ask: AsksOverlay,
    metrics: Metrics,
    tables: Tables,
    figures: figures::Figures,
}

/// The router of the metrics listener. `tables` are those whose figures are shown.
pub fn metrics(ask: AsksOverlay, metrics: Metrics, tables: Tables) -> Router {
    let figures = figures::Figures::default();
    metrics.add(Box::new(figures.clone()));
    let shown = Shown { ask, metrics, tables, figures };
    Router::new().route("/metrics", get(serve_metrics)).with_state(shown)
}

/// The last comparison with the kernel went well, and the program isn't ending. Peers don't count.
async fn healthz(State(ask): State<AsksOverlay>) -> Response {
    let status = ask().await;
    let well = !status.stopping && status.failures().next().is_none();
    word(well, "healthy", "unhealthy")
}

/// It may be sent work.
async fn readyz(State(ask): State<AsksOverlay>) -> Response {
    word(!ask().await.stopping, "ready", "not ready")
}

fn word(well: bool, yes: &str, no: &str) -> Response {
    let (code, word) =
        if well { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) };
    (code, [(header::CONTENT_TYPE, TEXT)], format!("{{\"status\": \"{word}\"}}")).into_response()
}

/// It lives.
async fn livez(State(ask): State<AsksOverlay>) -> Response {
    let uptime = ask().await.uptime_ms / 1000;
    let body = format!("{{\"status\": \"alive\", \"uptime_seconds\": {uptime}}}");
    ([(header::CONTENT_TYPE, TEXT)], body).into_response()
}

async fn status(State(ask): State<AsksOverlay>) -> Response {
    axum::Json(wire::Status::of(&ask().await)).into_response()
}

async fn serve_metrics(State(shown): State<Shown>) -> Response {
    let status: OverlayStatus = (shown.ask)().await;
    shown.figures.set(status);
    let text = shown.metrics.encode(None, &shown.tables, None).await;
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}
