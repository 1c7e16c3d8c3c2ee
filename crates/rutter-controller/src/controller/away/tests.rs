use std::time::Duration;

use super::*;
use crate::tests::{START, World, registration};
use crate::{DomainClaim, RegistrationNumber};

const LEASE: Duration = Duration::from_secs(600);

fn agent() -> SourceName {
    "agent".parse().unwrap()
}

#[tokio::test]
async fn a_lost_session_is_stale_for_what_its_lease_has_left_and_up_again_when_it_speaks() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    let number = world.controller.register(START, what.clone()).await.unwrap().number;
    let minute = START.plus(Duration::from_secs(60));
    assert!(world.controller.away(minute, alice.clone(), agent(), number).await.unwrap());
    assert_eq!(world.told.away("agent/uid-1"), Some(LEASE - Duration::from_secs(60)));
    // Nothing is withdrawn, here or there.
    assert_eq!(world.told.says("agent/uid-1").len(), 1);
    assert_eq!(world.controller.registered(minute, &alice).unwrap().leases.len(), 1);

    let claim = DomainClaim {
        user: alice.clone(),
        name: Some("alicia".into()),
        key: None,
        by: "test".into(),
    };
    world.controller.claim_domain(minute, claim).await.unwrap();
    assert_eq!(world.told.says("agent/uid-1"), ["alicia.localhost https://192.0.2.1:443"]);
    assert!(world.told.away("agent/uid-1").is_some(), "a new name isn't a new session");

    world.controller.register(minute, what).await.unwrap();
    assert_eq!(world.told.away("agent/uid-1"), None);
}

#[tokio::test]
async fn what_is_told_late_of_an_old_session_does_not_touch_the_new_one() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let register = async || {
        let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
        world.controller.register(START, what).await.unwrap().number
    };
    let away = async |now, number| {
        world.controller.away(now, alice.clone(), agent(), number).await.unwrap()
    };
    let (old, new) = (register().await, register().await);
    assert!(!away(START, old).await);
    assert!(!away(START, RegistrationNumber::default()).await);
    assert!(!away(START.plus(LEASE), new).await, "the lease has ended by itself");
    assert_eq!(world.told.away("agent/uid-1"), None);
    assert!(away(START, new).await);
    let nobody = world.controller.away(START, "nobody".parse().unwrap(), agent(), new).await;
    assert!(matches!(nobody, Err(Error::UnknownUser)), "{nobody:?}");
}
