use rutter_book::{Clock, SystemClock};
use rutter_kernel::Target;
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{
    Advertisement, Attributes, DestinationKind, Incarnation, PathId, RouteKey, Session, SourceInfo,
    SourceState, Standing,
};
use tokio_util::sync::CancellationToken;

use super::*;

fn session(neighbour: &str) -> Session {
    let source = format!("neighbour/{neighbour}").parse().unwrap();
    Session { source, incarnation: Incarnation(1) }
}

/// A book whose fabric reaches `a` through b, and through c where that has gone.
async fn book(stop: &CancellationToken) -> BookHandle {
    let name = FABRIC.parse().unwrap();
    let spec = TableSpec { name, kind: DestinationKind::Cluster, policy: Policy::default() };
    let now = SystemClock.now();
    let book = Book::new("d".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
    let (book, _) = rutter_book::spawn(book, SystemClock, 1, stop.clone());
    let said = book.apply(|book, now| {
        let fabric = book.clusters(FABRIC).unwrap();
        for (neighbour, address, hops) in [("b", "10.0.1.2", 1), ("c", "10.0.2.2", 2)] {
            let up = SourceState::Up(SourceInfo::default());
            fabric.source(now, &session(neighbour), up).unwrap();
            let attributes = Attributes::via(address.parse().unwrap());
            let attributes = Attributes { hops, ..attributes };
            let route = Advertisement::new("a".parse().unwrap(), attributes);
            fabric.advertise(now, &session(neighbour), route);
        }
    });
    said.await.unwrap();
    book
}

fn told(hop: &str) -> ToldRoute {
    ToldRoute {
        route: RouteKey { source: session("b").source, path: PathId::default() },
        attributes: Attributes::via(hop.parse().unwrap()),
        standing: Standing::Eligible,
        equal: true,
    }
}

fn via(hops: &Hops, told: &ToldRoute) -> Result<String, String> {
    let prefix = "172.16.10.0/24".parse().unwrap();
    match hops.wanted(&prefix, std::slice::from_ref(told))?.target {
        Target::Via(hops) => Ok(format!("{hops:?}")),
        other => Ok(format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_prefix_of_another_cluster_goes_where_the_fabric_leads_and_moves_with_it() {
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let book = book(&stop).await;
    let hops = Hops(Some(start(&book).await.unwrap()));
    let mut moves = hops.moves().unwrap();
    assert!(via(&hops, &told("cluster:a")).unwrap().contains("10.0.1.2"));
    let gone = book.apply(|book, now| {
        let fabric = book.clusters(FABRIC).unwrap();
        fabric.withdraw(now, &session("b"), &"a".parse().unwrap(), &PathId::default());
    });
    gone.await.unwrap();
    moves.changed().await.unwrap();
    assert!(via(&hops, &told("cluster:a")).unwrap().contains("10.0.2.2"));
    let gone = book.apply(|book, now| {
        let fabric = book.clusters(FABRIC).unwrap();
        fabric.withdraw(now, &session("c"), &"a".parse().unwrap(), &PathId::default());
    });
    gone.await.unwrap();
    moves.changed().await.unwrap();
    let refused = via(&hops, &told("cluster:a")).unwrap_err();
    assert_eq!(refused, "`fabric` has no address to the cluster a");
}

#[tokio::test]
async fn a_prefix_of_a_peer_goes_where_it_says_whatever_the_fabric_does() {
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    let book = book(&stop).await;
    for hops in [Hops(Some(start(&book).await.unwrap())), Hops(None)] {
        assert!(via(&hops, &told("10.100.0.2")).unwrap().contains("10.100.0.2"));
    }
    via(&Hops(None), &told("cluster:a")).unwrap_err();
}
