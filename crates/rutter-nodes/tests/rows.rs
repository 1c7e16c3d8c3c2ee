//! Rows: what enables a route, what ends that, and what people see of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use rutter_nodes::election::{self, MAX_ROUTES, NotPrimary, Settings};
use rutter_nodes::{Approved, MAX_ROWS, NodesError};
use rutter_rib::OnWithdraw;
use rutter_route::*;
use scene::{Scene, WALL, node, prefix};

const P: &str = "192.168.1.0/24";
const AUTO: &str = r#"{
    "groups": {"group:admin": ["user1@"]},
    "autoApprovers": {"routes": {"10.0.0.0/8": ["group:admin"]}, "exitNode": ["group:admin"]},
}"#;

fn approved_by(scene: &Scene, id: NodeId, route: &str) -> Option<String> {
    scene.row(id, route).approval.filter(|w| w.is).map(|w| w.by.to_string())
}

#[test]
fn a_route_is_enabled_by_a_person_and_never_by_being_advertised() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    scene.announce(a, &[P]);
    scene.settle();
    let row = scene.row(a, P);
    assert!(row.advertised && !row.enabled && !row.is_primary);
    assert_eq!((row.standing, row.approval), (Some(Standing::Unapproved), None));
    scene.pass(1000);
    let on = (a, &prefix(P));
    let word = ("ann", "asked for in ticket 7");
    let approved = scene.nodes.approve(scene.now, &mut scene.table, on, word, false).unwrap();
    assert_eq!(approved, Approved::Enabled);
    scene.settle();
    let row = scene.row(a, P);
    let approval = row.approval.clone().unwrap();
    assert!(row.enabled && row.is_primary, "the sole router is primary: {row:?}");
    assert_eq!((approval.by, approval.at.0), (By::Person("ann".into()), WALL + 1000));
    assert_eq!(approval.why, "asked for in ticket 7");
    assert_eq!((row.created.0, row.updated.0), (WALL, WALL + 1000));
    scene.disconnect(a);
    scene.settle();
    let row = scene.row(a, P);
    assert!(row.advertised && row.enabled, "a lost session takes nothing back");
    assert!(!row.is_primary && row.was_primary && row.standing == Some(Standing::Offline));
}

#[test]
fn a_withdrawal_ends_the_approval_and_says_whose_it_was() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    scene.announce(a, &[P]);
    scene.approve(a, P).unwrap();
    scene.settle();
    scene.pass(60_000);
    scene.announce(a, &[]);
    scene.settle();
    let row = scene.row(a, P);
    assert!(!row.advertised && !row.enabled && row.approval.is_none());
    let was = row.was_enabled.unwrap().to_string();
    assert_eq!(was, "was enabled until 2023-11-14T22:14:20Z by ann");
    scene.announce(a, &[P]);
    scene.settle();
    let row = scene.row(a, P);
    assert!(row.advertised && !row.enabled, "advertised again it needs a word again");
    assert!(row.was_enabled.is_some());

    let keep = Settings { on_withdraw: OnWithdraw::Keep, ..Settings::default() };
    let mut scene = Scene::new(keep);
    let a = scene.add("user1@");
    scene.announce(a, &[P]);
    scene.approve(a, P).unwrap();
    scene.announce(a, &[]);
    scene.settle();
    assert_eq!(approved_by(&scene, a, P).as_deref(), Some("ann"));
    assert!(scene.row(a, P).was_enabled.is_none(), "nothing ended");
    scene.announce(a, &[P]);
    scene.settle();
    assert!(scene.row(a, P).enabled);
}

#[test]
fn a_route_that_is_not_advertised_is_refused_or_waits() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    let not_advertised = NodesError::NotAdvertised { node: a, prefix: prefix(P) };
    assert_eq!(scene.approve(a, P), Err(not_advertised.clone()));
    assert!(scene.nodes.rows_of(&scene.table, a).is_empty(), "nothing was changed");
    scene.announce(a, &["192.168.2.0/24"]);
    scene.settle();
    assert_eq!(scene.approve(a, P), Err(not_advertised));
    let on = (a, &prefix(P));
    let waits = scene.nodes.approve(scene.now, &mut scene.table, on, ("ann", ""), true).unwrap();
    assert_eq!(waits, Approved::Waits);
    scene.settle();
    let row = scene.row(a, P);
    assert!(!row.advertised && !row.enabled && row.approval.is_some_and(|w| w.is));
    scene.announce(a, &["192.168.2.0/24", P]);
    scene.settle();
    assert!(scene.row(a, P).enabled && scene.row(a, P).is_primary);
    assert_eq!(scene.approve(NodeId(9), P), Err(NodesError::Unknown(NodeId(9))));
}

