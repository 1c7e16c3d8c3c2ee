//! `rutter gateway` with Mesh Router's environment, beside a controller that answers as a backend.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::origin::Origin;
use crate::support::visit::{get, visitor};
use crate::support::{Running, Up, ends, rutter, stderr};

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
    let line = gateway.says("the gateway listens");
    let (_, address) = line.split_once("address=").expect("an address");
    address.split_whitespace().next().unwrap().parse().unwrap()
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
