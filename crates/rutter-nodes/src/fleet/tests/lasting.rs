//! What outlives a start, and a registry that can't write.

use super::*;

const P: &str = "10.0.0.0/24";

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_and_no_start_moves_a_primary() {
    let world = World::with_users(config()).await;
    let (a, one) = world.router(1, &[P, "10.1.0.0/24"]).await;
    let (b, two) = world.router(2, &[P]).await;
    world.fleet.set_primary(ANN, b, &prefix(P)).await.unwrap();
    world.fleet.prefer(ANN, a, None, Preferred::By(100)).await.unwrap();
    world.fleet.drain(ANN, a, Some(&prefix("10.1.0.0/24"))).await.unwrap();
    assert_eq!(world.primary(P).await, Some(2));
    let before = [world.row(a, P).await, world.row(b, P).await];
    let world = world.killed((one, two)).await;
    assert_eq!(world.primary(P).await, Some(2), "it is waited for");
    assert_eq!(world.primary("10.1.0.0/24").await, Some(1));
    let drained = world.row(a, "10.1.0.0/24").await;
    assert_eq!(drained.drain.unwrap().by, By::Person("ann".into()));
    // The other comes first, and takes nothing.
    let _one = world.connect(1, &[P, "10.1.0.0/24"]).await;
    assert_eq!(world.primary(P).await, Some(2));
    let _two = world.connect(2, &[P]).await;
    assert_eq!(world.primary(P).await, Some(2));
    world.pass(20).await;
    assert_eq!(world.primary(P).await, Some(2));
    assert!(world.fleet.moves(None, 10).is_empty(), "{:?}", world.fleet.moves(None, 10));
    let after = [world.row(a, P).await, world.row(b, P).await];
    for (before, after) in before.iter().zip(&after) {
        let say = |r: &RouteRow| (r.id, r.enabled, r.is_primary, r.approval.clone(), r.created);
        assert_eq!(say(before), say(after));
    }
}

#[tokio::test]
async fn who_isnt_back_within_the_grace_is_replaced_and_said_to_be() {
    let world = World::with_users(config()).await;
    let (_, one) = world.router(1, &[P]).await;
    let (_, two) = world.router(2, &[P]).await;
    assert_eq!(world.primary(P).await, Some(1));
    let world = world.killed((one, two)).await;
    let _two = world.connect(2, &[P]).await;
    world.pass(14).await;
    assert_eq!(world.primary(P).await, Some(1));
    world.pass(2).await;
    assert_eq!(world.primary(P).await, Some(2));
    let moves = world.fleet.moves(None, 10);
    assert_eq!(moves.len(), 1);
    assert_eq!((moves[0].from, moves[0].to), (Some(NodeId(1)), Some(NodeId(2))));
    assert_eq!(world.stored(NodeId(2), P).await.map(|row| row.is_primary), Some(true));
    assert_eq!(world.stored(NodeId(1), P).await.map(|row| row.is_primary), Some(false));
}

#[tokio::test]
async fn a_prefix_without_routers_remembers_the_last_one_over_a_start() {
    let world = World::with_users(config()).await;
    let (a, one) = world.router(1, &[P]).await;
    let (b, two) = world.router(2, &[P]).await;
    one.session.ended(false).await;
    assert_eq!(world.primary(P).await, Some(2));
    two.session.ended(true).await;
    world.settle().await;
    assert_eq!(world.primary(P).await, None);
    assert!(world.row(b, P).await.was_primary && !world.row(a, P).await.was_primary);
    assert!(world.stored(b, P).await.unwrap().was_primary);
    assert!(!world.stored(a, P).await.unwrap().was_primary);
    let world = world.killed(()).await;
    let _one = world.connect(1, &[P]).await;
    let _two = world.connect(2, &[P]).await;
    assert_eq!(world.primary(P).await, Some(2));
    world.settle().await;
    let stored = [world.stored(a, P).await.unwrap(), world.stored(b, P).await.unwrap()];
    assert_eq!(
        stored.map(|row| (row.is_primary, row.was_primary)),
        [(false, false), (true, false)]
    );
}

