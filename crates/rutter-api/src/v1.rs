//! Rutter's own API: `/v1`, and beside it health, readiness, metrics and the OpenAPI document.
//!
//! Every endpoint is one entry of [`endpoints`], which names who may ask and whether only a controller
//! has it. The router, the checks, and the security in the OpenAPI document come from that entry, and
//! the test that asks every endpoint with every kind of token goes over the same table: an endpoint
//! without a check can't be added by forgetting it.
//!
//! A gateway whose controller is elsewhere serves the same table ([`Owner`]): what shows itself is
//! there, and what needs a controller is 404 with a code of its own.
//!
//! Errors are `{"error":"...","code":"..."}`; the codes are one table ([`Code`]).

mod agent;
mod auth;
mod body;
mod code;
mod domains;
pub(crate) mod fabric;
mod health;
mod join;
mod link;
mod members;
mod metrics;
mod nodes;
mod openapi;
mod overlay;
mod owner;
mod services;
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
use axum::routing::{MethodFilter, MethodRouter, delete, get, on, patch, post, put};
use rutter_fabric::FabricHandle;
use rutter_registry::{Pin, Scope};
use tokio_util::sync::CancellationToken;

pub(crate) use auth::bearer;
pub use code::Code;
pub(crate) use code::{ApiError, Result};
pub use health::{PartState, Readiness};
pub use link::LinkAddress;
pub(crate) use nodes::{STATES, state};
pub use openapi::document;
pub use owner::{LocalToken, LocalTokens, Owner};

use self::auth::Access;
pub(crate) use self::owner::{Controlled, OfFabric, OfNodes, OfServices};
use self::watch::Watchers;
use crate::Clock;
use crate::limits;
use crate::metrics::Metrics;
use crate::overlay::AsksOverlay;
use crate::services::Services;
use crate::tables::Tables;

/// How often the token of one who watches is looked at again, unless a test says otherwise.
pub const RECHECK: Duration = Duration::from_secs(60);

/// Where others find a controller.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Where agents find this listener, such as `https://192.0.2.1:7070`: what a join line begins
    /// with.
    pub public_url: String,
    /// The pin of the controller's own CA, where the listener serves TLS by it.
    pub pin: Option<Pin>,
    /// Where `rutter.v1` is spoken, where it is.
    pub link: Option<LinkAddress>,
}

impl ApiOptions {
    /// Without a link.
    pub fn new(public_url: String, pin: Option<Pin>) -> Self {
        Self { public_url, pin, link: None }
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
    pub(crate) owner: Owner,
    pub(crate) clock: Clock,
    pub(crate) recheck: Duration,
    pub(crate) readiness: Readiness,
    pub(crate) tables: Tables,
    pub(crate) metrics: Metrics,
    pub(crate) overlay: Option<AsksOverlay>,
    pub(crate) services: Option<Services>,
    pub(crate) fabric: Option<FabricHandle>,
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
    handler: Handler,
}

/// Who answers.
enum Handler {
    /// Whoever's API it is.
    Anyone(MethodRouter<Api>),
    /// A controller.
    Controller(MethodRouter<Controlled>),
    /// A controller that has nodes.
    Nodes(MethodRouter<OfNodes>),
    /// A controller that has providers.
    Services(MethodRouter<OfServices>),
    /// A controller whose cluster is part of a fabric.
    Fabric(MethodRouter<OfFabric>),
}

impl Endpoint {
    /// Whether only a controller has it.
    pub(crate) fn needs_controller(&self) -> bool {
        !matches!(self.handler, Handler::Anyone(_))
    }

