//! The whole way: a registration in a real registry and a real table.

use std::sync::Arc;
use std::time::Duration;

use rutter_book::{SystemClock, spawn};
use rutter_registry::{DataDir, SqliteRegistry};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::DestinationKind;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::tests::{claim, registration};
use crate::{Config, Controller, DomainClaim};

struct Whole {
    controller: Controller,
    book: BookHandle,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

fn now() -> rutter_route::Now {
    rutter_book::Clock::now(&SystemClock)
}

fn services() -> TableName {
    "services".parse().unwrap()
}

async fn whole(policy: Policy, lease: Duration) -> Whole {
    let dir = tempfile::tempdir().unwrap();
    let data = Arc::new(DataDir::open(dir.path().join("data")).unwrap());
    let registry = Arc::new(SqliteRegistry::open(data).await.unwrap());
    let spec = TableSpec { name: services(), kind: DestinationKind::Service, policy };
    let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now(), 1).unwrap();
    let stop = CancellationToken::new();
    let (book, _task) = spawn(book, SystemClock, 1, stop.clone());
    let feed = Arc::new(BookFeed::open(book.clone(), services()).await.unwrap());
    let config = Config { lease, ..Config::new("localhost".parse().unwrap()) };
    let controller = Controller::new(config, registry, feed);
    controller.restore(now()).await.unwrap();
    let user = "uid-1".parse().unwrap();
    let alice = DomainClaim { user, name: Some("alice".into()), key: None, by: "test".into() };
    controller.claim_domain(now(), alice).await.unwrap();
    Whole { controller, book, stop, _dir: dir }
}

impl Whole {
    /// The candidates of alice, as `SOURCE PATH STANDING`.
    async fn candidates(&self) -> Vec<String> {
        let feed = BookFeed::open(self.book.clone(), services()).await.unwrap();
        let alice = Service::http("alice.localhost".parse().unwrap());
        let mut found: Vec<_> = feed
            .standings(alice)
            .await
            .unwrap()
            .into_iter()
            .map(|(source, path, standing)| format!("{source} {path} {standing}"))
            .collect();
        found.sort();
        found
    }
}

const LEASE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn registrations_stand_in_the_table_by_source() {
    let whole = whole(Policy::default(), LEASE).await;
    let user = "uid-1".parse().unwrap();
    let register = async |source, endpoints: &[&str]| {
        whole.controller.register(now(), registration(&user, source, endpoints)).await.unwrap()
    };
    let registered = register("agent", &["http://192.0.2.1:80", "http://192.0.2.2:80"]).await;
    assert!(registered.routes.iter().all(|r| r.verdict == Verdict::Stands(Standing::Eligible)));
    register("tunnel", &["http://10.77.0.5:80"]).await;
    register("agent", &["http://192.0.2.2:80", "http://192.0.2.3:80"]).await;
    assert_eq!(
        whole.candidates().await,
        [
            "agent/uid-1 http://192.0.2.2:80 eligible",
            "agent/uid-1 http://192.0.2.3:80 eligible",
            "tunnel/uid-1 http://10.77.0.5:80 eligible",
        ]
    );
    whole.controller.withdraw(user.clone(), Some("agent".parse().unwrap())).await.unwrap();
    assert_eq!(whole.candidates().await, ["tunnel/uid-1 http://10.77.0.5:80 eligible"]);
    whole.controller.delete_domain(now(), user, "test".into()).await.unwrap();
    assert_eq!(whole.candidates().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_session_is_stale_and_nothing_of_it_is_withdrawn_before_its_lease_ends() {
    let whole = whole(Policy::default(), LEASE).await;
    let user: rutter_registry::UserId = "uid-1".parse().unwrap();
    let register = async || {
        let what = registration(&user, "agent", &["http://192.0.2.1:80"]);
        whole.controller.register(now(), what).await.unwrap().number
    };
    let number = register().await;
    let away = async |number| {
        whole.controller.away(now(), user.clone(), "agent".parse().unwrap(), number).await.unwrap()
    };
    assert!(away(number).await);
    assert_eq!(whole.candidates().await, ["agent/uid-1 http://192.0.2.1:80 stale"]);
    let resolved = whole.controller.resolve(now(), "alice").await.unwrap().unwrap();
    assert_eq!(resolved.leases.len(), 1, "stale is impaired, not barred");
    let again = register().await;
    assert_eq!(whole.candidates().await, ["agent/uid-1 http://192.0.2.1:80 eligible"]);
    assert!(!away(number).await && away(again).await);
    whole.controller.withdraw(user.clone(), None).await.unwrap();
    assert_eq!(whole.candidates().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_policy_denies_is_stored_barred_and_does_not_resolve() {
    let import = serde_json::json!({ "rules": [{
        "name": "no tunnels",
        "match": { "kind": ["tunnel"] },
        "then": { "action": "deny" },
    }] });
    let import = serde_json::from_value(import).unwrap();
    let whole = whole(Policy { import, ..Policy::default() }, LEASE).await;
    let user = "uid-1".parse().unwrap();
    let what = registration(&user, "tunnel", &["http://10.77.0.5:80"]);
    let registered = whole.controller.register(now(), what).await.unwrap();
    assert_eq!(registered.routes[0].verdict, Verdict::Stands(Standing::Denied));
    let resolved = whole.controller.resolve(now(), "alice").await.unwrap().unwrap();
    assert!(resolved.leases.is_empty());
    assert_eq!(whole.controller.registered(now(), &user).unwrap().leases.len(), 1);
}

#[tokio::test]
async fn the_users_name_is_the_bound_of_what_its_sources_may_say() {
    let whole = whole(Policy::default(), LEASE).await;
    let user = "uid-1".parse().unwrap();
    let mut what = registration(&user, "agent", &[]);
    what.claims = vec![claim(Some("web"), "http://192.0.2.1:80")];
    let registered = whole.controller.register(now(), what).await.unwrap();
    assert_eq!(registered.routes[0].destination.to_string(), "web.alice.localhost");
    let told = whole.book.explain(services(), registered.routes[0].destination.clone()).await;
    let told = told.unwrap().unwrap();
    assert!(told.candidates[0].policy.accepted, "{:?}", told.candidates[0].policy);
    assert!(told.candidates[0].lease_ms.is_some_and(|ms| (1..=600_200).contains(&ms)), "{told:?}");
}

#[tokio::test]
async fn a_book_that_is_closed_is_said_and_what_was_written_stays() {
    let whole = whole(Policy::default(), LEASE).await;
    whole.stop.cancel();
    let user = "uid-1".parse().unwrap();
    // The owner may still take a command that was on its way: ask until it has ended.
    loop {
        let what = registration(&user, "agent", &["http://192.0.2.1:80"]);
        match whole.controller.register(now(), what).await {
            Err(Error::Closed) => break,
            other => assert!(other.is_ok(), "{other:?}"),
        }
    }
    let missing = BookFeed::open(whole.book.clone(), services()).await;
    assert!(matches!(missing, Err(Error::Closed)));
}

#[tokio::test]
async fn a_table_that_is_not_there_is_said_at_the_start() {
    let whole = whole(Policy::default(), LEASE).await;
    let missing = BookFeed::open(whole.book.clone(), "nodes".parse().unwrap()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}
