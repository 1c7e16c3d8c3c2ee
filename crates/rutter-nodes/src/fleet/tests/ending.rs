//! How nodes and their sessions end.

use super::*;

const P: &str = "10.0.0.0/24";

#[tokio::test]
async fn an_older_session_is_refused_and_its_end_ends_nothing() {
    let world = World::with_users(config()).await;
    let (a, mut old) = world.router(1, &[P]).await;
    let (_, _other) = world.router(2, &[P]).await;
    let mut new = world.opened(1).await;
    assert!(new.session.incarnation > old.session.incarnation);
    let refused = old.session.announce(heard(&[]), vec![]).await.unwrap_err();
    assert!(matches!(refused, FleetError::Nodes(crate::NodesError::Refused(_))), "{refused}");
    old.session.ended(false).await;
    // The one that takes over hasn't said anything yet, and nothing moved.
    assert_eq!(world.primary(P).await, Some(1));
    new.session.announce(heard(&[P]), vec![]).await.unwrap();
    assert_eq!(world.primary(P).await, Some(1));
    assert!(world.fleet.node(&NodeRef::Id(a)).await.unwrap().online);
    // One that is dropped is lost too.
    drop(new);
    while world.primary(P).await != Some(2) {
        tokio::task::yield_now().await;
    }
    let moves = world.fleet.moves(Some(&prefix(P)), 1);
    world.settle().await;
    let moves = if moves.is_empty() { world.fleet.moves(Some(&prefix(P)), 1) } else { moves };
    assert!(moves[0].why.contains("node 1 is offline: its session was lost"), "{moves:?}");
    assert!(moves[0].after.is_some());
}

#[tokio::test]
async fn an_ephemeral_node_is_collected_when_it_has_been_away_and_its_number_is_gone() {
    let world = World::with_users(config()).await;
    let new = NewPreauthKey {
        user: Some("alice@".parse().unwrap()),
        reusable: true,
        ephemeral: true,
        ..NewPreauthKey::default()
    };
    let (_, many) = world.preauth(new).await;
    let node = world.fleet.enrol(enrol(1, "runner", Some(&many))).await.unwrap();
    let session = world.connect(1, &[P]).await;
    world.fleet.approve(ANN, node.id, &[prefix(P)], false).await.unwrap();
    let (_, other) = world.router(2, &[P]).await;
    world.pass(1000).await;
    assert!(world.fleet.node(&NodeRef::Id(node.id)).await.is_ok(), "it is there");
    session.session.ended(false).await;
    world.pass(119).await;
    let back = world.connect(1, &[P]).await;
    world.pass(500).await;
    assert!(world.fleet.knows(&key(1)));
    back.session.ended(true).await;
    world.pass(121).await;
    assert!(!world.fleet.knows(&key(1)));
    assert_eq!(world.stored(node.id, P).await, None);
    assert_eq!(world.primary(P).await, Some(2));
    // It comes again as somebody new, and nothing that was approved comes with it.
    let again = world.fleet.enrol(enrol(1, "runner", Some(&many))).await.unwrap();
    assert_eq!(again.id, NodeId(3));
    let session = world.connect(1, &[P]).await;
    assert!(!world.row(again.id, P).await.enabled);
    // After a start it has its time anew.
    let world = world.killed((session, other)).await;
    world.pass(119).await;
    assert!(world.fleet.knows(&key(1)));
    world.pass(2).await;
    assert!(!world.fleet.knows(&key(1)));
    let later = world.fleet.enrol(enrol(1, "runner", Some(&many))).await.unwrap();
    assert_eq!(later.id, NodeId(4));
}

#[tokio::test]
async fn a_key_that_expires_takes_the_routes_along_and_its_owners_key_lets_it_in_anew() {
    let config = FleetConfig { key_lifetime: Some(Duration::from_secs(3600)), ..config() };
    let world = World::with_users(config).await;
    let for_user = |name: &str| NewPreauthKey {
        user: Some(name.parse().unwrap()),
        reusable: true,
        ..NewPreauthKey::default()
    };
    let (_, alices) = world.preauth(for_user("alice@")).await;
    let (_, bobs) = world.preauth(for_user("bob@")).await;
    let (a, one) = world.router(1, &[P]).await;
    let (b, two) = world.router(2, &[P]).await;
    world.fleet.expire("ann", b, None).await.unwrap();
    assert_eq!(world.primary(P).await, Some(1));
    world.pass(3600).await;
    assert_eq!(world.primary(P).await, Some(2));
    assert!(!world.fleet.knows(&key(1)) && world.fleet.knows(&key(2)));
    let view = world.fleet.node(&NodeRef::Id(a)).await.unwrap();
    assert!(view.expired && !view.rows[0].advertised, "{view:?}");
    assert!(!world.stored(a, P).await.unwrap().advertised);
    let error = world.fleet.connect(&key(1), from()).await.unwrap_err();
    assert!(matches!(error, FleetError::Expired(_)), "{error}");
    let error = world.fleet.enrol(enrol(1, "node-1", Some(&bobs))).await.unwrap_err();
    assert!(matches!(error, FleetError::PreauthKey(_)), "{error}");
    let waits = world.fleet.enrol(enrol(1, "node-1", None)).await.unwrap_err();
    assert!(matches!(waits, FleetError::Pending { .. }), "{waits}");
    let again = world.fleet.enrol(enrol(1, "node-1", Some(&alices))).await.unwrap();
    assert_eq!(again.id, a);
    let again = world.connect(1, &[P]).await;
    assert_eq!(world.row(a, P).await.id, view.rows[0].id);
    // By a person's word it ends at once.
    let now = world.clock.now().wall;
    world.fleet.expire("ann", b, Some(now)).await.unwrap();
    assert_eq!(world.primary(P).await, None);
    let world = world.killed((one, two, again)).await;
    assert!(world.fleet.knows(&key(1)) && !world.fleet.knows(&key(2)));
}

#[tokio::test]
async fn a_node_that_is_deleted_goes_with_its_routes_and_its_number_never_returns() {
    let world = World::with_users(config()).await;
    let (a, mut one) = world.router(1, &[P]).await;
    let (_, two) = world.router(2, &[P]).await;
    let rows = world.fleet.delete("ann", a).await.unwrap();
    assert!(rows.len() == 1 && rows[0].deleted.is_some());
    assert_eq!(world.primary(P).await, Some(2));
    assert!(one.session.announce(heard(&[P]), vec![]).await.is_err());
    let gone = world.fleet.delete("ann", a).await.unwrap_err();
    assert!(matches!(gone, FleetError::Nodes(crate::NodesError::Unknown(_))), "{gone}");
    world.fleet.delete("ann", NodeId(2)).await.unwrap();
    let world = world.killed((one, two)).await;
    assert!(world.fleet.nodes(None, 10).await.unwrap().is_empty());
    let (id, _three) = world.router(3, &[P]).await;
    assert_eq!(id, NodeId(3));
    assert_eq!(world.row(id, P).await.id, crate::RowId(3));
}
