//! Registering, withdrawing and listing routes.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use rutter_controller::address::Registrant;
use rutter_controller::{Registration, RouteClaim};
use rutter_registry::{SourceName, UserId};
use rutter_route::Verdict;
use serde_json::Value;

use super::error::Refused;
use super::reply::Rejected;
use super::{Surface, map, reply, wire};
use crate::limits;
use crate::peer::Peer;

type Answer = Result<Response, Refused>;

/// The checks come in the original's order: the body's shape, the user, the signature, the
/// fields, and last where the routes lead.
pub(super) async fn register(
    State(surface): State<Surface>,
    Extension(peer): Extension<Peer>,
    Path((user, signature)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let most = surface.controller.config().max_routes;
    let entries = entries_of(&limits::read(body).await?, most)?;
    let unknown = "User not found. Register a domain first.";
    let identity = surface.signer(&user, &signature, unknown)?;
    let Some(name) = &identity.name else {
        return Err(Refused::new(404, unknown));
    };
    let mut routes = Vec::with_capacity(entries.len());
    for (i, entry) in entries.iter().enumerate() {
        let wrong = |why: String| Refused::thrown(format!("Route {i}: {why}"));
        let route = map::route_of(entry).map_err(wrong)?;
        let source: SourceName = route.source.parse().map_err(|e| wrong(format!("{e}.")))?;
        let claim = map::claim_of(&route).map_err(wrong)?;
        routes.push(Entry { index: i, route, source, claim });
    }
    let domain = format!("{name}.{}", surface.controller.server_domain());
    let (accepted, rejected) =
        surface.take(&identity.user, peer.registrant(&headers), routes).await?;
    if accepted.is_empty() {
        return Err(Refused::all_rejected(rejected));
    }
    let message = "Routes registered successfully.";
    Ok(reply::ok(&wire::Registered { message, routes: accepted, rejected, domain, success: true }))
}

struct Entry {
    index: usize,
    route: wire::Route,
    source: SourceName,
    claim: RouteClaim,
}

impl Surface {
    /// Registers what may be registered, a source at a time: each one's set replaces what it said.
    /// A source of which nothing is accepted keeps what it said before, as in the original.
    async fn take(
        &self,
        user: &UserId,
        registrant: Registrant,
        entries: Vec<Entry>,
    ) -> Result<(Vec<wire::Route>, Vec<Rejected>), Refused> {
        let (mut accepted, mut rejected) = (BTreeMap::new(), Vec::new());
        let mut sets: BTreeMap<SourceName, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            match self.controller.may_lead(&entry.claim, registrant) {
                Ok(()) => sets.entry(entry.source.clone()).or_default().push(entry),
                Err(why) => rejected.push(Rejected::new(&entry.route, why)),
            }
        }
        for (source, mut entries) in sets {
            // Of two entries of one path the later counts, as a later registration would.
            let mut seen = std::collections::HashSet::new();
            entries.reverse();
            entries.retain(|entry| seen.insert(entry.claim.path.clone()));
            entries.reverse();
            let claims = entries.iter().map(|entry| entry.claim.clone()).collect();
            let what = Registration { user: user.clone(), source, claims, registrant };
            let registered = self.controller.register(self.clock.now(), what).await?;
            for (entry, outcome) in entries.into_iter().zip(registered.routes) {
                match outcome.verdict {
                    Verdict::Stands(_) => {
                        accepted.insert(entry.index, entry.route);
                    }
                    Verdict::Refused(why) => rejected.push(Rejected::new(&entry.route, why)),
                }
            }
        }
        Ok((accepted.into_values().collect(), rejected))
    }
}

/// The entries of `{"routes":[...]}`, or of a bare array. The original has no bound, and a call with
/// a thousand made it send a thousand probes.
fn entries_of(body: &[u8], most: usize) -> Result<Vec<Value>, Refused> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        Refused::new(400, format!("The request body is not valid JSON: {error}"))
    })?;
    let entries = match body {
        Value::Array(entries) => Some(entries),
        Value::Object(mut fields) => match fields.remove("routes") {
            Some(Value::Array(entries)) => Some(entries),
            _ => None,
        },
        _ => None,
    };
    let missing =
        || Refused::new(400, "A non-empty array 'routes' is required in the request body.");
    let entries = entries.filter(|entries| !entries.is_empty()).ok_or_else(missing)?;
    if entries.len() > most {
        let n_entries = entries.len();
        let error = format!("{n_entries} routes in one call; at most {most} are taken.");
        return Err(Refused::new(400, error));
    }
    Ok(entries)
}

pub(super) async fn withdraw(
    State(surface): State<Surface>,
    Path((user, signature)): Path<(String, String)>,
) -> Answer {
    let identity = surface.signer(&user, &signature, "User not found.")?;
    surface.controller.withdraw(identity.user, None).await?;
    Ok(reply::ok(&wire::Message { message: "Routes deleted successfully.", success: true }))
}

pub(super) async fn list(
    State(surface): State<Surface>,
    Extension(peer): Extension<Peer>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let none = || Refused::new(404, "No routes registered for this user.");
    if !surface.may_read(peer, &headers).await? {
        return Err(none());
    }
    let user: UserId = user.parse().map_err(|_| none())?;
    let registered = surface.controller.registered(surface.clock.now(), &user).ok_or_else(none)?;
    let mut routes = Vec::new();
    for lease in registered.leases {
        let said = lease.claims.iter().filter_map(|c| map::said_of(lease.source.as_str(), c));
        routes.extend(said);
    }
    if routes.is_empty() {
        return Err(none());
    }
    map::sort(&mut routes);
    Ok(reply::ok(&wire::Routes { routes }))
}