#[test]
fn both_families_of_an_exit_route_go_together_and_none_is_primary() {
    let mut scene = Scene::new(Settings::default());
    let [a, b] = [scene.add("user1@"), scene.add("user1@")];
    for (id, family) in [(a, "0.0.0.0/0"), (b, "::/0")] {
        scene.announce(id, &["0.0.0.0/0", "::/0"]);
        scene.approve(id, family).unwrap();
    }
    scene.settle();
    for family in ["0.0.0.0/0", "::/0"] {
        assert_eq!(election::exit_nodes(&scene.table, &prefix(family)), [a, b]);
        assert!(scene.row(a, family).enabled && scene.row(b, family).enabled);
        assert_eq!(scene.primary(family), None);
        assert!(!scene.row(a, family).is_primary && !scene.row(a, family).was_primary);
    }
    scene.revoke(a, "::/0");
    scene.unhealthy(b);
    scene.settle();
    for family in ["0.0.0.0/0", "::/0"] {
        assert!(!scene.row(a, family).enabled);
        assert_eq!(election::exit_nodes(&scene.table, &prefix(family)), [b], "a sick one is told");
    }
    let exit = election::set_primary(scene.now, &mut scene.table, &Prefix::DEFAULT_V4, b);
    assert_eq!(exit, Err(NotPrimary::Exit));
}

#[test]
fn rules_approve_again_and_a_persons_revocation_is_not_undone() {
    let mut scene = Scene::with_policy(Settings::default(), AUTO);
    let a = scene.add("user1@");
    scene.announce(a, &["10.1.0.0/16"]);
    scene.settle();
    let rule = "rule `autoApprovers.routes[10.0.0.0/8]`";
    assert_eq!(approved_by(&scene, a, "10.1.0.0/16").as_deref(), Some(rule));
    scene.announce(a, &[]);
    scene.announce(a, &["10.1.0.0/16"]);
    scene.settle();
    let row = scene.row(a, "10.1.0.0/16");
    assert!(row.enabled, "advertised again it is approved again");
    assert_eq!(row.was_enabled.unwrap().by.to_string(), rule);
    scene.revoke(a, "10.1.0.0/16");
    scene.settle();
    for again in 0..3 {
        match again {
            0 => scene.set_policy(AUTO),
            1 => scene.announce(a, &[]),
            _ => scene.disconnect(a),
        }
        scene.announce(a, &["10.1.0.0/16"]);
        scene.settle();
        let row = scene.row(a, "10.1.0.0/16");
        assert!(!row.enabled && row.standing == Some(Standing::Denied), "{again}: {row:?}");
        assert!(row.approval.is_some_and(|w| !w.is && w.by == By::Person("ann".into())));
    }
}

/// The integration matrix of autoApprovers: what was approved outlives its rule, unless `strict`.
#[test]
fn what_a_rule_approved_outlives_it_unless_strict() {
    for strict in [false, true] {
        let mut scene = Scene::with_policy(Settings { strict, ..Settings::default() }, AUTO);
        let [a, b] = [scene.add("user1@"), scene.add("user1@")];
        let exit = ["0.0.0.0/0", "::/0"];
        scene.announce(a, &["10.1.0.0/16"]);
        scene.settle();
        assert!(scene.row(a, "10.1.0.0/16").is_primary);
        scene.set_policy("{}");
        assert_eq!(scene.row(a, "10.1.0.0/16").enabled, !strict);
        scene.set_policy(AUTO);
        assert!(scene.row(a, "10.1.0.0/16").enabled);
        scene.announce(b, &["10.1.1.0/24", "192.168.0.0/24", exit[0], exit[1]]);
        scene.settle();
        assert!(scene.row(b, "10.1.1.0/24").is_primary && !scene.row(b, "192.168.0.0/24").enabled);
        assert!(exit.iter().all(|e| scene.row(b, e).enabled && !scene.row(b, e).is_primary));
    }
}

