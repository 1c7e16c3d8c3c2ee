//! The process that is killed, and what is asked of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rutter_link::{Dialer, LinkKey, Remote};
use rutter_route::Prefix;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::node::Node;
use crate::support::heir::Heir;
use crate::support::visit::visitor;
use crate::support::{Running, ends, rutter, stderr};

/// Routes are said and taken back on purpose, which is no flapping.
const FILE: &str = "\
controller:
nodes: {damping: {enabled: false}}
listeners: {api: '127.0.0.1:0', link: '127.0.0.1:0'}
";

/// See the module's head.
pub(super) struct Controller {
    dir: tempfile::TempDir,
    process: Running,
    /// The process that it has handed over to.
    heir: Option<Heir>,
    link: Remote,
    pub(super) asks: Asks,
}

/// The API of one life.
#[derive(Clone)]
pub(super) struct Asks {
    http: reqwest::Client,
    url: String,
    admin: String,
}

/// A route as the API tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) node: u64,
    pub(super) prefix: String,
    pub(super) advertised: bool,
    pub(super) enabled: bool,
    pub(super) is_primary: bool,
    pub(super) approval: Option<Approval>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    pub(super) is: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Move {
    pub(super) prefix: String,
    #[allow(dead_code, reason = "shown when there is one that should not be")]
    pub(super) why: String,
}

impl Controller {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rutter.yaml"), FILE).unwrap();
        let (process, asks, link) = begin(&dir).await;
        Self { dir, process, heir: None, link, asks }
    }

    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it in good order.
    pub(super) fn stop(&mut self) {
        assert!(self.process.terminate().success(), "{}", self.process.said());
    }

    /// Another process takes over, on the same sockets.
    pub(super) fn hand_over(&mut self) {
        let data = self.dir.path().join("data").to_string_lossy().into_owned();
        let upgraded = ends(&["--data", &data, "--output", "json", "upgrade"]);
        assert!(upgraded.status.success(), "{}", stderr(&upgraded));
        let upgraded: Value = serde_json::from_slice(&upgraded.stdout).expect("JSON");
        let before = self.heir.replace(Heir(upgraded["pid"].as_u64().expect("a pid")));
        if before.is_none() {
            assert!(self.process.end().success(), "{}", self.process.said());
        }
    }

    /// After a kill or a stop.
    pub(super) async fn start_again(&mut self) {
        (self.process, self.asks, self.link) = begin(&self.dir).await;
    }

    /// Where its link is in this life.
    pub(super) fn remote(&self) -> Remote {
        self.link.clone()
    }

    /// A pre-auth key that outlives all kills.
    pub(super) async fn preauth_key(&self) -> String {
        let user = json!({ "name": "alice@" });
        self.asks.post("/v1/users", &user).await.expect("an answer");
        let wanted = json!({ "user": "alice@", "reusable": true });
        let made = self.asks.post("/v1/preauth-keys", &wanted).await.expect("an answer");
        made["secret"].as_str().expect("a secret").to_owned()
    }

    /// A node joins, which has these routes; its session doesn't begin yet.
    pub(super) async fn join(&self, token: &str, name: &str, says: BTreeSet<Prefix>) -> Node {
        let key = LinkKey::generate().unwrap();
        let dialer = Dialer::new(self.link.clone(), &key).unwrap();
        let enrolled = dialer.enrol(token, name, "node").await.expect("it may join");
        let node: Value = self.asks.get(&format!("/v1/nodes/{}", enrolled.name)).await;
        Node::start(enrolled.name, node["id"].as_u64().expect("a number"), key, says)
    }

    /// Some join, and are noted when they were let in.
    pub(super) fn join_some(
        &self,
        token: &str,
        kill: usize,
        n: usize,
        joined: Arc<Mutex<Vec<String>>>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (link, token) = (self.link.clone(), token.to_owned());
        async move {
            for n in 0..n {
                let key = LinkKey::generate().unwrap();
                let dialer = Dialer::new(link.clone(), &key).unwrap();
                let name = format!("n{kill}-{n}");
                match dialer.enrol(&token, &name, "node").await {
                    Ok(enrolled) => joined.lock().unwrap().push(enrolled.name),
                    Err(rutter_link::LinkError::Unreachable { .. }) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// All rows.
    pub(super) async fn rows(&self) -> Vec<Row> {
        #[derive(Deserialize)]
        struct Page {
            routes: Vec<Row>,
        }
        // The nodes with routes came first, so they are on the first page.
        self.asks.get::<Page>("/v1/routes?limit=100").await.routes
    }

    /// What all nodes are called.
    pub(super) async fn names(&self) -> BTreeSet<String> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        #[derive(Deserialize)]
        struct Page {
            nodes: Vec<Named>,
            next: Option<u64>,
        }
        let mut names = BTreeSet::new();
        let mut after = 0;
        loop {
            let page: Page = self.asks.get(&format!("/v1/nodes?limit=1000&after={after}")).await;
            names.extend(page.nodes.into_iter().map(|node| node.name));
            match page.next {
                Some(next) => after = next,
                None => return names,
            }
        }
    }

    /// Moves since the start.
    pub(super) async fn moves(&self) -> Vec<Move> {
        #[derive(Deserialize)]
        struct Moves {
            moves: Vec<Move>,
        }
        self.asks.get::<Moves>("/v1/nodes/moves?limit=1000").await.moves
    }
}

/// A life, which has to begin cleanly: nothing to warn of.
async fn begin(dir: &tempfile::TempDir) -> (Running, Asks, Remote) {
    let [data, file] = ["data", "rutter.yaml"].map(|name| dir.path().join(name));
    let [data_text, file] = [&data, &file].map(|path| path.to_string_lossy().into_owned());
    let mut process =
        Running::start(&mut rutter(&["run", "--data", &data_text, "--config", &file]));
    process.says("ready api=");
    let said = process.said().to_owned();
    for bad in [" WARN ", " ERROR ", "panicked"] {
        assert!(!said.contains(bad), "not a clean start:\n{said}");
    }
    let run = std::fs::read_to_string(data.join("run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    let url = run["api"].as_str().expect("an API").to_owned();
    let admin = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
    let asks = Asks { http: visitor(None), url, admin };
    let link: Value = asks.get("/v1/link").await;
    let text = |name: &str| link[name].as_str().expect("a text").to_owned();
    let remote = Remote { address: text("address"), pin: text("pin").parse().unwrap() };
    (process, asks, remote)
}

impl Asks {
    /// A person says a word on routes of a node; `None`: nobody answers any more. An answer has to
    /// be a good one.
    pub(super) async fn say(&self, node: &Node, word: &str, body: Value) -> Option<Value> {
        self.post(&format!("/v1/nodes/{}/routes/{word}", node.name), &body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.admin);
        let answer = request.json(body).send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        assert!(status.is_success(), "{path} {body}: {status}: {text}");
        Some(serde_json::from_str(&text).expect("JSON"))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.admin);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }
}
