use std::collections::BTreeSet;

use rutter_rib::{Bounds, Policy};
use rutter_route::Service;
use rutter_route::Standing::{Eligible, Stale, Unresolved};

use crate::Reading;
use crate::catalogue::{CatalogueError, ProviderInfo};
use crate::registry::{ProviderState, Verdict};
use crate::testing::{House, file, file_id, services};

/// So many routes of a file, of which one has another port.
fn many(n: usize, edited: Option<usize>) -> Reading {
    let port = |n| if Some(n) == edited { 2 } else { 1 };
    let lines: Vec<String> = (0..n).map(|n| format!("a{n}: {{port: {}}}", port(n))).collect();
    file(&lines.join("\n"))
}

#[tokio::test]
async fn a_route_that_is_what_it_was_is_no_change() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let said = house.catalogue.says(&id, many(1200, None)).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes), (1200, 1200));
    let mut touched = house.book.touched::<Service>(services()).await.unwrap().unwrap();
    let before = house.catalogue.registry().get("a6").unwrap();
    let said = house.catalogue.says(&id, many(1200, Some(7))).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes), (1, 1200));
    let a7: Service = "a7".parse().unwrap();
    assert_eq!(touched.take(), BTreeSet::from([a7]));
    assert_eq!(house.hop("a7", "provider/a.yml a7").await, "http://localhost:2");
    // What everybody looks at is the very same, and its connections with it.
    let after = house.catalogue.registry().get("a6").unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &after));
    // All of it again, and less of it.
    house.catalogue.says(&id, many(1200, Some(7))).await.unwrap();
    assert_eq!(touched.take(), BTreeSet::new());
    let said = house.catalogue.says(&id, many(3, None)).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes), (1197, 3));
    assert_eq!(house.counts().await.routes, 3);
    assert_eq!(house.catalogue.registry().num_all_routes(), 3);
}

#[tokio::test]
async fn a_provider_that_cant_be_asked_withdraws_nothing_and_is_stale_until_it_speaks() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    house.catalogue.says(&id, many(2, None)).await.unwrap();
    house.catalogue.lost(&id, "no such file").await.unwrap();
    house.catalogue.lost(&id, "no answer").await.unwrap();
    assert_eq!(house.at("a0").await[0].1, Stale);
    let registry = house.catalogue.registry();
    assert!(registry.get("a0").is_some());
    let state = |house: &House| house.catalogue.registry().providers()[0].state.clone();
    assert_eq!(state(&house), ProviderState::Lost { why: "no answer".into() });
    // What is said then is all there is.
    house.catalogue.says(&id, many(1, None)).await.unwrap();
    assert_eq!(state(&house), ProviderState::Ready);
    assert_eq!(house.at("a0").await[0].1, Eligible);
    assert_eq!(house.at("a1").await, []);
    // One that can't be asked may be gone for good.
    house.catalogue.lost(&id, "no answer").await.unwrap();
    house.catalogue.gone(&id).await.unwrap();
    assert_eq!(house.at("a0").await, []);
    assert_eq!(registry.num_all_routes(), 0);
    // And come again.
    house.begin(&id, 0).await;
    house.catalogue.says(&id, many(1, None)).await.unwrap();
    assert_eq!(house.at("a0").await[0].1, Eligible);
}

#[tokio::test]
async fn what_the_table_has_no_room_for_is_shown_so_and_tried_again() {
    let bounds = Bounds { per_source: 2, ..Bounds::default() };
    let house = House::with(Policy { bounds, ..Policy::default() }, None).await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let said = house.catalogue.says(&id, many(3, None)).await.unwrap();
    assert_eq!((said.n_routes, said.n_not_taken), (3, 1));
    let registry = house.catalogue.registry();
    assert_eq!((registry.num_active_routes(), registry.num_all_routes()), (2, 3));
    let left_out = registry.excluded().iter().next().unwrap();
    assert!(
        matches!(&left_out.verdict, Verdict::NotTaken { why } if why.contains("2 routes already"))
    );
    // There is room as soon as others go.
    let name = left_out.key.name.clone();
    let mut fewer = many(3, None);
    fewer.routes.retain(|route| route.name == name);
    let said = house.catalogue.says(&id, fewer).await.unwrap();
    assert_eq!((said.n_routes, said.n_not_taken), (1, 0));
    assert!(registry.get(&name).is_some());
    assert_eq!(house.at(&name).await[0].1, Eligible);
}

