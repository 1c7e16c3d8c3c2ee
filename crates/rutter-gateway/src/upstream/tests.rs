//! Upstreams over TLS and by name, with certificates that are good and that aren't.

mod options;

use rustls::pki_types::CertificateDer;

use super::Roots;
use crate::testing::{Act, Authority, Identity, Origin, TestGateway, any_port, config, get, spec};

/// An origin over TLS that answers `secure`.
async fn secure(identity: &Identity) -> Origin {
    Origin::at(any_port(), Some(identity.acceptor()), |_| Act::Ok("secure".to_owned())).await
}

/// A gateway that trusts these, with `alice.nsl.sh` at that endpoint.
async fn gateway(
    public: &Authority,
    controller: Option<&Authority>,
    endpoint: &str,
) -> TestGateway {
    let mut config = config();
    config.upstream.roots = Roots::Only(vec![public.certificate.clone()]);
    config.upstream.controller_ca =
        controller.map(|c| c.certificate.clone()).into_iter().collect::<Vec<CertificateDer>>();
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![spec("agent/alice", endpoint)]).await;
    gateway
}

#[tokio::test]
async fn an_upstreams_certificate_is_verified_always_and_by_the_right_name() {
    let (public, controller, stranger) =
        (Authority::new("public"), Authority::new("controller"), Authority::new("stranger"));
    // Who signed, for which names, `?tls=` of the route, the host asked for, and whether it holds.
    let cases: &[(&Authority, &[&str], &str, &str, bool)] = &[
        // Public roots: the name asked for, or the route's.
        (&public, &["alice.nsl.sh"], "", "alice.nsl.sh", true),
        (&public, &["*.alice.nsl.sh"], "", "app.alice.nsl.sh", true),
        (&public, &["alice.nsl.sh"], "", "app.alice.nsl.sh", false),
        (&public, &["home.example"], "?tls=home.example", "alice.nsl.sh", true),
        (&public, &["alice.nsl.sh"], "?tls=home.example", "alice.nsl.sh", false),
        (&public, &["bob.nsl.sh"], "", "alice.nsl.sh", false),
        // The controller's CA: the service's own name, whatever was asked or the route says.
        (&controller, &["alice.nsl.sh"], "", "alice.nsl.sh", true),
        (&controller, &["alice.nsl.sh"], "", "app-alice.nsl.sh", true),
        (&controller, &["alice.nsl.sh"], "?tls=home.example", "alice.nsl.sh", true),
        (&controller, &["bob.nsl.sh"], "", "alice.nsl.sh", false),
        (&controller, &["bob.nsl.sh"], "?tls=bob.nsl.sh", "alice.nsl.sh", false),
        (&controller, &["*.nsl.sh"], "?tls=bob.nsl.sh", "alice.nsl.sh", true),
        // Nobody that is trusted.
        (&stranger, &["alice.nsl.sh"], "", "alice.nsl.sh", false),
    ];
    for (by, names, tls, host, holds) in cases {
        let identity = by.sign(names);
        let origin = secure(&identity).await;
        let endpoint = format!("https://{}{tls}", origin.address);
        let gateway = gateway(&public, Some(&controller), &endpoint).await;
        let request = get("/").replace("alice.nsl.sh", host);
        let answer = gateway.ask(&request).await;
        let case = format!("{names:?} {tls} {host}");
        assert_eq!(answer.status(), if *holds { 200 } else { 502 }, "{case}: {}", answer.text());
        assert_eq!(origin.seen().len(), usize::from(*holds), "{case}");
        let metrics = gateway.metrics();
        assert_eq!(metrics.upstream_connect_failures.get(), u64::from(!*holds), "{case}");
    }
}

#[tokio::test]
async fn without_a_controllers_ca_only_public_roots_count() {
    let (public, other) = (Authority::new("public"), Authority::new("other"));
    for (by, status) in [(&public, 200), (&other, 502)] {
        let origin = secure(&by.sign(&["alice.nsl.sh"])).await;
        let gateway = gateway(&public, None, &format!("https://{}", origin.address)).await;
        assert_eq!(gateway.ask(&get("/")).await.status(), status);
    }
}

#[tokio::test]
async fn tls_connections_are_pooled_by_the_name_they_were_verified_for() {
    let public = Authority::new("public");
    let origin = secure(&public.sign(&["alice.nsl.sh", "*.alice.nsl.sh"])).await;
    let gateway = gateway(&public, None, &format!("https://{}", origin.address)).await;
    let mut client = gateway.client().await;
    for host in ["alice.nsl.sh", "alice.nsl.sh", "app.alice.nsl.sh", "alice.nsl.sh"] {
        let answer = client.ask(&get("/").replace("alice.nsl.sh", host)).await;
        assert_eq!(answer.text(), "secure");
    }
    assert_eq!(origin.n_connections(), 2);
}

