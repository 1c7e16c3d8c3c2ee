//! The provider of containers against an engine that is played (`engine.rs`): there is no engine
//! here, and what it answers is written from the documentation of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod engine;
mod house;
mod tls;

use std::time::Duration;

use hyper::StatusCode;
use rutter_providers::docker::{Endpoint, MAX_ANSWER, MAX_EVENT};
use rutter_providers::monitor::HealthStatus;
use rutter_providers::registry::ProviderState;

use tokio_util::sync::CancellationToken;

use engine::{Container, Engine};
use house::House;

/// An engine on a Unix socket, followed.
async fn followed(engine: &Engine) -> House {
    let house = House::new().await;
    let socket = engine.on_socket(house.folder.path(), &house.stop);
    house.follow(Endpoint::Unix(socket)).await;
    house
}

#[tokio::test]
async fn containers_are_found_with_their_labels_and_reasons() {
    let engine = Engine::new();
    engine.put(Container::new(1, "app"));
    engine.put(
        Container::new(2, "shop")
            .labelled(&[("proxy.aliases", "shop, store"), ("proxy.#2.port", "9000")]),
    );
    engine.put(Container { state: "exited", ..Container::new(3, "old") });
    engine.put(Container { is_on_host: true, port: 3000, ..Container::new(4, "host") });
    let odd = Container::new(5, "odd").labelled(&[("proxy.odd.middlewares.oidc.users", "me")]);
    engine.put(odd);
    let house = followed(&engine).await;
    house.until(|house| house.all().len() == 6).await;
    assert_eq!(
        house.all(),
        [
            "app http://172.18.0.3:8080",
            "host http://127.0.0.1:3000",
            "odd refused",
            "old excluded: No port exposed in container",
            "shop http://172.18.0.4:8080",
            "store http://172.18.0.4:9000",
        ]
    );
}

#[tokio::test]
async fn each_event_is_followed() {
    let engine = Engine::new();
    let house = followed(&engine).await;
    engine.listened_to_by(1).await;
    let app = Container::new(1, "app");
    let id = app.id.clone();
    engine.put(app);
    engine.tell("start", &id);
    house.until(|house| house.all() == ["app http://172.18.0.3:8080"]).await;
    engine.change(&id, |app| app.name = "web".to_owned());
    engine.tell("rename", &id);
    house.until(|house| house.all() == ["web http://172.18.0.3:8080"]).await;
    // One that is paused answers nobody; its engine knows, so nobody waits for probes.
    engine.change(&id, |app| app.state = "paused");
    engine.tell("pause", &id);
    let unwell = (HealthStatus::Unhealthy, "container is paused".to_owned());
    house.until(|house| house.health("web") == Some(unwell.clone())).await;
    engine.change(&id, |app| app.state = "running");
    engine.tell("unpause", &id);
    house.until(|house| house.health("web").is_some_and(|health| health != unwell)).await;
    engine.change(&id, |app| {
        app.health = Some("unhealthy");
        app.printed = "connection refused\n".to_owned();
    });
    engine.tell("health_status: unhealthy", &id);
    let checked = (HealthStatus::Unhealthy, "connection refused".to_owned());
    house.until(|house| house.health("web") == Some(checked.clone())).await;
    engine.change(&id, |app| app.health = Some("healthy"));
    engine.tell("health_status: healthy", &id);
    house.until(|house| house.status("web") == Some(HealthStatus::Healthy)).await;
    engine.change(&id, |app| app.state = "exited");
    engine.tell("die", &id);
    house.until(|house| house.all() == ["web excluded: No port exposed in container"]).await;
    engine.take(&id);
    engine.tell("destroy", &id);
    house.until(|house| house.all().is_empty()).await;
    let noted = ["started", "renamed", "paused", "unpaused", "died", "destroyed"];
    assert_eq!(house.noted(), noted);
}

/// The stream is cut while 100 containers change: nobody hears of the first, and the others have
/// changed before anybody listens again. What stands 1 s after that is what the engine lists.
#[tokio::test]
async fn a_stream_that_is_cut_while_a_hundred_containers_change_ends_equal_to_the_listing() {
    let engine = Engine::new();
    (0..150).for_each(|n| engine.put(Container::new(n, &format!("app-{n:03}"))));
    let house = followed(&engine).await;
    house.until(|house| house.all().len() == 150).await;
    engine.be_silent(true);
    let id = |n: usize| Container::new(n, "").id;
    for n in 0..100 {
        match n % 4 {
            0 => engine.take(&id(n)),
            1 => engine.change(&id(n), |app| app.address = "172.19.0.9".to_owned()),
            2 => engine.change(&id(n), |app| app.name = format!("renamed-{n:03}")),
            _ => engine.put(Container::new(1000 + n, &format!("new-{n:03}"))),
        }
        if n == 50 {
            engine.cut();
            engine.listened_to_by(0).await;
            engine.be_silent(false);
        }
        engine.tell("start", &id(n));
        tokio::task::yield_now().await;
    }
    let mut want: Vec<String> = Vec::new();
    for n in 0..150 {
        let address = Container::new(n, "").address;
        match n % 4 {
            _ if n >= 100 => want.push(format!("app-{n:03} http://{address}:8080")),
            0 => {}
            1 => want.push(format!("app-{n:03} http://172.19.0.9:8080")),
            2 => want.push(format!("renamed-{n:03} http://{address}:8080")),
            _ => {
                want.push(format!("app-{n:03} http://{address}:8080"));
                let address = Container::new(1000 + n, "").address;
                want.push(format!("new-{n:03} http://{address}:8080"));
            }
        }
    }
    want.sort();
    engine.listened_to_by(1).await;
    let within = Duration::from_secs(1);
    tokio::time::timeout(within, house.until(|house| house.all() == want)).await.unwrap();
    assert!(house.noted().contains(&"force-reloaded".to_owned()));
}

