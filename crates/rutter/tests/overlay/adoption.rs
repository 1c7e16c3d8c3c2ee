//! What a process finds that was there before it: its own of a life before, and another daemon's.

use crate::host::{Host, Says};
use crate::probe::Probe;
use crate::scene::Scene;

/// S8.
#[test]
fn s8_a_killed_host_that_comes_back_keeps_what_is_right_and_removes_the_rest() {
    let Some(scene) = Scene::new(2) else { return };
    scene.place(1).links_by_hand(100, &[2]);
    scene.place(2).links_by_hand(100, &[1]);
    let mut host = Host::start(scene.place(1), Says::of(1, 2));
    let mut tells = Says::of(2, 2);
    tells.networks.push("172.16.21.0/24".into());
    let mut other = Host::start(scene.place(2), tells);
    host.learns(&["172.16.20.0/24", "172.16.21.0/24"]);
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(2).lan], "172.16.20.2");
    probe.flows();
    let since = probe.now();
    host.process.kill();
    // Nobody takes them away, and its packets go on.
    assert_eq!(scene.place(1).table(100).len(), 2);
    other.reloads(|says| says.networks.retain(|network| network != "172.16.21.0/24"));
    let host = host.starts_anew(|_| {});
    host.learns(&["172.16.20.0/24"]);
    probe.sends(50);
    let lost = probe.lost(since);
    println!("S8: {lost:?}");
    assert_eq!(lost.lost, 0, "{lost:?}");
    assert_eq!(host.status()["overlays"][0]["kernel"]["adopted"], 2);
}

/// From an n-netman that was killed: its bridge, its link, its routes and rules, made by hand.
#[test]
fn what_another_daemon_left_is_taken_over_without_a_lost_packet() {
    let Some(scene) = Scene::new(2) else { return };
    scene.place(1).links_by_hand(100, &[2]);
    scene.place(2).links_by_hand(100, &[1]);
    let place = scene.place(1);
    for line in [
        "route add 172.16.20.0/24 via 10.100.0.2 table 100 metric 100 proto 99",
        "route add 172.16.77.0/24 via 10.100.0.2 table 100 metric 100 proto 99",
        "rule add iif br-prod lookup 100 priority 100",
        "rule add oif br-prod lookup 100 priority 101",
        // The operator's, since the original's rules don't see what comes from the lan.
        "rule add iif lan0 lookup 100 priority 50",
    ] {
        place.inside.ip(line);
    }
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    let probe = Probe::start(&place.lan, &[&scene.place(2).lan], "172.16.20.2");
    probe.flows();
    let since = probe.now();
    let mut host = Host::start(place, Says::of(1, 2));
    // What nobody tells any more goes.
    host.learns(&["172.16.20.0/24"]);
    probe.sends(50);
    let lost = probe.lost(since);
    println!("hand-over: {lost:?}");
    assert_eq!(lost.lost, 0, "{lost:?}");
    let rules = place.rules();
    // The two that were there do the job: none stands beside them.
    assert!(rules.contains(&"100: from all iif br-prod lookup 100".to_owned()), "{rules:?}");
    assert_eq!(rules.iter().filter(|rule| rule.starts_with("100:")).count(), 1, "{rules:?}");
    // And the way back: its routes go, what others have put stays.
    assert!(host.process.terminate().success());
    assert_eq!(place.table(100), Vec::<String>::new());
    let rules = place.rules();
    for rule in ["50: from all iif lan0 lookup 100", "100: from all iif br-prod lookup 100"] {
        assert!(rules.contains(&rule.to_owned()), "{rules:?}");
    }
}

/// The kernel's routes stay where that is asked for, and go otherwise.
#[test]
fn at_the_end_routes_go_or_stay_as_is_asked() {
    let Some(scene) = Scene::new(2) else { return };
    scene.place(1).links_by_hand(100, &[2]);
    scene.place(2).links_by_hand(100, &[1]);
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    let ends =
        |how: &str| Says { options: ["--at-end", how].map(str::to_owned).into(), ..Says::of(1, 2) };
    let place = scene.place(1);
    let mut host = Host::start(place, ends("adopt"));
    host.learns(&["172.16.20.0/24"]);
    assert!(host.process.terminate().success());
    assert_eq!(place.table(100).len(), 1);
    assert!(place.rules().iter().any(|rule| rule.starts_with("4800:")));
    let mut host = host.starts_anew(|says| *says = ends("leave"));
    crate::until(
        "the adoption",
        || host.status()["overlays"][0]["kernel"].clone(),
        |kernel| kernel["adopted"] == 1 && kernel["settled"] == true,
    );
    assert!(host.process.terminate().success());
    assert_eq!(place.table(100).len(), 1);
    let mut host = host.starts_anew(|says| *says = ends("flush"));
    host.learns(&["172.16.20.0/24"]);
    assert!(host.process.terminate().success());
    assert_eq!(place.table(100), Vec::<String>::new());
    let rules = place.rules();
    assert_eq!(rules.len(), 3, "only the kernel's own are left: {rules:?}");
}
