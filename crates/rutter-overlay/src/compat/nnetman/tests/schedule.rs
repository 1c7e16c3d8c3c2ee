//! What an original peer is told, and when; and how its life is watched.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::given::*;
use crate::compat::nnetman::wire::v1;
use crate::compat::nnetman::wire::v1::n_net_man_server::{NNetMan, NNetManServer};
use crate::compat::nnetman::{Standings, talk};
use crate::{Announced, Peer, PeerName, Timers};

/// What an original heard.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Exchange(usize),
    Announce(usize),
    Withdraw(BTreeSet<String>),
}

/// An original, as far as a caller can see: it tells what it heard, and answers with routes that
/// have neither next hop nor lease, as the original does.
#[derive(Clone)]
struct Original {
    heard: mpsc::UnboundedSender<Heard>,
    /// Calls are taken and never answered.
    hangs: bool,
}

impl Original {
    async fn heard(&self, what: Heard) {
        let _test_is_over = self.heard.send(what);
        if self.hangs {
            std::future::pending::<()>().await;
        }
    }
}

fn checked(routes: &[v1::Route]) -> usize {
    let whole = |route: &&v1::Route| route.lease_seconds > 0 && !route.next_hop.is_empty();
    assert!(routes.iter().all(|route| whole(&route)), "{routes:?}");
    routes.len()
}

#[tonic::async_trait]
impl NNetMan for Original {
    async fn exchange_state(
        &self,
        request: Request<v1::StateRequest>,
    ) -> Result<Response<v1::StateResponse>, Status> {
        self.heard(Heard::Exchange(checked(&request.get_ref().routes))).await;
        let own = v1::Route { lease_seconds: 0, ..route("172.16.20.0/24", "", 100) };
        let (node_id, routes) = ("p1".into(), vec![own]);
        Ok(Response::new(v1::StateResponse { node_id, routes, timestamp_ms: 0, accepted: true }))
    }

    async fn announce_routes(
        &self,
        request: Request<v1::RouteAnnouncement>,
    ) -> Result<Response<v1::RouteAck>, Status> {
        let routes_processed = checked(&request.get_ref().routes);
        self.heard(Heard::Announce(routes_processed)).await;
        let routes_processed = routes_processed as u32;
        Ok(Response::new(v1::RouteAck { accepted: true, routes_processed, error: String::new() }))
    }

    async fn withdraw_routes(
        &self,
        request: Request<v1::RouteWithdrawal>,
    ) -> Result<Response<v1::RouteAck>, Status> {
        let prefixes = request.into_inner().prefixes.into_iter().collect();
        self.heard(Heard::Withdraw(prefixes)).await;
        Ok(Response::new(v1::RouteAck { accepted: true, ..Default::default() }))
    }

    type KeepaliveStream =
        Pin<Box<dyn Stream<Item = Result<v1::KeepaliveResponse, Status>> + Send>>;

    async fn keepalive(
        &self,
        _: Request<Streaming<v1::KeepaliveRequest>>,
    ) -> Result<Response<Self::KeepaliveStream>, Status> {
        Err(Status::unimplemented("no client opens it"))
    }
}

/// An original that serves with the original's limit of a message. Dropping it ends it.
struct Serving {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
    stop: CancellationToken,
}

impl Serving {
    async fn start(at: SocketAddr, hangs: bool) -> Self {
        let socket = TcpListener::bind(at).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let original = NNetManServer::new(Original { heard: tell, hangs })
            .max_decoding_message_size(1024 * 1024);
        let serve = Server::builder().add_service(original).serve_with_incoming_shutdown(
            TcpListenerStream::new(socket),
            stop.clone().cancelled_owned(),
        );
        tokio::spawn(async move { serve.await.unwrap() });
        Self { address, heard, stop }
    }