#[test]
fn a_tagged_node_is_approved_by_its_tags_and_not_by_whoever_installed_it() {
    let policy = r#"{
        "tagOwners": {"tag:router": ["user1@"]},
        "autoApprovers": {"routes": {"10.0.0.0/8": ["user1@"], "172.16.0.0/12": ["tag:router"]}},
    }"#;
    let mut scene = Scene::with_policy(Settings::default(), policy);
    let [user, tagged] = [scene.add("user1@"), scene.add("tag:router")];
    for id in [user, tagged] {
        scene.announce(id, &["10.0.0.0/16", "172.16.0.0/16"]);
    }
    scene.settle();
    assert!(scene.row(user, "10.0.0.0/16").enabled && !scene.row(user, "172.16.0.0/16").enabled);
    assert!(!scene.row(tagged, "10.0.0.0/16").enabled);
    assert!(scene.row(tagged, "172.16.0.0/16").enabled);
}

#[test]
fn a_node_that_is_removed_takes_its_routes_along_in_one_step() {
    let mut scene = Scene::new(Settings::default());
    let [a, b] = [scene.add("user1@"), scene.add("user1@")];
    for id in [a, b] {
        scene.announce(id, &[P, "192.168.2.0/24"]);
        scene.approve(id, P).unwrap();
        scene.approve(id, "192.168.2.0/24").unwrap();
    }
    scene.settle();
    let rows = scene.nodes.remove(scene.now, &mut scene.table, a).unwrap();
    scene.settle();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|r| r.deleted == Some(scene.now.wall) && r.enabled && r.is_primary));
    assert_eq!((scene.primary(P), scene.primary("192.168.2.0/24")), (Some(b), Some(b)));
    assert!(scene.nodes.rows(&scene.table).all(|row| row.node == b));
    assert_eq!(scene.table.counts().routes, 2);
    assert_eq!(scene.table.counts().decisions, 2, "its words went with it");
    assert_eq!(scene.table.counts().sources, 1);
    // Its name and key are free, its number isn't given again.
    let mut again = node(a.0, "user1@");
    assert!(matches!(scene.nodes.add(again.clone()), Err(NodesError::Number { .. })));
    again.id = scene.nodes.next_id();
    assert_eq!(again.id, NodeId(3));
    scene.nodes.add(again).unwrap();

    let never_came = scene.add("user1@");
    let on = (never_came, &prefix(P));
    scene.nodes.approve(scene.now, &mut scene.table, on, ("ann", ""), true).unwrap();
    scene.nodes.remove(scene.now, &mut scene.table, never_came).unwrap();
    assert_eq!(scene.table.counts().decisions, 2, "nothing is left of what waited");
}

#[test]
fn an_expired_node_serves_nothing_and_what_was_revoked_stays_so() {
    for is_away in [false, true] {
        let mut scene = Scene::with_policy(Settings::default(), AUTO);
        let [a, b] = [scene.add("user1@"), scene.add("user1@")];
        for id in [a, b] {
            scene.announce(id, &["10.1.0.0/16", "10.2.0.0/16"]);
        }
        scene.revoke(a, "10.2.0.0/16");
        scene.nodes.set_expiry(a, Some(Wall(WALL + 500))).unwrap();
        scene.settle();
        assert_eq!(scene.nodes.next_expiry(), Some(Wall(WALL + 500)));
        assert!(scene.nodes.expire(scene.now, &mut scene.table).is_empty());
        if is_away {
            scene.disconnect(a);
            scene.settle();
        }
        scene.pass(500);
        assert_eq!(scene.nodes.expire(scene.now, &mut scene.table), [a]);
        scene.settle();
        assert_eq!(scene.primary("10.1.0.0/16"), Some(b));
        let row = scene.row(a, "10.1.0.0/16");
        assert!(!row.advertised && row.was_enabled.is_some(), "{row:?}");
        assert_eq!(scene.table.counts().routes, 2);
        let refused =
            scene.nodes.connect(scene.now, &mut scene.table, a, Incarnation(99)).unwrap_err();
        assert_eq!(refused, NodesError::Expired(a));
        scene.nodes.set_expiry(a, None).unwrap();
        scene.announce(a, &["10.1.0.0/16", "10.2.0.0/16"]);
        scene.settle();
        assert!(scene.row(a, "10.1.0.0/16").enabled && !scene.row(a, "10.2.0.0/16").enabled);
    }
}

