use std::time::Duration;

use rutter_route::*;

use super::*;
use crate::table::ViewId;

fn now(seconds: u64) -> Now {
    Now::new(seconds * 1000, 1_700_000_000_000 + seconds * 1000)
}

fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

fn spec(text: &str, kind: DestinationKind) -> TableSpec {
    TableSpec { name: name(text), kind, policy: Policy::default() }
}

fn settle(book: &mut Book, at: Now) -> BookChanges {
    let mut changes = BookChanges::default();
    for _ in 0..1000 {
        if book.advance(at, 2, &mut changes).is_done() {
            return changes;
        }
    }
    panic!("the book doesn't come to rest");
}

fn up(book: &mut Book, table: &str, source: &str) -> Session {
    let s = Session { source: source.parse().unwrap(), incarnation: Incarnation(1) };
    let state = SourceState::Up(SourceInfo::default());
    if let Some(t) = book.services(table) {
        t.source(now(0), &s, state.clone()).unwrap();
    }
    if let Some(t) = book.clusters(table) {
        t.source(now(0), &s, state.clone()).unwrap();
    }
    if let Some(t) = book.prefixes(table) {
        t.source(now(0), &s, state).unwrap();
    }
    s
}

fn fabric_book() -> Book {
    let tables =
        vec![spec("services", DestinationKind::Service), spec("fabric", DestinationKind::Cluster)];
    let resolves =
        vec![Resolve { table: name("services"), hops: HopKind::Cluster, through: name("fabric") }];
    Book::new("home".parse().unwrap(), tables, resolves, vec![], now(0), 3).unwrap()
}

#[test]
fn a_service_of_another_cluster_waits_for_the_fabric() {
    let mut book = fabric_book();
    let eu = up(&mut book, "services", "neighbour/eu");
    let web = Service::http("web.eu".parse().unwrap());
    let route = Advertisement::new(web.clone(), Attributes::via("cluster:eu".parse().unwrap()));
    book.services("services").unwrap().advertise(now(1), &eu, route);
    settle(&mut book, now(1));
    let told = book.explain(now(1), &name("services"), &web).unwrap();
    assert_eq!(told.candidates[0].standing, Standing::Unresolved);
    assert!(told.candidates[0].facts[0].reason.contains("no route to the cluster eu"));

    let b = up(&mut book, "fabric", "neighbour/b");
    let route =
        Advertisement::new("eu".parse().unwrap(), Attributes::via("peer:b".parse().unwrap()));
    book.clusters("fabric").unwrap().advertise(now(2), &b, route);
    let changes = settle(&mut book, now(2));
    assert_eq!(changes.of::<Service>(&name("services")).unwrap().changes.len(), 1);
    let told = book.explain(now(2), &name("services"), &web).unwrap();
    assert_eq!(told.candidates[0].standing, Standing::Eligible);
    let chain = &told.candidates[0].next_hop.as_ref().unwrap().chain;
    assert_eq!(chain, &["fabric: eu by neighbour/b via peer:b: best"]);

    book.clusters("fabric").unwrap().source(now(3), &b, SourceState::Gone).unwrap();
    settle(&mut book, now(3));
    let services = book.services("services").unwrap();
    assert!(services.selected(&web, ViewId::DEFAULT).best().is_none());
}

#[test]
fn addresses_resolve_by_longest_match() {
    let tables = vec![
        spec("overlay/7", DestinationKind::Prefix),
        spec("services", DestinationKind::Service),
    ];
    let resolves = vec![Resolve {
        table: name("services"),
        hops: HopKind::Endpoint,
        through: name("overlay/7"),
    }];
    let mut book = Book::new("home".parse().unwrap(), tables, resolves, vec![], now(0), 3).unwrap();
    let agent = up(&mut book, "services", "agent/a");
    let peer = up(&mut book, "overlay/7", "peer/b");
    let web = Service::http("web".parse().unwrap());
    let hop = Attributes::via("http://10.1.2.3:80".parse().unwrap());
    let route = Advertisement::new(web.clone(), hop);
    book.services("services").unwrap().advertise(now(1), &agent, route);
    settle(&mut book, now(1));
    let best = |book: &mut Book| {
        let t = book.services("services").unwrap();
        t.selected(&web, ViewId::DEFAULT).best().is_some()
    };
    assert!(!best(&mut book));
    let prefix: Prefix = "10.1.0.0/16".parse().unwrap();
    let via = Attributes::via("peer:b".parse().unwrap());
    let overlay = book.prefixes("overlay/7").unwrap();
    overlay.advertise(now(2), &peer, Advertisement::new(prefix, via));
    settle(&mut book, now(2));
    assert!(best(&mut book));
    book.prefixes("overlay/7").unwrap().withdraw(now(3), &peer, &prefix, &PathId::default());
    settle(&mut book, now(3));
    assert!(!best(&mut book));
}

