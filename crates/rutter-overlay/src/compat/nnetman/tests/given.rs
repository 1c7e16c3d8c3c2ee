//! The host of the golden rows, and what is said to it.

use tonic::transport::{Channel, Endpoint};

use crate::compat::nnetman::wire::v1;
use crate::compat::nnetman::wire::v1::n_net_man_client::NNetManClient;
pub(super) use crate::testing::*;

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

/// The peer p1 as a host of its own, which has node-a as its peer.
pub(super) fn p1_of(node_a: &str) -> String {
    node_a
        .replace("id: node-a", "id: p1")
        .replace("{id: p1, endpoint", "{id: node-a, endpoint")
        .replace("172.16.10.0/24", "172.16.20.0/24")
        .replace("10.100.0.1/24", "10.100.0.2/24")
        .replace("10.200.0.1/24", "10.200.0.2/24")
}

/// Somebody who calls a host.
pub(super) async fn client_of(of: &Given) -> NNetManClient<Channel> {
    let at = Endpoint::from_shared(format!("http://{}", of.address)).unwrap();
    let client = NNetManClient::new(soon(at.connect()).await.unwrap());
    client.max_encoding_message_size(64 << 20)
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