#[test]
fn names_keys_and_addresses_are_one_nodes() {
    let mut scene = Scene::new(Settings::default());
    let [a, b] = [scene.add("user1@"), scene.add("user1@")];
    for what in ["name", "key", "address"] {
        let mut third = node(3, "user1@");
        let first = scene.nodes.get(a).unwrap();
        match what {
            "name" => third.name = first.name.clone(),
            "key" => third.key = first.key,
            _ => third.addresses.clone_from(&first.addresses),
        }
        let error = scene.nodes.add(third).unwrap_err();
        assert!(
            matches!(&error, NodesError::Taken { by, what: is, .. } if *by == a && *is == what)
        );
    }
    assert!(scene.nodes.rename(b, "node-1".parse().unwrap()).is_err());
    scene.nodes.rename(b, "node-2".parse().unwrap()).unwrap();
    scene.nodes.rename(b, "printer".parse().unwrap()).unwrap();
    assert!(scene.nodes.by_name(&"node-2".parse().unwrap()).is_none());
    assert_eq!(scene.nodes.by_name(&"printer".parse().unwrap()).map(|n| n.id), Some(b));
    let key = scene.nodes.get(b).unwrap().key;
    assert_eq!(scene.nodes.by_key(&key).map(|n| n.id), Some(b));
}

#[test]
fn what_an_older_session_says_is_refused() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    let old = scene.connect(a);
    let new = scene.connect(a);
    let all = [prefix(P)].into();
    assert!(scene.nodes.announce(scene.now, &mut scene.table, &old, &all).is_err());
    assert!(scene.nodes.disconnect(scene.now, &mut scene.table, &old, "late").is_err());
    assert!(scene.is_up(a), "a late end of an old session leaves the new one alone");
    scene.nodes.announce(scene.now, &mut scene.table, &new, &all).unwrap();
    assert!(scene.nodes.connect(scene.now, &mut scene.table, a, old.incarnation).is_err());
}

#[test]
fn an_equal_announcement_and_a_reconnect_change_nothing() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    scene.announce(a, &[P]);
    scene.approve(a, P).unwrap();
    scene.settle();
    let (row, n) = (scene.row(a, P), scene.n_changes);
    scene.pass(1000);
    scene.announce(a, &[P]);
    scene.settle();
    scene.connect(a);
    scene.announce(a, &[P]);
    scene.settle();
    assert_eq!((scene.row(a, P), scene.n_changes), (row, n));
}

#[test]
fn rows_are_bounded_and_those_that_say_least_give_way() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    let route = |n: usize| format!("10.{}.{}.0/24", n / 256, n % 256);
    let set = |range: std::ops::Range<usize>| {
        range.map(route).map(|p| prefix(&p)).collect::<std::collections::BTreeSet<_>>()
    };
    for round in 0..4 {
        scene.announce_all(a, &set(round * MAX_ROUTES..(round + 1) * MAX_ROUTES));
        scene.settle();
        scene.pass(1);
    }
    let rows = scene.nodes.rows_of(&scene.table, a);
    assert!((MAX_ROUTES + 1..=MAX_ROWS).contains(&rows.len()), "{}", rows.len());
    assert_eq!(rows.iter().filter(|row| row.advertised).count(), MAX_ROUTES);
    let session = scene.session(a);
    let over = set(0..MAX_ROUTES + 2);
    let said = scene.nodes.announce(scene.now, &mut scene.table, &session, &over).unwrap();
    let refused: Vec<_> = said
        .verdicts
        .iter()
        .filter(|(_, v)| *v == Verdict::Refused(Refused::SourceBound(MAX_ROUTES)))
        .collect();
    assert_eq!(refused.len(), 2, "the newcomers");
    scene.settle();
    for n in 0..MAX_ROUTES {
        let on = (a, &prefix(&format!("172.16.{}.{}/32", n / 256, n % 256)));
        scene.nodes.approve(scene.now, &mut scene.table, on, ("ann", ""), true).unwrap();
    }
    let on = (a, &prefix("172.31.0.0/32"));
    let full = scene.nodes.approve(scene.now, &mut scene.table, on, ("ann", ""), true);
    assert!(matches!(full, Err(NodesError::TooMany { .. })), "every row says something");
    assert_eq!(scene.nodes.rows_of(&scene.table, a).len(), MAX_ROWS);
    // Every row is decided on: no new route gets in, and none is in the table without a row.
    for n in 0..MAX_ROUTES {
        scene.approve(a, &route(n)).unwrap();
        scene.revoke(a, &route(n));
    }
    let session = scene.session(a);
    let new = [prefix("172.30.0.0/16")].into();
    let said = scene.nodes.announce(scene.now, &mut scene.table, &session, &new).unwrap();
    let over = Verdict::Refused(Refused::SourceBound(MAX_ROWS));
    assert_eq!(said.verdicts, [(prefix("172.30.0.0/16"), over)]);
    scene.settle();
    assert_eq!(scene.table.counts().routes, 0);
    let on = (a, &prefix(&route(0)));
    scene.nodes.forget(scene.now, &mut scene.table, on, ("ann", "")).unwrap();
    scene.announce(a, &["172.30.0.0/16"]);
    scene.settle();
    assert!(scene.row(a, "172.30.0.0/16").advertised);
}

