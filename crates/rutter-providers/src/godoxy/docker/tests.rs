use proptest::prelude::*;

use super::*;
use crate::{ContainerId, Route, Target};

const THIS_HOST: Engine = Engine { is_explicit_only: false, host: None };

fn container(name: &str, image: &str, labels: &[(&str, &str)]) -> Container {
    Container {
        id: ContainerId::new(format!("{name}-0123456789")),
        name: name.to_owned(),
        image: image.to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ports: vec![Port { private: 8080, public: Some(18080), protocol: Protocol::Tcp }],
        networks: [
            ("front".to_owned(), "172.18.0.5".parse().unwrap()),
            ("shop_back".to_owned(), "172.19.0.5".parse().unwrap()),
        ]
        .into(),
        is_on_host_network: false,
        mounts: Vec::new(),
    }
}

fn read(container: &Container, engine: &Engine) -> Reading {
    read_container(container, engine, &Settings::default())
}

fn target(route: &Route) -> String {
    match &route.target {
        Target::Http { host, port, .. } => format!("http {host}:{port}"),
        Target::Tcp { host, port, .. } => format!("tcp {host}:{port}"),
        Target::Udp { host, port } => format!("udp {host}:{port}"),
        Target::Files { root, .. } => root.clone(),
    }
}

/// Everything that comes of a container, a line each.
fn all(container: &Container, engine: &Engine) -> Vec<String> {
    let reading = read(container, engine);
    let routes = reading.routes.iter().map(|route| format!("{} {}", route.name, target(route)));
    let excluded = reading.excluded.iter().map(|excluded| {
        assert_eq!(excluded.container.as_ref(), Some(&container.id));
        format!("{}: {}", excluded.name, excluded.reason)
    });
    let refused = reading.refused.iter().map(|refused| {
        let said = |problem: &rutter_yaml::Problem| {
            format!("{} {}", problem.path.join("."), problem.message)
        };
        let problems: Vec<String> = refused.problems.iter().map(said).collect();
        format!("{} refused: {}", refused.name, problems.join("; "))
    });
    routes.chain(excluded).chain(refused).collect()
}

#[test]
fn a_container_is_a_route_under_its_name() {
    let app = container("/App", "ghcr.io/me/app:1", &[]);
    let reading = read(&app, &THIS_HOST);
    assert_eq!(all(&app, &THIS_HOST), ["app http 172.18.0.5:8080"]);
    assert_eq!(reading.routes[0].container.as_ref(), Some(&app.id));
    assert_eq!(app.id.short(), "/App-012");
    assert_eq!(ContainerId::new("ab").short(), "ab");
}

#[test]
fn a_container_is_reached_where_its_engine_is() {
    let app = container("app", "app", &[]);
    let remote = Engine { host: "nas.lan".parse().ok(), ..THIS_HOST };
    assert_eq!(all(&app, &remote), ["app http nas.lan:18080"]);
    // Its own address there is one of nobody's here.
    let written = container("app", "app", &[("proxy.app.host", "10.0.0.9")]);
    assert_eq!(all(&written, &remote), ["app http 10.0.0.9:8080"]);
    let by_this_host = container("app", "app", &[("proxy.app.host", "localhost")]);
    assert_eq!(all(&by_this_host, &THIS_HOST), ["app http localhost:18080"]);
    let mut on_host = container("app", "app", &[]);
    on_host.is_on_host_network = true;
    on_host.networks.clear();
    assert_eq!(all(&on_host, &THIS_HOST), ["app http 127.0.0.1:18080"]);
}

#[test]
fn a_network_is_named_as_the_engine_or_the_compose_project_names_it() {
    let project = ("com.docker.compose.project", "shop");
    for network in ["back", "shop_back"] {
        let app = container("app", "app", &[project, ("proxy.network", network)]);
        assert_eq!(all(&app, &THIS_HOST), ["app http 172.19.0.5:8080"], "{network}");
    }
    let app = container("app", "app", &[project, ("proxy.network", "fornt")]);
    let want = "app refused: proxy.network unknown network `fornt`";
    assert_eq!(all(&app, &THIS_HOST), [want]);
    let mut stopped = app;
    stopped.networks.clear();
    assert_eq!(all(&stopped, &THIS_HOST), ["app: Container has no address"]);
}

