//! A gateway whose routes come from a backend over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rutter_book::{Clock, SystemClock};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{DestinationKind, Service, TableName};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::compat::mesh_router::{CaPin, MeshRouterConfig};
use crate::config::GatewayConfig;
use crate::gateway::{Gateway, GatewayHandle};
use crate::table::{ControllerAt, Sources, TableRef};
use crate::testing::{
    Act, Authority, Message, Origin, PATIENCE, RawClient, any_port, free, get, until,
};

/// A gateway, and the book with its own table.
struct Running {
    handle: GatewayHandle,
    own: TableRef,
    _stop: tokio_util::sync::DropGuard,
}

fn usual(backend: &Origin) -> MeshRouterConfig {
    MeshRouterConfig::new(format!("http://{}", backend.address).parse().unwrap())
}

impl Running {
    async fn start(mesh_router: MeshRouterConfig) -> Self {
        Self::with(mesh_router, |_| {}).await
    }

    async fn with(mesh_router: MeshRouterConfig, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let stop = CancellationToken::new();
        let table: TableName = "gateway/services".parse().unwrap();
        let kind = DestinationKind::Service;
        let spec = TableSpec { name: table.clone(), kind, policy: Policy::default() };
        let now = SystemClock.now();
        let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
        let (book, _owner) = rutter_book::spawn(book, SystemClock, 1, stop.clone());
        let own = TableRef { book, table };
        let sources =
            Sources { controller: ControllerAt::MeshRouter(mesh_router), own: own.clone() };
        let mut config = crate::testing::config();
        config.upstream.roots = crate::Roots::Only(Vec::new());
        change(&mut config);
        let handle = Gateway::start(config, sources).await.unwrap();
        Self { handle, own, _stop: stop.drop_guard() }
    }

    async fn ask(&self, host: &str) -> Message {
        let stream = TcpStream::connect(self.handle.addresses()[0]).await.unwrap();
        RawClient::new(stream).ask(&get("/").replace("alice.nsl.sh", host)).await
    }

    async fn explained(&self) -> String {
        let alice: Service = "alice.nsl.sh".parse().unwrap();
        format!("{:?}", self.own.book.explain(self.own.table.clone(), alice).await.unwrap())
    }
}

fn json(status: &str, body: &str) -> Act {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
    Act::Raw(format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes())
}

fn route(to: &Origin, source: &str, priority: u8) -> String {
    format!(
        r#"{{"ip":"127.0.0.1","port":{},"priority":{priority},"source":"{source}","scheme":"http"}}"#,
        to.address.port()
    )
}

fn resolved(routes: &[String]) -> Act {
    let routes = routes.join(",");
    json(
        "200 OK",
        &format!(
            r#"{{"userId":"u","domainName":"alice","serverDomain":"nsl.sh","routes":[{routes}],
            "routesTtl":540,"lastSeenOnline":null}}"#
        ),
    )
}

const NOT_FOUND: &str = r#"{"error":"Domain not found."}"#;

/// A backend that knows alice by these routes, and nobody else.
async fn backend(routes: Vec<String>) -> Origin {
    Origin::start(move |m| match path(m) {
        "/resolve/v2/alice" => resolved(&routes),
        "/resolve/v2/bare" => resolved(&[]),
        _ => json("404 Not Found", NOT_FOUND),
    })
    .await
}

fn path(request: &Message) -> &str {
    request.start_line().split(' ').nth(1).unwrap()
}

/// How often the backend was asked for names, by path.
fn n_asked(backend: &Origin, of: &str) -> usize {
    backend.seen().iter().filter(|m| path(m) == of).count()
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_its_routes_are_used_like_any_others() {
    let (direct, tunnel) = (Origin::named("direct").await, Origin::named("tunnel").await);
    let backend = backend(vec![route(&tunnel, "tunnel", 2), route(&direct, "agent", 1)]).await;
    let gateway = Running::start(usual(&backend)).await;
    for host in ["alice.nsl.sh", "app-alice.nsl.sh", "x.alice.nsl.sh", "alice.nsl.sh"] {
        assert_eq!(gateway.ask(host).await.text(), "direct", "{host}");
    }
    assert_eq!(n_asked(&backend, "/resolve/v2/alice"), 1);
    // The direct way dies: failover is the same code.
    direct.kill().await;
    assert_eq!(gateway.ask("alice.nsl.sh").await.text(), "tunnel");
    let explained = gateway.explained().await;
    assert!(explained.contains("mesh-router"), "{explained}");
    assert_eq!(gateway.handle.metrics().resolves.get(), 1);
}

#[tokio::test]
async fn many_requests_for_one_name_share_a_question() {
    let direct = Origin::named("direct").await;
    let routes = vec![route(&direct, "agent", 1)];
    let released = Arc::new(AtomicBool::new(false));
    let is_released = released.clone();
    // The first try gets no answer at all, so that the others come while it is out.
    let backend = Origin::start(move |m| match path(m) {
        "/resolve/v2/alice" if !is_released.swap(true, Ordering::SeqCst) => Act::Close,
        "/resolve/v2/alice" => resolved(&routes),
        _ => json("404 Not Found", NOT_FOUND),
    })
    .await;
    let gateway = Arc::new(Running::start(usual(&backend)).await);
    let people: Vec<_> = (0..50)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { gateway.ask("alice.nsl.sh").await.text() })
        })
        .collect();
    for person in people {
        assert_eq!(person.await.unwrap(), "direct");
    }
    assert_eq!(n_asked(&backend, "/resolve/v2/alice"), 2, "a try that broke, and one that didn't");
    assert_eq!(gateway.handle.metrics().resolves.get(), 1);
}

