use rutter_book::{Clock, SystemClock};
use rutter_protocol::policy::{NeighbourPolicy, RoutePolicy, ScopePolicy};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{
    Advertisement, Attributes, DestinationKind, Incarnation, PathId, Session, SourceInfo,
    SourceState,
};
use tokio::time::{Duration, timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn session(source: &str) -> Session {
    Session { source: source.parse().unwrap(), incarnation: Incarnation(1) }
}

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn service(name: &str) -> Service {
    name.parse().unwrap()
}

/// Whoever of these exists carries services; `c` isn't told what is secret.
fn policy(secret: &str) -> FabricPolicy {
    let but = RoutePolicy { deny_tags: [secret.parse().unwrap()].into(), ..RoutePolicy::default() };
    let of_c = NeighbourPolicy { export: Some(but), ..NeighbourPolicy::default() };
    let services = ScopePolicy {
        export: Some(RoutePolicy::default()),
        neighbours: [(cluster("c"), of_c)].into(),
        ..ScopePolicy::default()
    };
    FabricPolicy {
        carry: [("services".parse().unwrap(), services)].into(),
        ..FabricPolicy::default()
    }
}

async fn book(stop: &CancellationToken) -> BookHandle {
    let name = "services".parse().unwrap();
    let spec = TableSpec { name, kind: DestinationKind::Service, policy: Policy::default() };
    let now = SystemClock.now();
    let book = Book::new(cluster("a"), vec![spec], vec![], vec![], now, 1).unwrap();
    rutter_book::spawn(book, SystemClock, 1, stop.clone()).0
}

async fn say(
    book: &BookHandle,
    source: &'static str,
    name: &'static str,
    tags: &'static [&'static str],
) {
    let said = book.apply(move |book, now| {
        let services = book.services("services").unwrap();
        let session = session(source);
        services.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
        let mut attributes = Attributes::via("http://192.0.2.1:80".parse().unwrap());
        for tag in tags {
            attributes.tags.insert(tag.parse().unwrap()).unwrap();
        }
        services.advertise(now, &session, Advertisement::new(service(name), attributes));
    });
    said.await.unwrap();
}

async fn follow(told: &Told, policy: &FabricPolicy) {
    let (fabric, services) = ("fabric".parse().unwrap(), "services".parse().unwrap());
    let neighbours = ["b", "c"].map(cluster).into_iter();
    let own = (&cluster("a"), &fabric);
    told.follow(own, Some(&services), neighbours, policy).await.unwrap();
}

/// Which of the neighbours are told of a service.
fn of(told: &Told, name: &str) -> Vec<&'static str> {
    let all = ["b", "c", "stranger"].into_iter();
    all.filter(|neighbour| told.is_told(&cluster(neighbour), &service(name))).collect()
}

async fn until(told: &Told, name: &str, wanted: &[&str]) {
    let wait = async {
        while of(told, name) != wanted {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "{name}: {:?}", of(told, name));
}

#[tokio::test]
async fn a_neighbour_may_ask_for_what_export_policy_tells_it_and_for_nothing_else() {
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let book = book(&stop).await;
    say(&book, "agent/x", "open.nsl.sh", &[]).await;
    say(&book, "agent/x", "secret.nsl.sh", &["secret"]).await;
    say(&book, "neighbour/b", "bs.nsl.sh", &[]).await;
    let told = Told::new(book.clone(), "services".parse().unwrap());
    follow(&told, &policy("secret")).await;
    assert_eq!(of(&told, "open.nsl.sh"), ["b", "c"]);
    assert_eq!(of(&told, "secret.nsl.sh"), ["b"]);
    assert_eq!(of(&told, "bs.nsl.sh"), ["c"], "it isn't told what it has told itself");
    assert_eq!(of(&told, "unknown.nsl.sh"), Vec::<&str>::new());
    say(&book, "agent/x", "new.nsl.sh", &[]).await;
    until(&told, "new.nsl.sh", &["b", "c"]).await;
    let gone = book.apply(|book, now| {
        let services = book.services("services").unwrap();
        services.withdraw(now, &session("agent/x"), &service("new.nsl.sh"), &PathId::default());
    });
    gone.await.unwrap();
    until(&told, "new.nsl.sh", &[]).await;
}

#[tokio::test]
async fn another_policy_counts_from_its_reload_on() {
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let book = book(&stop).await;
    say(&book, "agent/x", "secret.nsl.sh", &["secret"]).await;
    let told = Told::new(book.clone(), "services".parse().unwrap());
    follow(&told, &policy("other")).await;
    assert_eq!(of(&told, "secret.nsl.sh"), ["b", "c"]);
    follow(&told, &policy("secret")).await;
    assert_eq!(of(&told, "secret.nsl.sh"), ["b"]);
    follow(&told, &FabricPolicy::default()).await;
    assert_eq!(of(&told, "secret.nsl.sh"), Vec::<&str>::new());
}
