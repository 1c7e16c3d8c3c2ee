use std::collections::BTreeSet;

use super::*;
use crate::{
    Grant, Identities, NewToken, Page, Role, Scope, Scopes, Token, TokenKind, TokenRefusal,
    TokenSecret, Tokens,
};

async fn create(
    registry: &SqliteRegistry,
    grant: Grant,
    expires: Option<Wall>,
) -> (TokenSecret, Token) {
    let secret = TokenSecret::generate(grant.kind()).unwrap();
    let new = NewToken { hash: secret.hash(), name: "test".into(), grant, expires };
    let token = registry.create_token(NOW, new).await.unwrap();
    (secret, token)
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> TokenRefusal {
    match result {
        Err(Error::Token(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn api(scopes: &[Scope]) -> Grant {
    Grant::Api { scopes: Scopes::of(scopes) }
}

#[tokio::test]
async fn a_token_opens_until_it_expires_or_is_revoked() {
    let fixture = Fixture::new().await;
    let scopes = [Scope::Read, Scope::Gateway];
    let (secret, token) = create(&fixture, api(&scopes), Some(later(60))).await;
    let ask = |at, kind, secret| {
        let registry = Arc::clone(&fixture.registry);
        async move { registry.authenticate(at, kind, &secret).await }
    };
    let found = ask(later(59), TokenKind::Api, secret.clone()).await.unwrap();
    assert_eq!(found.grant, api(&scopes));
    let refused = [
        (later(60), TokenKind::Api, secret.clone(), TokenRefusal::Expired),
        (NOW, TokenKind::Agent, secret.clone(), TokenRefusal::Unknown),
        (NOW, TokenKind::Join, secret.clone(), TokenRefusal::Unknown),
        (NOW, TokenKind::Api, TokenSecret::presented("rtk_guess"), TokenRefusal::Unknown),
        (NOW, TokenKind::Api, TokenSecret::presented(""), TokenRefusal::Unknown),
    ];
    for (at, kind, secret, expected) in refused {
        assert_eq!(refusal(ask(at, kind, secret).await), expected);
    }
    let revoked = fixture.revoke_token(later(10), &token.id).await.unwrap();
    assert_eq!(revoked.revoked, Some(later(10)));
    let again = fixture.revoke_token(later(20), &token.id).await.unwrap();
    assert_eq!(again.revoked, Some(later(10)));
    assert_eq!(refusal(ask(NOW, TokenKind::Api, secret).await), TokenRefusal::Revoked);
    let unknown = "0123456789abcdef".parse().unwrap();
    let error = fixture.revoke_token(NOW, &unknown).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "token", .. }), "{error}");
}

#[tokio::test]
async fn the_last_use_is_noted_to_the_minute() {
    let fixture = Fixture::new().await;
    let (secret, _) = create(&fixture, api(&[Scope::Admin]), None).await;
    for (at, noted) in [(0, 0), (59, 0), (60, 60), (61, 60)] {
        fixture.authenticate(later(at), TokenKind::Api, &secret).await.unwrap();
        // The note waits in the writer's queue; what is written next comes after it.
        fixture.claim(NOW, Claim::of(user(&format!("u{at}")))).await.unwrap();
        let listed = fixture.tokens(TokenKind::Api, Page::first(10)).await.unwrap();
        assert_eq!(listed[0].last_used, Some(later(noted)), "after {at} s");
    }
}

#[tokio::test]
async fn nothing_of_a_secret_is_kept_or_shown() {
    let fixture = Fixture::new().await;
    let (secret, token) = create(&fixture, api(&[Scope::Admin]), None).await;
    let (join, _) = create(&fixture, Grant::Join { reusable: true, role: Role::Agent }, None).await;
    for (secret, prefix) in [(&secret, "rtk_"), (&join, "rtj_")] {
        assert!(secret.reveal().starts_with(prefix));
        assert_eq!(secret.reveal().len(), prefix.len() + 43);
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains(&secret.reveal()[4..]));
    }
    let shown = format!("{token:?} {}", serde_json::to_string(&token).unwrap());
    assert!(!shown.contains(&secret.reveal()[4..]), "{shown}");

    let Fixture { registry, dir } = fixture;
    registry.close().await.unwrap();
    let file = std::fs::read(dir.path().join(FILE)).unwrap();
    let holds = |needle: &[u8]| file.windows(needle.len()).any(|part| part == needle);
    assert!(holds(secret.hash().as_bytes()), "the hash isn't where this test looks");
    for secret in [&secret, &join] {
        assert!(!holds(&secret.reveal().as_bytes()[4..20]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_use_join_token_is_used_exactly_once() {
    let fixture = Fixture::new().await;
    let (secret, _) =
        create(&fixture, Grant::Join { reusable: false, role: Role::Agent }, None).await;
    let uses: Vec<_> = (0..32)
        .map(|_| {
            let (registry, secret) = (Arc::clone(&fixture.registry), secret.clone());
            tokio::spawn(async move { registry.consume_join_token(NOW, &secret).await })
        })
        .collect();
    let mut n_granted = 0;
    for one in uses {
        match one.await.unwrap() {
            Ok(token) => {
                assert_eq!(token.last_used, Some(NOW));
                n_granted += 1;
            }
            refused => assert_eq!(refusal(refused), TokenRefusal::Used),
        }
    }
    assert_eq!(n_granted, 1);
    let fixture = fixture.restarted().await;
    let after = fixture.authenticate(NOW, TokenKind::Join, &secret).await;
    assert_eq!(refusal(after), TokenRefusal::Used);
}

#[tokio::test]
async fn a_reusable_join_token_is_used_until_it_expires() {
    let fixture = Fixture::new().await;
    let grant = Grant::Join { reusable: true, role: Role::Agent };
    let (secret, _) = create(&fixture, grant, Some(later(3600))).await;
    for at in [0, 1, 3599] {
        fixture.consume_join_token(later(at), &secret).await.unwrap();
    }
    let late = fixture.consume_join_token(later(3600), &secret).await;
    assert_eq!(refusal(late), TokenRefusal::Expired);
}

#[tokio::test]
async fn joining_is_all_or_nothing() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, claim_of("bob", "taken")).await.unwrap();
    let (secret, _) =
        create(&fixture, Grant::Join { reusable: false, role: Role::Agent }, None).await;
    let agent = TokenSecret::generate(TokenKind::Agent).unwrap();

    let taken = fixture.join(NOW, &secret, claim_of("alice", "taken"), agent.hash()).await;
    assert!(matches!(taken, Err(Error::NameTaken { .. })), "{taken:?}");
    assert_eq!(fixture.identity(&user("alice")).await.unwrap(), None);
    let refused = fixture.authenticate(NOW, TokenKind::Agent, &agent).await;
    assert_eq!(refusal(refused), TokenRefusal::Unknown);

    // The refusal has not used the token up.
    let joined = fixture.join(NOW, &secret, claim_of("alice", "free"), agent.hash()).await.unwrap();
    assert_eq!(joined.identity.name, Some(name("free")));
    let token = fixture.authenticate(NOW, TokenKind::Agent, &agent).await.unwrap();
    assert_eq!(token.grant, Grant::Agent { user: user("alice") });
    let other = TokenSecret::generate(TokenKind::Agent).unwrap();
    let again = fixture.join(NOW, &secret, claim_of("carol", "other"), other.hash()).await;
    assert_eq!(refusal(again), TokenRefusal::Used);
    assert_eq!(fixture.identity(&user("carol")).await.unwrap(), None);
}

#[tokio::test]
async fn tokens_are_listed_by_kind_in_pages() {
    let fixture = Fixture::new().await;
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(create(&fixture, api(&[Scope::Read]), None).await.1.id);
    }
    create(&fixture, Grant::Join { reusable: false, role: Role::Agent }, None).await;
    let first = fixture.tokens(TokenKind::Api, Page::first(3)).await.unwrap();
    let after = Page::after(first[2].id.clone(), 3);
    let rest = fixture.tokens(TokenKind::Api, after).await.unwrap();
    let listed: Vec<_> = first.into_iter().chain(rest).map(|t| t.id).collect();
    assert_eq!(listed, made.into_iter().collect::<Vec<_>>());
    assert_eq!(fixture.tokens(TokenKind::Agent, Page::first(3)).await.unwrap(), []);
}

#[tokio::test]
async fn an_agents_token_needs_its_user() {
    let fixture = Fixture::new().await;
    let secret = TokenSecret::generate(TokenKind::Agent).unwrap();
    let grant = Grant::Agent { user: user("nobody") };
    let new = NewToken { hash: secret.hash(), name: "test".into(), grant, expires: None };
    let error = fixture.create_token(NOW, new).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "identity", .. }), "{error}");
}

#[test]
fn scopes_allow_what_they_name_and_admin_everything() {
    let read = Scopes::of(&[Scope::Read]);
    assert!(read.allow(Scope::Read) && !read.allow(Scope::Domains) && !read.allow(Scope::Admin));
    let admin = Scopes::of(&[Scope::Admin]);
    assert!(Scope::ALL.into_iter().all(|s| admin.allow(s)));
    assert!(Scopes::default().is_empty());
    let json = serde_json::to_string(&Scopes::of(&[Scope::Gateway, Scope::Read])).unwrap();
    assert_eq!(json, r#"["read","gateway"]"#);
    let error = "root".parse::<Scope>().unwrap_err().to_string();
    assert!(error.contains("one of admin, read, domains, gateway"), "{error}");
}