#[test]
fn two_tables_feed_each_other_and_loops_are_refused() {
    let tables = vec![
        spec("overlay/1", DestinationKind::Prefix),
        spec("overlay/2", DestinationKind::Prefix),
        spec("overlay/3", DestinationKind::Prefix),
    ];
    let feed =
        |from: &str, to: &str| Feed { from: name(from), to: name(to), export: Rules::default() };
    let feeds = vec![
        feed("overlay/1", "overlay/2"),
        feed("overlay/2", "overlay/3"),
        feed("overlay/3", "overlay/1"),
    ];
    let mut book = Book::new("home".parse().unwrap(), tables, vec![], feeds, now(0), 3).unwrap();
    let peer = up(&mut book, "overlay/1", "peer/a");
    let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
    let via = Attributes::via("peer:a".parse().unwrap());
    let one = book.prefixes("overlay/1").unwrap();
    one.advertise(now(1), &peer, Advertisement::new(prefix, via));
    settle(&mut book, now(1));
    let three = book.explain(now(1), &name("overlay/3"), &prefix).unwrap();
    let steps: Vec<_> =
        three.candidates[0].attributes.path_list.iter().map(|s| s.table.to_string()).collect();
    assert_eq!(steps, ["overlay/1", "overlay/2"]);
    let chain = &three.candidates[0].next_hop.as_ref().unwrap().chain;
    assert!(chain.iter().any(|l| l.contains("overlay/1: 10.0.0.0/8 by peer/a")), "{chain:?}");
    let one = book.explain(now(1), &name("overlay/1"), &prefix).unwrap();
    assert_eq!(one.candidates.len(), 1, "what came round is refused");

    let one = book.prefixes("overlay/1").unwrap();
    one.withdraw(now(2), &peer, &prefix, &PathId::default());
    settle(&mut book, now(2));
    for table in ["overlay/1", "overlay/2", "overlay/3"] {
        assert!(!book.prefixes(table).unwrap().contains(&prefix), "{table}");
    }
}

#[test]
fn books_that_make_no_sense_are_refused() {
    let two = || vec![spec("a", DestinationKind::Prefix), spec("b", DestinationKind::Prefix)];
    let resolve = |table: &str, through: &str| Resolve {
        table: name(table),
        hops: HopKind::Address,
        through: name(through),
    };
    let feed =
        |from: &str, to: &str| Feed { from: name(from), to: name(to), export: Rules::default() };
    let make = |tables, resolves, feeds| {
        Book::new("home".parse().unwrap(), tables, resolves, feeds, now(0), 3)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let circle = make(two(), vec![resolve("a", "b"), resolve("b", "a")], vec![]);
    assert!(circle.contains("a -> b -> a"), "{circle}");
    let mixed = make(two(), vec![resolve("a", "b")], vec![feed("a", "b")]);
    assert!(mixed.contains("circle"), "{mixed}");
    let gone = make(two(), vec![resolve("a", "c")], vec![]);
    assert!(gone.contains("`c`"), "{gone}");
    let own = make(two(), vec![], vec![feed("a", "a")]);
    assert!(own.contains("doesn't feed itself"), "{own}");
}

#[test]
fn the_next_deadline_is_the_first_of_all_tables() {
    let mut book = fabric_book();
    assert_eq!(book.next_deadline(), None);
    let s = Session { source: "agent/a".parse().unwrap(), incarnation: Incarnation(1) };
    let info = SourceInfo { lease: Some(Duration::from_secs(10)), ..Default::default() };
    book.services("services").unwrap().source(now(0), &s, SourceState::Up(info)).unwrap();
    assert_eq!(book.next_deadline().map(|d| d.left(now(0))), Some(Duration::from_secs(10)));
}
