//! Members, as an operator meets them.

use std::sync::Arc;

use rutter_registry::{
    DataDir, Grant, Members, NewMember, NewToken, PublicKey, Registry, Role, SqliteRegistry,
    TokenKind, TokenSecret, Tokens,
};
use rutter_route::Wall;

use crate::support::{Up, stderr};

/// Enrols a gateway in the registry of a controller that doesn't run.
async fn enrolled(data: &std::path::Path, name: &str) {
    let data = Arc::new(DataDir::open(data).unwrap());
    let registry = SqliteRegistry::open(data).await.unwrap();
    let secret = TokenSecret::generate(TokenKind::Join).unwrap();
    let grant = Grant::Join { reusable: false, role: Role::Gateway };
    let new = NewToken { hash: secret.hash(), name: "test".into(), grant, expires: None };
    let now = Wall(1_800_000_000_000);
    registry.create_token(now, new).await.unwrap();
    let new =
        NewMember { name: name.parse().unwrap(), role: Role::Gateway, key: PublicKey([7; 32]) };
    registry.enrol(now, &secret, new).await.unwrap();
    registry.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_and_removed_and_their_tokens_are_made() {
    let mut first = Up::start();
    assert_eq!(first.json(&["members", "list"]), serde_json::json!([]));
    assert!(first.text(&["members", "list"]).contains("rutter tokens join --role gateway"));
    first.process.terminate();
    let data = first.data.clone();
    let dir = first.leave();
    enrolled(&data, "edge-1").await;

    let up = Up::start_in(dir, &[]);
    let members = up.json(&["members", "list"]);
    assert_eq!((&members[0]["name"], &members[0]["role"]), (&"edge-1".into(), &"gateway".into()));
    assert!(up.text(&["members", "list"]).contains(&"07".repeat(32)));
    assert_eq!(up.json(&["members", "remove", "edge-1"])["name"], "edge-1");
    let again = up.command(&["members", "remove", "edge-1"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("there is no member `edge-1`"), "{}", stderr(&again));

    let made = up.json(&["tokens", "join", "--role", "gateway", "--ttl", "2h"]);
    assert_eq!((&made["role"], &made["reusable"]), (&"gateway".into(), &false.into()));
    let api = up.run_file()["api"].as_str().unwrap().to_owned();
    let line = format!("{api}#{}", made["secret"].as_str().unwrap());
    assert_eq!(made["join"], line);
    let text = up.text(&["tokens", "join", "--role", "gateway", "--reusable"]);
    assert!(text.contains("For any number of gateways") && text.contains(&api), "{text}");
    assert!(!text.contains("rutter agent"), "{text}");
    assert!(up.text(&["tokens", "list", "--kind", "join"]).contains("gateway"));
}
