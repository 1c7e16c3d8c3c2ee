//! Groups over sockets: shares, members that die and return, clients that stay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rutter_route::{BalanceMode, BalanceOptions, Delivery};
use tokio::task::JoinSet;

use crate::config::GatewayConfig;
use crate::feed::RouteSpec;
use crate::testing::{Act, Message, Origin, RawClient, TestGateway, config, get, route, until};

const ALL: [BalanceMode; 4] = [
    BalanceMode::RoundRobin,
    BalanceMode::LeastConnections,
    BalanceMode::IpHash,
    BalanceMode::TwoChoices,
];

/// A member of a group.
fn member(origin: &Origin, options: BalanceOptions, weight: u16) -> RouteSpec {
    let delivery = Arc::new(Delivery { balance: options, ..Delivery::default() });
    let group = Some("app".parse().unwrap());
    RouteSpec { delivery, group, weight, ..route("provider/app", origin.address) }
}

fn mode(mode: BalanceMode) -> BalanceOptions {
    BalanceOptions { mode, ..BalanceOptions::default() }
}

/// Three that answer with their names.
async fn three() -> Vec<Origin> {
    vec![Origin::named("a").await, Origin::named("b").await, Origin::named("c").await]
}

/// Who answered so many requests over one connection, all of them well.
async fn answers(gateway: &TestGateway, n: usize, headers: &str) -> BTreeMap<String, usize> {
    let mut client = gateway.client().await;
    let request = format!("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\n{headers}\r\n");
    let mut answers = BTreeMap::new();
    for _ in 0..n {
        let answer = client.ask(&request).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        *answers.entry(answer.text()).or_default() += 1;
    }
    answers
}

/// From as many addresses as there are requests, which a trusted proxy tells.
async fn answers_by_address(gateway: &TestGateway, n: usize) -> BTreeMap<String, usize> {
    let mut client = gateway.client().await;
    let mut answers = BTreeMap::new();
    for i in 0..n {
        let from = std::net::Ipv4Addr::from(0x0a00_0000 + i as u32);
        let headers = format!("X-Forwarded-For: {from}\r\n");
        let request = format!("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\n{headers}\r\n");
        let answer = client.ask(&request).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        *answers.entry(answer.text()).or_default() += 1;
    }
    answers
}

fn near(answers: &BTreeMap<String, usize>, who: &str, want: f64, within: f64) {
    let got = answers.get(who).copied().unwrap_or_default() as f64;
    assert!((got - want).abs() <= within * want, "{who}: {got}, not {want}; {answers:?}");
}

#[tokio::test]
async fn in_ten_thousand_requests_each_member_has_its_share_to_two_hundredths() {
    let origins = three().await;
    let specs = origins.iter().zip([1, 2, 3]).map(|(o, w)| member(o, mode(ALL[0]), w));
    let gateway = TestGateway::alice(specs.collect()).await;
    let answers = answers(&gateway, 10_000, "").await;
    for (who, want) in [("a", 1667.0), ("b", 3333.0), ("c", 5000.0)] {
        near(&answers, who, want, 0.02);
    }
}

#[tokio::test]
async fn in_every_mode_a_member_dies_unnoticed_and_the_others_share_by_weight() {
    for how in ALL {
        let mut origins = three().await;
        let specs = origins.iter().zip([2, 1, 3]).map(|(o, w)| member(o, mode(how), w)).collect();
        let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        let config = GatewayConfig { trusted_proxies, ..config() };
        let mut gateway = TestGateway::start(config).await;
        gateway.set("alice.nsl.sh", specs).await;
        // By addresses the shares are drawn, and so less even in so few.
        let within = if how == BalanceMode::IpHash { 0.15 } else { 0.02 };
        let before = answers_by_address(&gateway, 1200).await;
        for (who, want) in [("a", 400.0), ("b", 200.0), ("c", 600.0)] {
            near(&before, who, want, within);
        }
        origins.remove(0).kill().await;
        // Each of these is answered, whoever was chosen first.
        let until_noticed = answers_by_address(&gateway, 300).await;
        assert!(!until_noticed.contains_key("a"), "{how:?}");
        let after = answers_by_address(&gateway, 1200).await;
        for (who, want) in [("b", 300.0), ("c", 900.0)] {
            near(&after, who, want, within);
        }
    }
}

