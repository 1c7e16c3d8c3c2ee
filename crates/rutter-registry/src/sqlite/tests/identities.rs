use super::*;
use crate::{
    AuditEvent, Claimed, Identities, Identity, LeaseKey, Leases, NewLease, NewToken, Note, Page,
    PublicKey, Routes, Seed, TokenKind, TokenRefusal, TokenSecret, Tokens,
};
use rutter_route::Incarnation;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_to_one_name_at_once_exactly_one_is_granted() {
    let fixture = Fixture::new().await;
    for round in 0..8 {
        let label = format!("name{round}");
        let claims: Vec<_> = (0..64)
            .map(|i| {
                let (registry, label) = (Arc::clone(&fixture.registry), label.clone());
                let claim = claim_of(&format!("user-{i}"), &label);
                tokio::spawn(async move { registry.claim(NOW, claim).await })
            })
            .collect();
        let mut granted = Vec::new();
        for claim in claims {
            match claim.await.unwrap() {
                Ok(claimed) => granted.push(claimed.identity.user),
                Err(Error::NameTaken { name }) => assert_eq!(name.as_str(), label),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(granted.len(), 1, "{granted:?}");
        let owner = fixture.identity_by_name(&name(&label)).await.unwrap().unwrap();
        assert_eq!(owner.user, granted[0]);
    }
}

#[tokio::test]
async fn a_rename_frees_the_old_name_at_once() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, claim_of("a", "one")).await.unwrap();
    let renamed = fixture.claim(later(1), claim_of("a", "two")).await.unwrap();
    assert_eq!(renamed.freed(), Some(&name("one")));
    assert_eq!((renamed.identity.created, renamed.identity.updated), (NOW, later(1)));
    assert_eq!(fixture.identity_by_name(&name("one")).await.unwrap(), None);
    let other = fixture.claim(later(2), claim_of("b", "one")).await.unwrap();
    assert_eq!(other.before, None);
    let refused = fixture.claim(later(3), claim_of("a", "one")).await.unwrap_err();
    assert!(matches!(refused, Error::NameTaken { .. }), "{refused}");
    assert_eq!(fixture.identity(&user("a")).await.unwrap(), Some(renamed.identity));
}

#[tokio::test]
async fn a_claim_changes_only_what_it_names() {
    let fixture = Fixture::new().await;
    let (key, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
    let seed = Some(Seed([3; 32]));
    let of = |key, seed| Claim { key: Some(key), seed, ..Claim::of(user("a")) };
    // Each step: the claim, and then key, seed, name and the time of the last change.
    for (at, claim, expected) in [
        (0, of(key, seed.clone()), (Some(key), seed.clone(), None, 0)),
        (1, claim_of("a", "alice"), (Some(key), seed.clone(), Some("alice"), 1)),
        (2, claim_of("a", "alice"), (Some(key), seed.clone(), Some("alice"), 1)),
        (3, of(key, None), (Some(key), seed.clone(), Some("alice"), 1)),
        (4, of(other, None), (Some(other), None, Some("alice"), 4)),
        (5, Claim::of(user("a")), (Some(other), None, Some("alice"), 4)),
    ] {
        let Claimed { identity, .. } = fixture.claim(later(at), claim).await.unwrap();
        assert_eq!(fixture.identity(&user("a")).await.unwrap().as_ref(), Some(&identity));
        let label = identity.name.as_ref().map(DomainName::as_str);
        let updated = (identity.updated.0 - NOW.0) / 1000;
        assert_eq!((identity.key, identity.seed, label, updated), expected, "step {at}");
    }
}

#[tokio::test]
async fn being_seen_is_noted_never_backwards_and_is_no_change() {
    let fixture = Fixture::new().await;
    let claimed = fixture.claim(NOW, claim_of("a", "alice")).await.unwrap();
    fixture.touch(later(10), &user("a")).await.unwrap();
    fixture.touch(later(5), &user("a")).await.unwrap();
    let seen = fixture.identity(&user("a")).await.unwrap().unwrap();
    assert_eq!(seen, Identity { last_seen: Some(later(10)), ..claimed.identity });
    let error = fixture.touch(NOW, &user("b")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "identity", .. }), "{error}");
}

#[tokio::test]
async fn listings_come_in_pages_in_order() {
    let fixture = Fixture::new().await;
    for i in [3, 1, 2, 5, 4] {
        fixture.claim(NOW, Claim::of(user(&format!("u{i}")))).await.unwrap();
    }
    let mut page = Page::first(2);
    let mut seen = Vec::new();
    loop {
        let part = fixture.identities(page.clone()).await.unwrap();
        seen.extend(part.iter().map(|i| i.user.to_string()));
        match part.last() {
            Some(last) if part.len() == page.limit() => page = Page::after(last.user.clone(), 2),
            _ => break,
        }
    }
    assert_eq!(seen, ["u1", "u2", "u3", "u4", "u5"]);
}

