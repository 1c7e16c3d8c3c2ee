//! Who enrols.

use super::*;
use crate::{
    Enrolled, Grant, Identities, MAX_MEMBERS, Member, MemberName, Members, NewMember, NewToken,
    Page, PublicKey, Role, Token, TokenId, TokenKind, TokenRefusal, TokenSecret, Tokens,
};

const KEY: PublicKey = PublicKey([1; 32]);
const OTHER: PublicKey = PublicKey([2; 32]);

async fn token(registry: &SqliteRegistry, role: Role, reusable: bool) -> (TokenSecret, Token) {
    let secret = TokenSecret::generate(TokenKind::Join).unwrap();
    let grant = Grant::Join { reusable, role };
    let expires = Some(later(3600));
    let new = NewToken { hash: secret.hash(), name: "test".into(), grant, expires };
    let token = registry.create_token(NOW, new).await.unwrap();
    (secret, token)
}

fn gateway(label: &str, key: PublicKey) -> NewMember {
    NewMember { name: member_name(label), role: Role::Gateway, key }
}

fn member_name(label: &str) -> MemberName {
    label.parse().unwrap()
}

fn agent(id: &str, label: &str, key: PublicKey) -> Claim {
    Claim { key: Some(key), ..claim_of(id, label) }
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> TokenRefusal {
    match result {
        Err(Error::Token(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

async fn is_used(registry: &SqliteRegistry, secret: &TokenSecret) -> bool {
    registry.join_token(secret).await.unwrap().last_used.is_some()
}

#[tokio::test]
async fn a_member_is_enrolled_listed_seen_and_removed() {
    let fixture = Fixture::new().await;
    let (secret, _) = token(&fixture, Role::Gateway, true).await;
    for (label, key) in [("edge-2", OTHER), ("edge-1", KEY)] {
        let enrolled = fixture.enrol(NOW, &secret, gateway(label, key)).await.unwrap();
        assert!(!enrolled.stood);
    }
    let first = fixture.members(Page::first(1)).await.unwrap();
    let expected = Member {
        name: member_name("edge-1"),
        role: Role::Gateway,
        key: KEY,
        created: NOW,
        last_seen: None,
    };
    assert_eq!(first, std::slice::from_ref(&expected));
    let rest = fixture.members(Page::after(expected.name.clone(), 10)).await.unwrap();
    assert_eq!(rest.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["edge-2"]);

    fixture.touch_member(later(10), &expected.name).await.unwrap();
    fixture.touch_member(later(5), &expected.name).await.unwrap();
    let seen = Member { last_seen: Some(later(10)), ..expected };
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.remove_member(&seen.name).await.unwrap(), Some(seen.clone()));
    assert_eq!(fixture.remove_member(&seen.name).await.unwrap(), None);
    let error = fixture.touch_member(NOW, &seen.name).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "member", .. }), "{error}");
    // Name and key are free again.
    fixture.enrol(NOW, &secret, gateway("edge-1", KEY)).await.unwrap();
}

#[tokio::test]
async fn what_is_refused_uses_nothing_up() {
    let fixture = Fixture::new().await;
    let (many, _) = token(&fixture, Role::Gateway, true).await;
    fixture.enrol(NOW, &many, gateway("edge-1", KEY)).await.unwrap();
    fixture.claim(NOW, agent("u1", "alice", PublicKey([3; 32]))).await.unwrap();
    let (once, _) = token(&fixture, Role::Gateway, false).await;
    let enrol = |label, key| fixture.enrol(later(1), &once, gateway(label, key));

    let error = enrol("edge-1", OTHER).await.unwrap_err();
    assert!(matches!(&error, Error::MemberNameTaken { name } if name.as_str() == "edge-1"));
    for key in [KEY, PublicKey([3; 32])] {
        let error = enrol("edge-2", key).await.unwrap_err();
        assert!(matches!(error, Error::KeyTaken), "{error}");
    }
    assert!(!is_used(&fixture, &once).await);
    assert_eq!(fixture.members(Page::first(10)).await.unwrap().len(), 1);
    enrol("edge-2", OTHER).await.unwrap();
    assert!(is_used(&fixture, &once).await);
    // A stranger whose token is spent doesn't learn which names there are.
    assert_eq!(refusal(enrol("edge-1", OTHER).await), TokenRefusal::Used);
}

#[tokio::test]
async fn an_agent_that_is_refused_uses_nothing_up() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, agent("u1", "alice", KEY)).await.unwrap();
    let (once, _) = token(&fixture, Role::Agent, false).await;
    let enrol = |id, label, key| fixture.enrol_agent(NOW, &once, agent(id, label, key));
    let error = enrol("u2", "alice", OTHER).await.unwrap_err();
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    let error = enrol("u2", "bob", KEY).await.unwrap_err();
    assert!(matches!(error, Error::KeyTaken), "{error}");
    let without = fixture.enrol_agent(NOW, &once, claim_of("u2", "bob")).await;
    assert!(matches!(without, Err(Error::Refused { .. })), "{without:?}");
    assert_eq!(fixture.identity(&user("u2")).await.unwrap(), None);
    assert!(!is_used(&fixture, &once).await);

    let enrolled = enrol("u2", "bob", OTHER).await.unwrap();
    assert_eq!((enrolled.what.identity.key, enrolled.what.identity.seed), (Some(OTHER), None));
    assert_eq!(enrolled.what.before, None);
    assert_eq!(refusal(enrol("u3", "carol", PublicKey([9; 32])).await), TokenRefusal::Used);
}

