//! The program, and two origins to which one name leads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::mortal::{Mortal, Record};
use crate::support::visit::visitor;
use crate::support::{PATIENCE, Up};

/// The origin that goes first, by its priority.
pub(crate) const DIRECT: &str = "direct";
/// The other.
pub(crate) const TUNNEL: &str = "tunnel";
/// The name that leads to both.
pub(crate) const HOST: &str = "alice.localhost";

/// See the module's head.
pub(crate) struct Scene {
    pub(crate) up: Up,
    pub(crate) record: Arc<Record>,
    /// `None` while it is dead.
    pub(crate) direct: Option<Mortal>,
    pub(crate) tunnel: Mortal,
}

impl Scene {
    /// Registers both by Mesh Router's API, with a signed identity, and waits until the gateway
    /// has heard of it.
    pub(crate) async fn new(up: Up) -> Self {
        let scene = Self::registered(up).await;
        heard_of(scene.up.gateway()).await;
        scene
    }

    /// Registers both, whichever gateway is to hear of it.
    pub(crate) async fn registered(up: Up) -> Self {
        let record = Arc::new(Record::default());
        let direct = Mortal::start(DIRECT, 0, &record);
        let tunnel = Mortal::start(TUNNEL, 0, &record);
        let made = up.json(&["domains", "add", "alice"]);
        let (user, signature) = (&made["user_id"], &made["signature"]);
        let (user, signature) = (user.as_str().unwrap(), signature.as_str().unwrap());
        let api = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
        let route = |of: &Mortal, source, priority| {
            json!({ "ip": "127.0.0.1", "port": of.address.port(), "scheme": "http",
                "source": source, "priority": priority, "healthCheck": { "path": "/healthz" } })
        };
        let routes = json!({ "routes": [route(&direct, "agent", 1), route(&tunnel, "tunnel", 2)] });
        let url = format!("{api}/routes/{user}/{signature}");
        let answer = visitor(None).post(url).json(&routes).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
        Self { up, record, direct: Some(direct), tunnel }
    }

    /// One of the gateway's counters.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        let api = self.up.run_file()["api"].as_str().unwrap().to_owned();
        let token = std::fs::read_to_string(self.up.data.join("admin.token")).unwrap();
        let metrics = visitor(None).get(format!("{api}/metrics")).bearer_auth(token.trim());
        let metrics = metrics.send().await.unwrap().text().await.unwrap();
        let name = format!("rutter_gateway_{name}_total ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&*name));
        line.unwrap_or_else(|| panic!("no {name}in {metrics}")).parse().unwrap()
    }
}

/// Waits until a gateway has heard of the name: registered is stored, and gateways hear of it a
/// moment later.
pub(crate) async fn heard_of(gateway: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while status_of_health(gateway).await != 200 {
        assert!(Instant::now() < deadline, "the gateway doesn't hear of it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The status of a request that the origins don't count.
pub(crate) async fn status_of_health(gateway: SocketAddr) -> u16 {
    let request = visitor(None).get(format!("http://{gateway}/healthz"));
    request.header("host", HOST).send().await.unwrap().status().as_u16()
}
