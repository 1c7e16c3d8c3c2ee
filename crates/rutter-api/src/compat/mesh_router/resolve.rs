//! What a name leads to.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use rutter_controller::{NameError, Resolved, parse_name};

use super::error::{Refused, name_text};
use super::{Surface, map, reply, wire};
use crate::peer::Peer;

type Answer = Result<Response, Refused>;

/// What Redis says of a key that isn't there, in the place of its seconds.
const NO_TTL: i64 = -2;

pub(super) async fn v2(
    State(surface): State<Surface>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let resolved = surface.resolve(peer, &headers, &name, "Domain not found.").await?;
    Ok(reply::ok(&body(&surface, &resolved)))
}

/// One answer for readers of the project's document and for those of the legacy, who look at the
/// first route alone.
pub(super) async fn legacy(
    State(surface): State<Surface>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let unknown = "Domain not found or no IP registered.";
    let resolved = surface.resolve(peer, &headers, &name, unknown).await?;
    let resolved = body(&surface, &resolved);
    let Some(first) = resolved.routes.first() else {
        return Err(Refused::new(404, unknown));
    };
    let (host_ip, target_port) = (first.ip.clone(), first.port.clone());
    Ok(reply::ok(&wire::ResolvedLegacy { host_ip, target_port, resolved }))
}

impl Surface {
    async fn resolve(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        name: &str,
        unknown: &str,
    ) -> Result<Resolved, Refused> {
        let name = name.trim().to_lowercase();
        match parse_name(&name) {
            Ok(_) | Err(NameError::Reserved) => {}
            Err(NameError::Blank) => {
                return Err(Refused::thrown("Domain name is required for availability check."));
            }
            Err(why) => return Err(Refused::thrown(name_text(why))),
        }
        let unknown = || Refused::new(404, unknown);
        if !self.may_read(peer, headers).await? {
            return Err(unknown());
        }
        self.controller.resolve(self.clock.now(), &name).await?.ok_or_else(unknown)
    }
}

fn body<'a>(surface: &'a Surface, resolved: &'a Resolved) -> wire::Resolved<'a> {
    let mut routes = Vec::new();
    for lease in &resolved.leases {
        let said = lease.claims.iter().filter_map(|c| map::said_of(lease.source.as_str(), c));
        routes.extend(said);
    }
    map::sort(&mut routes);
    let identity = &resolved.identity;
    wire::Resolved {
        user_id: identity.user.as_str(),
        domain_name: identity.name.as_ref().map_or("", |name| name.as_str()),
        server_domain: surface.controller.server_domain().as_str(),
        routes,
        // Redis counts whole seconds and rounds up what is left of one.
        routes_ttl: resolved.least_left().map_or(NO_TTL, |left| {
            i64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
        }),
        last_seen_online: identity.last_seen.map(reply::iso),
    }
}
