use super::*;
use crate::{Aspect, DecisionRecord, Decisions, Identities, Incumbent, Incumbents, Note, Page};
use rutter_route::{AnyDestination, By, Decision, RouteKey, SourceId, TableName, ViewName};

fn table() -> TableName {
    "services".parse().unwrap()
}

fn source(text: &str) -> SourceId {
    text.parse().unwrap()
}

fn service(text: &str) -> AnyDestination {
    AnyDestination::Service(text.parse().unwrap())
}

fn person() -> By {
    By::Person("ann".to_owned())
}

fn rule() -> By {
    By::Rule("auto".to_owned())
}

fn record(on: Option<AnyDestination>, decision: Decision, by: By) -> DecisionRecord {
    DecisionRecord {
        table: table(),
        source: source("agent/alice"),
        destination: on,
        decision,
        by,
        why: "because".into(),
        at: NOW,
    }
}

async fn standing(registry: &SqliteRegistry) -> Vec<(Decision, By)> {
    let found = registry.decisions(&table(), Page::first(100)).await.unwrap();
    found.into_iter().map(|(_, r)| (r.decision, r.by)).collect()
}

#[tokio::test]
async fn decisions_come_back_as_they_were_made_and_in_that_order() {
    let fixture = Fixture::new().await;
    let made = [
        record(None, Decision::Drain, person()),
        record(Some(service("tcp:db.localhost")), Decision::Prefer(u32::MAX), rule()),
        record(
            Some(AnyDestination::Prefix("10.0.0.0/8".parse().unwrap())),
            Decision::Approve,
            rule(),
        ),
        record(
            Some(AnyDestination::Cluster("eu-west".parse().unwrap())),
            Decision::Revoke,
            person(),
        ),
    ];
    for record in &made {
        fixture.decide(record.clone()).await.unwrap();
    }
    let fixture = fixture.restarted().await;
    let found = fixture.decisions(&table(), Page::first(100)).await.unwrap();
    let records: Vec<_> = found.iter().map(|(_, r)| r.clone()).collect();
    assert_eq!(records, made);
    let rest = fixture.decisions(&table(), Page::after(found[1].0, 100)).await.unwrap();
    assert_eq!(rest, found[2..]);
    let elsewhere = "nodes".parse().unwrap();
    assert_eq!(fixture.decisions(&elsewhere, Page::first(1)).await.unwrap(), []);
}

#[tokio::test]
async fn one_word_an_aspect_and_kind_of_author_stands() {
    use Decision::{Approve, Clear, Drain, Prefer, Revoke};

    let fixture = Fixture::new().await;
    let of = |decision, by| record(Some(service("web.localhost")), decision, by);
    // Each step: the word, and all that stands then, the oldest first.
    for (step, expected) in [
        (of(Approve, rule()), vec![(Approve, rule())]),
        (of(Prefer(5), person()), vec![(Approve, rule()), (Prefer(5), person())]),
        (of(Revoke, person()), vec![(Approve, rule()), (Prefer(5), person()), (Revoke, person())]),
        (
            of(Prefer(6), person()),
            vec![(Approve, rule()), (Revoke, person()), (Prefer(6), person())],
        ),
        (of(Clear, rule()), vec![(Revoke, person()), (Prefer(6), person())]),
        (of(Drain, rule()), vec![(Revoke, person()), (Prefer(6), person()), (Drain, rule())]),
        (of(Clear, person()), vec![]),
    ] {
        let decision = step.decision;
        fixture.decide(step).await.unwrap();
        assert_eq!(standing(&fixture).await, expected, "after {decision}");
    }
}

#[tokio::test]
async fn taking_back_an_aspect_leaves_the_others() {
    let fixture = Fixture::new().await;
    let on = service("web.localhost");
    for (decision, by) in
        [(Decision::Approve, rule()), (Decision::Approve, person()), (Decision::Drain, person())]
    {
        fixture.decide(record(Some(on.clone()), decision, by)).await.unwrap();
    }
    let alice = source("agent/alice");
    let table = table();
    let undo = |on| fixture.undecide(&table, &alice, on, Aspect::Approval);
    assert_eq!(undo(None).await.unwrap(), 0);
    assert_eq!(undo(Some(&on)).await.unwrap(), 2);
    assert_eq!(standing(&fixture).await, [(Decision::Drain, person())]);
}

#[tokio::test]
async fn incumbents_are_replaced_by_view_and_destination_and_listed_in_pages() {
    let fixture = Fixture::new().await;
    let view = ViewName::default();
    let incumbent = |of: &str, by: &str| Incumbent {
        table: table(),
        view: view.clone(),
        destination: service(of),
        route: RouteKey { source: source(by), path: "http 10.0.0.1:80".parse().unwrap() },
    };
    let first = vec![incumbent("a.localhost", "agent/1"), incumbent("b.localhost", "agent/2")];
    fixture.put_incumbents(first).await.unwrap();
    fixture.put_incumbents(vec![incumbent("a.localhost", "agent/3")]).await.unwrap();
    let fixture = fixture.restarted().await;
    let expected = [incumbent("a.localhost", "agent/3"), incumbent("b.localhost", "agent/2")];
    assert_eq!(fixture.incumbents(&table(), Page::first(10)).await.unwrap(), expected);
    let after = (view.clone(), service("a.localhost"));
    let rest = fixture.incumbents(&table(), Page::after(after, 10)).await.unwrap();
    assert_eq!(rest, expected[1..]);
    let a = service("a.localhost");
    assert!(fixture.remove_incumbent(&table(), &view, &a).await.unwrap());
    assert!(!fixture.remove_incumbent(&table(), &view, &a).await.unwrap());
}

#[tokio::test]
async fn what_was_decided_on_a_deleted_users_sources_goes_with_it() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, Claim::of(user("alice"))).await.unwrap();
    let kept = DecisionRecord {
        source: source("agent/bob"),
        why: Note::default(),
        ..record(None, Decision::Drain, person())
    };
    fixture.decide(kept.clone()).await.unwrap();
    fixture.decide(record(None, Decision::Revoke, person())).await.unwrap();
    let incumbent = Incumbent {
        table: table(),
        view: ViewName::default(),
        destination: service("a.localhost"),
        route: RouteKey { source: source("agent/alice"), path: Default::default() },
    };
    fixture.put_incumbents(vec![incumbent]).await.unwrap();
    fixture.delete_identity(&user("alice"), &[source("agent/alice")]).await.unwrap();
    assert_eq!(standing(&fixture).await, [(Decision::Drain, person())]);
    assert_eq!(fixture.incumbents(&table(), Page::first(10)).await.unwrap(), []);
    fixture.forget_source(&source("agent/bob")).await.unwrap();
    assert_eq!(standing(&fixture).await, []);
}
