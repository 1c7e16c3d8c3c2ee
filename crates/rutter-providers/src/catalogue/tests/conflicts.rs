use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rutter_route::Standing::{self, Denied, Eligible};

use crate::conflict::{Claim, Judgement, judge};
use crate::registry::{Entry, Registry, Verdict, What};
use crate::testing::{House, container, containers, docker_id, file, file_id};
use crate::{ProviderId, Reading};

#[tokio::test]
async fn a_loser_is_denied_by_a_rule_that_names_the_winner_and_comes_up_when_it_ends() {
    let house = House::new().await;
    let (files, docker) = (file_id("app.yml"), docker_id("local"));
    house.begin(&docker, 0).await;
    house.begin(&files, 1).await;
    let said = house.catalogue.says(&docker, container("app", "10.0.0.1", &[])).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes, said.n_denied), (1, 1, 0));
    let bare = ("provider/docker@local app#app00000".to_owned(), Eligible);
    assert_eq!(house.at("app").await, std::slice::from_ref(&bare));

    let said = house.catalogue.says(&files, file("app: {port: 1}\n")).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes, said.n_denied), (1, 1, 0));
    let written = ("provider/app.yml app".to_owned(), Eligible);
    assert_eq!(house.at("app").await, [written, (bare.0.clone(), Denied)]);
    assert_eq!(
        house.why("app", Denied).await,
        "revoked by rule `one service a place`: alias `app` is app.yml's: what a file says comes \
         before containers"
    );
    let registry = house.catalogue.registry();
    assert_eq!(registry.get("app").unwrap().key.to_string(), "app.yml:app");
    let shown = registry.excluded().get("docker@local:app-app00000").unwrap();
    assert!(matches!(shown.verdict, Verdict::Denied { .. }));
    assert_eq!(house.said(&docker).n_denied, 1);

    house.catalogue.gone(&files).await.unwrap();
    assert_eq!(house.at("app").await, [bare]);
    assert_eq!(registry.get("app").unwrap().key.to_string(), "docker@local:app-app00000");
    assert_eq!((registry.num_active_routes(), registry.num_all_routes()), (1, 1));
    assert_eq!(house.said(&docker).n_denied, 0);
}

#[tokio::test]
async fn of_one_providers_containers_the_first_has_the_alias_and_the_other_is_told_so() {
    let house = House::new().await;
    let docker = docker_id("local");
    house.begin(&docker, 0).await;
    let labels = &[("proxy.aliases", "shop")];
    let two = || [container("b", "10.0.0.2", labels), container("a", "10.0.0.1", labels)];
    house.catalogue.says(&docker, containers(two())).await.unwrap();
    let first = ("provider/docker@local shop#a0000000".to_owned(), Eligible);
    let second = "provider/docker@local shop#b0000000".to_owned();
    assert_eq!(house.at("shop").await, [first, (second.clone(), Denied)]);
    assert_eq!(
        house.why("shop", Denied).await,
        "revoked by rule `one service a place`: alias `shop` is docker@local's by its route \
         `shop` of container a0000000: of one provider's routes the first by name and container \
         has it"
    );
    let [b, _] = two();
    house.catalogue.says(&docker, b).await.unwrap();
    assert_eq!(house.at("shop").await, [(second, Eligible)]);
}