#[test]
fn the_reasons_of_exclusion_in_their_order() {
    let mut app = container("buildx_x-old", "postgres", &[]);
    app.labels.insert("proxy.exclude".to_owned(), "true".to_owned());
    app.ports.clear();
    let reason = |container: &Container| read(container, &THIS_HOST).excluded[0].reason;
    assert_eq!(reason(&app), Exclusion::Manual);
    app.labels.clear();
    app.image = "any".to_owned();
    assert_eq!(reason(&app), Exclusion::NoPort);
    app.image = "postgres".to_owned();
    assert_eq!(reason(&app), Exclusion::Blacklisted);
    app.labels.insert("proxy.ports".to_owned(), "80".to_owned());
    assert_eq!(reason(&app), Exclusion::Buildx);
    app.name = "x-old".to_owned();
    assert_eq!(reason(&app), Exclusion::YamlAnchor);
    app.name = "app-old".to_owned();
    assert_eq!(reason(&app), Exclusion::Renaming);
    app.name = "app".to_owned();
    assert_eq!(all(&app, &THIS_HOST), ["app tcp 172.18.0.5:80"]);
}

#[test]
fn databases_are_no_routes_unless_they_are_labelled() {
    let images = [
        "postgres:16",
        "docker.io/library/redis",
        "bitnami/mariadb",
        "selenium/hub",
        "docker/anything",
        "ghcr.io/zenika/alpine-chrome",
        "containrrr/watchtower",
        "getwud/wud",
    ];
    for image in images {
        let blacklisted = ["app: Blacklisted (backend service or database)"];
        assert_eq!(all(&container("app", image, &[]), &THIS_HOST), blacklisted, "{image}");
        let labelled = container("app", image, &[("proxy.app.scheme", "http")]);
        assert_eq!(read(&labelled, &THIS_HOST).routes.len(), 1, "{image}");
    }
    let mut mounted = container("app", "me/app", &[]);
    mounted.mounts.push("/var/lib/mysql".to_owned());
    assert_eq!(read(&mounted, &THIS_HOST).excluded[0].reason, Exclusion::Blacklisted);
    let mut listening = container("app", "me/app", &[]);
    listening.ports.push(Port { private: 5432, public: None, protocol: Protocol::Tcp });
    assert_eq!(read(&listening, &THIS_HOST).excluded[0].reason, Exclusion::Blacklisted);
    for image in ["me/postgres-ui", "dockerx/app", "localhost:5000/app", "watchtower-ui"] {
        assert_eq!(read(&container("app", image, &[]), &THIS_HOST).routes.len(), 1, "{image}");
    }
}

#[test]
fn a_provider_that_ends_in_a_bang_takes_labelled_containers_only() {
    let engine = Engine::named("local!", None);
    assert!(!Engine::named("local", None).is_explicit_only);
    let plain = container("app", "app", &[("traefik.enable", "true")]);
    let why = "app: No proxy label, and the provider takes labelled containers only";
    assert_eq!(all(&plain, &engine), [why]);
    let labelled = container("app", "app", &[("proxy.aliases", "web")]);
    assert_eq!(all(&labelled, &engine), ["web http 172.18.0.5:8080"]);
}

#[test]
fn one_aliases_mistakes_leave_the_others_standing() {
    let app = container(
        "app",
        "app",
        &[
            ("proxy.aliases", "a, b, c"),
            ("proxy.a.prot", "80"),
            ("proxy.c.middlewares.oidc", ""),
            ("proxy.#2.port", "81"),
        ],
    );
    let never = "a route isn't started less protected than it was written";
    assert_eq!(
        all(&app, &THIS_HOST),
        [
            "b http 172.18.0.5:81".to_owned(),
            "a refused: proxy.a.prot unknown field `prot`".to_owned(),
            format!(
                "c refused: proxy.c.middlewares.oidc there is no middleware `oidc` yet: {never}"
            ),
        ]
    );
}

#[test]
fn a_label_that_can_be_given_to_no_alias_refuses_them_all() {
    let range = "index out of range: there are 2 aliases, from 1";
    let app =
        container("app", "app", &[("proxy.aliases", "a, b"), ("proxy.#3.middlewares.oidc", "")]);
    let label = "proxy.#3.middlewares.oidc";
    let want = ["a", "b"].map(|name| format!("{name} refused: {label} {range}"));
    assert_eq!(all(&app, &THIS_HOST), want);
    for label in ["proxy.exclud", "proxy.exclude"] {
        let misspelt = container("app", "app", &[(label, "ture")]);
        assert_eq!(read(&misspelt, &THIS_HOST).refused.len(), 1, "{label}");
    }
}