#[test]
fn a_row_is_forgotten_with_every_word_unless_it_is_advertised() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    scene.announce(a, &[P]);
    scene.revoke(a, P);
    scene.settle();
    let on = (a, &prefix(P));
    let refused = scene.nodes.forget(scene.now, &mut scene.table, on, ("ann", ""));
    assert_eq!(refused, Err(NodesError::Advertised { node: a, prefix: prefix(P) }));
    scene.announce(a, &[]);
    scene.settle();
    assert!(scene.row(a, P).approval.is_some_and(|w| !w.is), "a revocation outlives its route");
    scene.nodes.forget(scene.now, &mut scene.table, on, ("ann", "")).unwrap();
    assert!(scene.nodes.row(&scene.table, a, &prefix(P)).is_none());
    assert_eq!(scene.table.counts().decisions, 0);
}

#[test]
fn a_preferred_router_takes_over_or_waits_as_preempt_says() {
    for preempt in [true, false] {
        let mut scene = Scene::new(Settings { preempt, ..Settings::default() });
        let [a, b] = [scene.add("user1@"), scene.add("user1@")];
        for id in [a, b] {
            scene.announce(id, &[P]);
            scene.approve(id, P).unwrap();
            scene.settle();
        }
        let (source, on) = (SourceId::node(b.0), prefix(P));
        let by = By::Person("ann".into());
        scene.table.decide(scene.now, &source, Some(&on), Decision::Prefer(200), by, "").unwrap();
        scene.settle();
        assert_eq!(scene.primary(P), Some(if preempt { b } else { a }));
        scene.unhealthy(a);
        scene.settle();
        assert_eq!(scene.primary(P), Some(b));
        scene.healthy(a);
        scene.settle();
        assert_eq!(scene.primary(P), Some(b));
    }
}

#[test]
fn a_person_makes_a_router_primary_and_is_told_where_that_would_not_last() {
    let mut scene = Scene::new(Settings::default());
    let [a, b, c] = [scene.add("user1@"), scene.add("user1@"), scene.add("user1@")];
    for id in [a, b] {
        scene.announce(id, &[P]);
        scene.approve(id, P).unwrap();
    }
    scene.pass(1);
    scene.settle();
    let on = prefix(P);
    election::set_primary(scene.now, &mut scene.table, &on, b).unwrap();
    scene.settle();
    assert_eq!(scene.primary(P), Some(b));
    scene.disconnect(b);
    scene.settle();
    assert_eq!(scene.primary(P), Some(a), "it is an incumbent, and nobody waits for it");
    let error = |scene: &mut Scene, id| {
        election::set_primary(scene.now, &mut scene.table, &on, id).unwrap_err().to_string()
    };
    assert_eq!(error(&mut scene, b), "node 2 is offline for 192.168.1.0/24");
    assert_eq!(error(&mut scene, c), "node 3 doesn't advertise 192.168.1.0/24");
    scene.announce(b, &[P]);
    scene.settle();
    scene.unhealthy(b);
    scene.settle();
    let behind = "node 1 comes before it for 192.168.1.0/24 by its";
    assert_eq!(error(&mut scene, b), format!("{behind} standing"));
    scene.healthy(b);
    let (source, by) = (SourceId::node(a.0), By::Person("ann".into()));
    scene.table.decide(scene.now, &source, Some(&on), Decision::Prefer(200), by, "").unwrap();
    scene.settle();
    assert_eq!(error(&mut scene, b), format!("{behind} preference"));

    let mut scene = Scene::new(Settings { sticky: false, ..Settings::default() });
    let a = scene.add("user1@");
    let not_sticky = election::set_primary(scene.now, &mut scene.table, &on, a);
    assert_eq!(not_sticky, Err(NotPrimary::NotSticky));
}
