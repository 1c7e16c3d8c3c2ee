//! What isn't taken, and is named.

use crate::host::{Host, Says};
use crate::scene::Scene;

/// S6.
#[test]
fn s6_an_operators_route_is_left_alone_and_the_conflict_is_shown() {
    let Some(scene) = Scene::new(2) else { return };
    let place = scene.place(1);
    let theirs = "172.16.20.0/24 via 10.66.0.7 dev eth0 proto static metric 100";
    place.inside.ip(&format!("route add {theirs} table 100"));
    let host = Host::start(place, Says::of(1, 2));
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    let refused = || host.status()["overlays"][0]["kernel"]["refused"].clone();
    crate::until("the refusal", refused, |refused| *refused == 1);
    assert_eq!(place.table(100), [theirs]);
    let told = host.text(&["overlay", "explain", "172.16.20.0/24"]);
    assert!(told.contains("a route of protocol 4 with the same prefix and metric 100"), "{told}");
    // It goes, and ours comes.
    place.inside.ip("route del 172.16.20.0/24 table 100");
    host.learns(&["172.16.20.0/24"]);
    assert!(place.table(100)[0].contains("via 10.100.0.2 dev br-prod proto openr"));
}

/// S6 with `replace_existing`: it is put aside, and back in the end.
#[test]
fn with_replace_existing_an_operators_route_is_put_aside_and_back() {
    let Some(scene) = Scene::new(2) else { return };
    let place = scene.place(1);
    let theirs = "172.16.20.0/24 via 10.66.0.7 dev eth0 proto static metric 100";
    place.inside.ip(&format!("route add {theirs} table 100"));
    let says = Says { install: ", replace_existing: true".into(), ..Says::of(1, 2) };
    let mut host = Host::start(place, says);
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    let ours = "172.16.20.0/24 via 10.100.0.2 dev br-prod proto openr metric 100";
    crate::until("ours", || place.table(100), |lines| *lines == [ours]);
    assert!(host.process.terminate().success());
    assert_eq!(place.table(100), [theirs]);
}

/// S15.
#[test]
fn s15_what_would_harm_the_host_is_refused_with_a_reason() {
    let Some(scene) = Scene::new(2) else { return };
    let host = Host::start(scene.place(1), Says::of(1, 2));
    let mut tells = Says::of(2, 2);
    let harmful = ["172.16.10.0/24", "127.0.0.0/8", "0.0.0.0/0", "172.0.0.0/8", "10.100.0.0/25"];
    tells.networks.extend(harmful.map(str::to_owned));
    let _other = Host::start(scene.place(2), tells);
    host.learns(&["172.16.20.0/24"]);
    let reasons = [
        ("172.16.10.0/24", "own network 172.16.10.0/24"),
        ("127.0.0.0/8", "not a network to route"),
        ("0.0.0.0/0", "not in allow"),
        ("172.0.0.0/8", "not in allow"),
        ("10.100.0.0/25", "own connected network 10.100.0.0/24"),
    ];
    for (network, reason) in reasons {
        let told = host.text(&["overlay", "explain", network]);
        assert!(told.contains(&format!("policy: denied by {reason}")), "{network}: {told}");
    }
    assert_eq!(scene.place(1).table(100).len(), 1);
}

/// S16: without proof of who calls nobody is believed, unless the file waives it; and then only those
/// that it lists.
#[test]
fn s16_who_isnt_proven_or_isnt_listed_is_refused() {
    let Some(scene) = Scene::new(2) else { return };
    let unproven = Says { more: String::new(), ..Says::of(1, 2) };
    let mut host = Host::start(scene.place(1), unproven);
    assert!(host.process.said().contains("nobody is believed"), "{}", host.process.said());
    let curious = Says {
        options: ["--log-level", "info,rutter_overlay=debug"].map(str::to_owned).into(),
        ..Says::of(2, 2)
    };
    let mut other = Host::start(scene.place(2), curious);
    other.process.says("nothing proves that this is");
    assert_eq!(host.learned(), Vec::<String>::new());

    // One that lists others believes nobody else, whatever is waived.
    drop(host);
    let host = Host::start(scene.place(1), Says { peers: vec![9], ..Says::of(1, 2) });
    other.process.says("is not a peer of this host");
    assert_eq!(host.learned(), Vec::<String>::new());
}
