mod fields;
mod properties;
mod refusals;

use super::*;
use rutter_route::ListenAt;

use crate::{Alias, Exclusion, HttpScheme, RemarkKind, Route, Target};

const ENVIRONMENT: [(&str, &str); 7] = [
    ("HOST", "plain.lan"),
    ("GOPROXY_HOST", "goproxy.lan"),
    ("GODOXY_HOST", "godoxy.lan"),
    ("GOPROXY_PORT", "81"),
    ("PORT", "82"),
    ("ONLY", "8080"),
    ("EVIL", "x\n    middlewares: {}\n#"),
];

fn environment(name: &str) -> Option<String> {
    ENVIRONMENT.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn read(text: &str) -> Reading {
    let settings = Settings { reserved_ports: vec![8888], ..Settings::default() };
    read_file("routes.yml", text, &environment, &settings).unwrap()
}

/// The only route of a text, without a word about it.
fn route(text: &str) -> Route {
    let mut reading = read(text);
    assert_eq!(reading.refused, [], "{text}");
    reading.remarks.retain(|remark| remark.kind.is_warning());
    assert_eq!(reading.remarks, [], "{text}");
    assert_eq!(reading.routes.len(), 1, "{text}");
    reading.routes.remove(0)
}

/// What refuses routes, a line each: place, path, message and help.
fn problems(text: &str) -> Vec<String> {
    let reading = read(text);
    reading.refused.iter().flat_map(|refused| refused.problems.iter().map(shown)).collect()
}

/// What is said of routes that stand.
fn remarks(text: &str) -> Vec<(RemarkKind, String)> {
    let reading = read(text);
    assert_eq!(reading.refused, [], "{text}");
    reading.remarks.iter().map(|remark| (remark.kind, shown(&remark.problem))).collect()
}

fn shown(problem: &Problem) -> String {
    let place = problem.spot.map(|spot| format!("{}:{}", spot.line, spot.column));
    let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    let (path, message) = (problem.path.join("."), &problem.message);
    format!("{} {path}: {message}{help}", place.unwrap_or_default())
}

/// The target's URL.
fn target(route: &Route) -> String {
    match &route.target {
        Target::Http { scheme: HttpScheme::Http, host, port, .. } => {
            format!("http://{host}:{port}")
        }
        Target::Http { scheme: HttpScheme::Https, host, port, .. } => {
            format!("https://{host}:{port}")
        }
        Target::Http { scheme: HttpScheme::H2c, host, port, .. } => format!("h2c://{host}:{port}"),
        Target::Files { root, .. } => format!("file://{root}"),
        Target::Tcp { host, port, .. } => format!("tcp://{host}:{port}"),
        Target::Udp { host, port } => format!("udp://{host}:{port}"),
    }
}

fn alias(text: &str) -> Alias {
    text.parse().unwrap()
}

#[test]
fn a_name_alone_is_a_route_to_port_80_of_this_host() {
    let route = route("App:\n");
    assert_eq!((route.name.as_str(), &route.alias), ("app", &alias("app")));
    assert_eq!(target(&route), "http://localhost:80");
    assert_eq!(route.listen, ListenAt::default());
    assert_eq!(read("").routes, []);
    assert_eq!(read("x-only: {port: 1}\n"), Reading::default());
    let anchors = read("X-Only: {port: 1}\n").excluded;
    assert_eq!(anchors.iter().map(|e| e.reason).collect::<Vec<_>>(), [Exclusion::YamlAnchor]);
}

#[test]
fn schemes_hosts_and_ports() {
    let cases = [
        ("app: {host: 10.0.0.1, port: 8080}", "http://10.0.0.1:8080"),
        ("app: {host: 10.0.0.1, port: 0080}", "http://10.0.0.1:80"),
        ("app: {host: NAS.lan, port: \"8443\"}", "https://nas.lan:8443"),
        ("app: {host: \"fd00::1\", scheme: h2c, port: 50051}", "h2c://[fd00::1]:50051"),
        ("app: {port: 2222:22}", "tcp://localhost:22"),
        ("app: {scheme: udp, port: {listening: 53, proxy: 5353}}", "udp://localhost:5353"),
        ("app: {scheme: HTTPS}", "https://localhost:443"),
        ("app: {scheme: tcp, port: 22}", "tcp://localhost:22"),
        ("app: {scheme: fileserver, root: /srv}", "file:///srv"),
        ("app: 'port: 81'", "http://localhost:81"),
        ("\"*.example.com\": {port: 82}", "http://localhost:82"),
    ];
    for (text, want) in cases {
        assert_eq!(target(&route(text)), want, "{text}");
    }
    let ssh = route("ssh: {port: 2222:22}");
    assert_eq!((ssh.listen.address, ssh.listen.port), ("0.0.0.0".parse().ok(), Some(2222)));
    let bound = route("ssh: {port: 2222:22, bind: 10.0.0.1}");
    assert_eq!(bound.listen.address, "10.0.0.1".parse().ok());
    let http = route("app: {scheme: http, port: 8443:80, bind: '::1'}");
    assert_eq!((http.listen.address, http.listen.port), ("::1".parse().ok(), Some(8443)));
}

#[test]
fn keys_are_lax_and_anchors_are_merged() {
    let text = "
x-base: &base
  host: nas
  noTlsVerify: true
  healthCheck: {Use_Get: yes}
app:
  <<: *base
  PORT: 81
other:
  port: 82
  <<: *base
  host: other
again: *base
";
    let reading = read(text);
    let targets: Vec<String> = reading.routes.iter().map(target).collect();
    assert_eq!(targets, ["http://nas:81", "http://other:82", "http://nas:80"]);
    for route in &reading.routes {
        assert!(route.health.use_get);
        let Target::Http { upstream, .. } = &route.target else { panic!("{route:?}") };
        assert!(upstream.no_tls_verify);
    }
}

#[test]
fn routes_that_share_a_host_by_path_say_its_alias() {
    let text = "
app-api:
  alias: app
  path_prefix: {path: /api/, strip: true}
  port: 81
app-docs: {alias: app, path_prefix: /docs, port: 82}
app: {port: 80}
";
    let reading = read(text);
    assert_eq!(reading.refused, []);
    let of = |route: &Route| {
        let paths = route.paths.as_ref().map(|paths| (paths.prefix.to_string(), paths.is_stripped));
        (route.name.clone(), route.alias.to_string(), paths)
    };
    let got: Vec<_> = reading.routes.iter().map(of).collect();
    let paths = |path: &str, is_stripped| Some((path.to_owned(), is_stripped));
    assert_eq!(
        got,
        [
            ("app-api".to_owned(), "app".to_owned(), paths("/api", true)),
            ("app-docs".to_owned(), "app".to_owned(), paths("/docs", false)),
            ("app".to_owned(), "app".to_owned(), None),
        ]
    );
}

#[test]
fn variables_are_looked_up_by_three_names_and_put_in_without_quotes() {
    let cases = [
        ("app: {host: \"${HOST}\", port: 1}", "http://godoxy.lan:1"),
        ("app: {host: ${HOST}, port: ${PORT}}", "http://godoxy.lan:81"),
        ("app:\n  host: sub.${HOST}\n  port: '${ONLY}'\n", "http://sub.godoxy.lan:8080"),
        ("app: {port: \"${PORT}:${ONLY}\"}", "tcp://localhost:8080"),
    ];
    for (text, want) in cases {
        assert_eq!(target(&route(text)), want, "{text}");
    }
    let named = route("app-${ONLY}: {port: 1}");
    assert_eq!(named.name, "app-8080");
    // A comment isn't looked at, and a text that has such brackets keeps them.
    let text = "# ${UNSET}\napp: {port: ${ONLY}, homepage: {name: \"$(ONLY) $<X> ${ONLY}\"}}\n";
    assert_eq!(route(text).homepage.name.as_deref(), Some("$(ONLY) $<X> 8080"));
}

#[test]
fn a_value_never_changes_what_the_yaml_around_it_means() {
    let text = "app:\n  port: 80\n  homepage:\n    description: ${EVIL}\n";
    let route = route(text);
    let evil = environment("EVIL").unwrap();
    assert_eq!(route.homepage.description.as_deref(), Some(evil.trim()));
}

#[test]
fn a_variable_that_isnt_set_refuses_the_routes_that_use_it() {
    let text = "one: {host: ${UNSET}, port: 1}\ntwo: {port: 2}\nthree: {host: 'a${B:-c}'}\n";
    let reading = read(text);
    assert_eq!(reading.routes.iter().map(target).collect::<Vec<_>>(), ["http://localhost:2"]);
    assert_eq!(problems(text)[0], "1:13 one.host: the variable `UNSET` is not set");
    let no_name = "`${B:-c}` is no variable: a name has letters, digits and `_`";
    assert!(problems(text)[1..].iter().any(|said| said.contains(no_name)));
}

#[test]
fn a_text_that_is_no_mapping_is_refused_whole() {
    for text in ["- app\n", "app\n", "app: [\n", "app: {}\napp: {}\n"] {
        let error = read_file("routes.yml", text, &environment, &Settings::default()).unwrap_err();
        assert!(error.to_string().starts_with("routes.yml"), "{error}");
    }
    let used_up = "app: {host: \"$( $< $/ $^ $= $+ ${HOST}\"}";
    read_file("routes.yml", used_up, &environment, &Settings::default()).unwrap_err();
}

#[test]
fn names_differ_by_more_than_case() {
    let twice = problems("app: {port: 1}\nApp: {port: 2}\n");
    assert_eq!(twice, ["2:1 App: `app` stands twice: case doesn't count"]);
    assert_eq!(read("app: {port: 1}\nApp: {port: 2}\n").routes.len(), 1);
}

#[test]
fn defaults_of_the_health_check_hold_where_a_route_says_nothing() {
    let health = crate::godoxy::read_defaults("interval: 10s\npath: /up\nretries: 2\n").unwrap();
    let settings = Settings { health, ..Settings::default() };
    let text = "a:\nb: {healthcheck: {path: /b, timeout: 1m}}\n";
    let reading = read_file("routes.yml", text, &environment, &settings).unwrap();
    let of = |route: &Route| {
        let health = &route.health;
        (health.path.clone(), health.interval.as_secs(), health.timeout.as_secs())
    };
    let got: Vec<_> = reading.routes.iter().map(of).collect();
    assert_eq!(got, [("/up".to_owned(), 10, 5), ("/b".to_owned(), 10, 60)]);
    crate::godoxy::read_defaults("interval: 1ms").unwrap_err();
    crate::godoxy::read_defaults("intervall: 1m").unwrap_err();
}

#[test]
fn one_bad_route_leaves_the_others_standing() {
    let text = "
good: {port: 1}
bad:
  port: 2
  middlewars:
    cidr_whitelist: {allow: [10.0.0.0/8]}
also-good: {port: 3}
";
    let reading = read(text);
    assert_eq!(reading.routes.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["good", "also-good"]);
    let want = ["5:3 bad.middlewars: unknown field `middlewars` (did you mean `middlewares`?)"];
    assert_eq!(problems(text), want);
    assert_eq!(reading.excluded.iter().map(|e| e.reason).collect::<Vec<Exclusion>>(), []);
}

#[test]
fn places_are_found_within_a_bound_and_the_rest_is_told_by_path() {
    let lines = (0..MAX_PLACES + 10).map(|n| format!("app{n}: {{healthcheck: {{retries: 3}}}}\n"));
    let text = lines.chain(["bad: {prot: 1}\n".to_owned()]).collect::<String>();
    let reading = read(&text);
    assert!(reading.refused[0].problems[0].spot.is_some(), "what refuses comes first");
    let n_located = reading.remarks.iter().filter(|remark| remark.problem.spot.is_some()).count();
    assert_eq!((n_located, reading.remarks.len()), (MAX_PLACES - 1, MAX_PLACES + 10));
    let last = &reading.remarks.last().unwrap().problem;
    assert_eq!((last.path.join("."), last.spot), ("app1009.healthcheck.retries".to_owned(), None));
}
