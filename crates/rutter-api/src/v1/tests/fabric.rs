//! The fabric over the API: two clusters that really speak.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_fabric::crypto::SigningKey;
use rutter_fabric::keys::SignerSpec;
use rutter_fabric::{FabricConfig, FabricHandle, Liveness, NeighbourConfig};
use rutter_protocol::keys::PublicKey;
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{ClusterId, DestinationKind, Tags};

use super::*;
use crate::compat::mpreg;

/// A cluster that runs.
struct Cluster {
    fabric: FabricHandle,
    _dir: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

/// A key that stands in a file of a directory.
fn keyed() -> (tempfile::TempDir, PublicKey) {
    let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::generate().unwrap());
    std::fs::write(dir.path().join("key.pem"), key.to_pem().unwrap()).unwrap();
    (dir, key.public())
}

async fn cluster(
    name: &str,
    dir: tempfile::TempDir,
    neighbour: (&str, PublicKey, Vec<String>),
) -> Cluster {
    let table: rutter_route::TableName = "fabric".parse().unwrap();
    let (neighbour, key, addresses) = neighbour;
    let neighbour_is =
        NeighbourConfig { addresses, keys: vec![key], spec: NeighbourSpec::default() };
    let config = FabricConfig {
        cluster: name.parse().unwrap(),
        tags: Tags::default(),
        listen: "127.0.0.1:0".parse().unwrap(),
        gateway: None,
        neighbours: BTreeMap::from([(neighbour.parse().unwrap(), neighbour_is)]),
        scopes: vec![ScopeSpec {
            scope: table.clone(),
            table: table.clone(),
            kind: DestinationKind::Cluster,
        }],
        security: Security::default(),
        policy: FabricPolicy::default(),
        liveness: Liveness::default(),
        links: LinkSettings { measure: false, ..LinkSettings::default() },
        signer: SignerSpec::File(dir.path().join("key.pem")),
        key_sources: Vec::new(),
        key_refresh: Duration::from_secs(60),
        state: dir.path().join("state"),
        max_restart: Duration::from_secs(60),
        forget: Duration::from_secs(60),
        fallback_neighbour: false,
    };
    let clock = rutter_book::SystemClock;
    let now = rutter_book::Clock::now(&clock);
    let spec = TableSpec { name: table, kind: DestinationKind::Cluster, policy: Policy::default() };
    let book = Book::new(name.parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
    let stop = CancellationToken::new();
    let (book, _owner) = rutter_book::spawn(book, clock, 1, stop.clone());
    let fabric = rutter_fabric::start(config, book).await.unwrap();
    Cluster { fabric, _dir: dir, _stop: stop.drop_guard() }
}

/// `home`, which reaches `west`.
async fn home_and_west() -> (Cluster, Cluster) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ((home_dir, home_key), (west_dir, west_key)) = (keyed(), keyed());
    let west = cluster("west", west_dir, ("home", home_key, vec![])).await;
    let at = vec![west.fabric.address().to_string()];
    let home = cluster("home", home_dir, ("west", west_key, at)).await;
    let to: ClusterId = "west".parse().unwrap();
    let mut forwarding = home.fabric.forwarding();
    let there = forwarding.wait_for(|forwarding| !forwarding.paths(&to).is_empty());
    tokio::time::timeout(Duration::from_secs(30), there).await.expect("west is reached").unwrap();
    (home, west)
}

#[tokio::test]
async fn the_fabric_is_shown_traced_and_planned_by() {
    let (home, _west) = home_and_west().await;
    let api = Api::with_fabric(home.fabric.clone()).await;
    let (status, shown) = api.admin("GET", "/v1/fabric", Value::Null).await;
    assert_eq!((status, &shown["cluster"]), (200, &json!("home")), "{shown}");
    assert_eq!(shown["neighbours"][0]["connected"], json!(true), "{shown}");
    let (_, trace) = api.admin("GET", "/v1/fabric/trace?destination=west", Value::Null).await;
    assert_eq!(trace["candidates"][0]["path"], json!(["home", "west"]), "{trace}");
    assert_eq!(trace["candidates"][0]["selected"], json!(true));
    assert_eq!(trace["decision"]["next_hop"], json!("west"));
    let plan = async |query: &str| {
        let path = format!("/v1/fabric/next-hop?destination={query}");
        api.admin("GET", &path, Value::Null).await.1
    };
    assert_eq!(plan("west").await["reason"], json!("ok"));
    assert_eq!(plan("home").await["reason"], json!("already_local"));
    assert_eq!(plan("west&visited=home").await["reason"], json!("loop_detected"));
    assert_eq!(plan("west&hop_budget=0").await["reason"], json!("hop_budget_exhausted"));
    assert_eq!(plan("nowhere").await["reason"], json!("no_fabric_path"));
    assert_eq!(plan("a%20b").await["code"], json!("invalid_parameter"));
    let (_, stats) = api.admin("GET", "/v1/fabric/stats", Value::Null).await;
    assert_eq!(stats["neighbours"]["west"]["announcements_accepted"], json!(1), "{stats}");
}