#[tokio::test]
async fn whose_answer_got_lost_is_told_what_stands_and_uses_nothing_up() {
    let fixture = Fixture::new().await;
    let (once, _) = token(&fixture, Role::Gateway, false).await;
    let first = fixture.enrol(NOW, &once, gateway("edge-1", KEY)).await.unwrap();
    let (for_agent, _) = token(&fixture, Role::Agent, false).await;
    let alice = fixture.enrol_agent(NOW, &for_agent, agent("u1", "alice", OTHER)).await.unwrap();

    let fixture = fixture.restarted().await;
    let (other, revoked) = token(&fixture, Role::Gateway, false).await;
    fixture.revoke_token(NOW, &revoked.id).await.unwrap();
    // Spent, ended, revoked: what stands is told all the same.
    for (at, secret) in [(later(1), &once), (later(9999), &once), (NOW, &other)] {
        let again = fixture.enrol(at, secret, gateway("edge-1", KEY)).await.unwrap();
        assert_eq!(again, Enrolled { what: first.what.clone(), stood: true });
    }
    assert_eq!(fixture.join_token(&once).await.unwrap().last_used, Some(NOW));
    assert_eq!(fixture.join_token(&other).await.unwrap().last_used, None);
    // The user is the one that stands, not the one that the second try made.
    let again = fixture.enrol_agent(later(1), &for_agent, agent("u2", "alice", OTHER)).await;
    let again = again.unwrap();
    assert!(again.stood);
    assert_eq!(again.what.identity, alice.what.identity);
    assert_eq!(fixture.identity(&user("u2")).await.unwrap(), None);

    // Another name, another key or no token of ours is another question.
    let spent = fixture.enrol(later(1), &once, gateway("edge-2", KEY)).await;
    assert_eq!(refusal(spent), TokenRefusal::Used);
    let spent = fixture.enrol(later(1), &once, gateway("edge-1", PublicKey([9; 32]))).await;
    assert_eq!(refusal(spent), TokenRefusal::Used);
    let guess = TokenSecret::presented("rtj_guess");
    let stranger = fixture.enrol(NOW, &guess, gateway("edge-1", KEY)).await;
    assert_eq!(refusal(stranger), TokenRefusal::Unknown);
}

