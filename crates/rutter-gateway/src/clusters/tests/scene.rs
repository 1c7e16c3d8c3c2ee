//! Clusters with a gateway each, and what their fabrics say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rutter_link::PeerKey;
use rutter_route::{ClusterId, Service};

use crate::clusters::{Clusters, Way};
use crate::config::ListenerConfig;
use crate::feed::RouteSpec;
use crate::routes::Hop;
use crate::testing::{Message, Origin, TestGateway, any_port, config, route, spec};

/// Clusters that are all each other's neighbours.
pub(super) struct Scene {
    nodes: BTreeMap<String, Node>,
}

pub(super) struct Node {
    pub(super) gateway: TestGateway,
    pub(super) fabric: Arc<Fabric>,
}

/// What one cluster's fabric says.
#[derive(Debug)]
pub(super) struct Fabric {
    own: ClusterId,
    says: Mutex<Says>,
}

#[derive(Debug, Default)]
pub(super) struct Says {
    pub(super) paths: Vec<Vec<ClusterId>>,
    pub(super) gateways: BTreeMap<ClusterId, SocketAddr>,
    pub(super) keys: BTreeMap<PeerKey, ClusterId>,
    pub(super) identity: Option<Arc<CertifiedKey>>,
    pub(super) epoch: u64,
    pub(super) lost: BTreeSet<ClusterId>,
    pub(super) untold: BTreeSet<ClusterId>,
    pub(super) is_careless: bool,
}

impl Fabric {
    pub(super) fn says(&self) -> MutexGuard<'_, Says> {
        self.says.lock().unwrap()
    }
}

impl Clusters for Fabric {
    fn own(&self) -> &ClusterId {
        &self.own
    }

    fn ways(&self, _: &ClusterId, visited: &[ClusterId]) -> Vec<Way> {
        let says = self.says();
        let open = |path: &&Vec<ClusterId>| {
            let lost = says.lost.contains(&path[1]);
            !lost && (says.is_careless || !path.iter().any(|c| visited.contains(c)))
        };
        let paths = says.paths.iter().filter(open);
        let way = |path: &Vec<ClusterId>| {
            let gateway = says.gateways.get(&path[1])?;
            let host = gateway.ip().to_string().parse().unwrap();
            Some(Way { neighbour: path[1].clone(), host, port: gateway.port() })
        };
        paths.filter_map(way).collect()
    }

    fn is_connected(&self, neighbour: &ClusterId) -> bool {
        !self.says().lost.contains(neighbour)
    }

    fn neighbour_of(&self, key: &PeerKey) -> Option<ClusterId> {
        self.says().keys.get(key).cloned()
    }

    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.says().identity.clone()
    }

    fn epoch(&self) -> u64 {
        self.says().epoch
    }

    fn is_told(&self, neighbour: &ClusterId, _: &Service) -> bool {
        !self.says().untold.contains(neighbour)
    }
}

pub(super) fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

/// A new key of a cluster, with its certificate.
pub(super) fn key() -> (PeerKey, Arc<CertifiedKey>) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(vec!["neighbour.invalid".to_owned()]).unwrap();
    let certificate = params.self_signed(&pair).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let chain = vec![certificate.der().clone()];
    let certified = CertifiedKey::from_der(chain, private, &crate::server::provider()).unwrap();
    (PeerKey::of_certificate(certificate.der()).unwrap(), Arc::new(certified))
}

/// A route to the cluster `a`.
fn to_a() -> RouteSpec {
    let mut spec = spec("neighbour/x", "http://192.0.2.1:1");
    spec.hop = Hop::Cluster(cluster("a"));
    spec
}

impl Scene {
    pub(super) async fn new(names: &[&str]) -> Self {
        let mut nodes = BTreeMap::new();
        for name in names {
            let fabric = Arc::new(Fabric { own: cluster(name), says: Mutex::default() });
            let mut config = config();
            // Each its own, as the gateway tells itself from others by it.
            config.name = format!("gateway-{name}");
            config.clusters = Some(fabric.clone());
            config.listeners.push(ListenerConfig::neighbours(any_port()));
            let gateway = TestGateway::start(config).await;
            nodes.insert((*name).to_owned(), Node { gateway, fabric });
        }
        let mut scene = Self { nodes };
        for name in names {
            scene.rekey(name);
        }
        for node in scene.nodes.values() {
            let gateways = scene.nodes.iter();
            let gateways =
                gateways.map(|(name, n)| (cluster(name), n.gateway.server.addresses()[1]));
            node.fabric.says().gateways = gateways.collect();
        }
        scene
    }

    pub(super) fn node(&self, name: &str) -> &Node {
        &self.nodes[name]
    }

    pub(super) fn says(&self, name: &str) -> MutexGuard<'_, Says> {
        self.nodes[name].fabric.says()
    }

    /// A new key for a cluster, which all others learn, and forget the one before.
    pub(super) fn rekey(&mut self, name: &str) -> PeerKey {
        let (public, identity) = key();
        for node in self.nodes.values() {
            let mut says = node.fabric.says();
            says.keys.retain(|_, of| *of != cluster(name));
            says.keys.insert(public, cluster(name));
            says.epoch += 1;
        }
        self.says(name).identity = Some(identity);
        public
    }

    /// Whoever was visited is no reason to leave a way out.
    pub(super) fn careless(&mut self) {
        for node in self.nodes.values() {
            node.fabric.says().is_careless = true;
        }
    }

    /// `alice.nsl.sh` is another cluster's here, and these paths lead there.
    pub(super) async fn way(&mut self, name: &str, paths: &[&[&str]]) {
        let node = self.nodes.get_mut(name).unwrap();
        let path = |path: &&[&str]| path.iter().map(|c| cluster(c)).collect();
        node.fabric.says().paths = paths.iter().map(path).collect();
        node.gateway.set("alice.nsl.sh", vec![to_a()]).await;
    }

    /// `alice.nsl.sh` is served here.
    pub(super) async fn serve(&mut self, name: &str, origin: &Origin) {
        self.serve_at(name, origin.address).await;
    }

    pub(super) async fn serve_at(&mut self, name: &str, origin: SocketAddr) {
        let node = self.nodes.get_mut(name).unwrap();
        node.gateway.set("alice.nsl.sh", vec![route("agent/alice", origin)]).await;
    }

    /// And behind what leads there, by this cluster's own.
    pub(super) async fn and_own(&mut self, name: &str, origin: &Origin) {
        let node = self.nodes.get_mut(name).unwrap();
        let routes = vec![to_a(), route("agent/alice", origin.address)];
        node.gateway.set("alice.nsl.sh", routes).await;
    }

    pub(super) async fn ask(&self, name: &str, request: &str) -> Message {
        self.nodes[name].gateway.ask(request).await
    }

    /// Requests that a cluster's gateway has answered, at any listener.
    pub(super) fn n_asked(&self, name: &str) -> u64 {
        let metrics = self.nodes[name].gateway.metrics();
        metrics.answers.iter().map(crate::metrics::Counter::get).sum()
    }
}