#[tokio::test]
async fn a_deleted_user_takes_its_leases_and_tokens_along() {
    let fixture = Fixture::new().await;
    let secret = TokenSecret::generate(TokenKind::Agent).unwrap();
    let key = LeaseKey { user: user("a"), source: "agent".parse().unwrap() };
    fixture.claim(NOW, claim_of("a", "alice")).await.unwrap();
    let lease = NewLease {
        key,
        incarnation: Incarnation(1),
        lease: Duration::from_secs(600),
        routes: Routes::encode(&["r"]).unwrap(),
    };
    fixture.put_lease(NOW, lease).await.unwrap();
    let grant = crate::Grant::Agent { user: user("a") };
    let token = NewToken { hash: secret.hash(), name: Note::default(), grant, expires: None };
    fixture.create_token(NOW, token).await.unwrap();

    let deleted = fixture.delete_identity(&user("a")).await.unwrap().unwrap();
    assert_eq!(deleted.name, Some(name("alice")));
    assert_eq!(fixture.delete_identity(&user("a")).await.unwrap(), None);
    assert_eq!(fixture.identity_by_name(&name("alice")).await.unwrap(), None);
    assert_eq!(fixture.leases(NOW, Page::first(10)).await.unwrap(), []);
    let error = fixture.authenticate(NOW, TokenKind::Agent, &secret).await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Unknown)), "{error}");
}

#[tokio::test]
async fn all_that_was_written_is_there_after_a_restart() {
    let fixture = Fixture::new().await;
    let claim = Claim {
        server_domain: Some("nsl.sh".parse().unwrap()),
        key: Some(PublicKey([7; 32])),
        seed: Some(Seed([8; 32])),
        ..claim_of("user@example.org", "alice")
    };
    let claimed = fixture.claim(NOW, claim).await.unwrap();
    let fixture = fixture.restarted().await;
    let found = fixture.identity(&claimed.identity.user).await.unwrap();
    assert_eq!(found, Some(claimed.identity));
}

#[test]
fn names_and_ids_that_are_refused_say_why() {
    for text in ["", "Alice", "a-b", "a.b", "ä", &"a".repeat(64)] {
        let error = text.parse::<DomainName>().unwrap_err().to_string();
        assert!(error.contains("1 to 63 lower case letters and digits"), "{error}");
    }
    for text in ["", "a/b", "a\nb", &"a".repeat(401)] {
        let error = text.parse::<UserId>().unwrap_err().to_string();
        assert!(error.contains("1 to 400 bytes"), "{error}");
    }
    "user@example.org".parse::<UserId>().unwrap();
}

#[test]
fn no_private_key_is_shown() {
    let identity = Identity {
        user: user("a"),
        name: None,
        server_domain: None,
        key: Some(PublicKey([0xab; 32])),
        seed: Some(Seed([0xcd; 32])),
        created: NOW,
        updated: NOW,
        last_seen: None,
    };
    let shown = format!("{identity:?} {}", serde_json::to_string(&identity).unwrap());
    assert!(shown.contains("abab"), "{shown}");
    assert!(!shown.contains("cdcd") && !shown.contains("205"), "{shown}");
}

#[tokio::test]
async fn audit_events_are_listed_newest_first_and_cut_to_their_bound() {
    use crate::{AUDIT_EVENTS_KEPT, Audit};

    let fixture = Fixture::new().await;
    let event = |i: u64| AuditEvent {
        at: Wall(i),
        who: "admin".into(),
        what: "domain.add".into(),
        subject: format!("name{i}").into(),
        detail: Note::default(),
    };
    let surplus = 5;
    let all: Vec<_> = (1..=AUDIT_EVENTS_KEPT + surplus)
        .map(|i| {
            let registry = Arc::clone(&fixture.registry);
            tokio::spawn(async move { registry.audit(event(i)).await })
        })
        .collect();
    for write in all {
        write.await.unwrap().unwrap();
    }
    let newest = fixture.audit_events(Page::first(2)).await.unwrap();
    let numbers: Vec<u64> = newest.iter().map(|(n, _)| n.0).collect();
    assert_eq!(numbers, [AUDIT_EVENTS_KEPT + surplus, AUDIT_EVENTS_KEPT + surplus - 1]);
    let eldest = crate::AuditNumber(surplus + 3);
    let last = fixture.audit_events(Page::after(eldest, 10)).await.unwrap();
    let numbers: Vec<u64> = last.iter().map(|(n, _)| n.0).collect();
    assert_eq!(numbers, [surplus + 2, surplus + 1]);
}

#[test]
fn a_note_is_one_line_within_its_bound() {
    assert_eq!(Note::from("a\nb\x1b[2J").as_str(), "a b [2J");
    let long = "ä".repeat(Note::MAX_BYTES);
    assert_eq!(Note::from(long.as_str()).as_str(), "ä".repeat(Note::MAX_BYTES / 2));
    let odd = format!("a{long}");
    assert_eq!(Note::from(odd.as_str()).as_str().len(), Note::MAX_BYTES - 1);
}
