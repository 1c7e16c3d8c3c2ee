use rutter_providers::godoxy::{Settings, read_file};
use serde_json::json;

use super::*;

#[test]
fn each_route_of_a_file_is_compared_and_others_are_counted() {
    let text = "same: {host: 10.0.0.1, port: 8080}\n\
                moved: {host: 10.0.0.2, port: 8080}\n\
                only-here: {host: 10.0.0.3}\n\
                db: {port: 5432:5432}\n\
                www: {scheme: fileserver, root: /srv}\n\
                shut: {middlewares: {oidc: }}\n";
    let reading = read_file("a.yml", text, &|_| None, &Settings::default()).unwrap();
    let route = |alias: &str, scheme: &str, host: &str, listening: u16, proxy: u16| {
        json!({
            "alias": alias, "scheme": scheme, "host": host, "provider": "a", "purl": "ignored",
            "port": { "listening": listening, "proxy": proxy }, "excluded": false,
        })
    };
    let theirs = json!([
        route("same", "http", "10.0.0.1", 0, 8080),
        route("moved", "http", "10.0.0.9", 0, 8081),
        route("only-there", "http", "10.0.0.1", 0, 80),
        route("db", "tcp", "localhost", 5432, 5432),
        route("www", "fileserver", "", 0, 0),
        route("shut", "http", "localhost", 0, 80),
        { "alias": "container", "provider": "local", "scheme": "http", "host": "172.17.0.2" },
    ]);
    let theirs: Vec<Theirs> = serde_json::from_value(theirs).unwrap();
    let against = compare(&[("a.yml".into(), reading)], &theirs);
    assert_eq!((against.n_same, against.n_not_compared), (3, 1));
    let told: Vec<_> =
        against.differences.iter().map(|d| format!("{}: {}", d.route, d.what)).collect();
    assert_eq!(
        told,
        [
            "moved: host 10.0.0.9 there, 10.0.0.2 here, port 8081 there, 8080 here",
            "only-here: it isn't there, and is served here",
            "only-there: it is there, and isn't here",
            "shut: it is served there, and refused here",
        ]
    );
}
