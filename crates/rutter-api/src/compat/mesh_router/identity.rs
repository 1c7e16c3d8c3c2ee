//! Who there is: version, available, verify, domain, heartbeat, status.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use rutter_controller::{Availability, DomainClaim, NameError, key_text, parse_key};
use rutter_registry::{Identity, UserId};

use super::error::{NOT_AVAILABLE, Refused, name_text};
use super::{Surface, reply, wire};
use crate::limits;

type Answer = Result<Response, Refused>;

impl Surface {
    /// The user with that id; `unknown` is what to say when there is none.
    pub(super) fn user(&self, id: &str, unknown: (u16, &str)) -> Result<Identity, Refused> {
        let user: Option<UserId> = id.parse().ok();
        let identity = user.and_then(|user| self.controller.identity(&user));
        identity.ok_or_else(|| Refused::new(unknown.0, unknown.1))
    }

    /// The user with that id, who signed. The user is looked for first, as in the original.
    pub(super) fn signer(
        &self,
        id: &str,
        signature: &str,
        unknown: &str,
    ) -> Result<Identity, Refused> {
        let identity = self.user(id, (404, unknown))?;
        if !self.controller.signed(&identity, signature) {
            return Err(Refused::new(401, "Invalid signature."));
        }
        Ok(identity)
    }
}

pub(super) async fn version(State(surface): State<Surface>) -> Response {
    let server_domain = surface.controller.server_domain().as_str();
    reply::ok(&wire::Version { version: 2, min_client_version: 2, server_domain })
}

pub(super) async fn available(State(surface): State<Surface>, Path(name): Path<String>) -> Answer {
    let taken = |message| {
        // A code of the original's own making; any client that looks sees a 2xx.
        let status = StatusCode::from_u16(209).unwrap_or(StatusCode::OK);
        Ok(reply::json(status, &wire::Available { available: false, message }))
    };
    match surface.controller.availability(&name) {
        Availability::Free => {
            let message = "Domain name is available.";
            Ok(reply::ok(&wire::Available { available: true, message }))
        }
        Availability::Taken => taken(NOT_AVAILABLE),
        Availability::Not(NameError::Blank) => Err(Refused::thrown(name_text(NameError::Blank))),
        Availability::Not(why) => taken(name_text(why)),
    }
}

pub(super) async fn verify(
    State(surface): State<Surface>,
    Path((user, signature)): Path<(String, String)>,
) -> Answer {
    let identity = surface.user(&user, (200, "unknown user"))?;
    if !surface.controller.signed(&identity, &signature) {
        return Ok(reply::ok(&serde_json::json!({ "valid": false })));
    }
    let server_domain = surface.controller.server_domain().as_str();
    let domain_name = identity.name.as_ref().map(|name| name.as_str());
    Ok(reply::ok(&wire::Verified { server_domain, domain_name }))
}

pub(super) async fn domain(State(surface): State<Surface>, Path(user): Path<String>) -> Answer {
    let identity = surface.user(&user, (280, "User not found."))?;
    Ok(reply::ok(&wire::Domain {
        domain_name: identity.name.as_ref().map(|name| name.as_str()),
        server_domain: surface.controller.server_domain().as_str(),
        public_key: identity.key.as_ref().map(key_text),
    }))
}

pub(super) async fn claim(
    State(surface): State<Surface>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (user, by) = surface.acting_user(&headers).await?;
    let body: wire::DomainBody =
        serde_json::from_slice(&limits::read(body).await?).map_err(|error| {
            Refused::new(400, format!("The request body is not valid JSON: {error}"))
        })?;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (name, key) = (some(body.domain_name), some(body.public_key));
    if name.is_none() && key.is_none() {
        let error = "At least 'domainName' or 'publicKey' must be provided.";
        return Err(Refused::new(400, error));
    }
    let key = key.as_deref().map(parse_key).transpose().map_err(Refused::thrown)?;
    let claim = DomainClaim { user, name, key, by };
    surface.controller.claim_domain(surface.clock.now(), claim).await?;
    let message = "Domain information updated successfully.";
    Ok(reply::ok(&wire::Message { message, success: false }))
}

pub(super) async fn delete(State(surface): State<Surface>, headers: HeaderMap) -> Answer {
    let (user, by) = surface.acting_user(&headers).await?;
    surface.controller.delete_domain(surface.clock.now(), user, by).await?;
    let message = "Domain information deleted successfully.";
    Ok(reply::ok(&wire::Message { message, success: false }))
}

pub(super) async fn heartbeat(
    State(surface): State<Surface>,
    Path((user, signature)): Path<(String, String)>,
) -> Answer {
    let unknown = "User not found. Register a domain first.";
    let identity = surface.signer(&user, &signature, unknown)?;
    let seen = surface.controller.heartbeat(surface.clock.now(), &identity.user).await?;
    let last_seen_online = reply::iso(seen);
    Ok(reply::ok(&wire::Heartbeat { message: "Heartbeat received.", last_seen_online }))
}

pub(super) async fn status(State(surface): State<Surface>, Path(user): Path<String>) -> Answer {
    let identity = surface.user(&user, (404, "User not found."))?;
    Ok(reply::ok(&wire::Status {
        online: surface.controller.is_online(surface.clock.now(), &identity),
        last_seen_online: identity.last_seen.map(reply::iso),
    }))
}
