use std::time::Duration;

use rutter_registry::{Page, TokenId, TokenKind};

use super::*;
use crate::tests::{START, World, registration};
use crate::{DomainClaim, JoinRequest, NewJoinToken};

const KEY: PublicKey = PublicKey([1; 32]);
const OTHER: PublicKey = PublicKey([2; 32]);

async fn token(world: &World, role: Role, reusable: bool) -> String {
    let new = NewJoinToken { role, reusable, ttl: Duration::from_secs(3600) };
    let made = world.controller.create_join_token(START, new, "test").await.unwrap();
    made.secret.reveal().to_owned()
}

async fn enrol(world: &World, token: &str, name: &str, key: PublicKey) -> Result<Enrolled> {
    let what = Enrolment { token: token.into(), name: name.into(), key, role: None };
    world.controller.enrol(START, what).await
}

async fn n_used(world: &World) -> usize {
    let page: Page<TokenId> = Page::first(100);
    let tokens = world.controller.tokens(TokenKind::Join, page).await.unwrap();
    tokens.iter().filter(|token| token.last_used.is_some()).count()
}

#[tokio::test]
async fn an_agent_becomes_a_user_with_the_key_it_brought_and_may_register() {
    let world = World::new().await;
    let token = token(&world, Role::Agent, false).await;
    let enrolled = enrol(&world, &token, "alice", KEY).await.unwrap();
    let Speaker::Agent { user, name } = enrolled.speaker.clone() else { panic!("{enrolled:?}") };
    assert_eq!((name.as_str(), enrolled.stood), ("alice", false));
    assert_eq!(world.controller.speaker(&KEY), Some(enrolled.speaker.clone()));
    let identity = world.controller.identity(&user).unwrap();
    assert_eq!((identity.key, identity.seed), (Some(KEY), None));
    let what = registration(&user, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, what).await.unwrap();
    assert_eq!(
        world.told.says(&format!("agent/{user}")),
        ["alice.localhost https://192.0.2.1:443"]
    );

    let world = world.restart(START).await;
    assert_eq!(world.controller.speaker(&KEY), Some(enrolled.speaker.clone()));
    let again = enrol(&world, &token, "alice", KEY).await.unwrap();
    assert_eq!(again, Enrolled { speaker: enrolled.speaker, stood: true });
    assert_eq!(world.controller.counts().0, 1);
}

#[tokio::test]
async fn an_agent_that_joined_over_http_brings_its_key_by_its_own_token() {
    let world = World::new().await;
    let joining = token(&world, Role::Agent, false).await;
    let request = JoinRequest { token: joining, name: "alice".into() };
    let joined = world.controller.join(START, request).await.unwrap();
    let own = joined.agent_token.reveal().to_owned();
    let enrolled = enrol(&world, &own, "whatever", KEY).await.unwrap();
    let speaker = Speaker::Agent { user: joined.user.clone(), name: "alice".parse().unwrap() };
    assert_eq!(enrolled, Enrolled { speaker: speaker.clone(), stood: false });
    assert_eq!(world.controller.speaker(&KEY), Some(speaker.clone()));
    assert_eq!(world.controller.identity(&joined.user).unwrap().seed, None);
    // Whose answer got lost asks again, and over HTTP its token is as good as it was.
    let again = enrol(&world, &own, "alice", KEY).await.unwrap();
    assert_eq!(again, Enrolled { speaker: speaker.clone(), stood: true });
    assert_eq!(world.controller.agent_of(START, &own).await.unwrap(), joined.user);
    // A key that was lost is replaced, and the one before is nobody's.
    assert!(!enrol(&world, &own, "alice", OTHER).await.unwrap().stood);
    assert_eq!(world.controller.speaker(&KEY), None);

    let gateway = token(&world, Role::Gateway, false).await;
    enrol(&world, &gateway, "edge-1", KEY).await.unwrap();
    let taken = enrol(&world, &own, "alice", KEY).await.unwrap_err();
    assert!(matches!(taken, Error::KeyTaken), "{taken}");
    let what = Enrolment {
        token: own.clone(),
        name: "edge-2".into(),
        key: PublicKey([8; 32]),
        role: Some(Role::Gateway),
    };
    let error = world.controller.enrol(START, what).await.unwrap_err();
    assert!(matches!(error, Error::Token(TokenRefusal::Role)), "{error}");
    let unknown = enrol(&world, "rta_nonsense", "alice", PublicKey([9; 32])).await.unwrap_err();
    assert!(matches!(unknown, Error::Token(TokenRefusal::Unknown)), "{unknown}");
    assert_eq!(world.controller.speaker(&OTHER), Some(speaker));
}

