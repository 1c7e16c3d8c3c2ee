//! What people say of routes, and what becomes of it.

use rutter_rib::Damping;

use super::*;

const P: &str = "10.0.0.0/24";

#[tokio::test]
async fn approvals_are_written_with_their_author_and_end_with_a_withdrawal() {
    let world = World::with_users(config()).await;
    let id = world.node(1, "alice@").await.id;
    let mut one = world.connect(1, &[P, "0.0.0.0/0"]).await;
    assert!(!world.row(id, P).await.enabled);
    let refused = world.fleet.approve(ANN, id, &[prefix(P), prefix("10.9.0.0/24")], false).await;
    assert!(matches!(refused, Err(FleetError::Nodes(_))), "{refused:?}");
    assert!(!world.row(id, P).await.enabled, "all of them or none");
    let rows =
        world.fleet.approve(ANN, id, &[prefix(P), prefix("0.0.0.0/0")], false).await.unwrap();
    let said: Vec<_> = rows.iter().map(|r| (r.prefix.to_string(), r.enabled)).collect();
    let expected =
        [("0.0.0.0/0".to_owned(), true), (P.to_owned(), true), ("::/0".to_owned(), false)];
    assert_eq!(BTreeSet::from_iter(said), BTreeSet::from_iter(expected));
    let stored = world.stored(id, P).await.unwrap();
    let word = stored.approval.unwrap();
    assert!(stored.is_primary && word.is && word.why == "because");
    assert_eq!(word.by, By::Person("ann".into()));

    one.session.announce(heard(&["0.0.0.0/0"]), vec![]).await.unwrap();
    let stored = world.stored(id, P).await.unwrap();
    assert!(!stored.advertised && !stored.enabled && stored.approval.is_none());
    assert_eq!(stored.was_enabled.unwrap().by, By::Person("ann".into()));
    let refused = world.fleet.forget(ANN, id, &prefix("0.0.0.0/0")).await;
    assert!(refused.is_err());
    world.fleet.forget(ANN, id, &prefix(P)).await.unwrap();
    assert_eq!(world.stored(id, P).await, None);
    // One that waits is kept, over a start too.
    world.fleet.approve(ANN, id, &[prefix("10.7.0.0/24")], true).await.unwrap();
    let world = world.killed(one).await;
    let _one = world.connect(1, &["10.7.0.0/24"]).await;
    assert!(world.row(id, "10.7.0.0/24").await.enabled);
    let events = audited(&world).await;
    for what in ["node_user.create", "node.register", "route.approve", "route.forget"] {
        assert!(events.iter().any(|e| e == what), "{what} in {events:?}");
    }
}

async fn audited(world: &World) -> Vec<String> {
    use rutter_registry::Audit as _;
    let events = world.registry.audit_events(rutter_registry::Page::first(1000)).await.unwrap();
    events.into_iter().map(|(_, event)| event.what.to_string()).collect()
}

#[tokio::test]
async fn a_drain_hands_over_and_its_end_brings_nothing_back() {
    let world = World::with_users(config()).await;
    let (a, one) = world.router(1, &[P, "10.1.0.0/24"]).await;
    let (b, two) = world.router(2, &[P]).await;
    let drained = world.fleet.drain(ANN, a, None).await.unwrap();
    assert_eq!(drained.moved, [(prefix(P), b)]);
    assert_eq!(drained.kept, [prefix("10.1.0.0/24")]);
    assert!(world.fleet.node(&NodeRef::Id(a)).await.unwrap().draining);
    let why = &world.fleet.moves(Some(&prefix(P)), 1)[0].why;
    assert!(why.contains("drain node 1 by ann: because"), "{why}");
    let world = world.killed((one, two)).await;
    let both = (world.connect(1, &[P, "10.1.0.0/24"]).await, world.connect(2, &[P]).await);
    assert_eq!(world.primary(P).await, Some(2));
    assert!(world.row(a, P).await.drain.is_some());
    let rows = world.fleet.undrain(ANN, a, None).await.unwrap();
    assert!(rows.iter().all(|row| row.drain.is_none() && row.approval.is_some()), "{rows:?}");
    assert_eq!(world.primary(P).await, Some(2));
    let world = world.killed(both).await;
    assert!(!world.fleet.node(&NodeRef::Id(a)).await.unwrap().draining);
    assert!(world.row(a, P).await.drain.is_none());
}

