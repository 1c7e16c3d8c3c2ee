//! Routes that say nothing, answers that say that it won't work, and how often requests are
//! repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::failover::budget::RetryBudgetConfig;
use crate::testing::{
    Act, Message, Origin, TestGateway, config, get, refused, route, until, with_body,
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

/// A gateway that gives a silent route up after [`SHORT`], but an answer only after [`LONG`].
async fn impatient(routes: &[(&str, &Origin)]) -> TestGateway {
    let mut config = config();
    config.upstream.response_timeout = LONG;
    config.upstream.try_timeout = SHORT;
    let mut gateway = TestGateway::start(config).await;
    let routes = routes.iter().map(|(source, origin)| route(source, origin.address)).collect();
    gateway.set("alice.nsl.sh", routes).await;
    gateway
}

async fn silent() -> Origin {
    Origin::start(|_| Act::Hang).await
}

#[tokio::test]
async fn a_silent_route_is_given_up_for_another_and_ejected() {
    let (direct, tunnel) = (silent().await, Origin::named("tunnel").await);
    let gateway = impatient(&[("agent/alice", &direct), ("tunnel/alice", &tunnel)]).await;
    for n in 1..=4 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "tunnel");
        assert_eq!(gateway.metrics().try_timeouts.get(), n);
        assert_eq!(gateway.metrics().retries.get(), n);
    }
    until("the ejection", || gateway.metrics().ejected_routes.get() == 1).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "tunnel");
    assert_eq!(direct.seen().len(), 4, "the fifth didn't ask there");
    assert_eq!(gateway.metrics().ejections.get(), 1);
}

#[tokio::test]
async fn a_put_that_lies_in_the_buffer_moves_on_whole() {
    let direct = silent().await;
    let tunnel = Origin::start(|m| Act::Ok(m.text())).await;
    let gateway = impatient(&[("agent/alice", &direct), ("tunnel/alice", &tunnel)]).await;
    assert_eq!(gateway.ask(&with_body("PUT", "/", "order")).await.text(), "order");
}

#[tokio::test]
async fn what_may_not_be_repeated_waits_for_its_answer() {
    let release = Arc::new(tokio::sync::Notify::new());
    let direct = {
        let listener = tokio::net::TcpListener::bind(crate::testing::any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let release = release.clone();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let n = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(n > 0);
            release.notified().await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await.unwrap();
            // Until the other end has read it.
            let _end = stream.read(&mut [0; 16]).await;
        });
        address
    };
    let tunnel = Origin::named("tunnel").await;
    let mut gateway = impatient(&[]).await;
    let routes = vec![route("agent/alice", direct), route("tunnel/alice", tunnel.address)];
    gateway.set("alice.nsl.sh", routes).await;
    let mut client = gateway.client().await;
    client.send(with_body("POST", "/", "order")).await;
    // A GET beside it moves on twice over in that time, so the POST has been silent for long.
    for _ in 0..2 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "tunnel");
    }
    release.notify_one();
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "late"));
    assert!(tunnel.seen().iter().all(|m| m.start_line().starts_with("GET")));
}

#[tokio::test]
async fn the_last_route_is_waited_for() {
    let (direct, tunnel) = (silent().await, silent().await);
    let gateway = impatient(&[("agent/alice", &direct), ("tunnel/alice", &tunnel)]).await;
    let mut client = gateway.client().await;
    client.send(get("/")).await;
    tunnel.got(1).await;
    let more = tokio::time::timeout(SHORT * 5, client.answer()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!((direct.seen().len(), tunnel.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_request_has_its_time_over_all_its_tries() {
    let (direct, tunnel) = (silent().await, silent().await);
    let mut config = config();
    config.upstream.try_timeout = SHORT;
    config.upstream.timeout = SHORT * 4;
    let mut gateway = TestGateway::start(config).await;
    let routes = vec![route("agent/alice", direct.address), route("tunnel/alice", tunnel.address)];
    gateway.set("alice.nsl.sh", routes).await;
    let answer = gateway.ask(&get("/")).await;
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("BACKEND_TIMEOUT"));
    assert_eq!((direct.seen().len(), tunnel.seen().len()), (1, 1));
    assert_eq!(gateway.metrics().request_timeouts.get(), 1);
}

#[tokio::test]
async fn without_budget_a_request_that_was_sent_isnt_repeated_but_one_that_wasnt_goes_on() {
    let (direct, tunnel) = (Origin::start(|_| Act::Close).await, Origin::named("tunnel").await);
    let mut config = config();
    config.upstream.retry_budget =
        RetryBudgetConfig { budget_percent: 0, min_retries_per_second: 0 };
    let mut gateway = TestGateway::start(config).await;
    let routes = vec![
        route("node/alice", refused().await),
        route("agent/alice", direct.address),
        route("tunnel/alice", tunnel.address),
    ];
    gateway.set("alice.nsl.sh", routes).await;
    let answer = gateway.ask(&get("/")).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("RETRY_BUDGET"), "{}", answer.text());
    assert_eq!(tunnel.seen().len(), 0);
    let metrics = gateway.metrics();
    assert_eq!((metrics.retry_budget_exhausted.get(), metrics.retries.get()), (1, 0));
    assert_eq!(metrics.failovers.get(), 1, "from the refused one");
}

#[tokio::test]
async fn four_answers_of_503_in_a_row_eject_a_route_and_each_is_delivered() {
    let sick = Arc::new(AtomicBool::new(true));
    let is_sick = sick.clone();
    let direct = Origin::start(move |_: &Message| {
        if is_sick.load(Ordering::Relaxed) {
            let head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            return Act::Raw(head.to_vec());
        }
        Act::Ok("direct".to_owned())
    })
    .await;
    let tunnel = Origin::named("tunnel").await;
    let mut config = config();
    config.health.outlier.base_ejection_time = Duration::from_millis(200);
    let mut gateway = TestGateway::start(config).await;
    let routes = vec![route("agent/alice", direct.address), route("tunnel/alice", tunnel.address)];
    gateway.set("alice.nsl.sh", routes).await;
    for _ in 0..4 {
        assert_eq!(gateway.ask(&get("/")).await.status(), 503, "an answer is an answer");
    }
    until("the ejection", || gateway.metrics().ejections.get() == 1).await;
    sick.store(false, Ordering::Relaxed);
    until("the return", || gateway.metrics().ejected_routes.get() == 0).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "direct");
}

#[tokio::test]
async fn a_route_that_carries_traffic_is_probed_and_its_idle_neighbour_isnt() {
    let (direct, tunnel) = (Origin::named("direct").await, Origin::named("tunnel").await);
    let mut config = config();
    config.health.check_interval = Duration::from_millis(20);
    let mut gateway = TestGateway::start(config).await;
    let routes = vec![
        crate::testing::checked(route("agent/alice", direct.address), "/healthz"),
        crate::testing::checked(route("tunnel/alice", tunnel.address), "/healthz"),
    ];
    gateway.set("alice.nsl.sh", routes).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "direct");
    until("probes", || direct.checks().len() >= 10).await;
    assert_eq!(tunnel.checks().len(), 0);
    assert_eq!(direct.seen().len(), 1);
}
