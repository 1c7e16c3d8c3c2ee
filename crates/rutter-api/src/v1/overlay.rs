//! How the host of overlays of this process stands.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::overlay::OverlayStatus;

/// The host of overlays.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverlayAnswer {
    /// How it stands; null where this process is none.
    overlay: Option<OverlayStatus>,
}

/// Says how the host of overlays of this process stands: its overlays, the kernel, its peers. Its
/// routes are in the tables `overlay/VNI`.
#[utoipa::path(get, path = "/v1/overlay", tag = "overlay", responses(
    (status = 200, description = "How it stands.", body = OverlayAnswer)))]
pub(crate) async fn serve(State(api): State<Api>) -> Json<OverlayAnswer> {
    let overlay = match &api.overlay {
        Some(ask) => Some(ask().await),
        None => None,
    };
    Json(OverlayAnswer { overlay })
}
