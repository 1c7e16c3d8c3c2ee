//! Two hosts that have the way to one network: what is lost when the better one goes.

use std::time::Duration;

use crate::host::{Host, Says};
use crate::namespace::Namespace;
use crate::probe::Probe;
use crate::scene::Scene;

/// How soon a peer that is gone isn't relied on any more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The network that both have.
pub(crate) const SHARED: &str = "172.16.99.0/24";

/// A host that looks on, and two that lead to the same network, the second the better one.
pub(crate) struct Three<'s> {
    pub(crate) looks: Host<'s>,
    worse: Host<'s>,
    pub(crate) better: Host<'s>,
    lans: [Namespace; 2],
}

impl<'s> Three<'s> {
    pub(crate) fn start(scene: &'s Scene, metrics: [u32; 2]) -> Self {
        let lans = [2, 3].map(|n| scene.place(n).shared_lan("172.16.99"));
        let says = |n: usize| {
            let mut says = Says::of(n, 3);
            if n > 1 {
                says.metric = metrics[n - 2];
                says.networks.push(SHARED.into());
                // Neither learns the other's: it has the network itself.
            }
            says
        };
        let looks = Host::start(scene.place(1), says(1));
        let worse = Host::start(scene.place(2), says(2));
        let better = Host::start(scene.place(3), says(3));
        let three = Self { looks, worse, better, lans };
        three.looks.learns(&["172.16.20.0/24", "172.16.30.0/24", SHARED]);
        three.leads_to(3, metrics[1]);
        // Each has been called, too.
        three.looks.sees(2, "there");
        three.looks.sees(3, "there");
        three
    }

    fn way(&self) -> String {
        let is = |line: &&String| line.starts_with(SHARED);
        self.looks.learned().iter().find(is).cloned().unwrap_or_default()
    }

    pub(crate) fn leads_to(&self, n: usize, metric: u32) -> Duration {
        let line = format!("{SHARED} via 10.100.0.{n} dev br-prod proto openr metric {metric}");
        crate::until("the way", || self.way(), |way| *way == line)
    }

    pub(crate) fn probe(&self) -> Probe {
        let probe =
            Probe::start(&self.looks.place.lan, &[&self.lans[0], &self.lans[1]], "172.16.99.2");
        probe.flows();
        probe
    }
}

/// S1.
#[test]
fn s1_a_peer_that_is_killed_is_switched_from_in_under_a_second() {
    let Some(scene) = Scene::new(3) else { return };
    let mut three = Three::start(&scene, [200, 100]);
    let probe = three.probe();
    let since = probe.now();
    // Its kernel forwards still: what counts is how soon nobody relies on it.
    three.better.process.kill();
    let took = three.leads_to(2, 200);
    probe.sends(50);
    let lost = probe.lost(since);
    println!("S1: switched after {took:?}; {lost:?}");
    assert!(took < AT_ONCE && lost.outage() < AT_ONCE, "{took:?}, {lost:?}");
    three.looks.learns(&["172.16.20.0/24", SHARED]);
}

/// S2.
#[test]
fn s2_a_peer_that_is_stopped_loses_nothing_where_there_is_another_way() {
    let Some(scene) = Scene::new(3) else { return };
    let mut three = Three::start(&scene, [200, 100]);
    let probe = three.probe();
    let since = probe.now();
    assert!(three.better.process.terminate().success());
    let took = three.leads_to(2, 200);
    probe.sends(50);
    let lost = probe.lost(since);
    println!("S2: {lost:?}; {took:?} after its end");
    assert_eq!(lost.lost, 0, "{lost:?}");
    three.looks.learns(&["172.16.20.0/24", SHARED]);
    // It took its own routes along.
    assert_eq!(scene.place(3).table(100), Vec::<String>::new());
}