#[tokio::test]
async fn a_policy_is_tried_and_changes_nothing() {
    let (home, _west) = home_and_west().await;
    let api = Api::with_fabric(home.fabric.clone()).await;
    let deny = json!({ "import": { "deny_destinations": ["west"] } });
    let (status, effect) = api.admin("POST", "/v1/fabric/policy/diff", deny).await;
    assert_eq!(status, 200, "{effect}");
    let denied = json!([["neighbour/west", "west"]]);
    assert_eq!(effect["tables"][0]["denied"], denied, "{effect}");
    let unknown = json!({ "import": { "deny_destination": ["west"] } });
    let (status, refused) = api.admin("POST", "/v1/fabric/policy/diff", unknown).await;
    assert_eq!((status, &refused["code"]), (422, &json!("invalid_field")), "{refused}");
    let (_, trace) = api.admin("GET", "/v1/fabric/trace?destination=west", Value::Null).await;
    assert_eq!(trace["candidates"][0]["standing"], json!("eligible"), "{trace}");
}

#[tokio::test]
async fn a_rotation_leaves_two_keys_and_names_the_new_one() {
    let (home, _west) = home_and_west().await;
    let api = Api::with_fabric(home.fabric.clone()).await;
    let body = json!({ "overlap_s": 300 });
    let (status, rotated) = api.admin("POST", "/v1/fabric/keys/rotate", body).await;
    assert_eq!(status, 200, "{rotated}");
    let (_, keys) = api.admin("GET", "/v1/fabric/keys", Value::Null).await;
    let own = &keys["clusters"]["home"];
    assert_eq!(own["primary_key_id"], rotated["key_id"], "{keys}");
    assert_eq!(own["keys"].as_array().map(Vec::len), Some(2), "{keys}");
    let long = json!({ "overlap_s": 604_801 });
    let (status, refused) = api.admin("POST", "/v1/fabric/keys/rotate", long).await;
    assert_eq!((status, &refused["code"]), (422, &json!("invalid_field")), "{refused}");
}

#[tokio::test]
async fn without_a_fabric_there_is_none_to_be_asked() {
    let api = Api::new().await;
    let (status, refused) = api.admin("GET", "/v1/fabric", Value::Null).await;
    assert_eq!((status, &refused["code"]), (404, &json!("no_fabric")), "{refused}");
}

#[tokio::test]
async fn the_originals_endpoints_answer_who_has_a_token_in_its_own_form() {
    let (home, _west) = home_and_west().await;
    let api = Api::new().await;
    let served = |fabric: Option<FabricHandle>| {
        let options = ApiOptions::new("http://192.0.2.1:7070".into(), None);
        let controller = api.world.controller.clone();
        let parts = mpreg::Parts {
            fabric,
            owner: Owner::Controller { controller, options, fleet: None },
            clock: api.world.hands.clock(),
            metrics: Metrics::of_controller(),
        };
        Served::new(mpreg::router(parts))
    };
    let ask = async |served: &Served, path: &str, token: Option<&str>| {
        let mut request = api.client.get(format!("{}{path}", served.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let with = served(Some(home.fabric.clone()));
    let token = Some(api.admin.as_str());
    let (status, refused) = ask(&with, "/routing/trace?destination=west", None).await;
    assert_eq!((status, &refused["status"]), (401, &json!("error")), "{refused}");
    let (status, refused) = ask(&with, "/routing/trace", token).await;
    let required = json!({ "status": "error", "message": "destination required" });
    assert_eq!((status, refused), (400, required));
    let (status, traced) = ask(&with, "/routing/trace?destination=west&avoid=x,y", token).await;
    assert_eq!((status, &traced["status"]), (200, &json!("ok")), "{traced}");
    assert_eq!(traced["trace"]["selected"]["next_hop"], json!("west"), "{traced}");
    assert_eq!(traced["avoid_clusters"], json!(["x", "y"]));
    let (_, measured) = ask(&with, "/routing/metrics", token).await;
    let metrics = &measured["route_metrics"];
    assert_eq!(metrics["announcements_accepted"], json!(1), "{measured}");
    assert_eq!(metrics["routes_per_destination"]["west"], json!(1), "{measured}");
    let (status, refused) = ask(&served(None), "/routing/trace?destination=west", token).await;
    let absent = json!({ "status": "error", "message": "route tracing not available" });
    assert_eq!((status, refused), (503, absent));
}