#[tokio::test]
async fn without_a_registry_sessions_go_on_and_peoples_words_are_refused() {
    let world = World::with_users(config()).await;
    let (a, mut one) = world.router(1, &[P]).await;
    let (b, two) = world.router(2, &[P]).await;
    world.registry.lend().await.unwrap();
    let before = world.row(b, P).await;
    let revoked = world.fleet.revoke(ANN, b, &[prefix(P)]).await.unwrap_err();
    assert!(matches!(revoked, FleetError::Registry(_)), "{revoked}");
    assert_eq!(world.row(b, P).await, before, "nothing took effect");
    let waits = world.fleet.approve(ANN, a, &[prefix("10.7.0.0/24")], true).await.unwrap_err();
    assert!(matches!(waits, FleetError::Registry(_)), "{waits}");
    let rows = world.fleet.node(&NodeRef::Id(a)).await.unwrap().rows;
    assert_eq!(rows.len(), 1, "and there is no row of it: {rows:?}");
    assert!(world.fleet.delete("ann", b).await.is_err());
    assert!(
        world
            .fleet
            .register("ann", key(9), user("bob@"), Some("x".parse().unwrap()))
            .await
            .is_err()
    );
    assert!(!world.fleet.knows(&key(9)));
    // A session says something new: it counts, and is told that it isn't kept yet.
    let more = heard(&[P, "10.2.0.0/24"]);
    let said = one.session.announce(more.clone(), vec![]).await.unwrap_err();
    assert!(matches!(said, FleetError::Registry(_)), "{said}");
    assert!(world.row(a, "10.2.0.0/24").await.advertised);
    // And a failover goes on.
    one.session.ended(false).await;
    assert_eq!(world.primary(P).await, Some(2));
    let mut one = world.opened(1).await;
    assert!(one.session.announce(more.clone(), vec![]).await.is_err());
    world.registry.take_back().await.unwrap();
    one.session.announce(more, vec![]).await.unwrap();
    assert!(world.stored(a, "10.2.0.0/24").await.unwrap().advertised);
    assert!(world.stored(b, P).await.unwrap().is_primary);
    assert!(!world.stored(a, P).await.unwrap().is_primary);
    drop(two);
}

#[tokio::test]
async fn a_controller_that_ends_its_sessions_moves_nothing_by_it() {
    let world = World::with_users(config()).await;
    let (_, one) = world.router(1, &[P]).await;
    let (_, two) = world.router(2, &[P]).await;
    world.fleet.pause().await;
    assert!(!world.fleet.knows(&key(1)));
    one.session.ended(false).await;
    assert_eq!(world.primary(P).await, Some(1));
    let refused = world.fleet.approve(ANN, NodeId(1), &[prefix(P)], false).await;
    assert!(matches!(refused, Err(FleetError::Registry(_))), "{refused:?}");
    // It goes on after all: who was sent away is waited for.
    world.fleet.resume().await.unwrap();
    assert_eq!(world.primary(P).await, Some(1));
    let one = world.connect(1, &[P]).await;
    world.pass(20).await;
    assert_eq!(world.primary(P).await, Some(1));
    one.session.ended(false).await;
    assert_eq!(world.primary(P).await, Some(2));
    drop(two);
    world.fleet.close().await;
}

#[tokio::test]
async fn an_hour_without_anything_moves_nothing() {
    let world = World::with_users(config()).await;
    let mut routers = Vec::new();
    for n in 1..=3 {
        routers.push(world.router(n, &[P, "10.1.0.0/24"]).await);
    }
    let n = world.fleet.n_moves();
    for _ in 0..360 {
        world.pass(10).await;
        for (_, connected) in &mut routers {
            connected.session.announce(heard(&[P, "10.1.0.0/24"]), vec![]).await.unwrap();
        }
    }
    assert_eq!(world.fleet.n_moves(), n);
    assert_eq!((world.primary(P).await, world.primary("10.1.0.0/24").await), (Some(1), Some(1)));
}