#[tokio::test]
async fn a_preferred_router_takes_over_and_the_last_words_are_told_apart() {
    let world = World::with_users(config()).await;
    let (a, _one) = world.router(1, &[P]).await;
    let (b, _two) = world.router(2, &[P]).await;
    let rows = world.fleet.prefer(ANN, b, Some(&prefix(P)), Preferred::By(200)).await.unwrap();
    assert_eq!(rows[0].preference.as_ref().map(|w| w.is), Some(200));
    assert_eq!(world.primary(P).await, Some(2));
    let refused = world.fleet.set_primary(ANN, a, &prefix(P)).await.unwrap_err();
    assert!(matches!(refused, FleetError::NotPrimary(_)), "{refused}");
    let rows = world.fleet.prefer(ANN, b, Some(&prefix(P)), Preferred::AsAll).await.unwrap();
    assert!(rows[0].preference.is_none() && rows[0].approval.is_some());
    assert_eq!(world.primary(P).await, Some(2));
    let row = world.fleet.set_primary(ANN, a, &prefix(P)).await.unwrap();
    assert!(row.is_primary);
    assert!(world.stored(a, P).await.unwrap().is_primary);
    assert!(!world.stored(b, P).await.unwrap().is_primary);
}

#[tokio::test]
async fn what_a_probe_behind_a_router_sees_moves_its_prefix_alone() {
    let world = World::with_users(config()).await;
    let (_, mut one) = world.router(1, &[P, "10.1.0.0/24"]).await;
    let (_, _two) = world.router(2, &[P, "10.1.0.0/24"]).await;
    let down = Health::Unhealthy { why: "10.0.0.9 is silent".into(), until: None };
    one.session.health(vec![(prefix(P), down)]).await.unwrap();
    assert_eq!((world.primary(P).await, world.primary("10.1.0.0/24").await), (Some(2), Some(1)));
    world.settle().await;
    let moved = &world.fleet.moves(Some(&prefix(P)), 1)[0];
    assert!(moved.why.contains("10.0.0.9 is silent"), "{moved:?}");
    one.session.health(vec![(prefix(P), Health::Healthy)]).await.unwrap();
    assert_eq!(world.primary(P).await, Some(2), "it doesn't come back for no gain");
}

#[tokio::test]
async fn rules_approve_and_a_broken_policy_leaves_the_one_before() {
    let world = World::with_users(config()).await;
    let id = world.node(1, "alice@").await.id;
    let one = world.connect(1, &[P]).await;
    let policy = r#"{"autoApprovers": {"routes": {"10.0.0.0/8": ["alice@"]}},
                     "tagOwners": {"tag:router": ["alice@"]}}"#;
    world.fleet.set_policy("policy.hujson", Some(policy)).await.unwrap();
    assert!(world.row(id, P).await.enabled);
    world.settle().await;
    assert!(matches!(world.stored(id, P).await.unwrap().approval.unwrap().by, By::Rule(_)));
    let error = world.fleet.set_policy("policy.hujson", Some("{\"acl\": []}")).await.unwrap_err();
    assert!(matches!(error, FleetError::Policy(_)), "{error}");
    assert_eq!(world.fleet.policy().as_deref(), Some(policy));
    let tag = |name: &str| vec![crate::parse_tag(name).unwrap()];
    let error = world.fleet.set_tags("ann", id, tag("tag:db")).await.unwrap_err();
    assert!(matches!(error, FleetError::Tag(_)), "{error}");
    let bobs = NewPreauthKey {
        user: Some("bob@".parse().unwrap()),
        tags: tag("tag:router"),
        ..NewPreauthKey::default()
    };
    let error = world.fleet.create_preauth_key("ann", bobs).await.unwrap_err();
    assert!(matches!(error, FleetError::Tag(_)), "{error}");
    let view = world.fleet.set_tags("ann", id, tag("tag:router")).await.unwrap();
    assert_eq!(view.node.expiry, None);
    world.fleet.rename("ann", id, "gate".parse().unwrap()).await.unwrap();
    let world = world.killed(one).await;
    let view = world.fleet.node(&"gate".parse().unwrap()).await.unwrap();
    assert!(matches!(&view.node.owner, Owner::Tags(tags) if tags.iter().count() == 1));
}

