//! Which service a request's host and path lead to, over sockets.

use std::sync::Arc;

use rutter_route::Delivery;

use crate::config::{GatewayConfig, ShortLinkConfig};
use crate::feed::RouteSpec;
use crate::index::HostMatching;
use crate::routes::Hop;
use crate::testing::{Message, Origin, TestGateway, config, name, route};

fn stripping(mut route: RouteSpec) -> RouteSpec {
    route.delivery = Arc::new(Delivery { strips_prefix: true, ..Delivery::default() });
    route
}

fn hole(source: &str) -> RouteSpec {
    RouteSpec { hop: Hop::Hole, ..crate::testing::spec(source, "http://192.0.2.1:1") }
}

async fn ask(gateway: &TestGateway, host: &str, target: &str) -> Message {
    gateway.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
}

async fn any_domain() -> TestGateway {
    let hosts = HostMatching::AnyDomain;
    TestGateway::start(GatewayConfig { hosts, ..config() }).await
}

#[tokio::test]
async fn services_of_one_name_share_it_by_path_and_a_prefix_may_be_stripped() {
    let mut gateway = any_domain().await;
    let (whole, api, old) =
        (Origin::named("whole").await, Origin::named("api").await, Origin::named("old").await);
    gateway.set("app", vec![route("provider/a", whole.address)]).await;
    gateway.set("app/api", vec![stripping(route("provider/a", api.address))]).await;
    gateway.set("app/api/old", vec![route("provider/a", old.address)]).await;
    let cases = [
        ("/", "whole", "/"),
        ("/apiary?q=1", "whole", "/apiary?q=1"),
        ("/%61pple", "whole", "/%61pple"),
        ("/api", "api", "/"),
        ("/api?q=/api", "api", "/?q=/api"),
        ("/api/users?q=1", "api", "/users?q=1"),
        ("/api//x", "api", "//x"),
        ("/api/old/x", "old", "/api/old/x"),
    ];
    for (target, want, told) in cases {
        let answer = ask(&gateway, "app.example.com", target).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, want), "{target}");
        let origin = [&whole, &api, &old].into_iter().find(|o| o.seen().len() == 1).unwrap();
        let seen = origin.seen().pop().unwrap();
        assert_eq!(seen.start_line(), format!("GET {told} HTTP/1.1"));
        let prefix = (want == "api").then_some("/api");
        assert_eq!(seen.header("x-forwarded-prefix"), prefix, "{target}");
        origin.forget();
    }
}

#[tokio::test]
async fn who_asks_cannot_say_what_prefix_was_taken_away() {
    let mut gateway = any_domain().await;
    let origin = Origin::named("api").await;
    gateway.set("app/api", vec![stripping(route("provider/a", origin.address))]).await;
    let request = "GET /api/x HTTP/1.1\r\nHost: app\r\nX-Forwarded-Prefix: /evil\r\n\r\n";
    assert_eq!(gateway.ask(request).await.status(), 200);
    assert_eq!(origin.seen()[0].header("x-forwarded-prefix"), Some("/api"));
}

#[tokio::test]
async fn a_path_that_is_nobodys_is_answered_as_a_host_that_is_nobodys() {
    let mut gateway = any_domain().await;
    let origin = Origin::named("api").await;
    gateway.set("app/api", vec![route("provider/a", origin.address)]).await;
    let (path, host) = (ask(&gateway, "app", "/x").await, ask(&gateway, "nobody", "/x").await);
    assert_eq!((path.status(), host.status()), (404, 404));
    let without_id = |m: &Message| {
        let lines = m.head.lines().filter(|l| !l.to_ascii_lowercase().starts_with("x-request-id"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_id(&path), without_id(&host));
    assert_eq!(path.text(), host.text());
}

#[tokio::test]
async fn the_place_of_a_refused_route_is_nobody_elses() {
    let mut gateway = any_domain().await;
    let origin = Origin::named("open").await;
    let open = || vec![route("provider/open", origin.address)];
    gateway.set("*.example.com", open()).await;
    gateway.set("app", open()).await;
    gateway.set("site.org", open()).await;
    for service in ["www.example.com", "admin.site.org", "site.org/admin", "app.example.com"] {
        gateway.set(service, vec![hole("provider/safe")]).await;
    }
    // One that another route would stand in for by rank.
    gateway.set("both", vec![hole("provider/safe"), open().remove(0)]).await;
    let kept = [
        ("www.example.com", "/"),
        ("WWW.example.com.", "/x"),
        ("admin.site.org", "/"),
        ("site.org", "/admin/x"),
        ("app.example.com", "/"),
        ("both", "/"),
    ];
    for (host, path) in kept {
        let answer = ask(&gateway, host, path).await;
        assert_eq!(answer.status(), 503, "{host}{path}");
        assert_eq!(answer.header("x-rutter-error"), Some("KEPT_PLACE"));
        assert!(!answer.text().contains("safe"), "why is nobody else's");
    }
    assert_eq!(origin.seen().len(), 0);
    for (host, path) in [("b.example.com", "/"), ("app.other.com", "/"), ("site.org", "/adm")] {
        assert_eq!(ask(&gateway, host, path).await.text(), "open", "{host}{path}");
    }
}

#[tokio::test]
async fn a_refused_route_does_not_fall_to_the_default_backend() {
    let origin = Origin::named("default").await;
    let default_backend = Some(format!("http://{}", origin.address).parse().unwrap());
    let mut gateway = TestGateway::start(GatewayConfig { default_backend, ..config() }).await;
    gateway.set("a.org", vec![hole("provider/safe")]).await;
    gateway.set("b.org/api", vec![hole("provider/safe")]).await;
    assert_eq!(ask(&gateway, "a.org", "/").await.status(), 503);
    assert_eq!(ask(&gateway, "b.org", "/api").await.status(), 503);
    assert_eq!(ask(&gateway, "b.org", "/").await.text(), "default");
    assert_eq!(ask(&gateway, "c.org", "/").await.text(), "default");
}

#[tokio::test]
async fn short_links_are_asked_of_their_host_unless_it_is_a_services() {
    let links = ShortLinkConfig { host: name("go"), suffix: Some(name("example.com")) };
    let config = GatewayConfig { short_links: Some(links), ..config() };
    let mut gateway = TestGateway::start(config).await;
    let origin = Origin::named("service").await;
    gateway.set("app", vec![route("provider/a", origin.address)]).await;
    let answer = ask(&gateway, "Go:80", "/app/x?q=1").await;
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.header("location"), Some("https://app.example.com/x?q=1"));
    assert_eq!(ask(&gateway, "go", "/").await.status(), 400);
    assert_eq!(ask(&gateway, "go", "/none").await.status(), 404);
    gateway.set("go", vec![route("provider/a", origin.address)]).await;
    assert_eq!(ask(&gateway, "go", "/app").await.text(), "service");
}
