use std::time::Duration;

use super::*;
use crate::tests::{START, World, registration};
use crate::{Error, parse_key};

fn claim(user: &str, name: Option<&str>, key: Option<&str>) -> DomainClaim {
    DomainClaim {
        user: user.parse().unwrap(),
        name: name.map(str::to_owned),
        key: key.map(|k| parse_key(k).unwrap()),
        by: "test".into(),
    }
}

#[tokio::test]
async fn a_name_is_one_users_whichever_door_is_used() {
    let world = World::new().await;
    let ask = |c| world.controller.claim_domain(START, c);
    ask(claim("1", Some(" alice "), None)).await.unwrap();
    assert!(matches!(ask(claim("2", Some("alice"), None)).await, Err(Error::NameTaken(_))));
    for bad in ["www", "app", "root", "a-b", "Alice", "", &"a".repeat(64)] {
        let result = ask(claim("2", Some(bad), None)).await;
        assert!(matches!(result, Err(Error::Name(_))), "{bad:?}");
    }
    assert!(world.controller.identity(&"2".parse().unwrap()).is_none(), "nothing was made");
    let cases = [
        ("alice", Availability::Taken),
        ("bob", Availability::Free),
        ("www", Availability::Not(NameError::Reserved)),
        ("", Availability::Not(NameError::Blank)),
    ];
    for (name, expected) in cases {
        assert_eq!(world.controller.availability(name), expected, "{name}");
    }
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let world = World::new().await;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..20 {
        let controller = world.controller.clone();
        let wanted = claim(&format!("u{i}"), Some("alice"), None);
        all.spawn(async move { controller.claim_domain(START, wanted).await.is_ok() });
    }
    let granted = all.join_all().await.into_iter().filter(|granted| *granted).count();
    assert_eq!(granted, 1);
}

#[tokio::test]
async fn a_rename_moves_the_routes_and_frees_the_name() {
    let world = World::new().await;
    let user = world.user("1", "alice").await;
    let what = registration(&user, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, what).await.unwrap();
    world.controller.claim_domain(START, claim("1", Some("carol"), None)).await.unwrap();
    assert_eq!(world.told.says("agent/1"), ["carol.localhost https://192.0.2.1:443"]);
    assert_eq!(world.controller.availability("alice"), Availability::Free);
    assert!(world.controller.resolve(START, "alice").await.unwrap().is_none());
    assert!(world.controller.resolve(START, "carol").await.unwrap().is_some());
    let world = world.restart(START).await;
    assert_eq!(world.told.says("agent/1"), ["carol.localhost https://192.0.2.1:443"]);
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_behind() {
    let world = World::new().await;
    let user = world.user("1", "alice").await;
    for source in ["agent", "tunnel"] {
        let what = registration(&user, source, &["https://192.0.2.1:443"]);
        world.controller.register(START, what).await.unwrap();
    }
    let delete = || world.controller.delete_domain(START, user.clone(), "test".into());
    assert!(delete().await.unwrap());
    assert!(!delete().await.unwrap());
    assert_eq!(world.told.sources(), Vec::<String>::new());
    assert_eq!(world.controller.availability("alice"), Availability::Free);
    let world = world.restart(START).await;
    assert_eq!(world.controller.counts(), (0, 0));
    assert_eq!(world.told.sources(), Vec::<String>::new());
}

#[tokio::test]
async fn a_signature_is_checked_under_the_users_own_key() {
    let world = World::new().await;
    let vectors = crate::tests::vectors();
    let (first, second) = (&vectors["vectors"][0], &vectors["vectors"][1]);
    let key = first["public_key_base36"].as_str().unwrap();
    let alice = claim("alice", Some("alice"), Some(key));
    let identity = world.controller.claim_domain(START, alice).await.unwrap();
    let signed = |by: &serde_json::Value| {
        world.controller.signed(&identity, by["signature_base36"].as_str().unwrap())
    };
    assert!(signed(first));
    assert!(!signed(second));
    let keyless = world.controller.claim_domain(START, claim("bob", Some("bob"), None)).await;
    assert!(!world.controller.signed(&keyless.unwrap(), "k"));
}

#[tokio::test]
async fn a_user_is_online_for_two_minutes_after_a_heartbeat() {
    let world = World::new().await;
    let user = world.user("1", "alice").await;
    let online = |now| {
        let identity = world.controller.identity(&user).unwrap();
        world.controller.is_online(now, &identity)
    };
    assert!(!online(START));
    world.controller.heartbeat(START, &user).await.unwrap();
    assert!(online(START.plus(Duration::from_secs(120))));
    assert!(!online(START.plus(Duration::from_millis(120_001))));
    let nobody = world.controller.heartbeat(START, &"2".parse().unwrap()).await;
    assert!(matches!(nobody, Err(Error::UnknownUser)));
}

#[tokio::test]
async fn a_made_user_has_a_signature_that_its_key_verifies() {
    let world = World::new().await;
    let (identity, signature) = world.controller.make_user(START, "alice", "test").await.unwrap();
    assert!(world.controller.signed(&identity, &signature));
    let taken = world.controller.make_user(START, "alice", "test").await;
    assert!(matches!(taken, Err(Error::NameTaken(_))));
}

#[tokio::test]
async fn what_people_do_is_written_down() {
    use rutter_registry::{Audit, Page};
    let world = World::new().await;
    let user = world.user("1", "alice").await;
    world.controller.claim_domain(START, claim("1", Some("carol"), None)).await.unwrap();
    world.controller.delete_domain(START, user, "token x".into()).await.unwrap();
    let events = world.registry.audit_events(Page::first(10)).await.unwrap();
    let lines: Vec<_> = events
        .iter()
        .rev()
        .map(|(_, e)| format!("{} {} {} {}", e.who, e.what, e.subject, e.detail))
        .collect();
    assert_eq!(
        lines,
        [
            "test domain.claim 1 alice ",
            "test domain.claim 1 carol frees alice",
            "token x domain.delete 1 carol ",
        ]
    );
}
