//! What a host announces: its file's networks, the kernel's, and netplan's.

use crate::host::{Host, Says};
use crate::scene::Scene;

/// Two hosts, of which the second takes everything and the first says what is under test.
fn learned(export: &str, more: &str, wanted: &[&str], change: impl Fn(&Scene, &[&str])) {
    let Some(scene) = Scene::new(2) else { return };
    let takes = Says { import: "allow: [172.16.0.0/12, 10.66.0.0/16]".into(), ..Says::of(2, 2) };
    let takes = Host::start(scene.place(2), takes);
    let mut says = Says { export: export.into(), ..Says::of(1, 2) };
    says.networks.clear();
    says.more.push_str(more);
    let _says = Host::start(scene.place(1), says);
    takes.learns(wanted);
    change(&scene, wanted);
}

#[test]
fn include_connected_announces_what_is_connected_and_follows_it() {
    // Its own bridge's network isn't a network behind it.
    let wanted = ["10.66.0.0/24", "172.16.10.0/24"];
    learned(", include_connected: true", "", &wanted, |scene, wanted| {
        let place = scene.place(1);
        let (far, lan) = (scene.place(2), &place.inside);
        let table = || far.table(100).len();
        lan.ip("address add 172.17.1.1/24 dev lan0");
        crate::until("one more", table, |n| *n == wanted.len() + 1);
        lan.ip("address del 172.17.1.1/24 dev lan0");
        crate::until("one less", table, |n| *n == wanted.len());
        // A route of the operator's isn't connected.
        lan.ip("route add 172.18.0.0/24 via 172.16.10.2");
        lan.ip("address add 172.17.2.1/24 dev lan0");
        crate::until("one more", table, |n| *n == wanted.len() + 1);
        assert!(!far.table(100).iter().any(|line| line.starts_with("172.18.")));
    });
}

#[test]
fn export_all_announces_all_of_the_table_main() {
    let wanted = ["10.66.0.0/24", "172.16.10.0/24"];
    learned(", export_all: true", "", &wanted, |scene, wanted| {
        let far = scene.place(2);
        scene.place(1).inside.ip("route add 172.18.0.0/24 via 172.16.10.2");
        crate::until("one more", || far.table(100).len(), |n| *n == wanted.len() + 1);
        assert!(far.table(100).iter().any(|line| line.starts_with("172.18.0.0/24 ")));
    });
}

#[test]
fn include_netplan_static_announces_the_static_routes_of_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let plan = "network:\n  version: 2\n  ethernets:\n    lan0:\n      addresses: [172.16.10.1/24]\n      \
                routes:\n        - {to: 172.19.0.0/24, via: 172.16.10.2}\n";
    std::fs::write(dir.path().join("01-lan.yaml"), plan).unwrap();
    let more = format!("netplan: {{config_paths: ['{}']}}\n", dir.path().display());
    learned(", include_netplan_static: true", &more, &["172.19.0.0/24"], |_, _| {});
}

#[test]
fn networks_that_the_file_gains_or_loses_are_announced_and_withdrawn_at_once() {
    let Some(scene) = Scene::new(2) else { return };
    let mut says = Host::start(scene.place(1), Says::of(1, 2));
    let listens = Host::start(scene.place(2), Says::of(2, 2));
    listens.learns(&["172.16.10.0/24"]);
    says.reloads(|says| says.networks.push("172.16.11.0/24".into()));
    let gained = listens.learns(&["172.16.10.0/24", "172.16.11.0/24"]);
    says.reloads(|says| says.networks.retain(|network| network != "172.16.10.0/24"));
    let lost = listens.learns(&["172.16.11.0/24"]);
    println!("after a reload: announced within {gained:?}, withdrawn within {lost:?}");
}

#[test]
fn an_import_that_changes_takes_effect_on_what_was_told_before() {
    let Some(scene) = Scene::new(2) else { return };
    let mut host = Host::start(scene.place(1), Says::of(1, 2));
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    host.learns(&["172.16.20.0/24"]);
    host.reloads(|says| says.import = "allow: [172.16.0.0/16], deny: [172.16.20.0/24]".into());
    host.learns(&[]);
    let told = host.text(&["overlay", "explain", "172.16.20.0/24"]);
    assert!(told.contains("denied by deny 172.16.20.0/24"), "{told}");
    host.reloads(|says| says.import = "allow: [172.16.0.0/16]".into());
    host.learns(&["172.16.20.0/24"]);
}