#[tokio::test]
async fn a_token_makes_only_what_it_is_for() {
    let fixture = Fixture::new().await;
    let (for_agents, _) = token(&fixture, Role::Agent, true).await;
    let (for_gateways, _) = token(&fixture, Role::Gateway, true).await;
    let enrolled = fixture.enrol(NOW, &for_agents, gateway("edge-1", KEY)).await;
    assert_eq!(refusal(enrolled), TokenRefusal::Role);
    let enrolled = fixture.enrol_agent(NOW, &for_gateways, agent("u1", "alice", KEY)).await;
    assert_eq!(refusal(enrolled), TokenRefusal::Role);
    let hash = TokenSecret::generate(TokenKind::Agent).unwrap().hash();
    let joined = fixture.join(NOW, &for_gateways, claim_of("u1", "alice"), hash).await;
    assert_eq!(refusal(joined), TokenRefusal::Role);
    assert!(!is_used(&fixture, &for_gateways).await && !is_used(&fixture, &for_agents).await);
    // An agent is never a member, even with a token for agents.
    let new = NewMember { role: Role::Agent, ..gateway("edge-1", KEY) };
    let error = fixture.enrol(NOW, &for_agents, new).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_enrol_under_one_name_at_once_exactly_one_is_in() {
    let fixture = Fixture::new().await;
    let (many, _) = token(&fixture, Role::Gateway, true).await;
    for round in 0..8u8 {
        let tries: Vec<_> = (0..32u8)
            .map(|i| {
                let (registry, many) = (Arc::clone(&fixture.registry), many.clone());
                let mut key = [round; 32];
                key[0] = i;
                let new = gateway(&format!("edge-{round}"), PublicKey(key));
                tokio::spawn(async move { registry.enrol(NOW, &many, new).await })
            })
            .collect();
        let mut granted = Vec::new();
        for one in tries {
            match one.await.unwrap() {
                Ok(enrolled) => granted.push(enrolled.what),
                Err(Error::MemberNameTaken { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(granted.len(), 1, "{granted:?}");
        assert!(fixture.members(Page::first(100)).await.unwrap().contains(&granted[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_keys_with_one_single_use_token_at_once_exactly_one_is_in() {
    let fixture = Fixture::new().await;
    let (once, _) = token(&fixture, Role::Gateway, false).await;
    let tries: Vec<_> = (0..32u8)
        .map(|i| {
            let (registry, once) = (Arc::clone(&fixture.registry), once.clone());
            let new = gateway(&format!("edge-{i}"), PublicKey([i; 32]));
            tokio::spawn(async move { registry.enrol(NOW, &once, new).await })
        })
        .collect();
    let mut n_granted = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(_) => n_granted += 1,
            refused => assert_eq!(refusal(refused), TokenRefusal::Used),
        }
    }
    assert_eq!(n_granted, 1);
    assert_eq!(fixture.members(Page::first(100)).await.unwrap().len(), 1);
}

/// A database of before there were members and roles, with a join token in it.
async fn of_schema_1(path: &Path, secret: &TokenSecret) {
    let dir = DataDir::open(path).unwrap();
    let file = dir.ensure_private(FILE).unwrap();
    let mut connection = options(&file).connect().await.unwrap();
    let first: Vec<_> = MIGRATIONS.iter().filter(|m| m.version == 1).cloned().collect();
    Migrator::with_migrations(first).run_direct(None, &mut connection, false).await.unwrap();
    let insert = "INSERT INTO tokens (id, hash, kind, name, scopes, reusable, created) \
                  VALUES (?, ?, 'join', 'join', '', 0, ?)";
    let hash = secret.hash();
    sqlx::query(insert)
        .bind(TokenId::of(&hash).as_str())
        .bind(hash.as_bytes().as_slice())
        .bind(NOW.0 as i64)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn a_join_token_of_before_there_were_roles_is_an_agents() {
    let dir = tempfile::tempdir().unwrap();
    let secret = TokenSecret::generate(TokenKind::Join).unwrap();
    of_schema_1(dir.path(), &secret).await;
    let registry = open(dir.path()).await;
    let token = registry.join_token(&secret).await.unwrap();
    assert_eq!(token.grant, Grant::Join { reusable: false, role: Role::Agent });
    let refused = registry.enrol(NOW, &secret, gateway("edge-1", KEY)).await;
    assert_eq!(refusal(refused), TokenRefusal::Role);
    registry.enrol_agent(NOW, &secret, agent("u1", "alice", KEY)).await.unwrap();
}

#[tokio::test]
async fn members_are_bounded() {
    let fixture = Fixture::new().await;
    let (secret, _) = token(&fixture, Role::Gateway, true).await;
    fixture
        .writer
        .write(|c| {
            Box::pin(async move {
                let many = "WITH RECURSIVE i (n) AS \
                            (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?) \
                            INSERT INTO members (name, role, public_key, created) SELECT 'm' || n, \
                            'gateway', CAST(printf('%032d', n) AS BLOB), 0 FROM i";
                sqlx::query(many).bind(MAX_MEMBERS as i64).execute(c).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let error = fixture.enrol(NOW, &secret, gateway("edge-1", KEY)).await.unwrap_err();
    assert!(matches!(error, Error::Bound { what: "members", most: MAX_MEMBERS }), "{error}");
    fixture.remove_member(&member_name("m1")).await.unwrap();
    fixture.enrol(NOW, &secret, gateway("edge-1", KEY)).await.unwrap();
    // Who stands already isn't one more.
    fixture.enrol(NOW, &secret, gateway("edge-1", KEY)).await.unwrap();
}

#[test]
fn names_and_roles_that_are_refused_say_why() {
    for text in ["", "Edge", "-edge", "edge-", "a.b", "ä", &"a".repeat(64)] {
        let error = text.parse::<MemberName>().unwrap_err().to_string();
        assert!(error.contains("no hyphen first or last"), "{error}");
    }
    let error = "peer".parse::<Role>().unwrap_err().to_string();
    assert!(error.contains("one of agent, gateway, node"), "{error}");
}