    /// What is asked at its path, with the check before it.
    fn routes(self, api: &Api) -> MethodRouter {
        let guard = middleware::from_fn_with_state((api.clone(), self.access), auth::check);
        // Axum filters by every method of the table; a test asks each.
        let method = MethodFilter::try_from(self.method).unwrap_or(MethodFilter::GET);
        let routes = match (self.handler, Controlled::of(api), OfNodes::of(api)) {
            (Handler::Anyone(handler), ..) => handler.with_state(api.clone()),
            (Handler::Services(handler), Some(_), _) => match OfServices::of(api) {
                Some(state) => handler.with_state(state),
                None => on(method, owner::no_providers),
            },
            (Handler::Fabric(handler), Some(_), _) => match OfFabric::of(api) {
                Some(state) => handler.with_state(state),
                None => on(method, owner::no_fabric),
            },
            (Handler::Controller(handler), Some(state), _) => handler.with_state(state),
            (Handler::Nodes(handler), _, Some(state)) => handler.with_state(state),
            (_, None, _) => on(method, owner::elsewhere).with_state(api.clone()),
            (Handler::Nodes(_), Some(_), None) => on(method, owner::no_nodes),
        };
        routes.layer(guard)
    }
}

/// Every endpoint there is.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    use Access::{Agent, Join, Open};
    let (admin, read) = (Access::Scope(Scope::Admin), Access::Scope(Scope::Read));
    let endpoint = |method, path, access, handler| {
        let handler = Handler::Anyone(handler);
        Endpoint { method, path, access, handler }
    };
    let controllers = |method, path, access, handler| {
        let handler = Handler::Controller(handler);
        Endpoint { method, path, access, handler }
    };
    let nodes = |method, path, access, handler| {
        let handler = Handler::Nodes(handler);
        Endpoint { method, path, access, handler }
    };
    let services = |path, handler| {
        let handler = Handler::Services(handler);
        Endpoint { method: Method::GET, path, access: read, handler }
    };
    let fabric = |method, path, access, handler| {
        let handler = Handler::Fabric(handler);
        Endpoint { method, path, access, handler }
    };
    use self::nodes::{moves, pending, people, policy, preauth, routes, rows};
    vec![
        endpoint(Method::GET, "/healthz", Open, get(health::healthz)),
        endpoint(Method::GET, "/readyz", Open, get(health::readyz)),
        endpoint(Method::GET, "/v1/openapi.json", Open, get(openapi::serve)),
        controllers(Method::GET, "/v1/link", Open, get(link::serve)),
        controllers(Method::POST, "/v1/join", Join, post(join::join)),
        controllers(Method::PUT, "/v1/agent/routes", Agent, put(agent::replace)),
        controllers(Method::DELETE, "/v1/agent/routes", Agent, delete(agent::withdraw)),
        endpoint(Method::GET, "/metrics", read, get(metrics::serve)),
        endpoint(Method::GET, "/v1/overlay", read, get(overlay::serve)),
        services("/v1/services", get(self::services::list)),
        services("/v1/services/{name}", get(self::services::show)),
        services("/v1/pools", get(self::services::pools)),
        services("/v1/providers", get(self::services::providers::list)),
        services("/v1/health", get(self::services::health::serve)),
        services("/v1/events", get(self::services::events::list)),
        services("/v1/events/watch", get(self::services::events::watch)),
        fabric(Method::GET, "/v1/fabric", read, get(self::fabric::show)),
        fabric(Method::GET, "/v1/fabric/stats", read, get(self::fabric::stats)),
        fabric(Method::GET, "/v1/fabric/trace", read, get(self::fabric::trace)),
        fabric(Method::GET, "/v1/fabric/next-hop", read, get(self::fabric::next_hop)),
        fabric(Method::GET, "/v1/fabric/keys", read, get(self::fabric::keys)),
        fabric(Method::POST, "/v1/fabric/keys/rotate", admin, post(self::fabric::rotate)),
        fabric(Method::POST, "/v1/fabric/policy/diff", admin, post(self::fabric::policy_diff)),
        endpoint(Method::GET, "/v1/tables", read, get(tables::list)),
        endpoint(Method::GET, "/v1/tables/{table}/routes", read, get(tables::routes)),
        endpoint(Method::GET, "/v1/tables/{table}/routes/explain", read, get(tables::explain)),
        endpoint(Method::GET, "/v1/tables/{table}/watch", read, get(watch::watch)),
        controllers(Method::GET, "/v1/domains", admin, get(domains::list)),
        controllers(Method::POST, "/v1/domains", admin, post(domains::create)),
        controllers(Method::DELETE, "/v1/domains/{name}", admin, delete(domains::remove)),
        controllers(Method::GET, "/v1/members", admin, get(members::list)),
        controllers(Method::DELETE, "/v1/members/{name}", admin, delete(members::remove)),
        controllers(Method::GET, "/v1/tokens", admin, get(tokens::list)),
        controllers(Method::POST, "/v1/tokens", admin, post(tokens::create)),
        controllers(Method::DELETE, "/v1/tokens/{id}", admin, delete(tokens::revoke)),
        controllers(Method::POST, "/v1/join-tokens", admin, post(tokens::create_join)),
        nodes(Method::GET, "/v1/nodes", read, get(self::nodes::list)),
        nodes(Method::GET, "/v1/nodes/{node}", read, get(self::nodes::show)),
        nodes(Method::PATCH, "/v1/nodes/{node}", admin, patch(self::nodes::change)),
        nodes(Method::DELETE, "/v1/nodes/{node}", admin, delete(self::nodes::remove)),
        nodes(Method::GET, "/v1/nodes/moves", read, get(moves::list)),
        nodes(Method::GET, "/v1/nodes/pending", read, get(pending::list)),
        nodes(Method::DELETE, "/v1/nodes/pending/{key}", admin, delete(pending::reject)),
        nodes(Method::POST, "/v1/nodes/pending/{key}/register", admin, post(pending::register)),
        nodes(Method::GET, "/v1/nodes/{node}/routes", read, get(routes::list)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/approve", admin, post(routes::approve)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/revoke", admin, post(routes::revoke)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/forget", admin, post(routes::forget)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/primary", admin, post(routes::primary)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/preference", admin, post(routes::preference)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/drain", admin, post(routes::drain)),
        nodes(Method::POST, "/v1/nodes/{node}/routes/undrain", admin, post(routes::undrain)),
        nodes(Method::GET, "/v1/routes", read, get(rows::list)),
        nodes(Method::GET, "/v1/users", admin, get(people::list)),
        nodes(Method::POST, "/v1/users", admin, post(people::create)),
        nodes(Method::PATCH, "/v1/users/{user}", admin, patch(people::rename)),
        nodes(Method::DELETE, "/v1/users/{user}", admin, delete(people::remove)),
        nodes(Method::GET, "/v1/preauth-keys", admin, get(preauth::list)),
        nodes(Method::POST, "/v1/preauth-keys", admin, post(preauth::create)),
        nodes(Method::DELETE, "/v1/preauth-keys/{id}", admin, delete(preauth::expire)),
        nodes(Method::GET, "/v1/policy", admin, get(policy::show)),
        nodes(Method::POST, "/v1/policy/diff", admin, post(policy::diff)),
    ]
}