#[tokio::test]
async fn a_loser_that_cant_be_denied_is_not_in_the_table() {
    let bounds = Bounds { decisions: 0, ..Bounds::default() };
    let house = House::with(Policy { bounds, ..Policy::default() }, None).await;
    let (a, b) = (file_id("a.yml"), file_id("b.yml"));
    house.begin(&a, 0).await;
    house.begin(&b, 1).await;
    for id in [&b, &a] {
        house.catalogue.says(id, many(1, None)).await.unwrap();
    }
    assert_eq!(house.at("a0").await, [("provider/a.yml a0".to_owned(), Eligible)]);
    house.catalogue.gone(&a).await.unwrap();
    assert_eq!(house.at("a0").await, [("provider/b.yml a0".to_owned(), Eligible)]);
}

#[tokio::test]
async fn a_loser_that_found_no_room_is_denied_no_more_when_it_finds_some() {
    let bounds = Bounds { per_source: 2, ..Bounds::default() };
    let house = House::with(Policy { bounds, ..Policy::default() }, None).await;
    let (a, b) = (file_id("a.yml"), file_id("b.yml"));
    house.begin(&a, 0).await;
    house.begin(&b, 1).await;
    house.catalogue.says(&a, file("app: {port: 1}\n")).await.unwrap();
    house.catalogue.says(&b, file("x: {port: 1}\ny: {port: 1}\n")).await.unwrap();
    let three = "x: {port: 1}\ny: {port: 1}\napp: {port: 1}\n";
    house.catalogue.says(&b, file(three)).await.unwrap();
    assert_eq!(house.at("app").await, [("provider/a.yml app".to_owned(), Eligible)]);
    assert_eq!(house.counts().await.decisions, 0);
    house.catalogue.gone(&a).await.unwrap();
    house.catalogue.says(&b, file("y: {port: 1}\napp: {port: 1}\n")).await.unwrap();
    assert_eq!(house.at("app").await, [("provider/b.yml app".to_owned(), Eligible)]);
}

#[tokio::test]
async fn a_route_whose_guest_is_stopped_is_unresolved_until_none_says_so() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let stopped = |which: &[&str]| {
        let mut reading = file("app: {port: 80}\nweb: {port: 80}\nother: {port: 81}\n");
        for route in &mut reading.routes {
            if which.contains(&route.name.as_str()) {
                route.unresolved = Some("guest 100 is stopped".to_owned());
            }
        }
        reading
    };
    house.catalogue.says(&id, stopped(&["app", "web"])).await.unwrap();
    assert_eq!(house.at("app").await[0].1, Unresolved);
    assert!(house.why("app", Unresolved).await.contains("guest 100 is stopped"));
    assert_eq!(house.at("other").await[0].1, Eligible);
    // Two routes lead to one guest; it stays stopped while one of them says so.
    house.catalogue.says(&id, stopped(&["web"])).await.unwrap();
    assert_eq!(house.at("app").await[0].1, Unresolved);
    house.catalogue.says(&id, stopped(&[])).await.unwrap();
    assert_eq!(house.at("app").await[0].1, Eligible);
    assert_eq!(house.at("web").await[0].1, Eligible);
}

#[tokio::test]
async fn who_has_not_begun_or_has_anothers_place_is_told_so() {
    let house = House::new().await;
    let (a, b) = (file_id("a.yml"), file_id("b.yml"));
    let not_begun = CatalogueError::NotBegun(a.clone());
    assert_eq!(house.catalogue.says(&a, Reading::default()).await, Err(not_begun.clone()));
    assert_eq!(house.catalogue.lost(&a, "").await, Err(not_begun.clone()));
    assert_eq!(house.catalogue.gone(&a).await, Err(not_begun));
    house.begin(&a, 0).await;
    house.begin(&a, 0).await;
    let begun = house.catalogue.begin(ProviderInfo { id: b, order: 0 }).await;
    assert_eq!(begun, Err(CatalogueError::PlaceTaken { order: 0, by: a }));
}

#[tokio::test]
async fn of_two_of_one_name_the_first_counts_and_a_refusal_before_all() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let mut twice = file("app: {port: 1}\n");
    twice.routes.extend(file("app: {port: 2}\n").routes);
    house.catalogue.says(&id, twice.clone()).await.unwrap();
    assert_eq!(house.hop("app", "provider/a.yml app").await, "http://localhost:1");
    twice.refused = file("app: {port: x}\n").refused;
    house.catalogue.says(&id, twice).await.unwrap();
    assert_eq!(house.hop("app", "provider/a.yml app").await, "discard");
}