/// S3.
#[test]
fn s3_of_two_equals_the_other_takes_over_without_a_gap() {
    let Some(scene) = Scene::new(3) else { return };
    let lans = [2, 3].map(|n| scene.place(n).shared_lan("172.16.99"));
    let says = |n: usize| {
        let mut says = Says::of(n, 3);
        says.networks.extend((n > 1).then(|| SHARED.to_owned()));
        says
    };
    let looks = Host::start(scene.place(1), says(1));
    let mut others = [2, 3].map(|n| Host::start(scene.place(n), says(n)));
    looks.learns(&["172.16.20.0/24", "172.16.30.0/24", SHARED]);
    let probe = Probe::start(&scene.place(1).lan, &[&lans[0], &lans[1]], "172.16.99.2");
    probe.flows();
    let way = || looks.learned().into_iter().find(|line| line.starts_with(SHARED));
    let chosen = if way().unwrap().contains("via 10.100.0.2 ") { 0 } else { 1 };
    let since = probe.now();
    others[chosen].reloads(|says| says.networks.retain(|network| network != SHARED));
    let other = format!("via 10.100.0.{} ", 3 - chosen);
    crate::until("the other", way, |way| way.as_ref().is_some_and(|way| way.contains(&other)));
    probe.sends(50);
    let lost = probe.lost(since);
    println!("S3: {lost:?}");
    assert_eq!(lost.lost, 0, "{lost:?}");
}

/// S5.
#[test]
fn s5_a_metric_that_changes_leaves_one_route_and_a_withdrawal_none() {
    let Some(scene) = Scene::new(2) else { return };
    let looks = Host::start(scene.place(1), Says::of(1, 2));
    let mut tells = Host::start(scene.place(2), Says { metric: 50, ..Says::of(2, 2) });
    looks.learns(&["172.16.20.0/24"]);
    let line =
        |metric| [format!("172.16.20.0/24 via 10.100.0.2 dev br-prod proto openr metric {metric}")];
    assert_eq!(looks.learned(), line(50));
    tells.reloads(|says| says.metric = 200);
    crate::until("the other metric", || looks.learned(), |lines| *lines == line(200));
    tells.reloads(|says| says.networks.clear());
    looks.learns(&[]);
}

/// S20.
#[test]
fn s20_a_peer_that_goes_silent_is_given_up_and_delays_no_other() {
    let Some(scene) = Scene::new(3) else { return };
    let three = Three::start(&scene, [200, 100]);
    let probe = three.probe();
    let since = probe.now();
    // No reset, no carrier lost: nobody answers any more.
    scene.cut(3, true);
    three.leads_to(2, 200);
    probe.flows();
    let lost = probe.lost(since);
    println!("S20: {lost:?}, out for {:?}", lost.outage());
    // Its dead time is 0.9 s; the rest is for a machine that is busy.
    assert!(lost.outage() < Duration::from_secs(3), "{lost:?}");
    assert_eq!(three.looks.status()["peers"][0]["life"], "there");
    scene.cut(3, false);
    three.leads_to(3, 100);
    drop(three.worse);
}

/// S21: the exchange lives, and VXLAN doesn't, one way.
#[test]
fn s21_a_peer_whose_vxlan_is_dead_one_way_is_switched_from_though_it_lives() {
    let Some(scene) = Scene::new(3) else { return };
    let three = Three::start(&scene, [200, 100]);
    let probe = three.probe();
    // What it sends through the overlay is lost from now on; its exchange goes by the underlay.
    let rule = "priority 5 ipproto udp dport 4789 blackhole";
    scene.place(3).inside.ip(&format!("rule add {rule}"));
    let took = three.leads_to(2, 200);
    println!("S21: switched after {took:?}");
    probe.flows();
    let told = three.looks.text(&["overlay", "explain", SHARED]);
    assert!(told.contains("it lives, and doesn't answer through the overlay"), "{told}");
    // Of what only it has, its way stays in use.
    let learned = three.looks.learned();
    assert!(learned.iter().any(|line| line.starts_with("172.16.30.0/24")), "{learned:?}");
    three.looks.sees(3, "there");
    scene.place(3).inside.ip("rule del priority 5");
    three.leads_to(3, 100);
}
