use crate::registry::Verdict;
use crate::testing::{House, container, docker_id, file, file_id};
use rutter_route::Standing::{Denied, Eligible};

#[tokio::test]
async fn a_loser_is_denied_by_a_rule_that_names_the_winner_and_comes_up_when_it_ends() {
    let house = House::new().await;
    let (files, docker) = (file_id("app.yml"), docker_id("local"));
    house.begin(&docker, 0).await;
    house.begin(&files, 1).await;
    let said = house.catalogue.says(&docker, container("app", "10.0.0.1", &[])).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes, said.n_denied), (1, 1, 0));
    let bare = ("provider/docker@local app#app00000".to_owned(), Eligible);
    assert_eq!(house.at("app").await, [bare.clone()]);

    let said = house.catalogue.says(&files, file("app: {port: 1}\n")).await.unwrap();
    assert_eq!((said.n_changed, said.n_routes, said.n_denied), (1, 1, 0));
    let written = ("provider/app.yml app".to_owned(), Eligible);
    assert_eq!(house.at("app").await, [written, (bare.0.clone(), Denied)]);
    let told = house.explain("app").await;
    let loser = told.candidates.iter().find(|c| c.standing == Denied).unwrap();
    assert_eq!(
        loser.facts[0].reason,
        "revoked by rule `one service a place`: alias `app` is app.yml's: what a file says comes \
         before containers"
    );
    let registry = house.catalogue.registry();
    assert_eq!(registry.get("app").unwrap().key.to_string(), "app.yml:app");
    let shown = registry.excluded().get("docker@local:app-app00000").unwrap();
    assert!(matches!(shown.verdict, Verdict::Denied { .. }));

    house.catalogue.gone(&files).await.unwrap();
    assert_eq!(house.at("app").await, [bare]);
    assert_eq!(registry.get("app").unwrap().key.to_string(), "docker@local:app-app00000");
    assert_eq!((registry.num_active_routes(), registry.num_all_routes()), (1, 1));
}
