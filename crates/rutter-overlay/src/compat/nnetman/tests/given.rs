//! A host that serves on loopback, and what is asked of its tables.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_rib::{Book, ViewId};
use rutter_route::{Incarnation, Prefix};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::compat::nnetman::wire::v1;
use crate::compat::nnetman::wire::v1::n_net_man_client::NNetManClient;
use crate::compat::nnetman::{Host, Listener, config};
use crate::feed::Feed;
use crate::{Announced, OverlayConfig, Vni, import};

/// A hang guard, never a measure.
const SOON: Duration = Duration::from_secs(60);

/// Waits for what must come.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it should have come by now")
}

/// The host of the golden rows, without certificates.
pub(super) const NODE_A: &str = "
version: 2
node: {id: node-a}
overlays:
  - vni: 100
    name: vx100
    bridge: {name: br100, ipv4: 10.100.0.1/24}
    routing:
      export: {networks: [172.16.10.0/24]}
      import: {allow: [172.16.0.0/16], deny: [172.16.99.0/24], install: {table: 100}}
  - vni: 200
    name: vx200
    bridge: {name: br200, ipv4: 10.200.0.1/24}
    routing:
      export: {networks: [172.16.10.0/24]}
      import: {accept_all: true, install: {table: 200}}
peers:
  - {id: p1, endpoint: {address: 127.0.0.1}}
  - {id: p2, endpoint: {address: 127.0.0.1}, vnis: [100]}
rutter: {insecure: true}
";

/// A host that serves. Dropping it ends it.
pub(super) struct Given {
    pub(super) host: Host,
    pub(super) book: BookHandle,
    pub(super) address: SocketAddr,
    pub(super) announce: watch::Sender<Arc<Announced>>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

pub(super) fn read(text: &str) -> OverlayConfig {
    config::read("netman.yaml", text).unwrap_or_else(|error| panic!("{error}")).config
}

impl Given {
    pub(super) fn new(text: &str) -> Self {
        let config = read(text);
        let tables = import::tables(&config);
        let now = SystemClock.now();
        let book = Book::new("local".parse().unwrap(), tables, vec![], vec![], now, 1).unwrap();
        let stop = CancellationToken::new();
        let (book, _owner) = rutter_book::spawn(book, SystemClock, 1, stop.clone());
        let feed = Feed::new(book.clone(), Incarnation(1));
        let (announce, announced) = watch::channel(Arc::new(Announced::of(&config)));
        let host = Host::new(config, book.clone(), feed, announced);
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let serve = listener.serve(host.clone(), stop.clone());
        let serving = tokio::spawn(async move { serve.await.unwrap() });
        Self { host, book, address, announce, stop, serving }
    }

    /// Somebody who calls it.
    pub(super) async fn client(&self) -> NNetManClient<Channel> {
        let at = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let client = NNetManClient::new(soon(at.connect()).await.unwrap());
        client.max_encoding_message_size(64 << 20)
    }

    /// The routes to a network in an overlay that can be used, the best first.
    pub(super) async fn routes(&self, vni: u32, prefix: &str) -> Vec<String> {
        let (table, prefix) = (Vni::new(vni).unwrap().table(), prefix.parse::<Prefix>().unwrap());
        let routes = self.book.read(move |book, _| {
            let selected = book.table::<Prefix>(&table).unwrap().selected(&prefix, ViewId::DEFAULT);
            let route = |route: &rutter_rib::SelectedRoute<'_>| {
                let (hop, metric) = (&route.attributes.next_hop, route.attributes.metric);
                format!("{} via {hop} metric {metric}", route.source)
            };
            selected.routes().iter().map(route).collect()
        });
        routes.await.unwrap()
    }

    /// What is said of each route to a network: its standing, and the reason.
    pub(super) async fn explained(&self, vni: u32, prefix: &str) -> Vec<String> {
        let (table, prefix) = (Vni::new(vni).unwrap().table(), prefix.parse::<Prefix>().unwrap());
        let explanation = self.book.explain(table, prefix).await.unwrap().unwrap();
        let of = |c: &rutter_route::CandidateExplanation| {
            let why = c.facts.first().map(|fact| fact.reason.clone()).unwrap_or_default();
            format!("{:?}: {why}", c.standing)
        };
        explanation.candidates.iter().map(of).collect()
    }

    /// Waits until the best route to a network is this, or there is none. It listens to changes.
    pub(super) async fn until_best(&self, vni: u32, prefix: &str, want: Option<&str>) {
        let table = Vni::new(vni).unwrap().table();
        let spec = rutter_rib::OutletSpec::all("test");
        let mut changes =
            self.book.subscribe::<Prefix>(table, spec).await.unwrap().expect("a table of prefixes");
        let reached = async {
            loop {
                let best = self.routes(vni, prefix).await.into_iter().next();
                if best.as_deref() == want {
                    return;
                }
                let _batch = changes.next().await.unwrap();
            }
        };
        soon(reached).await;
    }

    /// As a process that is killed: its connections are closed, nothing is said.
    pub(super) async fn kill(mut self) {
        self.stop.cancel();
        soon(&mut self.serving).await.unwrap();
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A route as a peer of overlay 100 tells it.
pub(super) fn route(prefix: &str, next_hop: &str, metric: u32) -> v1::Route {
    v1::Route {
        prefix: prefix.into(),
        next_hop: next_hop.into(),
        metric,
        lease_seconds: 3600,
        tags: Vec::new(),
        vni: 100,
    }
}

pub(super) fn announcement(node_id: &str, routes: Vec<v1::Route>) -> v1::RouteAnnouncement {
    v1::RouteAnnouncement { node_id: node_id.into(), routes, timestamp_ms: 0 }
}

pub(super) fn withdrawal(node_id: &str, prefixes: &[&str]) -> v1::RouteWithdrawal {
    let prefixes = prefixes.iter().map(|p| (*p).to_owned()).collect();
    v1::RouteWithdrawal { node_id: node_id.into(), prefixes, timestamp_ms: 0 }
}

pub(super) fn state(node_id: &str, routes: Vec<v1::Route>) -> v1::StateRequest {
    v1::StateRequest { node_id: node_id.into(), routes, timestamp_ms: 0 }
}
