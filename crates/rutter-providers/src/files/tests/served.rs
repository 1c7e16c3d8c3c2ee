//! Files through the catalogue into the table, with monitors.

use rutter_rib::Policy;
use rutter_route::Standing;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use super::*;
use crate::catalogue::Watching;
use crate::monitor::{HealthStatus, MonitorSettings, Monitors};
use crate::registry::{Entry, ProviderState, RegistryEvent};
use crate::testing::House;

fn entry(house: &House, alias: &str) -> Arc<Entry> {
    house.catalogue.registry().get(alias).unwrap_or_else(|| panic!("no {alias}"))
}

/// Waits until something holds; it is looked at again after each event of the registry.
async fn until(house: &House, holds: impl Fn() -> bool) {
    let (_, mut events) = house.catalogue.registry().follow_events();
    let held = async {
        while !holds() {
            let _: Result<Arc<RegistryEvent>, _> = events.recv().await;
        }
    };
    timeout(LONG, held).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_file_is_served_and_routes_of_others_stay_what_they_are() {
    let folder = TempDir::new().unwrap();
    let name = |n: usize| format!("{n}.yml");
    let names: Vec<String> = (0..20).map(name).collect();
    for (n, name) in names.iter().enumerate() {
        let text = format!("app{n}: {}\nside{n}: {}\n", route("old"), route("side"));
        fs::write(folder.path().join(name), text).unwrap();
    }
    let house = House::new().await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let config = config(folder.path(), &names);
    let files = Files::start(config, house.catalogue.clone(), stop).await.unwrap();
    files.loaded().await;
    let registry = house.catalogue.registry();
    assert_eq!(registry.num_active_routes(), 40);
    let (edited, untouched) = (entry(&house, "app7"), entry(&house, "app8"));
    let beside = entry(&house, "side7");
    let text = format!("app7: {}\nside7: {}\n", route("new"), route("side"));
    fs::write(folder.path().join("7.yml"), text).unwrap();
    until(&house, || !Arc::ptr_eq(&entry(&house, "app7"), &edited)).await;
    assert_eq!(hosts_of(&entry(&house, "app7")), "new");
    // What is equal is no change: so connections of all others stay.
    assert!(Arc::ptr_eq(&entry(&house, "app8"), &untouched));
    assert!(Arc::ptr_eq(&entry(&house, "side7"), &beside));
    fs::remove_file(folder.path().join("7.yml")).unwrap();
    until(&house, || registry.num_active_routes() == 38).await;
    assert!(registry.get("app7").is_none());
    assert!(Arc::ptr_eq(&entry(&house, "app8"), &untouched));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_files_after_another_takes_back_what_went_meanwhile() {
    let folder = TempDir::new().unwrap();
    for name in ["kept.yml", "broken.yml", "gone.yml"] {
        let text = format!("{}: {}", name.trim_end_matches(".yml"), route("x"));
        fs::write(folder.path().join(name), text).unwrap();
    }
    let house = House::new().await;
    let registry = house.catalogue.registry();
    let config = config(folder.path(), &["kept.yml", "broken.yml", "gone.yml"]);
    let stop = CancellationToken::new();
    let first = Files::start(config.clone(), house.catalogue.clone(), stop.clone()).await.unwrap();
    first.loaded().await;
    assert_eq!(registry.num_active_routes(), 3);
    stop.cancel();
    // As when the program's configuration is read again.
    fs::remove_file(folder.path().join("gone.yml")).unwrap();
    fs::write(folder.path().join("broken.yml"), "a: [").unwrap();
    let kept = entry(&house, "kept");
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let second = Files::start(config, house.catalogue.clone(), stop).await.unwrap();
    second.loaded().await;
    until(&house, || registry.get("gone").is_none()).await;
    assert!(Arc::ptr_eq(&entry(&house, "kept"), &kept));
    assert!(registry.get("broken").is_some(), "its last good reading stands");
    let providers = registry.providers();
    let broken = providers.iter().find(|provider| provider.id.name() == "broken.yml").unwrap();
    assert!(matches!(&broken.state, ProviderState::Lost { why } if why.contains("broken.yml")));
}

fn hosts_of(entry: &Entry) -> String {
    match &entry.route().unwrap().target {
        crate::Target::Http { host, .. } => host.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Waits for the next event of anybody's health; it comes after the table has it.
async fn health_event(events: &mut broadcast::Receiver<Arc<RegistryEvent>>) -> String {
    let heard = async {
        loop {
            let event = events.recv().await.unwrap();
            if event.what.category() == "health" {
                return event.what.action().to_owned();
            }
        }
    };
    timeout(LONG, heard).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_whose_endpoint_goes_is_unhealthy_in_the_table_until_it_returns() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let text = format!(
        "db:\n  scheme: tcp\n  host: 127.0.0.1\n  port: 5432:{}\n  healthcheck: {{interval: 1s, \
         retries: 1}}\n",
        address.port()
    );
    fs::write(folder.path().join("a.yml"), text).unwrap();
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let (monitors, turned) = Monitors::start(MonitorSettings::default(), stop.clone());
    let house = House::with(Policy::default(), Some(Watching { monitors, turned })).await;
    let config = config(folder.path(), &["a.yml"]);
    let files = Files::start(config, house.catalogue.clone(), stop).await.unwrap();
    files.loaded().await;
    let status = || entry(&house, "db").seen().status;
    let (_, mut events) = house.catalogue.registry().follow_events();
    let asked = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    drop((asked, listener));
    assert_eq!(health_event(&mut events).await, "service_down");
    assert_eq!(status(), HealthStatus::Unhealthy);
    let service = entry(&house, "db").service.clone().unwrap().to_string();
    assert_eq!(house.at(&service).await[0].1, Standing::Unhealthy);
    let _listener = TcpListener::bind(address).await.unwrap();
    assert_eq!(health_event(&mut events).await, "service_up");
    assert_eq!(status(), HealthStatus::Healthy);
    assert_eq!(house.at(&service).await[0].1, Standing::Eligible);
}
