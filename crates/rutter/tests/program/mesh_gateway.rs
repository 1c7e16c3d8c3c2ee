//! A gateway by a Mesh Router backend, which a controller answers as: with the original's environment
//! (`rutter gateway`), or from a file.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::heir::Heir;
use crate::support::origin::Origin;
use crate::support::visit::{get, visitor};
use crate::support::{PATIENCE, Running, Up, ends, rutter, stderr};

/// Registers alice's two ways by Mesh Router's API.
async fn register(up: &Up, api: &str, direct: &Origin, tunnel: &Origin) {
    let made = up.json(&["domains", "add", "alice"]);
    let (user, signature) =
        (made["user_id"].as_str().unwrap(), made["signature"].as_str().unwrap());
    let route = |of: &Origin, source, priority| {
        json!({ "ip": "127.0.0.1", "port": of.address.port(), "scheme": "http",
            "source": source, "priority": priority })
    };
    let routes = json!({ "routes": [route(direct, "agent", 1), route(tunnel, "tunnel", 2)] });
    let url = format!("{api}/routes/{user}/{signature}");
    let answer = visitor(None).post(url).json(&routes).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

fn listening(gateway: &mut Running) -> SocketAddr {
    address_in(&gateway.says("ready"))
}

/// The first address of a line such as `ready gateway=["http://127.0.0.1:8080"]`.
fn address_in(line: &str) -> SocketAddr {
    let (_, address) = line.split_once("gateway=[\"http://").expect("an address");
    address.split('"').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_by_a_backend_follows_it_and_goes_on_when_it_is_gone() {
    let (direct, tunnel) = (Origin::start("direct").await, Origin::start("tunnel").await);
    let landing = Origin::start("landing").await;
    let mut up = Up::start();
    let api = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
    register(&up, &api, &direct, &tunnel).await;

    let mut command = rutter(&["gateway", "--http", "127.0.0.1:0"]);
    command.env("BACKEND_URL", &api).env("SERVER_DOMAIN", "localhost").env("CACHE_TTL", "60");
    command.env("DEFAULT_BACKEND", format!("http://{}", landing.address)).env("NO_COLOR", "1");
    let mut gateway = Running::start(&mut command);
    let address = listening(&mut gateway);
    assert_eq!(get(address, "alice.localhost").await, (200, "direct".to_owned()));
    assert_eq!(get(address, "app-alice.localhost").await, (200, "direct".to_owned()));
    assert_eq!(get(address, "nobody.localhost").await, (200, "landing".to_owned()));

    up.process.kill();
    for _ in 0..10 {
        assert_eq!(get(address, "alice.localhost").await, (200, "direct".to_owned()));
    }
    assert_eq!(get(address, "bob.localhost").await.0, 503, "nobody can say");
    assert!(gateway.terminate().success());
}

#[test]
fn mistakes_in_the_environment_are_told_by_name() {
    let cases = [
        ("BACKEND_URL", "backend.example", "http://HOST"),
        ("BACKEND_CA_PIN", "sha256:12", "64 hex digits"),
        ("CACHE_TTL", "soon", "such as `10s`"),
        ("DEFAULT_BACKEND", "nowhere", "DEFAULT_BACKEND"),
    ];
    for (name, value, word) in cases {
        let mut command = rutter(&["gateway", "--http", "127.0.0.1:0"]);
        command.env("BACKEND_URL", "http://127.0.0.1:8192").env(name, value);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{name}");
        assert!(stderr(&output).contains(word), "{name}: {}", stderr(&output));
    }
    let output = ends(&["gateway"]);
    assert!(stderr(&output).contains("--backend-url"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_by_a_backend_is_a_role_of_a_file_like_any() {
    let (direct, tunnel) = (Origin::start("direct").await, Origin::start("tunnel").await);
    let landing = Origin::start("landing").await;
    let up = Up::start();
    let backend = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
    register(&up, &backend, &direct, &tunnel).await;

    let file = |recheck: &str| {
        format!(
            "gateway:\n  mesh_router: {{backend: '{backend}', cache_ttl: 60s}}\n  \
             default_backend: 'http://{}'\n  health: {{recheck: {recheck}}}\n  limits: {{drain: 2s}}\n\
             listeners: {{api: '127.0.0.1:0', gateway: {{http: '127.0.0.1:0'}}}}\n",
            landing.address
        )
    };
    let mut edge = Up::run(tempfile::tempdir().unwrap(), &file("5s"));
    assert_eq!(get(edge.gateway(), "alice.localhost").await, (200, "direct".to_owned()));
    assert_eq!(get(edge.gateway(), "nobody.localhost").await, (200, "landing".to_owned()));
    let api = edge.run_file()["api"].as_str().unwrap().to_owned();
    let ready = async || {
        let answer = visitor(None).get(format!("{api}/readyz")).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(ready().await, 200);
    assert_eq!(edge.json(&["routes", "list"]).as_array().unwrap().len(), 2);
    let told = edge.text(&["routes", "explain", "alice.localhost"]);
    assert!(told.contains("best: provider/mesh-router"), "{told}");
    let elsewhere = edge.command(&["members", "list"]);
    assert!(stderr(&elsewhere).contains(&backend), "{}", stderr(&elsewhere));

    std::fs::write(edge.file(), file("7s")).unwrap();
    let told = edge.text(&["reload"]);
    assert!(told.contains("gateway.health.recheck: 5s -> 7s\n"), "{told}");

    let before = edge.run_file();
    edge.text(&["upgrade"]);
    let heir = Heir::of(&edge);
    assert!(edge.process.end().success(), "{}", edge.process.said());
    assert_eq!(edge.run_file()["api"], before["api"]);
    assert_eq!(ready().await, 200);
    assert_eq!(get(edge.gateway(), "alice.localhost").await, (200, "direct".to_owned()));
    heir.end();
}

/// It has no directory, so nothing is asked of it but by signals and its API.
#[tokio::test(flavor = "multi_thread")]
async fn a_drop_in_keeps_nothing_and_hands_over_all_the_same() {
    let (direct, tunnel) = (Origin::start("direct").await, Origin::start("tunnel").await);
    let up = Up::start();
    let backend = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
    register(&up, &backend, &direct, &tunnel).await;
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "read-0123456789abcdef").unwrap();

    let mut command = rutter(&["gateway", "--http", "127.0.0.1:0"]);
    command.env("BACKEND_URL", &backend).env("NO_COLOR", "1").env("RUTTER_API", "127.0.0.1:0");
    // A home that can't be written to is no reason not to start.
    command.env("RUTTER_READ_TOKEN_FILE", &token).env("HOME", "/nonexistent");
    let mut gateway = Running::start(&mut command);
    let line = gateway.says("ready");
    let address = address_in(&line);
    let (_, api) = line.split_once("api=\"").expect("an API");
    let metrics = format!("{}/metrics", api.split('"').next().unwrap());
    assert_eq!(get(address, "alice.localhost").await, (200, "direct".to_owned()));
    let ask = async |token: &str| {
        let request = visitor(None).get(&metrics).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask("read-0123456789abcdeF").await.0, 401);
    let (status, told) = ask("read-0123456789abcdef").await;
    assert!(status == 200 && told.contains("rutter_gateway_resolves_total 1"), "{told}");

    gateway.signal("-USR2");
    let heir = Heir::announced(&gateway.says("handed over"));
    assert!(gateway.end().success(), "{}", gateway.said());
    assert_eq!(get(address, "alice.localhost").await, (200, "direct".to_owned()));
    let until = std::time::Instant::now() + PATIENCE;
    while ask("read-0123456789abcdef").await.1.contains("rutter_gateway_resolves_total 0") {
        assert!(std::time::Instant::now() < until, "the new one has asked nobody");
    }
    heir.end();
}

#[test]
fn who_keeps_something_does_not_hand_over_to_one_that_would_not() {
    let dir = tempfile::tempdir().unwrap();
    let (path, data) = (dir.path().join("rutter.yaml"), dir.path().join("data"));
    let (data, text) = (data.to_string_lossy(), path.to_string_lossy());
    let file = |data: &str| {
        let file = format!(
            "data: {data}\ngateway: {{mesh_router: {{backend: 'http://127.0.0.1:1'}}}}\n\
             listeners: {{gateway: {{http: '127.0.0.1:0'}}}}\n"
        );
        std::fs::write(&path, file).unwrap();
    };
    file(&data);
    let mut gateway = Running::start(&mut rutter(&["run", "--config", &text]));
    gateway.says("ready");
    file("off");
    let refused = ends(&["--data", &data, "upgrade"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("its `data` is off"), "{}", stderr(&refused));
    assert!(gateway.terminate().success(), "the old one goes on: {}", gateway.said());
}

#[test]
fn an_api_beyond_loopback_has_a_certificate_and_so_a_directory() {
    let mut command = rutter(&["gateway", "--http", "127.0.0.1:0", "--api", "0.0.0.0:0"]);
    let output = command.env("BACKEND_URL", "http://127.0.0.1:8192").output().unwrap();
    assert!(!output.status.success());
    let told = stderr(&output);
    assert!(told.contains("the CA of its certificate is kept in the data directory"), "{told}");
}
