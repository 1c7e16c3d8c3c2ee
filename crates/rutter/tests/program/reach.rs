//! Two gateways of one controller that don't reach the same: each goes its own way, neither moves
//! the other, and the controller shows what each of them sees.

use serde_json::json;

use crate::support::origin::Origin;
use crate::support::visit::{served, visitor};
use crate::support::{PATIENCE, Up};
use crate::ways_out::{ca, register_all, server, signed};

const HOST: &str = "alice.localhost";

/// A gateway of that controller that trusts these roots.
fn gateway(of: &Up, name: &str, roots: &str) -> Up {
    let join = of.json(&["tokens", "join", "--role", "gateway"])["join"].clone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("roots.pem");
    std::fs::write(&path, roots).unwrap();
    let file = format!(
        "gateway: {{name: {name}, join: '{}', upstream: {{roots: ['{}']}}}}\n\
         listeners: {{gateway: {{http: '127.0.0.1:0'}}}}\n",
        join.as_str().unwrap(),
        path.display()
    );
    Up::run(dir, &file)
}

/// The ways that a request went.
async fn ways(gateway: &Up) -> String {
    let request = visitor(None).get(format!("http://{}/", gateway.gateway()));
    let answer = request.header("host", HOST).header("x-mesh-trace", "1").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.headers()["x-mesh-route"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_with_different_reach_leave_each_other_alone() {
    let controller = Up::run(
        tempfile::tempdir().unwrap(),
        "controller:\nlisteners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  compat: {mesh_router: '127.0.0.1:0'}\n",
    );
    let (near, far) = (ca(), ca());
    let (behind, key) = signed(&near, &[HOST]);
    let direct = Origin::over_tls("direct", server(&behind, &key)).await;
    let tunnel = Origin::start("tunnel").await;
    let route = |of: &Origin, scheme, source, priority| {
        json!({ "ip": "127.0.0.1", "port": of.address.port(), "scheme": scheme,
            "source": source, "priority": priority })
    };
    let routes = json!([route(&direct, "https", "agent", 1), route(&tunnel, "http", "tunnel", 2)]);
    register_all(&controller, "alice", routes).await;
    // The second doesn't trust whom the direct way belongs to, so it never comes through there.
    let trusting = gateway(&controller, "near", &near.as_ref().pem());
    let doubting = gateway(&controller, "far", &far.as_ref().pem());
    assert_eq!(served(trusting.gateway(), HOST).await, (200, "direct".to_owned()));
    assert_eq!(served(doubting.gateway(), HOST).await, (200, "tunnel".to_owned()));
    // Until the second has made up its mind, it finds out with each request anew.
    let until = std::time::Instant::now() + PATIENCE;
    while ways(&doubting).await != "tunnel,pcs" {
        assert!(std::time::Instant::now() < until, "it never learns");
    }
    for _ in 0..50 {
        assert_eq!(ways(&trusting).await, "agent,pcs");
        assert_eq!(ways(&doubting).await, "tunnel,pcs");
    }
    // The controller shows what the second sees, and nothing has moved there.
    loop {
        let told = controller.text(&["routes", "explain", HOST]);
        assert!(!told.contains("MOVED"), "{told}");
        if told.contains("seen by gateway/far (elsewhere): unhealthy") {
            assert!(!told.contains("seen by gateway/near (elsewhere): unhealthy"), "{told}");
            assert!(told.contains("best: agent/"), "{told}");
            break;
        }
        assert!(std::time::Instant::now() < until, "{told}");
    }
}
