use std::time::Duration;

use ed25519_dalek::SigningKey;
use rutter_registry::{Role, TokenRefusal};

use super::*;
use crate::tests::{START, World};
use crate::{Availability, Error, base36, verifies};

const HOUR: Duration = Duration::from_secs(3600);

async fn token(world: &World, reusable: bool) -> String {
    token_for(world, Role::Agent, reusable).await
}

async fn token_for(world: &World, role: Role, reusable: bool) -> String {
    let new = crate::NewJoinToken { role, reusable, ttl: HOUR };
    let made = world.controller.create_join_token(START, new, "test").await.unwrap();
    made.secret.reveal().to_owned()
}

fn request(token: &str, name: &str) -> JoinRequest {
    JoinRequest { token: token.into(), name: name.into() }
}

#[tokio::test]
async fn a_join_makes_a_user_a_key_a_name_and_a_token_that_lasts() {
    let world = World::new().await;
    let token = token(&world, false).await;
    assert!(token.starts_with("rtj_"));
    let joined = world.controller.join(START, request(&token, "alice")).await.unwrap();
    assert_eq!(joined.domain.as_str(), "alice.localhost");
    assert!(joined.agent_token.reveal().starts_with("rta_"));
    let world = world.restart(START).await;
    let user = world.controller.agent_of(START, joined.agent_token.reveal()).await.unwrap();
    assert_eq!(user, joined.user);
    let identity = world.controller.identity(&user).unwrap();
    let key = SigningKey::from_bytes(&identity.seed.clone().unwrap().0);
    let signature = ed25519_dalek::Signer::sign(&key, user.as_str().as_bytes());
    let text = base36::encode(&signature.to_bytes());
    assert!(verifies(&identity.key.unwrap(), user.as_str().as_bytes(), &text));
}

#[tokio::test]
async fn who_may_not_join_learns_nothing_and_uses_nothing_up() {
    let world = World::new().await;
    world.user("1", "alice").await;
    let once = token(&world, false).await;
    let join = |now, token: &str, name: &str| world.controller.join(now, request(token, name));
    // Without a good token even a bad name is not looked at.
    for bad in ["", "rtj_nonsense", &once.replace("rtj_", "rta_")] {
        let error = join(START, bad, "a-b").await.unwrap_err();
        assert!(matches!(error, Error::Token(TokenRefusal::Unknown)), "{bad:?}: {error}");
    }
    let late = START.plus(HOUR);
    let error = join(late, &once, "bob").await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Expired)), "{error}");
    // A token for gateways makes no agent.
    let gateways = token_for(&world, Role::Gateway, false).await;
    let error = join(START, &gateways, "bob").await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Role)), "{error}");
    // A name that is taken or bad leaves a single-use token unused.
    assert!(matches!(join(START, &once, "alice").await, Err(Error::NameTaken(_))));
    assert!(matches!(join(START, &once, "www").await, Err(Error::Name(_))));
    join(START, &once, "bob").await.unwrap();
    let error = join(START, &once, "carol").await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Used)), "{error}");
    assert_eq!(world.controller.availability("carol"), Availability::Free);
}

#[tokio::test]
async fn a_reusable_token_lets_many_join_but_nobody_twice_under_one_name() {
    let world = World::new().await;
    let token = token(&world, true).await;
    for name in ["a", "b", "c"] {
        world.controller.join(START, request(&token, name)).await.unwrap();
    }
    let again = world.controller.join(START, request(&token, "a")).await;
    assert!(matches!(again, Err(Error::NameTaken(_))));
}

#[tokio::test]
async fn of_many_who_use_one_token_at_once_one_joins() {
    let world = World::new().await;
    let token = token(&world, false).await;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..20 {
        let (controller, request) = (world.controller.clone(), request(&token, &format!("n{i}")));
        all.spawn(async move { controller.join(START, request).await.is_ok() });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|joined| *joined).count(), 1);
    assert_eq!(world.controller.counts().0, 1);
}
