use rutter_registry::{Scope, TokenRefusal};

use super::*;
use crate::tests::{START, World};

fn new(scopes: &[Scope], ttl: Option<u64>) -> NewApiToken {
    let ttl = ttl.map(Duration::from_secs);
    NewApiToken { name: "ci".into(), scopes: Scopes::of(scopes), ttl }
}

#[tokio::test]
async fn a_token_opens_what_it_names_until_it_ends_or_is_revoked() {
    let world = World::new().await;
    let controller = &world.controller;
    let made = controller.create_token(START, new(&[Scope::Read], Some(60)), "test").await.unwrap();
    let secret = made.secret.reveal();
    let token = controller.authenticate(START, secret).await.unwrap();
    assert_eq!(token.grant, Grant::Api { scopes: Scopes::of(&[Scope::Read]) });
    let late = START.plus(Duration::from_secs(60));
    let error = controller.authenticate(late, secret).await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Expired)), "{error}");
    controller.revoke_token(START, &made.token.id, "test").await.unwrap();
    let error = controller.authenticate(START, secret).await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Revoked)), "{error}");
    // An API token is no agent's.
    assert!(controller.agent_of(START, secret).await.is_err());
    let unknown = controller.revoke_token(START, &"0".repeat(16).parse().unwrap(), "test").await;
    assert!(matches!(unknown, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_token_that_could_do_nothing_or_never_ends_is_not_made() {
    let world = World::new().await;
    let nothing = world.controller.create_token(START, new(&[], None), "test").await;
    assert!(matches!(nothing, Err(Error::Bound(_))));
    for ttl in [Duration::ZERO, MAX_JOIN_TTL + Duration::from_secs(1)] {
        let new = NewJoinToken { role: Role::Agent, reusable: false, ttl };
        let made = world.controller.create_join_token(START, new, "test").await;
        assert!(matches!(made, Err(Error::Bound(_))), "{ttl:?}");
    }
    let kinds = [TokenKind::Api, TokenKind::Join];
    for kind in kinds {
        let listed = world.controller.tokens(kind, Page::first(10)).await.unwrap();
        assert_eq!(listed, [], "{kind:?}");
    }
}