#[tokio::test]
async fn a_gateway_becomes_a_member_and_stays_one_over_a_restart() {
    let world = World::new().await;
    let token = token(&world, Role::Gateway, false).await;
    let enrolled = enrol(&world, &token, " edge-1 ", KEY).await.unwrap();
    let Speaker::Member(member) = &enrolled.speaker else { panic!("{enrolled:?}") };
    assert_eq!((member.name.as_str(), member.role, member.key), ("edge-1", Role::Gateway, KEY));
    assert_eq!(world.controller.counts().0, 0, "a member is no user");
    let world = world.restart(START).await;
    assert_eq!(world.controller.speaker(&KEY), Some(enrolled.speaker.clone()));
    let again = enrol(&world, &token, "edge-1", KEY).await.unwrap();
    assert_eq!(again, Enrolled { speaker: enrolled.speaker, stood: true });
    let spent = enrol(&world, &token, "edge-2", OTHER).await;
    assert!(matches!(spent, Err(Error::Token(TokenRefusal::Used))), "{spent:?}");
}

#[tokio::test]
async fn what_is_refused_uses_nothing_up_and_changes_nobody() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let claim =
        DomainClaim { user: alice, name: None, key: Some(PublicKey([3; 32])), by: "test".into() };
    world.controller.claim_domain(START, claim).await.unwrap();
    let gateways = token(&world, Role::Gateway, true).await;
    enrol(&world, &gateways, "edge-1", KEY).await.unwrap();
    let n_before = n_used(&world).await;

    let (agent, gateway) =
        (token(&world, Role::Agent, false).await, token(&world, Role::Gateway, false).await);
    let refused =
        async |token: &str, name: &str, key| enrol(&world, token, name, key).await.unwrap_err();
    assert!(matches!(refused(&agent, "alice", OTHER).await, Error::NameTaken(_)));
    assert!(matches!(refused(&agent, "www", OTHER).await, Error::Name(_)));
    for key in [KEY, PublicKey([3; 32])] {
        assert!(matches!(refused(&agent, "bob", key).await, Error::KeyTaken));
        assert!(matches!(refused(&gateway, "edge-2", key).await, Error::KeyTaken));
    }
    assert!(matches!(refused(&gateway, "edge-1", OTHER).await, Error::MemberNameTaken(_)));
    assert!(matches!(refused(&gateway, "Edge", OTHER).await, Error::Parse(_)));
    for bad in ["", "rtj_nonsense", &agent.replace("rtj_", "rtk_")] {
        let error = refused(bad, "Edge", OTHER).await;
        assert!(matches!(error, Error::Token(TokenRefusal::Unknown)), "{bad:?}: {error}");
    }
    // Who says what it wants to be isn't made anything else.
    for (token, role) in [(&agent, Role::Gateway), (&gateway, Role::Agent)] {
        let (token, name) = (token.clone(), "edge".to_owned());
        let what = Enrolment { token, name, key: OTHER, role: Some(role) };
        let error = world.controller.enrol(START, what).await.unwrap_err();
        assert!(matches!(error, Error::Token(TokenRefusal::Role)), "{error}");
    }
    assert_eq!(n_used(&world).await, n_before);
    assert_eq!(world.controller.speaker(&OTHER), None);
    enrol(&world, &agent, "bob", OTHER).await.unwrap();
    enrol(&world, &gateway, "edge-2", PublicKey([4; 32])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_enrol_under_one_name_at_once_one_is_in_and_its_retries_are_told_so() {
    let world = World::new().await;
    for (role, label) in [(Role::Gateway, "edge"), (Role::Agent, "alice")] {
        let token = token(&world, role, true).await;
        let mut all = tokio::task::JoinSet::new();
        // Each of eight keys tries four times, all at once.
        for i in 0..32u8 {
            let controller = world.controller.clone();
            let key = PublicKey([role as u8 * 100 + 10 + i % 8; 32]);
            let what =
                Enrolment { token: token.clone(), name: label.into(), key, role: Some(role) };
            all.spawn(async move {
                let enrolled = controller.enrol(START, what).await.ok()?;
                // Who is told that it is in, is.
                assert_eq!(controller.speaker(&key), Some(enrolled.speaker));
                Some((key, enrolled.stood))
            });
        }
        let granted: Vec<_> = all.join_all().await.into_iter().flatten().collect();
        assert_eq!(granted.len(), 4, "{role}: {granted:?}");
        assert!(granted.iter().all(|(key, _)| *key == granted[0].0), "{role}: {granted:?}");
        assert_eq!(granted.iter().filter(|(_, stood)| !stood).count(), 1, "{role}: {granted:?}");
    }
    assert_eq!(world.controller.members(&Page::first(10)).len(), 1);
    assert_eq!(world.controller.counts().0, 1);
}
