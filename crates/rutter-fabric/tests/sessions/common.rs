//! Clusters in one process, over real sockets on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rutter_book::{BookHandle, SystemClock};
use rutter_fabric::crypto::SigningKey;
use rutter_fabric::keys::{KeySource, SignerSpec};
use rutter_fabric::{FabricConfig, FabricHandle, Forwarding, Liveness, NeighbourConfig, Trace};
use rutter_protocol::keys::PublicKey;
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security};
use rutter_rib::{Book, HopKind, Policy, Resolve, TableSpec};
use rutter_route::{ClusterId, DestinationKind, Now, Tags};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than anything here may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(30);

pub(crate) fn id(name: &str) -> ClusterId {
    name.parse().unwrap()
}

pub(crate) fn ids(names: &str) -> Vec<ClusterId> {
    names.split_whitespace().map(id).collect()
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(done) => done,
        Err(_) => panic!("this didn't come to be: {what}"),
    }
}

/// What a cluster is before it runs: a key and a place to keep it.
pub(crate) struct Plan {
    pub(crate) config: FabricConfig,
    pub(crate) key: PublicKey,
    pub(crate) dir: tempfile::TempDir,
}

/// A cluster of that name, on any port, without neighbours.
pub(crate) fn plan(name: &str) -> Plan {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, key.to_pem().unwrap()).unwrap();
    let scope = |name: &str, kind| ScopeSpec {
        scope: name.parse().unwrap(),
        table: name.parse().unwrap(),
        kind,
    };
    let config = FabricConfig {
        cluster: id(name),
        tags: Tags::default(),
        listen: "127.0.0.1:0".parse().unwrap(),
        gateway: Some(format!("{name}.invalid:443")),
        neighbours: BTreeMap::new(),
        scopes: vec![
            scope("fabric", DestinationKind::Cluster),
            scope("services", DestinationKind::Service),
        ],
        security: Security::default(),
        policy: FabricPolicy::default(),
        liveness: Liveness::default(),
        links: LinkSettings::default(),
        signer: SignerSpec::File(file),
        key_sources: Vec::new(),
        key_refresh: Duration::from_secs(60),
        state: dir.path().join("state"),
        max_restart: Duration::from_secs(120),
        forget: Duration::from_secs(600),
        fallback_neighbour: false,
    };
    Plan { config, key: key.public(), dir }
}

impl Plan {
    /// It speaks with another, which it reaches at these addresses.
    pub(crate) fn knows(&mut self, other: &Plan, addresses: &[SocketAddr]) {
        let neighbour = NeighbourConfig {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            keys: vec![other.key],
            spec: NeighbourSpec::default(),
        };
        self.config.neighbours.insert(other.config.cluster.clone(), neighbour);
    }

    /// It knows the keys of these, who are no neighbours, by a provider.
    pub(crate) fn trusts(&mut self, others: &[&Plan]) {
        let file = self.dir.path().join("keys");
        let line = |other: &&Plan| format!("{} {}\n", other.config.cluster, other.key);
        std::fs::write(&file, others.iter().map(line).collect::<String>()).unwrap();
        self.config.key_sources = vec![KeySource::File(file)];
    }

    pub(crate) async fn start(&self) -> Running {
        let spec = |name: &str, kind| TableSpec {
            name: name.parse().unwrap(),
            kind,
            policy: Policy::default(),
        };
        let tables = vec![
            spec("fabric", DestinationKind::Cluster),
            spec("services", DestinationKind::Service),
        ];
        let resolve = Resolve {
            table: "services".parse().unwrap(),
            hops: HopKind::Cluster,
            through: "fabric".parse().unwrap(),
        };
        let own = self.config.cluster.clone();
        let now = Now::new(1, 1);
        let book = Book::new(own, tables, vec![resolve], vec![], now, 1).unwrap();
        let stop = CancellationToken::new();
        let (book, _task) = rutter_book::spawn(book, SystemClock, 1, stop.clone());
        let fabric = rutter_fabric::start(self.config.clone(), book.clone()).await.unwrap();
        Running { fabric, book, _stop: stop.drop_guard() }
    }
}

/// A cluster that runs.
pub(crate) struct Running {
    pub(crate) fabric: FabricHandle,
    pub(crate) book: BookHandle,
    _stop: DropGuard,
}

impl Running {
    /// Waits until gateways would forward by such a picture.
    pub(crate) async fn forwards(&self, what: &str, is: impl Fn(&Forwarding) -> bool) {
        let mut forwarding = self.fabric.forwarding();
        soon(what, forwarding.wait_for(|forwarding| is(forwarding))).await.unwrap();
    }

    /// Waits until the paths to a cluster are these, best first.
    pub(crate) async fn has_paths(&self, to: &str, paths: &[&str]) {
        let paths: Vec<_> = paths.iter().map(|path| ids(path)).collect();
        self.forwards(&format!("{to} by {paths:?}"), |f| f.paths(&id(to)) == paths).await;
    }

    /// Waits until there is such to say of a cluster.
    pub(crate) async fn shows(&self, what: &str, to: &str, is: impl Fn(&Trace) -> bool) -> Trace {
        let fabric = "fabric".parse().unwrap();
        let touched = self.book.touched::<ClusterId>(fabric).await.unwrap();
        let mut touched = touched.unwrap();
        soon(what, async {
            loop {
                let trace = self.fabric.trace(id(to), vec![]).await.unwrap();
                if is(&trace) {
                    return trace;
                }
                touched.next().await.unwrap();
            }
        })
        .await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.fabric.address()
    }
}
