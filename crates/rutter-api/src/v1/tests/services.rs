//! Services of providers over the API, as a catalogue has them.

use rutter_providers::catalogue::{Catalogue, ProviderInfo};
use rutter_providers::godoxy::{Environment, Settings, read_file};
use rutter_providers::monitor::Monitors;
use rutter_providers::{ProviderId, ProviderKind};

use super::*;

const FIRST: &str = "
blog: {port: 8080}
db: {scheme: tcp, port: '5433:5432'}
a: {port: 8001, load_balance: {link: pool}}
b: {port: 8002, load_balance: {link: pool}}
locked: {port: 8003, middlewares: {oidc: {}}}
";
const SECOND: &str = "blog: {port: 9090}\nother: {port: 9091}\n";

/// The API with two files of routes, which both want `blog`.
async fn with_services() -> (Api, Catalogue) {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let table = "services".parse().unwrap();
    let catalogue = Catalogue::start(world.book.clone(), table, None, stop).await.unwrap();
    for (order, (name, text)) in [("first.yml", FIRST), ("second.yml", SECOND)].iter().enumerate() {
        let id = ProviderId::new(ProviderKind::File, name).unwrap();
        let info = ProviderInfo { id: id.clone(), order: u32::try_from(order).unwrap() };
        catalogue.begin(info).await.unwrap();
        let no_variables = |_: &str| None;
        let environment: Environment<'_> = &no_variables;
        let reading = read_file(name, text, environment, &Settings::default()).unwrap();
        catalogue.says(&id, reading).await.unwrap();
    }
    let services = Services { registry: catalogue.registry().clone(), monitors: Monitors::none() };
    (Api::with(world, None, None, Some(services), None).await, catalogue)
}