#[tokio::test]
async fn a_router_that_flaps_takes_nothing_back_until_it_is_calm_or_all_there_is() {
    let damping = Damping {
        half_life: Duration::from_secs(60),
        suppress: 2500,
        max_hold: Duration::from_secs(240),
        ..Damping::default()
    };
    let election = Settings { damping: Some(damping), ..Settings::default() };
    let world = World::with_users(FleetConfig { election, ..config() }).await;
    let (a, mut one) = world.router(1, &[P]).await;
    let (_, two) = world.router(2, &[P]).await;
    world.fleet.prefer(ANN, a, None, Preferred::By(200)).await.unwrap();
    for flap in 1..=3 {
        one.session.ended(false).await;
        assert_eq!(world.primary(P).await, Some(2));
        one = world.connect(1, &[P]).await;
        let expected = if flap < 3 { Some(1) } else { Some(2) };
        assert_eq!(world.primary(P).await, expected, "flap {flap}");
    }
    assert_eq!(world.row(a, P).await.standing, Some(Standing::Held));
    two.session.ended(true).await;
    assert_eq!(world.primary(P).await, Some(1), "it is all there is");
    let two = world.connect(2, &[P]).await;
    one.session.ended(false).await;
    let one = world.connect(1, &[P]).await;
    assert_eq!(world.primary(P).await, Some(2), "and is held at its next flap");
    world.pass(300).await;
    assert_eq!(world.primary(P).await, Some(1), "calm, it is preferred again");
    // That the controller starts, again and again, is no flap of anybody's.
    let mut world = world.killed((one, two)).await;
    for _ in 0..4 {
        let both = (world.connect(1, &[P]).await, world.connect(2, &[P]).await);
        assert_eq!(world.primary(P).await, Some(1));
        world = world.killed(both).await;
    }
}

#[tokio::test]
async fn another_policy_is_tried_without_being_taken() {
    let strict = Settings { strict: true, ..Settings::default() };
    let world = World::with_users(FleetConfig { election: strict, ..config() }).await;
    let policy = r#"{
        "tagOwners": {"tag:gate": []},
        "autoApprovers": {"routes": {"10.0.0.0/24": ["alice@"]}},
        "acls": [{"action": "accept", "src": ["bob@"], "dst": ["10.0.0.0/24:*"]}],
    }"#;
    world.fleet.set_policy("policy.hujson", Some(policy)).await.unwrap();
    let a = world.node(1, "alice@").await.id;
    let _one = world.connect(1, &[P, "10.1.0.0/24", "0.0.0.0/0"]).await;
    let b = world.node(2, "bob@").await.id;
    let _two = world.connect(2, &[]).await;
    let same = world.fleet.try_policy("new", policy).await.unwrap();
    assert_eq!(same, PolicyDiff::default());
    let other = r#"{
        "autoApprovers": {"routes": {"10.1.0.0/16": ["alice@"]}, "exitNode": ["alice@"]},
        "acls": [{"action": "accept", "src": ["bob@"], "dst": ["*:*"]}],
    }"#;
    let diff = world.fleet.try_policy("new", other).await.unwrap();
    let exit = prefix("0.0.0.0/0");
    assert_eq!(diff.approved, [(a, exit), (a, prefix("10.1.0.0/24"))]);
    assert_eq!(diff.revoked, [(a, prefix(P))]);
    assert_eq!(diff.moved, [(prefix(P), Some(a), None), (prefix("10.1.0.0/24"), None, Some(a))]);
    assert_eq!(diff.gained, [(b, exit), (b, prefix("10.1.0.0/24"))]);
    assert_eq!(diff.lost, [(b, prefix(P))]);
    assert!(!diff.cut);
    assert!(world.row(a, P).await.enabled, "nothing was taken");
    // What comes of it is what was said.
    world.fleet.set_policy("policy.hujson", Some(other)).await.unwrap();
    for (of, is) in [(P, false), ("10.1.0.0/24", true), ("0.0.0.0/0", true)] {
        assert_eq!(world.row(a, of).await.enabled, is, "{of}");
    }
    let error = world.fleet.try_policy("new", "{\"nodes\": 1}").await.unwrap_err();
    assert!(matches!(error, FleetError::Policy(_)), "{error}");
}

#[tokio::test]
async fn a_node_that_says_other_routes_each_time_fills_no_disk() {
    use rutter_registry::Nodes as _;
    let world = World::with_users(config()).await;
    world.node(1, "alice@").await;
    let mut one = world.opened(1).await;
    for n in 0..5u8 {
        let of = |i: u16| prefix(&format!("10.{n}.{}.{}/32", i / 256, i % 256));
        let prefixes = (0..1000).map(of).collect();
        one.session.announce(Heard { prefixes }, vec![]).await.unwrap();
    }
    let (mut stored, mut page) = (0, rutter_registry::Page::first(1000));
    loop {
        let rows = world.registry.route_rows(page).await.unwrap();
        stored += rows.len();
        match rows.last().filter(|_| rows.len() == 1000) {
            Some(last) => page = rutter_registry::Page::after(last.id, 1000),
            None => break,
        }
    }
    let rows = world.fleet.node(&NodeRef::Id(NodeId(1))).await.unwrap().rows;
    assert!(stored == rows.len() && stored <= crate::MAX_ROWS, "{stored}, {}", rows.len());
}
