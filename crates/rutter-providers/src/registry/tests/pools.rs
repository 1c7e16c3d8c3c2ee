use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::catalogue::CatalogueError;
use crate::registry::{Entry, Happened, KEPT, PoolKind, Verdict};
use crate::testing::{House, container, containers, docker_id, file, file_id};
use crate::{Reading, Route};

fn route(text: &str) -> Route {
    file(text).routes.into_iter().next().unwrap()
}

fn keys(entries: impl IntoIterator<Item = Arc<Entry>>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.pool_key.to_string()).collect()
}

const SEVERAL: &str = "app: {port: 1}\n\
    web: {port: 1}\n\
    docs: {alias: web, path_prefix: /docs, port: 2}\n\
    '*.example.com': {port: 1}\n\
    far: {scheme: http, port: '8443:1', bind: 10.0.0.1}\n\
    db: {scheme: tcp, port: '5432:5432'}\n\
    m1: {port: 1, load_balance: {link: pool}}\n\
    m2: {port: 2, load_balance: {link: pool}}\n\
    wrong: {port: x}\n";

async fn several() -> House {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    house.catalogue.says(&id, file(SEVERAL)).await.unwrap();
    house
}

#[tokio::test]
async fn routes_are_found_by_what_they_are_asked_for_and_iterated_by_key() {
    let house = several().await;
    let registry = house.catalogue.registry();
    let http = [
        "*.example.com",
        "a.yml:m1",
        "a.yml:m2",
        "app",
        "far@10.0.0.1:8443",
        "pool",
        "web",
        "web/docs",
    ];
    assert_eq!(keys(registry.http().iter()), http);
    assert_eq!(keys(registry.stream().iter()), ["db"]);
    assert_eq!(keys(registry.excluded().iter()), ["a.yml:wrong"]);
    assert_eq!(registry.http().size(), http.len());
    assert_eq!((registry.num_active_routes(), registry.num_all_routes()), (9, 10));
    assert_eq!(keys(registry.iter_active()), [&http[..], &["db"]].concat());
    assert_eq!(keys(registry.iter_all()), [&http[..], &["db", "a.yml:wrong"]].concat());
    // Who stops, stops.
    assert_eq!(keys(registry.iter_all().take(2)), http[..2]);

    let get = |name| registry.get(name).map(|entry| entry.key.name.to_string());
    assert_eq!(get("app").as_deref(), Some("app"));
    assert_eq!(get("web").as_deref(), Some("web"));
    assert_eq!(get("web/docs").as_deref(), Some("docs"));
    assert_eq!(get("db").as_deref(), Some("db"));
    assert_eq!(get("pool").as_deref(), Some("pool"));
    // By its alias too, wherever it listens, if nothing is asked for by it alone.
    assert_eq!(get("far").as_deref(), Some("far"));
    // A member of a link isn't reached by its own alias, and case counts.
    for none in ["m1", "wrong", "docs", "APP", "", "nothing"] {
        assert_eq!(get(none), None, "{none}");
    }
    let excluded = registry.get_include_excluded("wrong").unwrap();
    assert!(!excluded.is_active());
    assert!(registry.get_include_excluded("nothing").is_none());

    let exact = |alias, host| {
        let found = registry.get_http_route_or_exact(alias, host);
        found.map(|entry| entry.pool_key.to_string())
    };
    assert_eq!(exact("app", "app.example.com").as_deref(), Some("app"));
    assert_eq!(exact("none", "web").as_deref(), Some("web"));
    // Neither wildcards nor streams.
    assert_eq!(exact("none", "a.example.com"), None);
    assert_eq!(exact("db", "db"), None);
}