fn states(page: &Value) -> Vec<String> {
    let row = |row: &Value| {
        format!("{} {}", row["key"].as_str().unwrap(), row["state"].as_str().unwrap())
    };
    page["services"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn services_are_listed_whatever_became_of_them() {
    let (api, _catalogue) = with_services().await;
    let (status, page) = api.admin("GET", "/v1/services", Value::Null).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(
        states(&page),
        [
            "first.yml:blog served",
            "first.yml:a served",
            "first.yml:b served",
            "second.yml:other served",
            "first.yml:pool served",
            "first.yml:db served",
            "first.yml:locked refused",
            "second.yml:blog denied",
        ]
    );
    let (_, denied) = api.admin("GET", "/v1/services?state=denied", Value::Null).await;
    let why = denied["services"][0]["why"][0].as_str().unwrap();
    assert!(why.contains("first.yml"), "the winner is named: {why}");
    let (_, refused) = api.admin("GET", "/v1/services?state=refused", Value::Null).await;
    let why = refused["services"][0]["why"][0].as_str().unwrap();
    assert!(why.contains("oidc"), "the field is named: {why}");
    let (_, pools) = api.admin("GET", "/v1/pools", Value::Null).await;
    assert_eq!(pools, json!({ "http": 5, "stream": 1, "excluded": 2 }));
    let (_, of_one) = api.admin("GET", "/v1/services?provider=second", Value::Null).await;
    assert_eq!(states(&of_one), ["second.yml:other served", "second.yml:blog denied"]);
}

#[tokio::test]
async fn pages_follow_each_other_and_miss_nothing() {
    let (api, _catalogue) = with_services().await;
    let (_, whole) = api.admin("GET", "/v1/services", Value::Null).await;
    let (mut seen, mut path) = (Vec::new(), "/v1/services?limit=3".to_owned());
    loop {
        let (_, page) = api.admin("GET", &path, Value::Null).await;
        assert!(states(&page).len() <= 3, "{page}");
        seen.extend(states(&page));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/services?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, states(&whole));
}

#[tokio::test]
async fn a_name_shows_all_who_want_it() {
    let (api, _catalogue) = with_services().await;
    let (status, blog) = api.admin("GET", "/v1/services/blog", Value::Null).await;
    assert_eq!((status, states(&blog).len()), (200, 2), "{blog}");
    assert_eq!(blog["services"][0]["target"], json!("http://localhost:8080"), "{blog}");
    let (_, pool) = api.admin("GET", "/v1/services/first.yml:pool", Value::Null).await;
    let members = &pool["services"][0]["members"];
    assert_eq!(members, &json!(["first.yml:a", "first.yml:b"]), "{pool}");
    for (path, code, status) in [
        ("/v1/services/nobody", "not_found", 404),
        ("/v1/services?state=x", "invalid_parameter", 400),
        ("/v1/services?after=x", "invalid_parameter", 400),
        ("/v1/services?pool=x", "invalid_parameter", 400),
        ("/v1/health?form=x", "invalid_parameter", 400),
    ] {
        let (found, said) = api.admin("GET", path, Value::Null).await;
        assert_eq!((found, &said["code"]), (status, &json!(code)), "{path}: {said}");
    }
    let (status, none) = Api::new().await.admin("GET", "/v1/services", Value::Null).await;
    assert_eq!((status, &none["code"]), (404, &json!("no_providers")));
}

#[tokio::test]
async fn providers_say_what_they_have_and_whether_they_are_heard() {
    let (api, catalogue) = with_services().await;
    let second = ProviderId::new(ProviderKind::File, "second.yml").unwrap();
    catalogue.lost(&second, "the file can't be read").await.unwrap();
    let (_, said) = api.admin("GET", "/v1/providers", Value::Null).await;
    let files: Vec<&Value> =
        said["providers"].as_array().unwrap().iter().filter(|p| p["kind"] == "file").collect();
    assert_eq!((&files[0]["name"], &files[0]["state"]), (&json!("first.yml"), &json!("ready")));
    assert_eq!((&files[0]["routes"], &files[0]["refused"]), (&json!(4), &json!(1)), "{said}");
    let built_in = said["providers"].as_array().unwrap().iter().find(|p| p["kind"] == "static");
    assert_eq!(built_in.map(|p| &p["state"]), Some(&json!("ready")), "{said}");
    assert_eq!((&files[1]["state"], &files[1]["denied"]), (&json!("lost"), &json!(1)), "{said}");
    assert_eq!(files[1]["why"], json!("the file can't be read"));
}

#[tokio::test]
async fn health_has_three_forms_in_the_units_of_the_original() {
    let (api, _catalogue) = with_services().await;
    let (_, plain) = api.admin("GET", "/v1/health", Value::Null).await;
    let nothing = json!({ "status": "unknown", "uptime": 0, "latency": 0, "sleep_in": 0 });
    assert_eq!(plain["db"], nothing, "{plain}");
    let (_, detail) = api.admin("GET", "/v1/health?form=detail", Value::Null).await;
    assert_eq!(detail["db"]["detail"], json!("n/a"), "{detail}");
    let (_, simple) = api.admin("GET", "/v1/health?form=simple", Value::Null).await;
    assert_eq!(simple["db"], json!("unknown"), "{simple}");
    // Two want the name, so each is called by its key and none hides the other.
    assert!(simple.get("first.yml:blog").is_some() && simple.get("second.yml:blog").is_some());
}

#[tokio::test]
async fn events_are_kept_and_followed_without_a_gap() {
    let (api, catalogue) = with_services().await;
    let (_, kept) = api.admin("GET", "/v1/events", Value::Null).await;
    let events = kept["events"].as_array().unwrap();
    let added = |event: &&Value| event["what"] == "added" && event["key"] == "first.yml:db";
    assert!(events.iter().any(|event| added(&event)), "{kept}");
    let last = events.last().unwrap()["number"].as_u64().unwrap();
    let url = format!("{}/v1/events/watch", api.served.url);
    let watch = api.client.get(url).bearer_auth(&api.admin).header("last-event-id", last);
    let mut answer = watch.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let first = ProviderId::new(ProviderKind::File, "first.yml").unwrap();
    catalogue.gone(&first).await.unwrap();
    let mut text = String::new();
    while !text.contains("removed") {
        let chunk = answer.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let id = text.lines().find_map(|line| line.strip_prefix("id:")).unwrap();
    assert_eq!(id.trim().parse::<u64>().unwrap(), last + 1, "{text}");
    api.stop.cancel();
    while answer.chunk().await.unwrap().is_some() {}
}
