//! Probes: when a route is asked, and what its answers move.

use std::time::Duration;

use super::*;

#[test]
fn a_check_is_made_when_wanted_once_and_believed_for_300_s() {
    let mut b = Bench::direct(true);
    assert_eq!(b.run_to(100), NOTHING);
    assert_eq!(b.wanted(100), ["check"]);
    assert_eq!(b.wanted(100), NOTHING, "one probe at a time");
    assert_eq!(b.probed(101, None), ["healthy until 401"]);
    assert_eq!(b.run_to(1000), NOTHING, "nobody wants it: nobody asks");
    assert_eq!(b.wanted(1000), ["check", "unknown"]);
    assert_eq!(b.probed(1001, None), ["healthy until 1301"]);
}

#[test]
fn a_belief_that_ends_soon_is_renewed_without_a_gap() {
    let mut b = Bench::direct(true);
    b.wanted(0);
    b.probed(0, None);
    assert_eq!(b.wanted(280), ["check"]);
    assert_eq!(b.probed(281, None), ["renewed until 581"]);
}

#[test]
fn the_first_answer_counts_and_two_good_ones_bring_it_back() {
    let mut b = Bench::direct(true);
    b.used(0);
    b.wanted(0);
    assert_eq!(b.probed(2, Some("503")), ["unhealthy: 503"]);
    assert_eq!(b.wanted(3), NOTHING, "the recheck asks");
    assert_eq!(b.run_to(6), NOTHING);
    assert_eq!(b.run_to(7), ["check"]);
    assert_eq!(b.probed(8, Some("503")), NOTHING);
    assert_eq!(b.run_to(13), ["check"]);
    assert_eq!(b.probed(13, Some("404")), ["unhealthy: 404"]);
    assert_eq!(b.run_to(18), ["check"]);
    assert_eq!(b.probed(18, None), NOTHING, "one swallow");
    assert_eq!(b.run_to(23), ["check"]);
    assert_eq!(b.probed(23, Some("503")), ["unhealthy: 503"]);
    assert_eq!(b.run_to(28), ["check"]);
    assert_eq!(b.probed(28, None), NOTHING);
    assert_eq!(b.run_to(33), ["check"]);
    assert_eq!(b.probed(33, None), ["healthy until 333"]);
}

#[test]
fn a_good_route_may_give_one_bad_answer_but_not_two() {
    let mut b = Bench::direct(true);
    b.used(0);
    b.wanted(0);
    b.probed(0, None);
    assert_eq!(b.run_to(12), ["check"]);
    assert_eq!(b.probed(12, Some("500")), NOTHING);
    assert_eq!(b.run_to(17), ["check"], "asked again sooner");
    assert_eq!(b.probed(17, None), ["renewed until 317"]);
    assert_eq!(b.run_to(29), ["check"]);
    assert_eq!(b.probed(29, Some("500")), NOTHING);
    assert_eq!(b.run_to(34), ["check"]);
    assert_eq!(b.probed(34, Some("502")), ["unhealthy: 502"]);
}

#[test]
fn a_route_that_carries_traffic_is_asked_each_interval_give_or_take_a_tenth() {
    let mut b = Bench::direct(false);
    let (mut times, mut now) = (Vec::new(), 0);
    for ms in 0..600_000 {
        if ms % 1000 == 0 {
            b.used(ms / 1000);
        }
        let mut out = Vec::new();
        b.detector.tick(Mono(ms), &mut out);
        for output in out {
            let Output::Probe { id, kind: ProbeKind::Connect, number } = output else {
                panic!("{output:?}")
            };
            times.push(ms - now);
            now = ms;
            b.detector.handle(Mono(ms), Input::Probed { id, number, failed: None }, &mut vec![]);
        }
    }
    let first = times.remove(0);
    assert!(first <= 10_000, "{first}");
    assert!(times.iter().all(|t| (9_000..=11_000).contains(t)), "{times:?}");
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > 500, "they differ");
    assert!(times.len() >= 50, "{}", times.len());
}

#[test]
fn probes_stop_a_minute_after_the_traffic() {
    let mut b = Bench::direct(true);
    b.used(0);
    b.wanted(0);
    b.probed(0, None);
    let mut last = 0;
    for second in 1..400 {
        if b.run_to(second) == ["check"] {
            last = second;
            b.probed(second, None);
        }
    }
    assert!((49..=60).contains(&last), "{last}");
    assert_eq!(b.detector.next_deadline(), None);
}

#[test]
fn an_interval_of_zero_switches_regular_probes_off() {
    let config = HealthConfig { check_interval: Duration::ZERO, ..HealthConfig::default() };
    let mut b = Bench::new(config);
    b.at(0, Input::Track { id: way("agent"), has_check: true });
    b.used(0);
    b.wanted(0);
    b.probed(0, None);
    assert_eq!(b.run_to(60), NOTHING);
}

#[test]
fn a_bad_route_is_asked_while_its_service_is_used_and_then_forgotten() {
    let mut b = Bench::both(true);
    b.used(0);
    b.wanted(0);
    b.probed(0, Some("503"));
    let mut last = 0;
    for second in 1..200 {
        let mut said = b.run_to(second);
        if second == 20 {
            said.extend(b.at(20, Input::Used { id: way("tunnel") }));
        }
        if said.iter().any(|s| s == "check") {
            last = second;
            assert_eq!(b.probed(second, Some("503")), NOTHING);
        }
        if said.iter().any(|s| s == "unknown") {
            assert_eq!((second, last), (80, 75), "20 and a minute");
        }
    }
    assert_eq!(last, 75);
    assert_eq!(b.wanted(300), ["check"], "the next request finds out for itself");
}

#[test]
fn a_route_without_a_check_is_out_when_two_connects_fail() {
    let mut b = Bench::both(false);
    b.used(0);
    assert_eq!(b.run_to(10), ["connect"]);
    assert_eq!(b.probed(10, Some("refused")), NOTHING);
    assert_eq!(b.run_to(15), ["connect"]);
    assert_eq!(b.probed(15, Some("refused")), ["unhealthy: refused"]);
    assert_eq!(b.run_to(20), ["connect"]);
    assert_eq!(b.probed(20, None), NOTHING);
    assert_eq!(b.run_to(25), ["connect"]);
    assert_eq!(b.probed(25, None), ["healthy"]);
}

#[test]
fn a_probe_of_an_earlier_life_says_nothing() {
    let mut b = Bench::direct(true);
    assert_eq!(b.wanted(0), ["check"]);
    b.at(1, Input::Track { id: way("agent"), has_check: true });
    assert_eq!(b.probed(1, Some("503")), NOTHING);
    assert_eq!(b.wanted(2), ["check"]);
    b.at(3, Input::Forget { id: way("agent") });
    assert_eq!(b.probed(3, Some("503")), NOTHING);
    assert!(b.detector.is_empty());
    assert_eq!(b.detector.next_deadline(), None);
}