#[tokio::test]
async fn a_failed_listing_removes_nothing_and_is_told() {
    let engine = Engine::new();
    engine.put(Container::new(1, "app"));
    let house = followed(&engine).await;
    let stands = ["app http://172.18.0.3:8080"];
    house.until(|house| house.all() == stands).await;
    let too_long = format!("[{}]", " ".repeat(usize::try_from(MAX_ANSWER).unwrap()));
    let failures = [
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"message": "daemon is busy"}"#,
            "500 daemon is busy",
        ),
        (StatusCode::OK, "[{\"Id\": \"0", "EOF while parsing"),
        (StatusCode::OK, "{}", "expected a sequence"),
        (StatusCode::OK, too_long.as_str(), "more than 67108864 bytes"),
    ];
    for (status, body, want) in failures {
        engine.take(&Container::new(1, "app").id);
        let n_before = engine.n_listings();
        engine.answer(Some((status, body)));
        engine.tell("die", &Container::new(1, "app").id);
        // The second failure is after the first was told.
        engine.listed(n_before + 2).await;
        assert_eq!(house.all(), stands, "{want}");
        let state = house.state();
        assert!(matches!(&state, ProviderState::Lost { why } if why.contains(want)), "{state:?}");
        assert_eq!(house.standing("app").await, "stale");
        engine.put(Container::new(1, "app"));
        engine.answer(None);
        let n_before = engine.n_listings();
        engine.listed(n_before + 1).await;
        house.until(|house| house.state() == ProviderState::Ready).await;
        assert_eq!(house.all(), stands);
        assert_eq!(house.standing("app").await, "eligible");
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_yet_is_waited_for() {
    let engine = Engine::new();
    engine.put(Container::new(1, "app"));
    let house = House::new().await;
    house.follow(Endpoint::Unix(house.folder.path().join("engine.sock"))).await;
    house.until(|house| matches!(house.state(), ProviderState::Lost { .. })).await;
    engine.on_socket(house.folder.path(), &house.stop);
    house.until(|house| house.all() == ["app http://172.18.0.3:8080"]).await;
}

#[tokio::test]
async fn many_events_at_once_are_few_listings() {
    let engine = Engine::new();
    let house = followed(&engine).await;
    engine.listened_to_by(1).await;
    engine.listed(1).await;
    for n in 0..500 {
        let app = Container::new(n, &format!("app-{n:03}"));
        let id = app.id.clone();
        engine.put(app);
        engine.tell("start", &id);
    }
    house.until(|house| house.all().len() == 500).await;
    assert!(engine.n_listings() < 20, "{}", engine.n_listings());
}

#[tokio::test]
async fn an_event_that_is_too_long_ends_its_stream_and_nothing_else() {
    let engine = Engine::new();
    let house = followed(&engine).await;
    engine.listened_to_by(1).await;
    let long = "x".repeat(usize::try_from(MAX_EVENT).unwrap());
    engine.put(Container::new(1, &long));
    engine.tell("start", &Container::new(1, "").id);
    let is_lost = |house: &House| match house.state() {
        ProviderState::Lost { why } => why.contains("more than 1048576 bytes for one event"),
        _ => false,
    };
    house.until(is_lost).await;
    engine.put(Container::new(1, "app"));
    house.until(|house| house.all() == ["app http://172.18.0.3:8080"]).await;
    assert_eq!(house.state(), ProviderState::Ready);
}

#[tokio::test]
async fn an_engine_that_is_followed_no_more_is_not_listened_to() {
    let engine = Engine::new();
    let house = House::new().await;
    let serves = CancellationToken::new();
    let _guard = serves.clone().drop_guard();
    let socket = engine.on_socket(house.folder.path(), &serves);
    house.follow(Endpoint::Unix(socket)).await;
    engine.listened_to_by(1).await;
    house.stop.cancel();
    engine.listened_to_by(0).await;
}
