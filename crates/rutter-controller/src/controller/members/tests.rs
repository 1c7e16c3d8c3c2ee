use std::time::Duration;

use rutter_registry::{Audit, MAX_PAGE, Role};

use super::*;
use crate::tests::{START, World};
use crate::{DomainClaim, Enrolment, NewJoinToken};

const KEY: PublicKey = PublicKey([1; 32]);
const OTHER: PublicKey = PublicKey([2; 32]);

async fn gateways(world: &World, n_gateways: usize) -> Vec<MemberName> {
    let new = NewJoinToken { role: Role::Gateway, reusable: true, ttl: Duration::from_secs(3600) };
    let made = world.controller.create_join_token(START, new, "test").await.unwrap();
    let mut names = Vec::new();
    for i in 0..n_gateways {
        let (token, name) = (made.secret.reveal().to_owned(), format!("edge-{i:04}"));
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(i as u64 + 1).to_be_bytes());
        let what = Enrolment { token, name: name.clone(), key: PublicKey(key), role: None };
        world.controller.enrol(START, what).await.unwrap();
        names.push(name.parse().unwrap());
    }
    names
}

fn with_key(user: &str, name: Option<&str>, key: PublicKey) -> DomainClaim {
    let name = name.map(str::to_owned);
    DomainClaim { user: user.parse().unwrap(), name, key: Some(key), by: "test".into() }
}

#[tokio::test]
async fn members_come_in_pages_and_all_come_back_after_a_restart() {
    let world = World::new().await;
    let names = gateways(&world, MAX_PAGE + 3).await;
    let listed = |world: &World| {
        let first = world.controller.members(&Page::first(MAX_PAGE));
        let last = first.last().unwrap().name.clone();
        let rest = world.controller.members(&Page::after(last, MAX_PAGE));
        first.into_iter().chain(rest).map(|member| member.name).collect::<Vec<_>>()
    };
    assert_eq!(listed(&world), names);
    let world = world.restart(START).await;
    assert_eq!(listed(&world), names);
}

#[tokio::test]
async fn a_member_that_is_removed_speaks_no_more_and_that_is_written_down() {
    let world = World::new().await;
    let name = gateways(&world, 1).await.remove(0);
    let key = world.controller.members(&Page::first(1))[0].key;
    world.controller.member_seen(START.plus(Duration::from_secs(5)), &name).await.unwrap();
    let seen = world.controller.members(&Page::first(1))[0].last_seen.unwrap();
    assert_eq!(seen.0, START.wall.0 + 5000);

    let gone = world.controller.remove_member(START, name.clone(), "ann".into()).await.unwrap();
    assert_eq!((gone.key, gone.last_seen), (key, Some(seen)));
    assert_eq!(world.controller.speaker(&key), None);
    assert_eq!(world.controller.members(&Page::first(1)), []);
    let again = world.controller.remove_member(START, name.clone(), "ann".into()).await;
    assert!(matches!(again, Err(Error::NotFound { what: "member", .. })), "{again:?}");
    let late = world.controller.member_seen(START, &name).await;
    assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
    let (_, event) = world.registry.audit_events(Page::first(1)).await.unwrap().remove(0);
    let words = [event.who.as_str(), event.what.as_str(), event.subject.as_str()];
    assert_eq!(words, ["ann", "member.remove", "gateway edge-0000"]);
    assert_eq!(world.restart(START).await.controller.speaker(&key), None);
}

#[tokio::test]
async fn a_users_key_speaks_while_it_is_its_own_and_the_user_has_a_name() {
    let world = World::new().await;
    let speaks_as = |key| match world.controller.speaker(&key) {
        Some(Speaker::Agent { name, .. }) => Some(name.to_string()),
        other => other.map(|_| panic!("a member")),
    };
    let claim = async |claim| world.controller.claim_domain(START, claim).await.unwrap();
    claim(with_key("1", None, KEY)).await;
    assert_eq!(speaks_as(KEY), None, "nobody without a name");
    claim(with_key("1", Some("alice"), KEY)).await;
    assert_eq!(speaks_as(KEY), Some("alice".into()));
    claim(with_key("1", Some("alicia"), OTHER)).await;
    assert_eq!((speaks_as(KEY), speaks_as(OTHER)), (None, Some("alicia".into())));
    // Two users of one key: it says nothing of who holds it.
    claim(with_key("2", Some("bob"), OTHER)).await;
    assert_eq!(speaks_as(OTHER), None);
    world.controller.delete_domain(START, "1".parse().unwrap(), "test".into()).await.unwrap();
    assert_eq!(speaks_as(OTHER), Some("bob".into()));
}

#[tokio::test]
async fn who_gives_a_user_a_members_key_takes_nothing_from_the_member() {
    let world = World::new().await;
    gateways(&world, 1).await;
    let member = world.controller.members(&Page::first(1)).remove(0);
    let claim = with_key("1", Some("alice"), member.key);
    world.controller.claim_domain(START, claim).await.unwrap();
    assert_eq!(world.controller.speaker(&member.key), Some(Speaker::Member(member)));
}
