use std::sync::Arc;

use http::Request;
use rutter_route::{Delivery, Endpoint, RouteKey, Service, Standing};

use super::*;
use crate::health::HealthCell;
use crate::routes::RouteId;

fn routes(service: &str, hops: &[Hop]) -> Routes {
    let service: Service = service.parse().unwrap();
    let route = |(n, hop): (usize, &Hop)| {
        let path = format!("m{n}").parse().unwrap();
        let key = RouteKey { source: "provider/app.yml".parse().unwrap(), path };
        let id = RouteId { service: service.clone(), route: key };
        Arc::new(Route {
            health: Arc::new(HealthCell::new(id.clone(), false)),
            id,
            label: "provider".into(),
            hop: hop.clone(),
            delivery: Arc::new(Delivery::default()),
            group: None,
            weight: 1,
            equal: n == 0,
            health_check: None,
            standing: Standing::Eligible,
            load: Arc::default(),
            hash: 0,
        })
    };
    Routes::new(service.clone(), hops.iter().enumerate().map(route).collect())
}

fn endpoint(text: &str) -> Hop {
    Hop::Endpoint(text.parse::<Endpoint>().unwrap())
}

fn texts(context: RouteContext<'_>) -> [String; 7] {
    [
        context.upstream_name().to_string(),
        context.upstream_scheme().to_string(),
        context.upstream_host().to_string(),
        context.upstream_port().to_string(),
        context.upstream_host_port().to_string(),
        context.upstream_addr().to_string(),
        context.upstream_url().to_string(),
    ]
}

#[test]
fn what_is_said_of_an_upstream() {
    let cases = [
        (
            endpoint("http://10.0.0.1:8080"),
            ["app", "http", "10.0.0.1", "8080", "10.0.0.1:8080", "http://10.0.0.1:8080"],
        ),
        (
            endpoint("https://[::1]:443?tls=a.org"),
            ["app", "https", "::1", "443", "[::1]:443", "https://[::1]:443"],
        ),
        (endpoint("h2c://db.lan:1"), ["app", "h2c", "db.lan", "1", "db.lan:1", "h2c://db.lan:1"]),
        (Hop::Files("/srv/www".parse().unwrap()), ["app", "file", "", "", "", "file:///srv/www"]),
        (Hop::Hole, [""; 6]),
    ];
    for (hop, [name, scheme, host, port, host_port, url]) in cases {
        let routes = routes("app/api", std::slice::from_ref(&hop));
        let want = [name, scheme, host, port, host_port, host_port, url];
        assert_eq!(texts(RouteContext::matched(&routes)), want, "{hop:?}");
    }
}

#[test]
fn without_a_route_everything_is_empty() {
    assert_eq!(texts(RouteContext::default()), [""; 7]);
    let none = routes("app", &[]);
    assert!(RouteContext::matched(&none).route().is_none());
    let request = WithRoute::new(Request::new(()), RouteContext::default());
    assert!(request.context().route().is_none());
}

/// Handlers behind each other, none of which knows who matched the request.
#[test]
fn the_route_reaches_every_handler_and_what_they_make_of_the_request() {
    fn outer<'r>(mut request: WithRoute<'r, Request<&'static str>>) -> WithRoute<'r, String> {
        request.headers_mut().insert("x-seen", "1".parse().unwrap());
        inner(request)
    }
    fn inner<'r>(request: WithRoute<'r, Request<&'static str>>) -> WithRoute<'r, String> {
        let upstream = request.context().upstream_host_port();
        let seen = request.headers().contains_key("x-seen");
        let text = format!("{} {seen} {upstream}", request.body());
        request.map(|_| text)
    }
    let routes = routes("app", &[endpoint("http://10.0.0.1:80"), endpoint("http://10.0.0.2:80")]);
    let context = RouteContext::matched(&routes);
    let answer = outer(WithRoute::new(Request::new("body"), context));
    assert_eq!(*answer, "body true 10.0.0.1:80");
    assert_eq!(answer.context().upstream_name().to_string(), "app");
    assert_eq!(answer.into_inner(), "body true 10.0.0.1:80");
    // After a failover it is the one that has the request now.
    let by = RouteContext::by(&routes.ranked[1]);
    assert_eq!(by.upstream_host().to_string(), "10.0.0.2");
}

/// It is nothing but one reference, which any thread may read.
#[test]
fn it_is_one_word_that_threads_share() {
    assert_eq!(size_of::<RouteContext<'_>>(), size_of::<usize>());
    let routes = routes("app", &[endpoint("http://10.0.0.1:80")]);
    let request = WithRoute::new(Request::new(()), RouteContext::matched(&routes));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let route = request.context().route().unwrap();
                    assert!(std::ptr::eq(route, &*routes.ranked[0]));
                }
            });
        }
    });
    assert_eq!(Arc::strong_count(&routes.ranked[0]), 1, "nobody counts itself");
}