    /// What it hears next, questions whether it is there apart.
    async fn next(&mut self) -> Heard {
        loop {
            match soon(self.heard.recv()).await.unwrap() {
                Heard::Exchange(0) => {}
                heard => return heard,
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

/// p1 of the configuration, watched closely enough for a test.
fn p1(given: &Given) -> Peer {
    let ms = Duration::from_millis;
    let timers_of_original = Timers { keepalive: ms(100), dead: ms(300) };
    Peer { timers_of_original, ..given.host.config().peers[0].clone() }
}

struct Talking {
    there: Standings,
    stop: CancellationToken,
}

fn talking(given: &Given, peers: Vec<(Peer, SocketAddr)>) -> Talking {
    let stop = CancellationToken::new();
    let (there, task) = talk(&given.host, peers, &stop).unwrap();
    tokio::spawn(task);
    Talking { there, stop }
}

impl Drop for Talking {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Overlay 100 announces one network with a lease of a second.
fn with_short_lease() -> String {
    NODE_A.replace("install: {table: 100}", "install: {table: 100, route_lease_seconds: 1}")
}

#[tokio::test]
async fn a_peer_is_told_all_first_again_by_a_third_of_the_lease_and_goodbye_at_the_end() {
    let given = Given::new(&with_short_lease());
    let mut original = Serving::start(loopback(), false).await;
    let talking = talking(&given, vec![(p1(&given), original.address)]);
    assert_eq!(original.next().await, Heard::Exchange(2));
    let begun = std::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(original.next().await, Heard::Announce(2));
    }
    // Three renewals, a third of a second apart: none comes sooner.
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());

    // A network that comes is announced at once, alone; one that goes is withdrawn at once.
    let overlay = given.host.config().overlays.values().next().unwrap();
    let vni = *given.host.config().overlays.keys().next().unwrap();
    let mut more = Announced::of(given.host.config());
    more.add(vni, "172.16.11.0/24".parse().unwrap(), overlay);
    given.announce.send(Arc::new(more)).unwrap();
    // Alone, unless a renewal is due just then.
    let news = |heard: &Heard| matches!(heard, Heard::Announce(1 | 3));
    assert!(hears(&mut original, news).await);
    given.announce.send(Arc::new(Announced::of(given.host.config()))).unwrap();
    let gone = Heard::Withdraw(["172.16.11.0/24".to_owned()].into());
    assert!(hears(&mut original, |heard| *heard == gone).await);

    talking.stop.cancel();
    // What it may hold, which includes what it was just told to drop.
    let all =
        |heard: &Heard| matches!(heard, Heard::Withdraw(gone) if gone.contains("172.16.10.0/24"));
    assert!(hears(&mut original, all).await, "goodbye");
}

/// Waits for something among renewals.
async fn hears(original: &mut Serving, wanted: impl Fn(&Heard) -> bool) -> bool {
    for _ in 0..100 {
        if wanted(&original.next().await) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn no_message_has_more_routes_than_an_original_takes() {
    let given = Given::new(NODE_A);
    let (vni, overlay) = given.host.config().overlays.first_key_value().unwrap();
    let mut many = Announced::default();
    for n in 0..45_000u32 {
        let prefix = format!("10.{}.{}.0/24", n / 256, n % 256).parse().unwrap();
        many.add(*vni, prefix, overlay);
    }
    given.announce.send(Arc::new(many)).unwrap();
    let mut original = Serving::start(loopback(), false).await;
    let patient = Peer { timers_of_original: Timers::ORIGINAL, ..p1(&given) };
    let _talking = talking(&given, vec![(patient, original.address)]);
    assert_eq!(original.next().await, Heard::Exchange(20_000));
    assert_eq!(original.next().await, Heard::Announce(20_000));
    assert_eq!(original.next().await, Heard::Announce(5_000));
}

#[tokio::test]
async fn a_peer_that_hangs_delays_no_other() {
    let given = Given::new(NODE_A);
    let mut hanging = Serving::start(loopback(), true).await;
    let mut original = Serving::start(loopback(), false).await;
    let hung = Peer { name: name("p2"), ..p1(&given) };
    let peers = vec![(hung, hanging.address), (p1(&given), original.address)];
    let talking = talking(&given, peers);
    assert_eq!(hanging.next().await, Heard::Exchange(2));
    assert_eq!(original.next().await, Heard::Exchange(2));
    assert!(soon(talking.there.wait(&name("p1"), true)).await);
    assert_eq!(talking.there.is_there(&name("p2")), Some(false));
    assert_eq!(talking.there.is_there(&name("p3")), None);
}

#[tokio::test]
async fn an_answer_without_next_hop_means_the_peer_and_a_lost_peers_routes_go() {
    let given = Given::new(NODE_A);
    let original = Serving::start(loopback(), false).await;
    let at = original.address;
    let talking = talking(&given, vec![(p1(&given), at)]);
    assert!(soon(talking.there.wait(&name("p1"), true)).await);
    // Its own address isn't known until it has announced something by it.
    let mut client = given.client().await;
    let known = vec![route("172.16.21.0/24", "10.100.0.2", 100)];
    soon(client.announce_routes(announcement("p1", known))).await.unwrap();
    given.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;

    // It dies: its listener and connections are closed.
    drop(original);
    assert!(soon(talking.there.wait(&name("p1"), false)).await);
    given.until_best(100, "172.16.20.0/24", None).await;
    let explained = given.explained(100, "172.16.21.0/24").await;
    assert!(explained[0].starts_with("Offline: peer/p1 is offline"), "{explained:?}");

    // It is back, and told all from the beginning.
    let mut original = Serving::start(at, false).await;
    assert_eq!(original.next().await, Heard::Exchange(2));
    given.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;
}

#[tokio::test]
async fn without_flush_a_lost_peers_routes_are_used_last_until_their_lease_ends() {
    let text = NODE_A.replace("{table: 100}", "{table: 100, flush_on_peer_down: false}");
    let given = Given::new(&text);
    let original = Serving::start(loopback(), false).await;
    let talking = talking(&given, vec![(p1(&given), original.address)]);
    assert!(soon(talking.there.wait(&name("p1"), true)).await);
    let mut client = given.client().await;
    let prefix = "172.16.21.0/24";
    for (peer, hop, metric) in [("p1", "10.100.0.2", 1), ("p2", "10.100.0.3", 200)] {
        let routes = vec![route(prefix, hop, metric)];
        soon(client.announce_routes(announcement(peer, routes))).await.unwrap();
    }
    given.until_best(100, prefix, Some("peer/p1 via 10.100.0.2 metric 1")).await;
    drop(original);
    given.until_best(100, prefix, Some("peer/p2 via 10.100.0.3 metric 200")).await;
    assert_eq!(given.routes(100, prefix).await.len(), 2, "it is a reserve");
}

#[tokio::test]
async fn a_rutter_host_that_is_killed_is_missed_at_once() {
    let a = Given::new(NODE_A);
    let b = NODE_A
        .replace("id: node-a", "id: p1")
        .replace("{id: p1, endpoint", "{id: node-a, endpoint")
        .replace("172.16.10.0/24", "172.16.20.0/24")
        .replace("10.100.0.1/24", "10.100.0.2/24")
        .replace("10.200.0.1/24", "10.200.0.2/24");
    let b = Given::new(&b);
    let talking = talking(&a, vec![(p1(&a), b.address)]);
    assert!(soon(talking.there.wait(&name("p1"), true)).await);
    a.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;
    b.kill().await;
    a.until_best(100, "172.16.20.0/24", None).await;
}