#[tokio::test]
async fn who_is_unknown_has_no_routes_or_cant_be_a_name_is_told_so() {
    let backend = backend(Vec::new()).await;
    let gateway = Running::start(usual(&backend)).await;
    for _ in 0..3 {
        let answer = gateway.ask("nobody.nsl.sh").await;
        assert_eq!(answer.status(), 404);
        assert!(answer.text().contains("UNKNOWN_HOST"));
    }
    assert_eq!(n_asked(&backend, "/resolve/v2/nobody"), 1, "remembered");
    assert_eq!(n_asked(&backend, "/resolve/nobody"), 0, "the newer path is known there");
    for _ in 0..2 {
        let answer = gateway.ask("bare.nsl.sh").await;
        assert_eq!(answer.status(), 503);
        assert!(answer.text().contains("NO_ROUTES"));
    }
    let before = backend.seen().len();
    for host in ["nsl.sh", "alice.example", "no_name.nsl.sh", "evilnsl.sh", "127.0.0.1"] {
        assert_eq!(gateway.ask(host).await.status(), 404, "{host}");
    }
    assert_eq!(backend.seen().len(), before, "none of these is asked for");
}

#[tokio::test]
async fn who_leads_nowhere_is_taken_to_the_default_backend_and_who_cant_be_resolved_isnt() {
    let landing =
        Origin::start(|m| Act::Ok(format!("landing for {}", m.header("host").unwrap()))).await;
    let backend = Origin::start(|m| match path(m) {
        "/resolve/v2/bare" => resolved(&[]),
        "/resolve/v2/broken" => json("500 Internal Server Error", "{}"),
        _ => json("404 Not Found", NOT_FOUND),
    })
    .await;
    let to = format!("http://{}", landing.address).parse().unwrap();
    let gateway = Running::with(usual(&backend), |config| config.default_backend = Some(to)).await;
    for host in ["nobody.nsl.sh", "bare.nsl.sh", "nsl.sh", "alice.example"] {
        assert_eq!(gateway.ask(host).await.text(), format!("landing for {host}"));
    }
    assert_eq!(gateway.ask("broken.nsl.sh").await.status(), 503);
}