#[tokio::test]
async fn an_upstream_may_be_a_name() {
    let origin = Origin::named("by name").await;
    let port = origin.address.port();
    let good = format!("http://localhost:{port}");
    let gateway = TestGateway::alice(vec![spec("agent/alice", &good)]).await;
    for _ in 0..2 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "by name");
    }
    assert_eq!(origin.seen()[0].header("host"), Some("alice.nsl.sh"));
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_a_failed_connect() {
    let origin = Origin::named("next").await;
    let routes = vec![
        spec("agent/alice", "http://no-such-name.invalid:80"),
        spec("tunnel/alice", &format!("http://{}", origin.address)),
    ];
    let gateway = TestGateway::alice(routes).await;
    let request = get("/").replace("GET", "POST");
    assert_eq!(gateway.ask(&request).await.text(), "next");
}

#[tokio::test]
async fn no_upstream_is_where_none_may_be() {
    let routes =
        ["http://169.254.169.254:80", "http://[fe80::1]:80", "http://[::ffff:169.254.1.1]:80"];
    for endpoint in routes {
        let gateway = TestGateway::alice(vec![spec("agent/alice", endpoint)]).await;
        let answer = gateway.ask(&get("/latest/meta-data")).await;
        assert_eq!(answer.status(), 502, "{endpoint}");
    }
    let mut config = config();
    config.upstream.forbidden = vec!["127.0.0.0/8".parse().unwrap()];
    let origin = Origin::named("never").await;
    let mut gateway = TestGateway::start(config).await;
    // By name too, whatever it resolves to.
    let by_name = format!("http://localhost:{}", origin.address.port());
    gateway.set("alice.nsl.sh", vec![spec("agent/alice", &by_name)]).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 502);
    assert_eq!(origin.n_connections(), 0);
}

#[tokio::test]
async fn idle_connections_are_bounded_and_grow_old() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.upstream.max_idle_per_upstream = 2;
    let mut gateway = TestGateway::start(config).await;
    gateway
        .set("alice.nsl.sh", vec![spec("agent/alice", &format!("http://{}", origin.address))])
        .await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(gateway.client().await);
    }
    for round in 1..=2 {
        // All five at once, each on a connection of its own.
        for client in &mut clients {
            client.send(get("/")).await;
        }
        for client in &mut clients {
            assert_eq!(client.answer().await.unwrap().text(), "direct");
        }
        assert_eq!(origin.seen().len(), 5 * round);
    }
    let reuses = gateway.metrics().upstream_reuses.get();
    assert!(reuses + origin.n_connections() as u64 == 10, "{reuses}");
}

#[tokio::test]
async fn a_connection_that_was_closed_a_moment_ago_is_found_closed_by_a_look() {
    use std::io::{Read, Write};

    use super::{Connector, Target};
    use crate::failover::replay::RequestBody;

    let listener = std::net::TcpListener::bind(any_port()).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (close, told) = std::sync::mpsc::channel::<()>();
    let origin = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        told.recv().unwrap();
    });
    let timeout = std::time::Duration::from_secs(5);
    let roots = Roots::Only(Vec::new());
    let connector =
        Connector::new(&roots, &[], crate::server::provider(), None, Vec::new(), timeout).unwrap();
    let alice = crate::testing::name("alice.nsl.sh");
    let mut connection =
        connector.connect(&Target::new(&endpoint, alice.as_str(), &alice)).await.unwrap();
    let request = http::Request::builder().header("host", "alice.nsl.sh");
    connection.send(request.body(RequestBody::Empty).unwrap()).await.unwrap();
    assert!(connection.is_still_open().await);
    // The close, while this thread, and so its runtime, looks elsewhere.
    close.send(()).unwrap();
    origin.join().unwrap();
    assert!(connection.is_ready(), "nobody has looked yet");
    // On a task, as requests are: the runtime's root is polled ahead of all tasks.
    let look = tokio::spawn(async move { connection.is_still_open().await });
    assert!(!look.await.unwrap());
}

#[test]
fn a_name_does_not_lead_to_this_machine_unless_it_says_so() {
    let forbidden = ["169.254.0.0/16".parse().unwrap()];
    let cases = [
        ("localhost", "127.0.0.1", true),
        ("web.localhost", "::1", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("home.example", "203.0.113.7", true),
        ("home.example", "127.0.0.1", false),
        ("home.example", "::1", false),
        ("notlocalhost", "127.0.0.1", false),
        ("home.example", "169.254.169.254", false),
        ("169.254.169.254", "169.254.169.254", false),
    ];
    for (host, ip, may) in cases {
        let (host, ip) = (host.parse().unwrap(), ip.parse().unwrap());
        let is = super::connect::may_be_upstream(&host, ip, &forbidden);
        assert_eq!(is, may, "{host} at {ip}");
    }
}
