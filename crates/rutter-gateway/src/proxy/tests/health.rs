//! The detector and the request path together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::testing::{Act, Message, Origin, TestGateway, checked, config, free, get, route, until};

fn quick() -> crate::GatewayConfig {
    let mut config = config();
    config.health.check_timeout = Duration::from_millis(500);
    config.health.recheck = Duration::from_millis(50);
    config.health.healthy_threshold = 1;
    config
}

/// An origin whose health check says what the flag says.
async fn with_check(name: &'static str, well: Arc<AtomicBool>) -> Origin {
    Origin::start(move |m: &Message| {
        let is_check = m.header("x-health-check").is_some();
        if is_check && !well.load(Ordering::Relaxed) {
            return Act::Raw(
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec(),
            );
        }
        Act::Ok(name.to_owned())
    })
    .await
}

#[tokio::test]
async fn the_first_request_asks_and_goes_where_it_is_well_and_comes_back_after() {
    let well = Arc::new(AtomicBool::new(false));
    let direct = with_check("direct", well.clone()).await;
    let tunnel = Origin::named("tunnel").await;
    let mut gateway = TestGateway::start(quick()).await;
    let routes = vec![
        checked(route("agent/alice", direct.address), "/healthz"),
        route("tunnel/alice", tunnel.address),
    ];
    gateway.set("alice.nsl.sh", routes).await;
    assert!(direct.checks().is_empty(), "nobody wanted it yet");

    assert_eq!(gateway.ask(&get("/")).await.text(), "tunnel");
    assert_eq!(direct.seen().len(), 0);
    let check = &direct.checks()[0];
    assert_eq!(check.start_line(), "HEAD /healthz HTTP/1.1");
    assert_eq!(check.header("host"), Some("alice.nsl.sh"));
    assert_eq!(check.header("x-health-check"), Some("1"));

    well.store(true, Ordering::Relaxed);
    let back = async { while gateway.ask(&get("/")).await.text() != "direct" {} };
    tokio::time::timeout(crate::testing::PATIENCE, back).await.expect("a return");
    let n = direct.checks().len();
    for _ in 0..10 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "direct");
    }
    assert_eq!(direct.checks().len(), n, "a good answer is believed for a while");
}

#[tokio::test]
async fn with_all_unhealthy_the_best_is_tried_anyway() {
    let sick = Arc::new(AtomicBool::new(false));
    let direct = with_check("direct", sick.clone()).await;
    let tunnel = with_check("tunnel", sick).await;
    let mut gateway = TestGateway::start(quick()).await;
    let routes = vec![
        checked(route("agent/alice", direct.address), "/healthz"),
        checked(route("tunnel/alice", tunnel.address), "/healthz"),
    ];
    gateway.set("alice.nsl.sh", routes).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "direct");
}

#[tokio::test]
async fn a_route_that_fails_too_often_is_passed_over_until_a_connect_probe_succeeds() {
    let gone = free().await;
    let tunnel = Origin::named("tunnel").await;
    let mut gateway = TestGateway::start(quick()).await;
    let routes = vec![route("agent/alice", gone), route("tunnel/alice", tunnel.address)];
    gateway.set("alice.nsl.sh", routes).await;
    let trace = "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nX-Mesh-Trace: 1\r\n\r\n";
    for _ in 0..4 {
        assert_eq!(gateway.ask(trace).await.header("x-mesh-route"), Some("agent,tunnel,pcs"));
    }
    let metrics = gateway.metrics();
    until("probes of the excluded route", || metrics.probes_bad.get() >= 2).await;
    assert_eq!(gateway.ask(trace).await.header("x-mesh-route"), Some("tunnel,pcs"));

    let direct = Origin::at(gone, None, |_| Act::Ok("direct".to_owned())).await;
    until("a good probe", || metrics.probes_good.get() >= 1).await;
    let back = async { while gateway.ask(&get("/")).await.text() != "direct" {} };
    tokio::time::timeout(crate::testing::PATIENCE, back).await.expect("a return");
    assert!(direct.seen().len() == 1);
}

#[tokio::test]
async fn verdicts_reach_the_table() {
    use crate::health::Verdict;
    let direct = with_check("direct", Arc::new(AtomicBool::new(false))).await;
    let mut gateway = TestGateway::start(quick()).await;
    let spec = checked(route("agent/alice", direct.address), "/healthz");
    gateway.set("alice.nsl.sh", vec![spec.clone()]).await;
    gateway.ask(&get("/")).await;
    let taken = gateway.verdicts.take().await;
    let (id, told) = taken.iter().next().unwrap();
    assert_eq!((&id.route, id.service.name.as_str()), (&spec.key, "alice.nsl.sh"));
    let Verdict::Unhealthy { why, until: None } = &told.is else { panic!("{told:?}") };
    assert_eq!(why, "HEAD /healthz answered 503");
}

#[tokio::test]
async fn a_route_is_asked_how_it_is_in_the_way_that_requests_go() {
    use crate::testing::{Authority, H2Origin, Identity, say_h2, spec_with};
    use rutter_route::UpstreamOptions;

    let h2c = H2Origin::named("h2c").await;
    let own = Identity::self_signed(&["whoever.example"]).acceptor_with_alpn(&["h2"]);
    let unverified =
        H2Origin::start(Some(own), |_, request, answer| say_h2(request, answer, "own")).await;
    let mut config = quick();
    config.upstream.roots = crate::Roots::Only(vec![Authority::new("public").certificate.clone()]);
    let mut gateway = TestGateway::start(config).await;
    let cases = [
        (&h2c, format!("h2c://{}", h2c.address), UpstreamOptions::default()),
        (
            &unverified,
            format!("https://{}", unverified.address),
            UpstreamOptions { no_tls_verify: true, ..Default::default() },
        ),
    ];
    for (origin, endpoint, options) in cases {
        let route = checked(spec_with("agent/alice", &endpoint, options), "/healthz");
        gateway.set("alice.nsl.sh", vec![route]).await;
        assert_eq!(gateway.ask(&get("/")).await.status(), 200);
        let heads = origin.heads();
        let check = heads.iter().find(|head| head.uri().path() == "/healthz").expect("a check");
        assert_eq!(check.uri().host(), Some("alice.nsl.sh"));
        assert_eq!(gateway.metrics().probes_bad.get(), 0);
    }
}
