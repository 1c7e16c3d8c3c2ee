//! The original's own tests as given / when / then, and what it has no tests for, all over a real
//! socket and a real registry.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::testing::{World, client};

mod access;
mod fields;
mod given;
mod identity;

/// The world with a listener of this surface.
pub(super) struct Mesh {
    pub(super) world: World,
    pub(super) served: crate::testing::Served,
    pub(super) client: reqwest::Client,
    /// Ready-made `/routes/USER/SIGNATURE` of alice.
    pub(super) alice: String,
    pub(super) domains: String,
}

/// The first of the original's triples: user `alice`.
pub(super) fn alice_key() -> (&'static str, &'static str) {
    (
        "k1hb6dm73lahibaxg7bi9ccq0slttsu87d5qqzp7lvjuxghmyp5",
        "keienu9y8rg5scsmyp2hf9valmf717ae6w13k00fgf4aogjxa4wb8ow2cdgslvlgwxjgcskalfb0x5fmphjbjl8ud25f4oycfz7k",
    )
}

impl Mesh {
    /// With alice, who has a name and a key.
    pub(super) async fn new() -> Self {
        Self::with(MeshRouterOptions::default()).await
    }

    pub(super) async fn with(options: MeshRouterOptions) -> Self {
        let world = World::new().await;
        let (key, signature) = alice_key();
        world.user("alice", "alice", Some(key)).await;
        let domains = world.token(&[rutter_registry::Scope::Domains]).await;
        let (controller, clock) = (world.controller.clone(), world.hands.clock());
        let router = router(controller, clock, Metrics::of_controller(), options);
        let served = crate::testing::Served::new(router);
        let alice = format!("/routes/alice/{signature}");
        Self { world, served, client: client(), alice, domains }
    }

    /// Status and body as text.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.served.url));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, None).await
    }

    /// Registers routes for alice; status and body.
    pub(super) async fn post(&self, routes: Value) -> (u16, Value) {
        let body = json!({ "routes": routes }).to_string();
        let (status, body) = self.ask("POST", &self.alice, Some(&body)).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

/// A route of the shape that the original's agent sends.
pub(super) fn agent(ip: &str) -> Value {
    json!({ "ip": ip, "port": 443, "priority": 1, "source": "agent" })
}

/// A route of the shape that the original's tunnel sends.
pub(super) fn tunnel(ip: &str) -> Value {
    json!({ "ip": ip, "port": 80, "priority": 2, "scheme": "http", "source": "tunnel" })
}

#[tokio::test]
async fn every_path_stands_at_both_places() {
    let mesh = Mesh::new().await;
    let (_, signature) = alice_key();
    let paths = [
        "/version".to_owned(),
        "/available/healthcheck".to_owned(),
        format!("/verify/alice/{signature}"),
        "/domain/alice".to_owned(),
        "/status/alice".to_owned(),
        "/routes/alice".to_owned(),
        "/resolve/v2/alice".to_owned(),
        "/resolve/alice".to_owned(),
    ];
    mesh.post(json!([agent("192.0.2.1")])).await;
    for path in paths {
        let plain = mesh.get(&path).await;
        assert_eq!(plain.0, 200, "{path}: {}", plain.1);
        assert_eq!(mesh.get(&format!("/router/api{path}")).await, plain, "{path}");
    }
    for (method, path) in
        [("GET", "/"), ("GET", "/nothing"), ("POST", "/version"), ("GET", "/router/api")]
    {
        let (status, body) = mesh.ask(method, path, None).await;
        assert_eq!((status, &*body), (404, r#"{"error":"There is no such endpoint."}"#), "{path}");
    }
}

#[tokio::test]
async fn the_start_up_of_the_originals_agent() {
    let mesh = Mesh::new().await;
    let version = mesh.get("/router/api/version").await;
    assert_eq!(
        version,
        (200, r#"{"version":2,"minClientVersion":2,"serverDomain":"nsl.sh"}"#.to_owned())
    );
    let available = mesh.get("/router/api/available/healthcheck").await;
    assert_eq!(
        available,
        (200, r#"{"available":true,"message":"Domain name is available."}"#.to_owned())
    );
    let body = r#"{"routes":[{"ip":"192.0.2.1","port":443,"priority":1,"source":"agent","healthCheck":{"path":"/health"}}]}"#;
    let path = format!("/router/api{}", mesh.alice);
    let (status, answer) = mesh.ask("POST", &path, Some(body)).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        r#"{"message":"Routes registered successfully.","routes":[{"ip":"192.0.2.1","port":443,"priority":1,"source":"agent","healthCheck":{"path":"/health"}}],"domain":"alice.nsl.sh","success":true}"#
    );
}

#[tokio::test]
async fn browsers_may_ask_from_everywhere() {
    let mesh = Mesh::new().await;
    let url = format!("{}/domain", mesh.served.url);
    let asked = "authorization,content-type";
    let preflight = mesh.client.request(reqwest::Method::OPTIONS, url).header("origin", "http://x");
    let preflight = preflight.header("access-control-request-headers", asked).send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    let header = |name: &str| preflight.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-methods"), "GET,HEAD,PUT,PATCH,POST,DELETE");
    assert_eq!(header("access-control-allow-headers"), asked);
    let answer = mesh.client.get(format!("{}/version", mesh.served.url)).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
}

#[tokio::test]
async fn a_body_is_json_of_at_most_100_kb() {
    let mesh = Mesh::new().await;
    let huge = format!("[\"{}\"]", "x".repeat(100 * 1024));
    let cases = [
        ("{", 400),
        ("", 400),
        ("null", 400),
        ("{}", 400),
        ("[]", 400),
        (r#"{"routes":[]}"#, 400),
        (r#"{"routes":{}}"#, 400),
        (&*huge, 413),
    ];
    for (body, expected) in cases {
        let (status, answer) = mesh.ask("POST", &mesh.alice, Some(body)).await;
        assert_eq!(status, expected, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn the_order_of_keys_in_what_gateways_read() {
    let mesh = Mesh::new().await;
    mesh.post(json!([tunnel("10.77.0.5"), agent("192.0.2.1")])).await;
    let (_, signature) = alice_key();
    mesh.ask("POST", &format!("/heartbeat/alice/{signature}"), None).await;
    let routes = r#"[{"ip":"192.0.2.1","port":443,"priority":1,"source":"agent"},{"ip":"10.77.0.5","port":80,"priority":2,"source":"tunnel","scheme":"http"}]"#;
    let v2 = format!(
        r#""userId":"alice","domainName":"alice","serverDomain":"nsl.sh","routes":{routes},"routesTtl":600,"lastSeenOnline":"2027-01-15T08:00:00.000Z"}}"#
    );
    assert_eq!(mesh.get("/resolve/v2/alice").await.1, format!("{{{v2}"));
    let legacy = mesh.get("/resolve/alice").await.1;
    assert_eq!(legacy, format!(r#"{{"hostIp":"192.0.2.1","targetPort":443,{v2}"#));
}
