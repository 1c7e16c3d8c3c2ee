//! What an original peer is told, and when; and how its life is watched.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;
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
use crate::{OverlayConfig, Parting, Protocol, Timers};

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

/// A host whose peers are watched closely enough for a test, and are at these places.
async fn given(text: &str, at: At) -> Given {
    let ms = Duration::from_millis;
    watching(text, Timers { keepalive: ms(100), dead: ms(300) }, at).await
}

async fn watching(text: &str, timers_of_original: Timers, at: At) -> Given {
    let mut config: OverlayConfig = read(text);
    config.peers.iter_mut().for_each(|peer| peer.timers_of_original = timers_of_original);
    Given::start(config, listener(), at).await
}

/// Overlay 100 announces one network with a lease of a second.
fn with_short_lease() -> String {
    NODE_A.replace("install: {table: 100}", "install: {table: 100, route_lease_seconds: 1}")
}

#[tokio::test]
async fn a_peer_is_told_all_first_again_by_a_third_of_the_lease_and_goodbye_at_the_end() {
    let mut original = Serving::start(loopback(), false).await;
    let given = given(&with_short_lease(), vec![("p1", original.address)]).await;
    assert_eq!(original.next().await, Heard::Exchange(2));
    let begun = std::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(original.next().await, Heard::Announce(2));
    }
    // Three renewals, a third of a second apart: none comes sooner.
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());

    // A network that comes is announced at once, alone; one that goes is withdrawn at once.
    let (more, none) = (BTreeSet::from([prefix("172.16.11.0/24")]), BTreeSet::new());
    given.speaker().set_own(vni(100), more).await.unwrap();
    // Alone, unless a renewal is due just then.
    let news = |heard: &Heard| matches!(heard, Heard::Announce(1 | 3));
    assert!(hears(&mut original, news).await);
    given.speaker().set_own(vni(100), none).await.unwrap();
    let gone = Heard::Withdraw(["172.16.11.0/24".to_owned()].into());
    assert!(hears(&mut original, |heard| *heard == gone).await);

    given.end(Parting::Goodbye).await;
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
    let before = Serving::start(loopback(), false).await;
    let at = before.address;
    let given = watching(NODE_A, Timers::ORIGINAL, vec![("p1", at)]).await;
    given.until_peer("p1", true).await;
    drop(before);
    given.until_peer("p1", false).await;
    let prefix = |n: u32| prefix(&format!("10.{}.{}.0/24", n / 256, n % 256));
    given.speaker().set_own(vni(100), (0..45_000).map(prefix).collect()).await.unwrap();
    let mut original = Serving::start(at, false).await;
    assert_eq!(original.next().await, Heard::Exchange(20_000));
    assert_eq!(original.next().await, Heard::Announce(20_000));
    assert_eq!(original.next().await, Heard::Announce(5_002), "and the two that are written");
}

#[tokio::test]
async fn a_peer_that_hangs_delays_no_other() {
    let mut hanging = Serving::start(loopback(), true).await;
    let mut original = Serving::start(loopback(), false).await;
    let at = vec![("p2", hanging.address), ("p1", original.address)];
    let given = given(NODE_A, at).await;
    assert_eq!(hanging.next().await, Heard::Exchange(1));
    assert_eq!(original.next().await, Heard::Exchange(2));
    given.until_peer("p1", true).await;
    assert!(!given.speaker().lives().borrow()[&name("p2")].there);
}

#[tokio::test]
async fn an_answer_without_next_hop_means_the_peer_and_a_lost_peers_routes_go() {
    let original = Serving::start(loopback(), false).await;
    let at = original.address;
    let given = given(NODE_A, vec![("p1", at)]).await;
    given.until_peer("p1", true).await;
    // Its own address isn't known until it has announced something by it.
    let mut client = client_of(&given).await;
    let known = vec![route("172.16.21.0/24", "10.100.0.2", 100)];
    soon(client.announce_routes(announcement("p1", known))).await.unwrap();
    given.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;

    // It dies: its listener and connections are closed.
    drop(original);
    given.until_peer("p1", false).await;
    given.until_best(100, "172.16.20.0/24", None).await;
    let explained = given.explained(100, "172.16.21.0/24").await;
    assert!(explained[0].starts_with("Offline: peer/p1 is offline"), "{explained:?}");

    // It is back, and told all from the beginning.
    let mut original = Serving::start(at, false).await;
    assert_eq!(original.next().await, Heard::Exchange(2));
    given.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;
}

