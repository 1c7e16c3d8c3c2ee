//! Where `rutter.v1` is spoken.

use axum::Json;
use axum::extract::State;
use rutter_registry::Pin;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, Code, Controlled, Result};

/// Where the listener `link` is, and what to trust there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAddress {
    /// Host and port, such as `192.0.2.1:7071`: as others reach it, not as it is bound.
    pub address: String,
    /// The pin of the CA that signed the listener's certificate.
    pub pin: Pin,
}

/// Where Rutter's own protocol is spoken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkAnswer {
    /// Host and port.
    #[schema(example = "192.0.2.1:7071")]
    address: String,
    /// The SHA-256 of the CA that signs the listener's certificate, 64 hex digits.
    pin: String,
}

/// Says where agents, gateways and others find `rutter.v1`. Who only has the URL of this API comes
/// here first. It tells nothing secret. Who has a join line with a pin trusts that pin, whatever is
/// said here.
#[utoipa::path(get, path = "/v1/link", tag = "link", responses(
    (status = 200, description = "Where it is.", body = LinkAnswer),
    (status = 404, description = "This controller doesn't speak it.", body = ApiError)))]
pub(crate) async fn serve(State(api): State<Controlled>) -> Result<Json<LinkAnswer>> {
    let none = || ApiError::new(Code::NoLink, "this controller has no listener `link`");
    let link = api.options.link.as_ref().ok_or_else(none)?;
    Ok(Json(LinkAnswer { address: link.address.clone(), pin: link.pin.to_string() }))
}
