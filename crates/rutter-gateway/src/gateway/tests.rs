//! The whole gateway: a controller's book, its own, origins that count, and people.

mod bench;
mod kills;

use std::time::Duration;

use rutter_route::Standing;

use crate::HealthConfig;
use crate::testing::{Act, Message, Origin, PATIENCE, free, get};
use bench::Bench;

#[tokio::test]
async fn the_first_request_finds_what_the_controller_knew_before_the_start() {
    let origin = Origin::named("direct").await;
    let bench = Bench::tables().await;
    for n in 0..2000 {
        bench.advertise("agent/alice", &format!("s{n}.nsl.sh"), origin.address, 1, None).await;
    }
    let gateway = bench.start(HealthConfig::default()).await;
    for n in [0, 999, 1999] {
        let request = get("/").replace("alice", &format!("s{n}"));
        assert_eq!(gateway.ask(&request).await.text(), "direct");
    }
    gateway.handle.shutdown().await;
}

#[tokio::test]
async fn routes_that_come_move_and_go_are_followed() {
    let (direct, tunnel) = (Origin::named("direct").await, Origin::named("tunnel").await);
    let bench = Bench::tables().await;
    let gateway = bench.start(HealthConfig::default()).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 404);
    bench.advertise("tunnel/alice", "alice.nsl.sh", tunnel.address, 2, None).await;
    gateway.answers("tunnel").await;
    bench.advertise("agent/alice", "alice.nsl.sh", direct.address, 1, None).await;
    gateway.answers("direct").await;
    bench.offline("agent/alice").await;
    gateway.answers("tunnel").await;
    bench.offline("tunnel/alice").await;
    gateway.answers("NO_ROUTES").await;
    gateway.handle.shutdown().await;
}

#[tokio::test]
async fn a_verdict_acts_in_the_gateways_table_and_is_shown_at_the_controllers() {
    let sick = |m: &Message| match m.header("x-health-check") {
        Some(_) => {
            Act::Raw(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".into())
        }
        None => Act::Ok("direct".to_owned()),
    };
    let (direct, tunnel) = (Origin::start(sick).await, Origin::named("tunnel").await);
    let bench = Bench::tables().await;
    bench.advertise("agent/alice", "alice.nsl.sh", direct.address, 1, Some("/healthz")).await;
    bench.advertise("tunnel/alice", "alice.nsl.sh", tunnel.address, 2, None).await;
    let gateway = bench.start(HealthConfig::default()).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "tunnel");

    let own = bench.explained_until(&bench.sources.own, "answered 500").await;
    assert!(own.contains("gateway/gateway"), "{own}");
    assert_eq!(bench.best(&bench.sources.own).await.1, Standing::Eligible);
    let at_controller = bench.explained_until(&bench.controller, "gateway/gateway").await;
    assert!(at_controller.contains("HEAD /healthz answered 500"), "{at_controller}");
    let (best, standing) = bench.best(&bench.controller).await;
    assert_eq!((best.source.to_string().as_str(), standing), ("agent/alice", Standing::Eligible));
    gateway.handle.shutdown().await;
}

#[tokio::test]
async fn an_excluded_route_ranks_last_in_the_gateways_table_until_it_is_back() {
    let gone = free().await;
    let tunnel = Origin::named("tunnel").await;
    let bench = Bench::tables().await;
    bench.advertise("agent/alice", "alice.nsl.sh", gone, 1, None).await;
    bench.advertise("tunnel/alice", "alice.nsl.sh", tunnel.address, 2, None).await;
    let health = HealthConfig { recheck: Duration::from_millis(50), ..HealthConfig::default() };
    let gateway = bench.start(health).await;
    for _ in 0..4 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "tunnel");
    }
    bench.explained_until(&bench.sources.own, "4 connects in a row failed").await;
    assert_eq!(bench.best(&bench.sources.own).await.0.path.as_str(), {
        // The tunnel's source and path id, as `table::key` writes them.
        format!("c1alice  http {}", tunnel.address)
    });
    let _direct = Origin::at(gone, None, |_| Act::Ok("direct".to_owned())).await;
    gateway.answers("direct").await;
    let back = async {
        while !bench.best(&bench.sources.own).await.0.path.as_str().starts_with("b1alice") {}
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the table's return");
    gateway.handle.shutdown().await;
}

#[tokio::test]
async fn a_table_that_isnt_there_is_named() {
    let mut bench = Bench::tables().await;
    bench.sources.own.table = "nowhere".parse().unwrap();
    let config = crate::testing::config();
    let error = crate::Gateway::start(config, bench.sources.clone()).await.unwrap_err();
    assert!(error.to_string().contains("`nowhere`"), "{error}");
}

#[tokio::test]
async fn requests_go_on_when_the_books_are_gone() {
    let origin = Origin::named("direct").await;
    let bench = Bench::tables().await;
    bench.advertise("agent/alice", "alice.nsl.sh", origin.address, 1, None).await;
    let gateway = bench.start(HealthConfig::default()).await;
    gateway.answers("direct").await;
    bench.close().await;
    for _ in 0..5 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "direct");
    }
    gateway.handle.shutdown().await;
}

#[tokio::test]
async fn a_gateway_that_is_dropped_ends() {
    let bench = Bench::tables().await;
    let gateway = bench.start(HealthConfig::default()).await;
    let address = gateway.handle.addresses()[0];
    drop(gateway);
    let closed = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the listener's end");
}