#[tokio::test]
async fn an_old_backend_is_asked_by_its_old_path() {
    let direct = Origin::named("direct").await;
    let port = direct.address.port();
    let backend = Origin::start(move |m| match path(m) {
        // By https, as the original has it: what answers there doesn't speak it.
        "/resolve/alice" => json(
            "200 OK",
            &format!(r#"{{"hostIp":"127.0.0.1","targetPort":{port},"domainName":"alice"}}"#),
        ),
        _ => Act::Raw(
            b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\nCannot GET."
                .to_vec(),
        ),
    })
    .await;
    let gateway = Running::start(usual(&backend)).await;
    let answer = gateway.ask("alice.nsl.sh").await;
    assert!(answer.text().contains("ROUTES_EXHAUSTED"), "{}", answer.text());
    assert!(gateway.explained().await.contains("Https"), "{}", gateway.explained().await);
    assert_eq!(gateway.ask("nobody.nsl.sh").await.status(), 404);
}

#[tokio::test]
async fn odd_answers_are_503_and_not_believed() {
    let odd: [(&str, Act); 5] = [
        ("500", json("500 Internal Server Error", r#"{"error":"Error: MaxRetriesPerRequest"}"#)),
        ("401", json("401 Unauthorized", r#"{"error":"Unauthorized"}"#)),
        ("no JSON", json("200 OK", "<html>")),
        ("other JSON", json("200 OK", "[]")),
        ("too long", json("200 OK", &" ".repeat(70_000))),
    ];
    for (what, act) in odd {
        let backend = Origin::start(move |_| act.clone()).await;
        let gateway = Running::start(usual(&backend)).await;
        let answer = gateway.ask("alice.nsl.sh").await;
        assert_eq!(answer.status(), 503, "{what}");
        assert!(answer.text().contains("NOT_RESOLVED"), "{what}: {}", answer.text());
        assert!(gateway.handle.metrics().resolve_failures.get() >= 1, "{what}");
    }
}

#[tokio::test]
async fn a_gateway_started_without_its_backend_recovers_by_itself() {
    let direct = Origin::named("direct").await;
    let nobody = free().await;
    let config = MeshRouterConfig::new(format!("http://{nobody}").parse().unwrap());
    let gateway = Running::start(config).await;
    assert_eq!(gateway.ask("alice.nsl.sh").await.status(), 503);
    let routes = vec![route(&direct, "agent", 1)];
    let _backend = Origin::at(nobody, None, move |_| resolved(&routes)).await;
    let up = async { while gateway.ask("alice.nsl.sh").await.text() != "direct" {} };
    tokio::time::timeout(PATIENCE, up).await.expect("it recovers");
}

#[tokio::test]
async fn a_backend_that_dies_is_served_for_and_one_that_moves_a_name_is_followed() {
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let first = backend(vec![route(&old, "agent", 1)]).await;
    let config = MeshRouterConfig { cache_ttl: Duration::from_millis(200), ..usual(&first) };
    let gateway = Running::start(config).await;
    assert_eq!(gateway.ask("alice.nsl.sh").await.text(), "old");
    let address = first.kill().await;
    // Until the refresh has failed; the requests go on meanwhile.
    let stale = async {
        while !gateway.explained().await.contains("Stale") {
            assert_eq!(gateway.ask("alice.nsl.sh").await.text(), "old");
        }
    };
    tokio::time::timeout(PATIENCE, stale).await.expect("explain says that it is stale");
    assert_eq!(gateway.ask("alice.nsl.sh").await.text(), "old");
    let routes = vec![route(&new, "agent", 1)];
    let _second = Origin::at(address, None, move |_| resolved(&routes)).await;
    let moved = async { while gateway.ask("alice.nsl.sh").await.text() != "new" {} };
    tokio::time::timeout(PATIENCE * 2, moved).await.expect("the move is followed");
}

/// A backend with a CA, and an agent of alice's with a certificate of it.
async fn with_ca(authority: &Authority, for_name: &str) -> (Origin, Origin) {
    let identity = authority.sign(&[for_name]);
    let direct =
        Origin::at(any_port(), Some(identity.acceptor()), |_| Act::Ok("direct".to_owned())).await;
    let (pem, port) = (authority.certificate_pem.clone(), direct.address.port());
    let backend = Origin::start(move |m| match path(m) {
        "/ca-cert" => {
            let length = pem.len();
            Act::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{pem}").into())
        }
        "/resolve/v2/alice" => resolved(&[format!(
            r#"{{"ip":"127.0.0.1","port":{port},"priority":1,"source":"agent"}}"#
        )]),
        _ => json("404 Not Found", NOT_FOUND),
    })
    .await;
    (backend, direct)
}

#[tokio::test]
async fn the_backends_ca_counts_for_the_services_own_name_and_only_if_pinned_right() {
    let authority = Authority::new("Mesh Router CA");
    let fingerprint = CaPin::of(&authority.certificate).to_string();
    let cases = [
        ("*.nsl.sh", None, "direct"),
        ("alice.nsl.sh", Some(fingerprint), "direct"),
        ("bob.example", None, "ROUTES_EXHAUSTED"),
        ("alice.nsl.sh", Some("ab".repeat(32)), "ROUTES_EXHAUSTED"),
    ];
    for (certified, pin, want) in cases {
        let (backend, _direct) = with_ca(&authority, certified).await;
        let ca_pin = pin.as_ref().map(|pin| pin.parse().unwrap());
        let gateway = Running::start(MeshRouterConfig { ca_pin, ..usual(&backend) }).await;
        until("the CA is asked for", || n_asked(&backend, "/ca-cert") > 0).await;
        let seen = async { while !gateway.ask("alice.nsl.sh").await.text().contains(want) {} };
        tokio::time::timeout(PATIENCE, seen)
            .await
            .unwrap_or_else(|_| panic!("{certified} {pin:?}"));
    }
}
