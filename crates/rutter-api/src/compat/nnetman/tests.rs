//! Bodies and content types as the original has them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::overlay::{
    AsksOverlay, KernelState, LinksState, OverlayState, OverlayStatus, PeerLife, PeerStanding,
};
use crate::{Metrics, Tables};

fn peer(name: &str, life: PeerLife) -> PeerStanding {
    PeerStanding {
        name: name.into(),
        address: "10.66.0.2".into(),
        protocol: None,
        life,
        since_ms: None,
        last_heard_ms: (life != PeerLife::Unknown).then_some(1_795_219_200_000),
        routes: 2,
        error: None,
    }
}

fn status() -> OverlayStatus {
    let kernel = KernelState {
        table: 100,
        settled: true,
        routes: 3,
        objects: 0,
        refused: 1,
        adopted: 0,
        drift: 0,
        requests: 4,
        looks: 7,
        looked_ms: Some(1_795_219_200_999),
        failures: 2,
        refused_rules: Vec::new(),
        failed: None,
    };
    let links = LinksState {
        settled: true,
        vxlans: 1,
        bridges: 1,
        flooded_to: 1,
        drift: 0,
        problems: Vec::new(),
        failed: None,
    };
    OverlayStatus {
        node: "host-a".into(),
        observes: false,
        stopping: false,
        uptime_ms: 63_999,
        overlays: vec![OverlayState {
            vni: 100,
            table: "overlay/100".into(),
            bridge: "br100".into(),
            vxlan: "vx100".into(),
            announced: 2,
            destinations: 3,
            routes: 5,
            kernel: Some(kernel),
            mtu: Some(1450),
            link_problem: None,
            link_remark: None,
        }],
        peers: vec![
            peer("host-b", PeerLife::There),
            peer("host-c", PeerLife::Away),
            peer("host-d", PeerLife::Unknown),
        ],
        links: Some(links),
        transit: None,
    }
}

/// A host whose status is what a test says.
struct Given(Arc<Mutex<OverlayStatus>>);

impl Given {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(status())))
    }

    fn change(&self, change: impl FnOnce(&mut OverlayStatus)) {
        change(&mut self.0.lock().unwrap());
    }

    fn asks(&self) -> AsksOverlay {
        let status = self.0.clone();
        Arc::new(move || {
            let status = status.lock().unwrap().clone();
            Box::pin(async move { status })
        })
    }

    fn health(&self) -> Router {
        super::health(self.asks(), Metrics::new())
    }
}

async fn get(router: Router, path: &str) -> (u16, String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn health_is_told_in_the_originals_words() {
    let given = Given::new();
    let text = "text/plain; charset=utf-8".to_owned();
    let told = async |path| get(given.health(), path).await;
    let yes = |word: &str| (200, text.clone(), format!(r#"{{"status": "{word}"}}"#));
    let no = |word: &str| (503, text.clone(), format!(r#"{{"status": "{word}"}}"#));
    assert_eq!(told("/healthz").await, yes("healthy"));
    assert_eq!(told("/readyz").await, yes("ready"));
    let alive = r#"{"status": "alive", "uptime_seconds": 63}"#;
    assert_eq!(told("/livez").await, (200, text.clone(), alive.into()));

    given.change(|status| {
        status.overlays[0].kernel.as_mut().unwrap().failed = Some("no".into());
    });
    assert_eq!(told("/healthz").await, no("unhealthy"));
    assert_eq!(told("/readyz").await, yes("ready"), "the kernel says nothing of readiness");
    given.change(|status| {
        status.overlays[0].kernel.as_mut().unwrap().failed = None;
        status.stopping = true;
    });
    assert_eq!(told("/healthz").await, no("unhealthy"));
    assert_eq!(told("/readyz").await, no("not ready"));
    assert_eq!(told("/livez").await.0, 200);
}

#[tokio::test]
async fn the_status_has_the_originals_fields_and_what_the_kernel_really_has() {
    let (code, kind, body) = get(Given::new().health(), "/status").await;
    assert_eq!((code, kind.as_str()), (200, "application/json"));
    let body: Value = serde_json::from_str(&body).unwrap();
    let seen = "2026-11-20T22:40:00Z";
    let expected = json!({
        "node_id": "host-a",
        "uptime": "1m3s",
        "peers": {
            "host-b": { "id": "host-b", "endpoint": "10.66.0.2", "status": "healthy",
                "last_seen": seen, "routes": 2 },
            "host-c": { "id": "host-c", "endpoint": "10.66.0.2", "status": "unhealthy",
                "last_seen": seen, "routes": 2 },
            "host-d": { "id": "host-d", "endpoint": "10.66.0.2", "status": "unknown", "routes": 2 },
        },
        "routes": { "exported": 2, "installed": 3 },
    });
    let mut told = body.clone();
    for peer in ["host-b", "host-c"] {
        // The moment is of the value above, whatever it is called here.
        assert!(told["peers"][peer]["last_seen"].as_str().unwrap().ends_with('Z'), "{body}");
        told["peers"][peer]["last_seen"] = json!(seen);
    }
    assert_eq!(told, expected);
}

#[tokio::test]
async fn metrics_have_the_originals_names() {
    let given = Given::new();
    let router = super::metrics(given.asks(), Metrics::new(), Tables::default());
    let (code, _, text) = get(router, "/metrics").await;
    assert_eq!(code, 200);
    for line in [
        "nnetman_reconciliations_total 7",
        "nnetman_reconciliation_errors_total 2",
        "nnetman_last_reconcile_timestamp_seconds 1795219200",
        "nnetman_vxlans_active 1",
        "nnetman_bridges_active 1",
        "nnetman_fdb_entries_total 1",
        "nnetman_peers_configured 3",
        "nnetman_peers_connected 1",
        "nnetman_peers_healthy 1",
        "nnetman_routes_exported 2",
        "nnetman_routes_imported 3",
    ] {
        assert!(text.lines().any(|told| told == line), "no `{line}` in:\n{text}");
    }
}