#[tokio::test]
async fn a_page_goes_on_behind_a_key_whether_or_not_it_is_there() {
    let house = several().await;
    let registry = house.catalogue.registry();
    let all: Vec<_> = registry.iter_all().map(|e| (e.pool, e.pool_key.clone())).collect();
    for limit in 1..=all.len() + 1 {
        let mut paged = Vec::new();
        let mut after: Option<(PoolKind, String)> = None;
        loop {
            let from = after.as_ref().map(|(pool, key)| (*pool, key.as_str()));
            let page = registry.page(from, limit, |_| true);
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit);
            after = Some((last.pool, last.pool_key.to_string()));
            paged.extend(page.iter().map(|e| (e.pool, e.pool_key.clone())));
        }
        assert_eq!(paged, all, "{limit}");
    }
    let behind = registry.page(Some((PoolKind::Http, "b")), 1, |_| true);
    assert_eq!(keys(behind), ["far@10.0.0.1:8443"]);
    let wanted = registry.page(None, 10, |entry| entry.is_member());
    assert_eq!(keys(wanted), ["a.yml:m1", "a.yml:m2"]);
}

#[tokio::test]
async fn the_registrys_own_routes_come_first_and_providers_routes_stay_theirs() {
    let house = several().await;
    let registry = house.catalogue.registry();
    let added = registry.add(route("app: {port: 9}\n")).await.unwrap();
    assert_eq!((added.key.to_string().as_str(), added.pool), ("registry:app", PoolKind::Http));
    assert_eq!(registry.get("app").unwrap().key, added.key);
    assert_eq!(house.hop("app", "provider/registry app").await, "http://localhost:9");
    // The provider's is there still, and told the reason.
    let denied = registry.get_include_excluded("a.yml:app").unwrap();
    let Verdict::Denied { why, .. } = &denied.verdict else { panic!("{denied:?}") };
    assert_eq!(why, "alias `app` is registry's: what is built in comes first");
    // The same again is no change; another by the name replaces it.
    let again = registry.add(route("app: {port: 9}\n")).await.unwrap();
    assert!(Arc::ptr_eq(&again, &added));
    let other = registry.add(route("app: {port: 10}\n")).await.unwrap();
    assert_eq!(registry.get("app").unwrap().route(), other.route());
    registry.add(route("s: {scheme: tcp, port: '7:7'}\n")).await.unwrap();

    let size = registry.num_all_routes();
    assert_eq!(registry.clear(Some(PoolKind::Stream)).await, Ok(1));
    assert!(registry.get("s").is_none() && registry.get("db").is_some());
    assert_eq!(registry.num_all_routes(), size - 1);
    assert_eq!(registry.del("web").await, Ok(false));
    assert_eq!(registry.del("app").await, Ok(true));
    assert_eq!(registry.get("app").unwrap().key.to_string(), "a.yml:app");
    assert_eq!(registry.clear(None).await, Ok(0));
    assert_eq!(registry.num_all_routes(), 10);
    assert_eq!(house.counts().await.decisions, 0);
}

#[tokio::test]
async fn routes_are_grouped_by_their_providers() {
    let house = several().await;
    let (b, docker) = (file_id("b.yml"), docker_id("local"));
    house.begin(&b, 1).await;
    house.begin(&docker, 2).await;
    house.catalogue.says(&b, file("app: {port: 1}\n")).await.unwrap();
    let two = [container("c", "10.0.0.1", &[]), container("buildx_d", "10.0.0.2", &[])];
    house.catalogue.says(&docker, containers(two)).await.unwrap();
    let registry = house.catalogue.registry();
    let by_provider = registry.by_provider();
    let n: Vec<_> = by_provider.iter().map(|(name, all)| (name.as_str(), all.len())).collect();
    assert_eq!(n, [("a", 10), ("b", 1), ("local", 2)]);
    let total: usize = by_provider.values().map(Vec::len).sum();
    assert_eq!(total, registry.num_all_routes());
    house.catalogue.gone(&docker).await.unwrap();
    assert!(!registry.by_provider().contains_key("local"));
}