/// What the listener `api` is about.
#[derive(Clone)]
pub struct ApiParts {
    /// Whose it is.
    pub owner: Owner,
    /// The time.
    pub clock: Clock,
    /// The tables that can be looked at.
    pub tables: Tables,
    /// What is counted.
    pub metrics: Metrics,
    /// Says how the host of overlays of this process stands, if it is one.
    pub overlay: Option<AsksOverlay>,
    /// The services of its providers, if it has some.
    pub services: Option<Services>,
    /// The fabric that its cluster is part of, if it is.
    pub fabric: Option<FabricHandle>,
    /// What must be ready before this program may be sent work.
    pub readiness: Readiness,
    /// How often the token of one who watches is looked at again, such as [`RECHECK`].
    pub recheck: Duration,
    /// Ends event streams, when it is cancelled.
    pub stop: CancellationToken,
}

/// The router of the listener `api`.
pub fn router(parts: ApiParts) -> Router {
    let ApiParts {
        owner,
        clock,
        tables,
        metrics,
        overlay,
        services,
        fabric,
        readiness,
        recheck,
        stop,
    } = parts;
    let count = (metrics.clone(), "api");
    let watchers = Watchers::new();
    let api = Inner {
        owner,
        clock,
        recheck,
        readiness,
        tables,
        metrics,
        overlay,
        services,
        fabric,
        watchers,
        stop,
    };
    let api = Api(Arc::new(api));
    let mut router = Router::new();
    for endpoint in endpoints() {
        router = router.route(endpoint.path, endpoint.routes(&api));
    }
    router
        .fallback(async || ApiError::new(Code::NotFound, "there is no such path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(Code::MethodNotAllowed, "the path doesn't take this method")
        })
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(count, crate::metrics::count))
}

/// Middleware: a request that takes too long is answered so.
async fn in_time(request: Request, next: Next) -> Response {
    let late = || ApiError::new(Code::Timeout, "the request took too long").into_response();
    limits::in_time(request, next).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests;