#[test]
fn what_containers_may_not_say() {
    let agent = container("app", "app", &[("proxy.agents", "10.0.0.1:8890")]);
    let want = "app refused: proxy.app.agent specifying agent is not allowed for docker \
                container routes";
    assert_eq!(all(&agent, &THIS_HOST), [want]);
    let asleep = container(
        "app",
        "app",
        &[("proxy.idle_timeout", "1h"), ("proxy.app.healthcheck.disable", "true")],
    );
    let want = "app refused: proxy.app.healthcheck cannot disable healthcheck when loadbalancer \
                or idle watcher is enabled";
    assert_eq!(all(&asleep, &THIS_HOST), [want]);
    let asleep = container("app", "app", &[("proxy.idle_timeout", "1h")]);
    let reading = read(&asleep, &THIS_HOST);
    assert_eq!((reading.routes.len(), reading.remarks.len()), (1, 1));
}

#[test]
fn several_routes_of_a_container_may_share_a_host_by_path() {
    let app = container(
        "app",
        "app",
        &[
            ("proxy.app-api.alias", "app"),
            ("proxy.app-api.path_prefix", "/api"),
            ("proxy.app-api.port", "9000"),
        ],
    );
    let reading = read(&app, &THIS_HOST);
    let aliases: Vec<String> = reading.routes.iter().map(|r| r.alias.to_string()).collect();
    assert_eq!(aliases, ["app", "app"]);
    let places: Vec<_> = reading.routes.iter().flat_map(Route::places).collect();
    assert_ne!(places[0], places[1]);
}

#[test]
fn a_route_to_the_gateways_own_port_is_refused_unless_it_isnt_served() {
    let settings = Settings { reserved_ports: vec![8080], ..Settings::default() };
    let mut own = container("app", "app", &[]);
    own.ports = vec![Port { private: 8080, public: Some(8080), protocol: Protocol::Tcp }];
    own.is_on_host_network = true;
    let reading = read_container(&own, &THIS_HOST, &settings);
    let message = &reading.refused[0].problems[0].message;
    assert_eq!(message, "localhost:8080 is reserved for Rutter");
    own.labels.insert("proxy.exclude".to_owned(), "true".to_owned());
    let reading = read_container(&own, &THIS_HOST, &settings);
    assert_eq!((reading.refused.len(), reading.excluded[0].reason), (0, Exclusion::Manual));
}

#[test]
fn full_names_and_wildcards_are_listed_and_said_by_their_number() {
    let app = container(
        "app",
        "app",
        &[("proxy.aliases", "app.example.com, *.example.com"), ("proxy.#2.port", "81")],
    );
    let want = ["app.example.com http 172.18.0.5:8080", "*.example.com http 172.18.0.5:81"];
    assert_eq!(all(&app, &THIS_HOST), want);
}

#[test]
fn an_images_parts() {
    let cases = [
        ("nginx", "library", "nginx"),
        ("nginx:1.27", "library", "nginx"),
        ("library/nginx@sha256:00", "library", "nginx"),
        ("ghcr.io/me/app:1", "me", "app"),
        ("localhost:5000/app:1", "library", "app"),
        ("ghcr.io/org/team/app", "team", "app"),
        ("", "library", ""),
    ];
    for (image, author, base) in cases {
        let container = container("app", image, &[]);
        assert_eq!(container.image(), Image { author, base }, "{image}");
    }
}

/// A container with anything in it.
fn any_container() -> impl Strategy<Value = Container> {
    let label =
        ("proxy(\\.([a-c*]|[#$][0-3]|port|ports|aliases|exclude|network)){0,3}", "[ -~\n]{0,12}");
    let port = (any::<u16>(), any::<Option<u16>>(), any::<bool>());
    let labels = proptest::collection::vec(label, 0..6);
    let ports = proptest::collection::vec(port, 0..4);
    ("[/a-zA-Z0-9._-]{0,12}", "[a-z0-9./:@-]{0,24}", labels, ports, any::<bool>()).prop_map(
        |(name, image, labels, ports, is_on_host_network)| {
            let port = |(private, public, is_udp)| {
                let protocol = if is_udp { Protocol::Udp } else { Protocol::Tcp };
                Port { private, public, protocol }
            };
            Container {
                name,
                image,
                labels: labels.into_iter().collect(),
                ports: ports.into_iter().map(port).collect(),
                is_on_host_network,
                ..container("app", "app", &[])
            }
        },
    )
}

proptest! {
    #[test]
    fn any_container_is_routes_exclusions_or_refusals(container in any_container()) {
        for engine in [THIS_HOST, Engine::named("far!", "nas.lan".parse().ok())] {
            let reading = read(&container, &engine);
            let n_routes = reading.routes.len() + reading.excluded.len() + reading.refused.len();
            prop_assert!(n_routes > 0);
            for route in &reading.routes {
                let port = match &route.target {
                    Target::Http { port, .. }
                    | Target::Tcp { port, .. }
                    | Target::Udp { port, .. } => *port,
                    Target::Files { .. } => 1,
                };
                prop_assert!(port > 0);
            }
        }
    }
}
