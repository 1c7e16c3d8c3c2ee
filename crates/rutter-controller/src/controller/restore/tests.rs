use std::time::Duration;

use rutter_registry::{Incarnations, LeaseKey, Leases, NewLease, Routes};

use super::*;
use crate::tests::{START, World, registration};

#[tokio::test]
async fn more_than_a_page_of_users_and_leases_comes_back_whole() {
    let world = World::new().await;
    let n_users = MAX_PAGE + 7;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..n_users {
        let controller = world.controller.clone();
        all.spawn(async move {
            let user: rutter_registry::UserId = format!("u{i}").parse().unwrap();
            let name = Some(format!("n{i}"));
            let claim =
                crate::DomainClaim { user: user.clone(), name, key: None, by: "test".into() };
            controller.claim_domain(START, claim).await.unwrap();
            let what = registration(&user, "agent", &["https://192.0.2.1:443"]);
            controller.register(START, what).await.unwrap();
        });
    }
    all.join_all().await;
    let world = world.restart(START).await;
    assert_eq!(world.controller.counts(), (n_users, n_users));
    assert_eq!(world.told.sources().len(), n_users);
}

#[tokio::test]
async fn a_lease_that_can_not_be_read_keeps_no_other_from_being_served() {
    let world = World::new().await;
    let alice = world.user("1", "alice").await;
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, what).await.unwrap();
    let damaged = NewLease {
        key: LeaseKey { user: alice, source: "tunnel".parse().unwrap() },
        incarnation: world.registry.next_incarnation().await.unwrap(),
        lease: Duration::from_secs(600),
        routes: Routes::encode(&"not claims").unwrap(),
    };
    world.registry.put_lease(START.wall, damaged).await.unwrap();
    let world = world.restart(START).await;
    assert_eq!(world.told.sources(), ["agent/1"]);
    let again = world.controller.restore(START).await.unwrap();
    assert_eq!(again, Restored { n_users: 1, n_members: 0, n_leases: 1, n_unreadable: 1 });
}