/// Readers that look, count and walk while providers change: each sees what stands and nothing
/// torn. Real threads, so that what only one thread would forgive shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pools_are_read_from_many_threads_while_they_change() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let text = |from: usize, port| -> String {
        let moving = (from..from + 50).map(|n| format!("r{n}: {{port: {port}}}\n"));
        std::iter::once("stays: {port: 1}\n".to_owned()).chain(moving).collect()
    };
    house.catalogue.says(&id, file(&text(0, 1))).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (registry, stop) = (house.catalogue.registry().clone(), stop.clone());
            std::thread::spawn(move || {
                let mut n_looks = 0_u64;
                while !stop.load(Ordering::Relaxed) || n_looks == 0 {
                    assert!(registry.get("stays").is_some());
                    // A walk sees each key once, in order, whatever changes meanwhile.
                    let keys = keys(registry.iter_active());
                    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
                    assert!(keys.contains(&"stays".to_owned()));
                    for entry in registry.iter_all() {
                        assert_eq!(entry.key.name, entry.pool_key);
                    }
                    let _ = registry.health_info();
                    n_looks += 1;
                }
                n_looks
            })
        })
        .collect();
    for n in 0..100 {
        house.catalogue.says(&id, file(&text(n, n + 1))).await.unwrap();
        let added = house.catalogue.registry().add(route("own: {port: 1}\n"));
        added.await.unwrap();
        // Who is answered sees what it said.
        let registry = house.catalogue.registry();
        assert!(registry.get("own").is_some() && registry.get(&format!("r{n}")).is_some());
        assert!(n == 0 || registry.get(&format!("r{}", n - 1)).is_none());
        registry.del("own").await.unwrap();
        assert_eq!(registry.num_all_routes(), 51);
        assert_eq!(registry.iter_all().count(), 51);
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
}

#[tokio::test]
async fn what_happens_is_kept_within_a_bound_and_told_to_who_listens() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let registry = house.catalogue.registry();
    let (kept, mut live) = registry.follow_events();
    assert!(kept.is_empty());
    house.catalogue.says(&id, file("app: {port: 1}\nbad: {port: x}\n")).await.unwrap();
    house.catalogue.says(&id, file("app: {port: 2}\nbad: {port: 1}\n")).await.unwrap();
    house.catalogue.says(&id, Reading::default()).await.unwrap();
    registry.note(&id, "written", "");
    let mut told = Vec::new();
    for n in 1..=8 {
        let event = live.recv().await.unwrap();
        assert_eq!(event.number, n);
        let name = match &event.what {
            Happened::Added(e) | Happened::Reloaded(e) | Happened::Removed(e) => {
                e.key.name.as_str()
            }
            _ => "",
        };
        told.push(format!("{} {} {name}", event.what.category(), event.what.action()));
    }
    let expected = [
        "pool.http_routes added app",
        "pool.excluded_routes added bad",
        "pool.http_routes reloaded app",
        "pool.excluded_routes removed bad",
        "pool.http_routes added bad",
        "pool.http_routes removed app",
        "pool.http_routes removed bad",
        "provider_event written ",
    ];
    assert_eq!(told, expected);
    for n in 0..KEPT {
        registry.note(&id, "written", &n.to_string());
    }
    let kept = registry.recent_events();
    assert_eq!(kept.len(), KEPT);
    assert!(kept.windows(2).all(|two| two[0].number + 1 == two[1].number));
    let words: BTreeSet<_> = kept.iter().map(|event| event.what.action().to_owned()).collect();
    assert_eq!(words, BTreeSet::from(["written".to_owned()]));
}

#[tokio::test]
async fn whoever_speaks_after_the_end_is_told_so_and_looking_goes_on() {
    let house = several().await;
    let registry = house.catalogue.registry().clone();
    house.stop();
    let added = registry.add(route("app: {port: 1}\n")).await;
    assert_eq!(added.map(drop), Err(CatalogueError::Ended));
    assert!(registry.get("app").is_some());
}