#[tokio::test]
async fn a_refused_route_is_a_hole_and_whoever_wanted_its_place_is_denied() {
    let house = House::new().await;
    let (files, docker) = (file_id("app.yml"), docker_id("local"));
    house.begin(&files, 0).await;
    house.begin(&docker, 1).await;
    let labels = &[("proxy.aliases", "app, other")];
    house.catalogue.says(&docker, container("app", "10.0.0.1", labels)).await.unwrap();
    let refused = "app: {port: 1, middlewares: {oidc: {}}}\n";
    let said = house.catalogue.says(&files, file(refused)).await.unwrap();
    assert_eq!((said.n_routes, said.n_refused), (0, 1));
    let hole = ("provider/app.yml app".to_owned(), Eligible);
    let bare = "provider/docker@local app#app00000".to_owned();
    assert_eq!(house.at("app").await, [hole, (bare.clone(), Denied)]);
    assert_eq!(house.hop("app", "provider/app.yml app").await, "discard");
    assert!(house.why("app", Denied).await.contains("which is refused, so nobody is served there"));
    assert_eq!(house.at("other").await[0].1, Eligible);
    let registry = house.catalogue.registry();
    assert!(registry.get("app").is_none());
    assert!(registry.get_include_excluded("app").is_some());
    // Put right, it is served; without it, the container.
    house.catalogue.says(&files, file("app: {port: 1}\n")).await.unwrap();
    assert_eq!(house.hop("app", "provider/app.yml app").await, "http://localhost:1");
    house.catalogue.says(&files, Reading::default()).await.unwrap();
    assert_eq!(house.at("app").await, [(bare, Eligible)]);
}

#[tokio::test]
async fn streams_of_two_names_that_want_one_port_are_told_of_each_other() {
    let house = House::new().await;
    let files = file_id("a.yml");
    house.begin(&files, 0).await;
    let text = "ssh: {port: '2222:22'}\ngit: {port: '2222:3022'}\n";
    house.catalogue.says(&files, file(text)).await.unwrap();
    assert_eq!(house.at("tcp:git@:2222").await[0].1, Eligible);
    assert_eq!(house.at("tcp:ssh@:2222").await[0].1, Denied);
    assert!(
        house
            .why("tcp:ssh@:2222", Denied)
            .await
            .contains("TCP port 2222 of 0.0.0.0 is a.yml's by its route `git`")
    );
    house.catalogue.says(&files, file("ssh: {port: '2222:22'}\n")).await.unwrap();
    assert_eq!(house.at("tcp:ssh@:2222").await[0].1, Eligible);
    assert_eq!(house.at("tcp:git@:2222").await, []);
}

#[tokio::test]
async fn another_order_in_the_configuration_has_other_winners() {
    let house = House::new().await;
    let (a, b) = (file_id("a.yml"), file_id("b.yml"));
    house.begin(&a, 1).await;
    house.begin(&b, 2).await;
    for id in [&a, &b] {
        house.catalogue.says(id, file("app: {port: 1}\n")).await.unwrap();
    }
    assert_eq!(house.catalogue.registry().get("app").unwrap().key.to_string(), "a.yml:app");
    // Of a place that changes nothing nobody sees anything.
    let before = house.catalogue.registry().get("app").unwrap();
    house.begin(&b, 4).await;
    house.begin(&b, 2).await;
    assert!(Arc::ptr_eq(&before, &house.catalogue.registry().get("app").unwrap()));
    house.begin(&a, 3).await;
    assert_eq!(house.catalogue.registry().get("app").unwrap().key.to_string(), "b.yml:app");
    let standings: Vec<Standing> = house.at("app").await.into_iter().map(|(_, s)| s).collect();
    assert_eq!(standings, [Denied, Eligible]);
    assert!(
        house.why("app", Denied).await.ends_with("its provider stands first in the configuration")
    );
}

/// Three providers: who, their place, and what each says.
fn providers() -> Vec<(ProviderId, u32, Reading)> {
    let first = "app: {port: 1}\nweb: {port: 1}\npool: {port: 1}\nhole: {port: x}\n";
    let second = "app: {port: 2}\nssh: {port: '2222:22'}\ngit: {port: '2222:3022'}\n\
                  m1: {port: 2, load_balance: {link: pool}}\n\
                  m2: {port: 3, load_balance: {link: pool}}\n\
                  docs: {alias: web, path_prefix: /docs, port: 4}\n";
    let all = [
        container("app", "10.0.0.1", &[]),
        container("web", "10.0.0.2", &[("proxy.aliases", "web, shop")]),
        container("shop2", "10.0.0.3", &[("proxy.aliases", "shop, hole")]),
    ];
    vec![
        (docker_id("local"), 0, containers(all)),
        (file_id("one.yml"), 1, file(first)),
        (file_id("two.yml"), 2, file(second)),
    ]
}