#[tokio::test]
async fn a_peer_whose_connections_close_is_lost_at_once_however_seldom_it_is_asked() {
    let original = Serving::start(loopback(), false).await;
    let hour = Duration::from_secs(3600);
    let seldom = Timers { keepalive: hour, dead: 3 * hour };
    let given = watching(NODE_A, seldom, vec![("p1", original.address)]).await;
    given.until_peer("p1", true).await;
    drop(original);
    given.until_peer("p1", false).await;
}

#[tokio::test]
async fn without_flush_a_lost_peers_routes_are_used_last_until_their_lease_ends() {
    let text = NODE_A.replace("{table: 100}", "{table: 100, flush_on_peer_down: false}");
    let original = Serving::start(loopback(), false).await;
    let given = given(&text, vec![("p1", original.address)]).await;
    given.until_peer("p1", true).await;
    let mut client = client_of(&given).await;
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

/// What it runs is found out whenever it was away.
#[tokio::test]
async fn a_peer_that_comes_back_as_another_program_is_spoken_with_as_that() {
    let original = Serving::start(loopback(), false).await;
    let at = original.address;
    let given = given(NODE_A, vec![("p1", at)]).await;
    spoken(&given, Protocol::NNetMan).await;
    drop(original);
    let mut config = read(&p1_of(NODE_A));
    let export = &mut config.overlays.get_mut(&vni(100)).unwrap().export;
    export.networks.push(prefix("172.16.30.0/24"));
    let to_us = vec![("node-a", given.address)];
    let rutter = Given::start(config, rebound(at).await, to_us).await;
    for network in ["172.16.20.0/24", "172.16.30.0/24"] {
        given.until_best(100, network, Some("peer/p1 via 10.100.0.2 metric 100")).await;
    }
    spoken(&given, Protocol::Rutter).await;
    rutter.kill();
    given.until_peer("p1", false).await;
    // The port is free when this is, and taken again right after.
    drop(rebound(at).await);
    let mut original = Serving::start(at, false).await;
    assert_eq!(original.next().await, Heard::Exchange(2));
    // What it says now stands, and nothing else.
    given.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;
    let explained = given.explained(100, "172.16.30.0/24").await;
    assert!(explained.is_empty(), "{explained:?}");
    spoken(&given, Protocol::NNetMan).await;
}

/// Waits until p1 is there and spoken with so.
async fn spoken(given: &Given, protocol: Protocol) {
    let mut lives = given.speaker().lives();
    let so = |lives: &crate::Lives| {
        let life = &lives[&name("p1")];
        life.there && life.protocol == Some(protocol)
    };
    drop(soon(lives.wait_for(so)).await.unwrap());
}

#[tokio::test]
async fn an_original_is_told_ways_through_this_host_and_their_end() {
    let hub = format!("{NODE_A}topology: {{mode: hub-spoke, transit: allow}}\n");
    let mut original = Serving::start(loopback(), false).await;
    let second = listener();
    let at = vec![("p1", original.address), ("p2", second.address())];
    let given = given(&hub, at).await;
    assert_eq!(original.next().await, Heard::Exchange(2), "its own networks");
    let p2 = p1_of(NODE_A).replace("id: p1}", "id: p2}");
    let two = Given::start(read(&p2), second, vec![("node-a", given.address)]).await;
    assert!(hears(&mut original, |heard| *heard == Heard::Announce(1)).await, "p2's, alone");
    two.end(Parting::Goodbye).await;
    let gone = Heard::Withdraw(["172.16.20.0/24".to_owned()].into());
    assert!(hears(&mut original, |heard| *heard == gone).await);
}
