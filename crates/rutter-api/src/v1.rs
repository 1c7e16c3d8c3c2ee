//! Rutter's own API: `/v1`, and beside it health, readiness, metrics and the OpenAPI document.
//!
//! Every endpoint is one entry of [`endpoints`], which names who may ask. The router, the checks,
//! and the security in the OpenAPI document come from that entry, and the test that asks every
//! endpoint with every kind of token goes over the same table: an endpoint without a check can't
//! be added by forgetting it.
//!
//! Errors are `{"error":"...","code":"..."}`; the codes are one table ([`Code`]).

mod agent;
mod auth;
mod body;
mod code;
mod domains;
mod health;
mod join;
mod link;
mod members;
mod metrics;
mod openapi;
mod tables;
mod tokens;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use rutter_controller::Controller;
use rutter_registry::{Pin, Scope};
use tokio_util::sync::CancellationToken;

pub use code::Code;
pub(crate) use code::{ApiError, Result};
pub use health::Readiness;
pub use link::LinkAddress;
pub use openapi::document;

use self::auth::Access;
use self::watch::Watchers;
use crate::Clock;
use crate::limits;
use crate::metrics::Metrics;
use crate::tables::Tables;

/// What the API listener is made of.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Where agents find this listener, such as `https://192.0.2.1:7070`: what a join line begins
    /// with.
    pub public_url: String,
    /// The pin of the controller's own CA, where the listener serves TLS by it.
    pub pin: Option<Pin>,
    /// Where `rutter.v1` is spoken, where it is.
    pub link: Option<LinkAddress>,
    /// How often the token of one who watches is looked at again.
    pub recheck: Duration,
}

impl ApiOptions {
    /// With the usual durations, and no link.
    pub fn new(public_url: String, pin: Option<Pin>) -> Self {
        Self { public_url, pin, link: None, recheck: Duration::from_secs(60) }
    }

    /// What one who joins is told: an agent with `--join`, a gateway in its configuration.
    pub fn join_line(&self, token: &str) -> String {
        match self.pin {
            None => format!("{}#{token}", self.public_url),
            Some(pin) => format!("{}#{token}.{pin}", self.public_url),
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) controller: Controller,
    pub(crate) clock: Clock,
    pub(crate) options: ApiOptions,
    pub(crate) readiness: Readiness,
    pub(crate) tables: Tables,
    pub(crate) metrics: Metrics,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) stop: CancellationToken,
}

impl std::ops::Deref for Api {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// One method of one path.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    handler: MethodRouter<Api>,
}

/// Every endpoint there is.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    use Access::{Agent, Join, Open};
    let (admin, read) = (Access::Scope(Scope::Admin), Access::Scope(Scope::Read));
    let endpoint = |method, path, access, handler| Endpoint { method, path, access, handler };
    vec![
        endpoint(Method::GET, "/healthz", Open, get(health::healthz)),
        endpoint(Method::GET, "/readyz", Open, get(health::readyz)),
        endpoint(Method::GET, "/v1/openapi.json", Open, get(openapi::serve)),
        endpoint(Method::GET, "/v1/link", Open, get(link::serve)),
        endpoint(Method::POST, "/v1/join", Join, post(join::join)),
        endpoint(Method::PUT, "/v1/agent/routes", Agent, put(agent::replace)),
        endpoint(Method::DELETE, "/v1/agent/routes", Agent, delete(agent::withdraw)),
        endpoint(Method::GET, "/metrics", read, get(metrics::serve)),
        endpoint(Method::GET, "/v1/tables", read, get(tables::list)),
        endpoint(Method::GET, "/v1/tables/{table}/routes", read, get(tables::routes)),
        endpoint(Method::GET, "/v1/tables/{table}/routes/explain", read, get(tables::explain)),
        endpoint(Method::GET, "/v1/tables/{table}/watch", read, get(watch::watch)),
        endpoint(Method::GET, "/v1/domains", admin, get(domains::list)),
        endpoint(Method::POST, "/v1/domains", admin, post(domains::create)),
        endpoint(Method::DELETE, "/v1/domains/{name}", admin, delete(domains::remove)),
        endpoint(Method::GET, "/v1/members", admin, get(members::list)),
        endpoint(Method::DELETE, "/v1/members/{name}", admin, delete(members::remove)),
        endpoint(Method::GET, "/v1/tokens", admin, get(tokens::list)),
        endpoint(Method::POST, "/v1/tokens", admin, post(tokens::create)),
        endpoint(Method::DELETE, "/v1/tokens/{id}", admin, delete(tokens::revoke)),
        endpoint(Method::POST, "/v1/join-tokens", admin, post(tokens::create_join)),
    ]
}

/// What the listener `api` is about.
#[derive(Clone)]
pub struct ApiParts {
    /// What a controller does.
    pub controller: Controller,
    /// The time.
    pub clock: Clock,
    /// The tables that can be looked at.
    pub tables: Tables,
    /// What is counted.
    pub metrics: Metrics,
    /// What must be ready before this program may be sent work.
    pub readiness: Readiness,
    /// What the config says of this surface.
    pub options: ApiOptions,
    /// Ends event streams, when it is cancelled.
    pub stop: CancellationToken,
}

/// The router of the listener `api`.
pub fn router(parts: ApiParts) -> Router {
    let ApiParts { controller, clock, tables, metrics, readiness, options, stop } = parts;
    let count = (metrics.clone(), "api");
    let watchers = Watchers::new();
    let api = Inner { controller, clock, options, readiness, tables, metrics, watchers, stop };
    let api = Api(Arc::new(api));
    let mut router = Router::new();
    for endpoint in endpoints() {
        let guard = (api.clone(), endpoint.access);
        let guard = middleware::from_fn_with_state(guard, auth::check);
        router = router.route(endpoint.path, endpoint.handler.layer(guard));
    }
    router
        .fallback(async || ApiError::new(Code::NotFound, "there is no such path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(Code::MethodNotAllowed, "the path doesn't take this method")
        })
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(count, crate::metrics::count))
        .with_state(api)
}

/// Middleware: a request that takes too long is answered so.
async fn in_time(request: Request, next: Next) -> Response {
    let late = || ApiError::new(Code::Timeout, "the request took too long").into_response();
    limits::in_time(request, next).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests;
