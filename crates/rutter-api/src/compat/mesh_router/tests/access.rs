//! Who may read home addresses.

use super::*;
use rutter_registry::Scope;
use rutter_route::Prefix;

async fn mesh(public_resolve: bool, trusted: &[&str]) -> Mesh {
    let trusted_gateways: Vec<Prefix> = trusted.iter().map(|p| p.parse().unwrap()).collect();
    let mesh = Mesh::with(MeshRouterOptions { public_resolve, trusted_gateways }).await;
    assert_eq!(mesh.post(json!([agent("192.0.2.1")])).await.0, 200);
    mesh
}

/// What the three paths answer: whether each shows the address, else the answer of an unknown.
async fn shown(mesh: &Mesh, headers: &[(&str, String)]) -> bool {
    let paths = [
        ("/resolve/v2/alice", "/resolve/v2/nobody"),
        ("/resolve/alice", "/resolve/nobody"),
        ("/routes/alice", "/routes/nobody"),
    ];
    let mut all = Vec::new();
    for (path, unknown) in paths {
        let ask = async |path: &str| {
            let mut request = mesh.client.get(format!("{}{path}", mesh.served.url));
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let answer = ask(path).await;
        let shows = answer.1.contains("192.0.2.1");
        assert!(shows || answer == ask(unknown).await, "{path} tells that alice is known");
        all.push(shows);
    }
    assert!(all.iter().all(|shows| *shows == all[0]), "{all:?}");
    all[0]
}

#[tokio::test]
async fn only_gateways_may_unless_it_is_public() {
    let trusting = mesh(false, &["127.0.0.0/8"]).await;
    assert!(shown(&trusting, &[]).await);
    assert!(!shown(&trusting, &[("origin", "http://evil.example".into())]).await);
    assert!(!shown(&trusting, &[("x-forwarded-for", "127.0.0.1".into())]).await, "a proxy");

    let wary = mesh(false, &["198.51.100.0/24"]).await;
    assert!(!shown(&wary, &[]).await);
    let forwarded =
        [("x-forwarded-for", "198.51.100.7".into()), ("x-real-ip", "198.51.100.7".into())];
    assert!(!shown(&wary, &forwarded).await, "a header doesn't say who asks");
    for (scopes, expected) in [
        (&[Scope::Gateway][..], true),
        (&[Scope::Admin], true),
        (&[Scope::Read], false),
        (&[Scope::Domains], false),
    ] {
        let token = format!("Bearer {}", wary.world.token(scopes).await);
        assert_eq!(shown(&wary, &[("authorization", token)]).await, expected, "{scopes:?}");
    }
    assert!(!shown(&wary, &[("authorization", "Bearer nonsense".into())]).await);

    let public = mesh(true, &[]).await;
    assert!(shown(&public, &[]).await);
    assert!(shown(&public, &[("origin", "http://x".into())]).await);
}

#[test]
fn the_default_is_this_machine_alone() {
    let options = MeshRouterOptions::default();
    assert!(!options.public_resolve);
    let texts: Vec<_> = options.trusted_gateways.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["127.0.0.0/8", "::1/128"]);
}