/// Each route of everybody, with who has its place; by the pure function.
fn should(there: &[(ProviderId, u32, Reading)]) -> BTreeMap<String, Option<String>> {
    let mut names = BTreeMap::new();
    let mut claims = Vec::new();
    for (id, order, reading) in there {
        let kind = id.kind().claims();
        let routes = reading.routes.iter().map(|route| Claim::of(route, kind, *order));
        let refused = reading.refused.iter().map(|one| Claim::of_refused(one, kind, *order));
        for claim in routes.chain(refused) {
            names.insert(claim.by.clone(), format!("{id}:{}", claim.by.route.0));
            claims.push(claim);
        }
    }
    let of = |(claim, judgement): (&Claim, Judgement)| {
        let winner = match judgement {
            Judgement::Granted => None,
            Judgement::Denied { winner, .. } => Some(names[&winner].clone()),
        };
        let container = claim.by.route.1.as_deref().unwrap_or_default();
        (format!("{} {container}", names[&claim.by]), winner)
    };
    claims.iter().zip(judge(&claims)).map(of).collect()
}

/// The same, as everybody sees it.
fn shown(registry: &Registry) -> BTreeMap<String, Option<String>> {
    let providers = registry.providers();
    let of = |entry: Arc<Entry>| {
        let winner = match &entry.verdict {
            Verdict::Granted => None,
            Verdict::Denied { winner, .. } => {
                let by = providers.iter().find(|status| status.order == winner.provider).unwrap();
                Some(format!("{}:{}", by.id, winner.route.0))
            }
            Verdict::NotTaken { why } => panic!("{why}"),
        };
        let container = entry.key.container.as_ref().map(|id| id.as_str()).unwrap_or_default();
        (format!("{}:{} {container}", entry.key.provider, entry.key.name), winner)
    };
    let is_route = |entry: &Arc<Entry>| !matches!(entry.what, What::Link(_));
    registry.iter_all().filter(is_route).map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn three_providers_that_come_and_go_end_in_the_same_winners_always_explained(
        moves in proptest::collection::vec((0usize..3, any::<bool>()), 0..12),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new().await;
            let all = providers();
            let mut there = [false; 3];
            let last = order.into_iter().map(|n| (n, true));
            for (n, comes) in moves.into_iter().chain(last) {
                let (id, order, reading) = &all[n];
                if comes {
                    house.begin(id, *order).await;
                    house.catalogue.says(id, reading.clone()).await.unwrap();
                } else if there[n] {
                    house.catalogue.gone(id).await.unwrap();
                }
                there[n] = comes;
                let now: Vec<_> =
                    all.iter().zip(there).filter(|(_, is)| *is).map(|(p, _)| p.clone()).collect();
                let registry = house.catalogue.registry();
                assert_eq!(shown(registry), should(&now));
                // The table says the same of every route, with the reason.
                for entry in registry.iter_all() {
                    let (Some(service), false) =
                        (&entry.service, matches!(entry.what, What::Link(_)))
                    else {
                        continue;
                    };
                    let path = crate::map::path_id(&entry.key.name, entry.key.container.as_ref());
                    let told = house.explain(&service.to_string()).await;
                    let source = entry.key.provider.source();
                    let mine = told
                        .candidates
                        .iter()
                        .find(|c| c.route.source == source && c.route.path == path)
                        .unwrap();
                    match &entry.verdict {
                        Verdict::Denied { why, .. } => {
                            assert_eq!(mine.standing, Denied);
                            assert!(mine.facts[0].reason.ends_with(why.as_str()), "{mine:?}");
                        }
                        _ => assert_eq!(mine.standing, Eligible, "{entry:?}"),
                    }
                }
                let counts = house.counts().await;
                let should = should(&now);
                assert_eq!(counts.routes, should.len());
                let n_denied = should.values().filter(|winner| winner.is_some()).count();
                assert_eq!(counts.decisions, n_denied);
            }
        });
    }
}