#[tokio::test]
async fn a_client_stays_with_its_member_by_a_cookie_and_is_told_anew_when_that_dies() {
    let mut origins = three().await;
    let options = BalanceOptions {
        is_sticky: true,
        sticky_max_age: Some(Duration::from_secs(60)),
        ..BalanceOptions::default()
    };
    let gateway = TestGateway::alice(origins.iter().map(|o| member(o, options, 1)).collect()).await;
    let cookie = |answer: &Message| answer.header("set-cookie").map(str::to_owned);
    let first = gateway.ask(&get("/")).await;
    let told = cookie(&first).unwrap();
    assert!(told.starts_with("godoxy_lb_sticky="));
    assert!(told.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"), "{told}");
    let pair = told.split(';').next().unwrap();
    let stay = format!("Cookie: a=b; {pair}\r\n");
    let stayed = answers(&gateway, 100, &stay).await;
    assert_eq!(stayed, BTreeMap::from([(first.text(), 100)]));
    let with_cookie = format!("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\n{stay}\r\n");
    assert_eq!(cookie(&gateway.ask(&with_cookie).await), None, "it was told before");
    let at = ["a", "b", "c"].iter().position(|who| *who == first.text()).unwrap();
    origins.remove(at).kill().await;
    let moved = gateway.ask(&with_cookie).await;
    assert_eq!(moved.status(), 200);
    assert_ne!(cookie(&moved).unwrap().split(';').next(), Some(pair));
    // Who comes without a cookie is spread.
    assert_eq!(answers(&gateway, 100, "").await.len(), 2);
}

#[tokio::test]
async fn without_a_member_a_group_is_503() {
    let origins = three().await;
    let specs: Vec<_> = origins.iter().map(|o| member(o, mode(ALL[0]), 1)).collect();
    let mut gateway = TestGateway::alice(specs).await;
    for origin in origins {
        origin.kill().await;
    }
    let answer = gateway.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (503, Some("NO_MEMBER")));
    gateway.set("alice.nsl.sh", Vec::new()).await;
    let answer = gateway.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (503, Some("NO_ROUTES")));
}

#[tokio::test]
async fn who_has_fewer_under_way_is_chosen_until_answers_have_ended() {
    let (slow, fast) = (Origin::start(|_| Act::Hang).await, Origin::named("fast").await);
    let options = mode(BalanceMode::LeastConnections);
    let specs = [&slow, &fast].map(|o| member(o, options, 1)).to_vec();
    let gateway = TestGateway::alice(specs).await;
    let mut waits = Vec::new();
    while slow.seen().is_empty() {
        let mut client = gateway.client().await;
        client.send(get("/")).await;
        waits.push(client);
        until("the request has come", || slow.seen().len() + fast.seen().len() >= waits.len())
            .await;
    }
    let before = fast.seen().len();
    assert_eq!(answers(&gateway, 50, "").await, BTreeMap::from([("fast".into(), 50)]));
    assert_eq!((slow.seen().len(), fast.seen().len()), (1, before + 50));
    // Whoever went away has nothing under way any more.
    drop(waits);
    until("the slow one gets another", || {
        let _asked = tokio::spawn(ask_once(gateway.address()));
        slow.seen().len() > 1
    })
    .await;
}

async fn ask_once(address: std::net::SocketAddr) {
    if let Ok(stream) = tokio::net::TcpStream::connect(address).await {
        let _sent = RawClient::new(stream).try_send(get("/")).await;
    }
}

#[tokio::test]
async fn a_thousand_changes_of_upstreams_under_load_fail_nothing_and_leave_others_alone() {
    let origins = three().await;
    let quiet = Origin::named("quiet").await;
    let options = BalanceOptions::default();
    let all: Vec<_> = origins.iter().map(|o| member(o, options, 1)).collect();
    let mut gateway = TestGateway::alice(all.clone()).await;
    gateway.set("quiet.nsl.sh", vec![route("agent/quiet", quiet.address)]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for n in 0..4 {
        let (stop, mut client) = (stop.clone(), gateway.client().await);
        // The last of them asks for the service that nobody touches.
        let host = if n == 3 { "quiet.nsl.sh" } else { "alice.nsl.sh" };
        load.spawn(async move {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let mut n_answers = 0;
            while !stop.load(Ordering::Relaxed) || n_answers == 0 {
                let answer = client.ask(&request).await;
                assert_eq!(answer.status(), 200, "{}", answer.text());
                n_answers += 1;
            }
            n_answers
        });
    }
    for n in 0..1000 {
        // One, two or all three, in any order, of changing weights.
        let mut some: Vec<_> = all.iter().cycle().skip(n).take(1 + n % 3).cloned().collect();
        some.iter_mut().for_each(|spec| spec.weight = 1 + (n % 5) as u16);
        gateway.set("alice.nsl.sh", some).await;
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    let n_answers = load.join_all().await;
    assert!(n_answers.iter().all(|n| *n > 0), "{n_answers:?}");
    assert_eq!(quiet.n_connections(), 1, "an untouched route keeps its connection");
    assert!(origins.iter().all(|o| !o.seen().is_empty()));
}
