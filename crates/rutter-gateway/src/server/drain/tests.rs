use std::time::Duration;

use tokio::net::TcpStream;

use super::super::Server;
use crate::testing::{Origin, PATIENCE, RawClient, TestGateway, config, get, route, until};

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_idle_connection_may_bring_one_request_more_and_is_told_that_it_was_the_last() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.limits.drain = LONG;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let (address, metrics) = (gateway.address(), gateway.metrics());
    let mut idle = gateway.client().await;
    let answer = idle.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("connection")), (200, None));

    let ending = tokio::spawn(gateway.server.shutdown(LONG));
    until("the listener's end", || std::net::TcpStream::connect(address).is_err()).await;
    let answer = idle.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
    assert!(idle.answer().await.is_none(), "and then it closes");
    tokio::time::timeout(PATIENCE, ending).await.expect("an end long before the drain's").unwrap();
    assert_eq!(metrics.connections_cut.get(), 0);
}

#[tokio::test]
async fn what_waits_at_a_socket_is_served_by_who_takes_it_over() {
    let origin = Origin::named("direct").await;
    let mut old = TestGateway::start(config()).await;
    old.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let address = old.address();
    let sockets = old.server.sockets().unwrap().into_iter().map(Some).collect();
    // The successor has the socket and isn't ready; the first one has ended.
    let (server, end) = Server::bind(&config(), sockets).await.unwrap();
    tokio::time::timeout(PATIENCE, old.server.shutdown(LONG)).await.unwrap();
    let mut waiting = RawClient::new(TcpStream::connect(address).await.unwrap());
    waiting.send(get("/")).await;

    let mut new = TestGateway { server, feed: end.feed, verdicts: end.verdicts };
    assert_eq!(new.address(), address);
    new.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    new.server.open();
    assert_eq!(waiting.answer().await.unwrap().text(), "direct");
}
