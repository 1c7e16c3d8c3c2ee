//! Streams among the members of a group.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rutter_route::{BalanceMode, BalanceOptions, Delivery};
use tokio::net::TcpStream;

use super::{connect, echo, place, tcp, within};
use crate::feed::RouteSpec;
use crate::testing::{TestGateway, config, refused};

fn member(source: &str, to: SocketAddr, mode: BalanceMode, weight: u16) -> RouteSpec {
    let mut route = tcp(source, to);
    let balance = BalanceOptions { mode, ..BalanceOptions::default() };
    route.delivery = Arc::new(Delivery { balance, ..Delivery::default() });
    route.group = Some("db".parse().unwrap());
    route.weight = weight;
    route
}

/// Who serves a stream.
async fn served_by(stream: &mut TcpStream) -> String {
    let mut name = [0; 2];
    within(tokio::io::AsyncReadExt::read_exact(stream, &mut name)).await.unwrap();
    String::from_utf8_lossy(&name).into_owned()
}

#[tokio::test]
async fn streams_are_shared_by_weight_and_a_member_that_is_gone_is_passed_over() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    let mode = BalanceMode::RoundRobin;
    let (a, b) = (echo("a:").await, echo("b:").await);
    let members = vec![member("agent/a", a, mode, 3), member("agent/b", b, mode, 1)];
    gateway.set_stream(&service, members).await;
    let mut served = BTreeMap::new();
    for _ in 0..100 {
        *served.entry(served_by(&mut connect(at).await).await).or_insert(0) += 1;
    }
    // By turns that are spread evenly, to one or two.
    assert!((73..=77).contains(&served["a:"]), "{served:?}");

    let dead = refused().await;
    let members = vec![member("agent/a", dead, mode, 3), member("agent/b", b, mode, 1)];
    gateway.set_stream(&service, members).await;
    for _ in 0..8 {
        assert_eq!(served_by(&mut connect(at).await).await, "b:");
    }
}

#[tokio::test]
async fn the_member_with_the_fewest_streams_gets_the_next_and_gives_them_back_at_their_end() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    let mode = BalanceMode::LeastConnections;
    let (a, b) = (echo("a:").await, echo("b:").await);
    let members = vec![member("agent/a", a, mode, 1), member("agent/b", b, mode, 1)];
    gateway.set_stream(&service, members).await;
    let mut open: BTreeMap<String, Vec<TcpStream>> = BTreeMap::new();
    for _ in 0..10 {
        let mut stream = connect(at).await;
        open.entry(served_by(&mut stream).await).or_default().push(stream);
    }
    assert_eq!((open["a:"].len(), open["b:"].len()), (5, 5));
    open.remove("a:");
    let metrics = gateway.metrics();
    crate::testing::until("their end", || metrics.active_streams.get() == 5).await;
    let mut again = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(at).await;
        assert_eq!(served_by(&mut stream).await, "a:");
        again.push(stream);
    }
}

#[tokio::test]
async fn a_clients_address_decides_and_when_its_member_fails_another_does() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    let mode = BalanceMode::IpHash;
    let addresses = [("a", echo("a:").await), ("b", echo("b:").await), ("c", echo("c:").await)];
    let members = |dead: Option<(&str, SocketAddr)>| {
        let of = |(name, alive): (&str, SocketAddr)| {
            let to = dead.filter(|(dead, _)| *dead == name).map_or(alive, |(_, to)| to);
            member(&format!("agent/{name}"), to, mode, 1)
        };
        addresses.map(of).to_vec()
    };
    gateway.set_stream(&service, members(None)).await;
    let own = served_by(&mut connect(at).await).await;
    for _ in 0..10 {
        assert_eq!(served_by(&mut connect(at).await).await, own);
    }
    let nobody = refused().await;
    gateway.set_stream(&service, members(Some((&own[..1], nobody)))).await;
    let other = served_by(&mut connect(at).await).await;
    assert_ne!(other, own);
    for _ in 0..10 {
        assert_eq!(served_by(&mut connect(at).await).await, other);
    }
}
