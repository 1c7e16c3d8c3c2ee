//! Many prefixes, and too many.

use std::collections::BTreeSet;
use std::time::Instant;

use rutter_route::Prefix;

use super::net::*;
use crate::testing::*;

fn many(n: u32) -> BTreeSet<Prefix> {
    (0..n).map(|n| prefix(&format!("10.{}.{}.{}/32", n >> 16, n >> 8 & 255, n & 255))).collect()
}

async fn n_routes(given: &Given, peer: &str) -> usize {
    let source = name(peer).source();
    let count = given.book.read(move |book, _| {
        let table = book.table::<Prefix>(&vni(100).table()).unwrap();
        table.routes_of(&source)
    });
    count.await.unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_prefixes_of_one_peer_arrive() {
    let [a, b] = start([host(1, &[2], ""), host(2, &[1], "")]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    let begun = Instant::now();
    b.speaker().set_own(vni(100), many(100_000)).await.unwrap();
    let said = begun.elapsed();
    a.until(100, || async { n_routes(&a, "h2").await == 100_001 }).await;
    println!("100,000 prefixes: announced in {said:?}, all there in {:?}", begun.elapsed());
    let begun = Instant::now();
    b.speaker().set_own(vni(100), BTreeSet::new()).await.unwrap();
    a.until(100, || async { n_routes(&a, "h2").await == 1 }).await;
    println!("100,000 prefixes: withdrawn in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_peer_has_no_more_prefixes_than_it_may() {
    let mut a = host(1, &[2], "");
    a.max_prefixes = 10;
    let [a, b] = start([a, host(2, &[1], "")]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    b.speaker().set_own(vni(100), many(12)).await.unwrap();
    let refused = || async {
        let refused = a.speaker().totals().refused;
        refused.contains(&("max_prefixes", 3)) && n_routes(&a, "h2").await == 10
    };
    a.until(100, refused).await;
    let status = a.speaker().statuses().await.unwrap().remove(0);
    assert_eq!((status.n_accepted, status.n_refused), (10, 0));
    assert!(status.there, "what it may say stands");
}
