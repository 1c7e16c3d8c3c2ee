//! `/v1` over a real socket and a real registry.

use std::time::Duration;

use rutter_book::BookHandle;
use rutter_nodes::fleet::Fleet;
use rutter_registry::Scope;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Served, World, client};

mod authorization;
mod fabric;
mod gateway;
mod members;
mod nodes;
mod operators;
mod routes;
mod services;
mod speaking;
mod watching;

/// The world with the listener `api`.
pub(super) struct Api {
    pub(super) world: World,
    pub(super) served: Served,
    pub(super) client: reqwest::Client,
    pub(super) readiness: Readiness,
    pub(super) stop: CancellationToken,
    pub(super) admin: String,
}

impl Api {
    pub(super) async fn new() -> Self {
        Self::with_link(None).await
    }

    /// With a listener `link` beside it.
    pub(super) async fn with_link(link: Option<LinkAddress>) -> Self {
        Self::of(World::new().await, link, None).await
    }

    /// With nodes, which are returned too.
    pub(super) async fn with_nodes() -> (Self, Fleet) {
        let world = World::new().await;
        let (fleet, book) = world.fleet().await;
        (Self::of(world, None, Some((fleet.clone(), book))).await, fleet)
    }

    /// With a fabric.
    pub(super) async fn with_fabric(fabric: FabricHandle) -> Self {
        Self::with(World::new().await, None, None, None, Some(fabric)).await
    }

    async fn of(
        world: World,
        link: Option<LinkAddress>,
        nodes: Option<(Fleet, BookHandle)>,
    ) -> Self {
        Self::with(world, link, nodes, None, None).await
    }

    async fn with(
        world: World,
        link: Option<LinkAddress>,
        nodes: Option<(Fleet, BookHandle)>,
        services: Option<Services>,
        fabric: Option<FabricHandle>,
    ) -> Self {
        let admin = world.token(&[Scope::Admin]).await;
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let mut options = ApiOptions::new("http://192.0.2.1:7070".into(), None);
        options.link = link;
        let mut tables = Tables::default();
        tables.add(None, world.book.clone()).await.unwrap();
        let fleet = match nodes {
            Some((fleet, book)) => {
                tables.add(None, book).await.unwrap();
                Some(fleet)
            }
            None => None,
        };
        let owner = Owner::Controller { controller: world.controller.clone(), options, fleet };
        tables.add(Some("gateway"), crate::testing::book(&world.hands)).await.unwrap();
        let router = router(ApiParts {
            owner,
            clock: world.hands.clock(),
            tables,
            metrics: Metrics::of_controller(),
            overlay: None,
            services,
            fabric,
            readiness: readiness.clone(),
            recheck: Duration::from_millis(50),
            stop: stop.clone(),
        });
        let served = Served::new(router);
        Self { world, served, client: client(), readiness, stop, admin }
    }

    /// Status and JSON of an answer.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.served.url);
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// As the admin.
    pub(super) async fn admin(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = (!body.is_null()).then(|| body.to_string());
        self.ask(method, path, Some(&self.admin), body.as_deref()).await
    }

    /// An agent that has joined: its token.
    pub(super) async fn agent(&self, name: &str) -> String {
        let (_, made) = self.admin("POST", "/v1/join-tokens", json!({})).await;
        let body = json!({ "name": name }).to_string();
        let token = made["secret"].as_str().unwrap();
        let (status, joined) = self.ask("POST", "/v1/join", Some(token), Some(&body)).await;
        assert_eq!(status, 200, "{joined}");
        joined["agent_token"].as_str().unwrap().to_owned()
    }
}

#[test]
fn the_document_and_the_endpoints_are_the_same() {
    let document = serde_json::to_value(document(true)).unwrap();
    let (mut documented, mut ids) = (Vec::new(), std::collections::HashSet::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let secured = operation.get("security").is_some();
            documented.push(format!("{} {path} {secured}", method.to_uppercase()));
            assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}: id");
            assert_eq!(secured, operation["responses"].get("401").is_some(), "{method} {path}");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path} says nothing");
        }
    }
    let mut endpoints: Vec<_> = endpoints()
        .iter()
        .map(|e| format!("{} {} {}", e.method, e.path, e.access != Access::Open))
        .collect();
    documented.sort();
    endpoints.sort();
    assert_eq!(documented, endpoints);
}

#[test]
fn the_document_changes_only_on_purpose() {
    insta::assert_json_snapshot!("openapi", document(true));
}

#[tokio::test]
async fn health_and_readiness() {
    let api = Api::new().await;
    let ask = async |path| api.ask("GET", path, None, None).await;
    assert_eq!(ask("/healthz").await, (200, json!({ "status": "ok" })));
    assert_eq!(ask("/readyz").await, (200, json!({ "status": "ready" })));
    api.readiness.set("gateway", false);
    let waiting = json!({ "error": "waiting for gateway", "code": "not_ready" });
    assert_eq!(ask("/readyz").await, (503, waiting));
    api.readiness.set("gateway", true);
    assert_eq!(ask("/readyz").await.0, 200);
    api.stop.cancel();
    assert_eq!(ask("/readyz").await.1["code"], "shutting_down");
    assert_eq!(ask("/healthz").await.0, 200);
}

#[tokio::test]
async fn nothing_is_ready_before_what_was_stored_is_restored() {
    let api = Api::new().await;
    let controller = api.world.unrestored().await;
    let options = ApiOptions::new(String::new(), None);
    let router = router(ApiParts {
        owner: Owner::Controller { controller: controller.clone(), options, fleet: None },
        clock: api.world.hands.clock(),
        tables: Tables::default(),
        metrics: Metrics::of_controller(),
        overlay: None,
        services: None,
        fabric: None,
        readiness: Readiness::default(),
        recheck: RECHECK,
        stop: CancellationToken::new(),
    });
    let served = Served::new(router);
    let ready = async || {
        let response = api.client.get(format!("{}/readyz", served.url)).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(ready().await, 503);
    controller.restore(api.world.hands.clock().now()).await.unwrap();
    assert_eq!(ready().await, 200);
}

#[tokio::test]
async fn what_is_not_there_is_json_too() {
    let api = Api::new().await;
    let cases = [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PATCH", "/v1/tokens", 405, "method_not_allowed"),
        ("GET", "/v1/join", 405, "method_not_allowed"),
    ];
    for (method, path, status, code) in cases {
        let (found, answer) = api.ask(method, path, Some(&api.admin), None).await;
        assert_eq!((found, answer["code"].as_str().unwrap()), (status, code), "{method} {path}");
    }
}
