//! Networks that come and go, and many of them.

use std::time::{Duration, Instant};

use crate::failover::{SHARED, Three};
use crate::host::{Host, Says};
use crate::scene::Scene;

/// S4: a better way that returns waits for its hold-down, and there is one route in the kernel meanwhile.
#[test]
fn s4_a_better_way_that_returns_is_taken_after_its_hold_down() {
    let Some(scene) = Scene::new(3) else { return };
    let mut three = Three::start(&scene, [200, 100]);
    three.better.reloads(|says| says.networks.retain(|network| network != SHARED));
    three.leads_to(2, 200);
    let withdrawn = Instant::now();
    three.better.reloads(|says| says.networks.push(SHARED.into()));
    crate::until(
        "it is held",
        || three.looks.text(&["overlay", "explain", SHARED]),
        |told| told.contains("peer/host-3: held"),
    );
    let n_routes = || three.looks.learned().iter().filter(|line| line.starts_with(SHARED)).count();
    assert_eq!(n_routes(), 1);
    three.leads_to(3, 100);
    let took = withdrawn.elapsed();
    println!("S4: taken again {took:?} after its withdrawal");
    assert!(took > Duration::from_millis(1500), "{took:?}");
    assert_eq!(n_routes(), 1);
}

/// S28 for 20 s: a network that flaps is damped, where it comes from and where it is told; the other way
/// is kept, and it can be seen. `rutter-overlay` has the minute, under a clock that is set.
#[test]
fn s28_a_network_that_flaps_is_damped_and_the_stable_way_kept() {
    let Some(scene) = Scene::new(3) else { return };
    let mut three = Three::start(&scene, [200, 100]);
    let probe = three.probe();
    for _ in 0..10 {
        three.better.reloads(|says| says.networks.retain(|network| network != SHARED));
        three.better.process.says("reloaded: overlay.host.overlays.100.export");
        probe.sends(100);
        three.better.reloads(|says| says.networks.push(SHARED.into()));
        three.better.process.says("reloaded: overlay.host.overlays.100.export");
        probe.sends(100);
    }
    let told = || {
        let explain = |host: &Host<'_>| host.command(&["overlay", "explain", SHARED]).stdout;
        let both = [explain(&three.looks), explain(&three.better)].concat();
        String::from_utf8_lossy(&both).into_owned()
    };
    crate::until("it is held", told, |told| told.contains(": held"));
    three.leads_to(2, 200);
    // What it tells beside that isn't damped.
    assert!(three.looks.learned().iter().any(|line| line.starts_with("172.16.30.0/24")));
}

/// S17, with as many as a build without optimisation parses in a moment; the benchmark has 100,000.
#[test]
fn s17_many_networks_of_one_peer_arrive_in_the_kernel() {
    const MANY: usize = 20_000;
    let Some(scene) = Scene::new(2) else { return };
    let takes = Says { import: "allow: [10.0.0.0/8]".into(), ..Says::of(1, 2) };
    let takes = Host::start(scene.place(1), takes);
    let mut tells = Says::of(2, 2);
    tells.networks = (0..MANY).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
    let _tells = Host::start(scene.place(2), tells);
    let began = Instant::now();
    let kernel = || takes.status()["overlays"][0]["kernel"].clone();
    crate::until("all", kernel, |kernel| kernel["routes"] == MANY);
    println!("S17: {MANY} networks are in the kernel {:?} after their host runs", began.elapsed());
    assert_eq!(kernel()["refused"], 0);
    assert_eq!(takes.learned().len(), MANY);
}

/// S22: a lower MTU below is found, and the overlay's follows.
#[test]
fn s22_a_lower_mtu_of_the_underlay_lowers_the_overlays_and_is_told() {
    let Some(scene) = Scene::new(1) else { return };
    let place = scene.place(1);
    place.inside.ip("link set eth0 mtu 1400");
    let host = Host::start(place, Says::of(1, 2));
    let overlay = || host.status()["overlays"][0].clone();
    crate::until("the MTU", overlay, |overlay| overlay["mtu"] == 1350);
    let told = overlay();
    assert!(told["link_remark"].as_str().is_some_and(|told| told.contains("1350")), "{told}");
    let doctor = host.command(&["overlay", "doctor", "--config", &host.file().to_string_lossy()]);
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("WARNING  overlay 100: "), "{told}");
}
