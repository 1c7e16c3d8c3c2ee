//! Outlier detection: what ejects a route, for how long, and what it may not take away.

use std::time::Duration;

use super::*;

#[test]
fn the_fourth_failure_in_a_row_within_120_s_ejects_for_60_s() {
    let mut b = Bench::both(false);
    assert_eq!(b.failed(0, Failure::Exchange), ["counts true"]);
    assert_eq!(b.failed(1, Failure::Exchange), NOTHING);
    assert_eq!(b.failed(119, Failure::Gateway), NOTHING);
    assert_eq!(
        b.failed(120, Failure::Connect),
        ["ejected 1", "counts false", "out until 180: 4 requests in a row failed within 120 s"]
    );
    assert_eq!(b.failed(130, Failure::Connect), NOTHING, "no news");
    assert_eq!(b.run_to(179), NOTHING, "failures other than connects: no probe ends it");
    assert_eq!(b.run_to(180), ["returned", "healthy"]);
}

#[test]
fn failures_older_than_the_interval_dont_count() {
    let mut b = Bench::both(false);
    for at in [0, 1, 2] {
        b.failed(at, Failure::Connect);
    }
    assert_eq!(b.failed(121, Failure::Connect), NOTHING);
    // 1 is out of the window, and 2 lies just within it.
    assert_eq!(b.failed(122, Failure::Connect), NOTHING);
    assert_eq!(b.failed(122, Failure::Connect)[0], "ejected 1", "2, 121, 122, 122");
}

#[test]
fn a_success_clears_the_failures_and_is_wanted_only_then() {
    let mut b = Bench::both(false);
    assert_eq!(b.succeeded(0), NOTHING);
    for at in [1, 2, 3] {
        b.failed(at, Failure::Connect);
    }
    assert_eq!(b.succeeded(4), ["counts false"]);
    assert_eq!(b.failed(5, Failure::Connect), ["counts true"]);
    for at in [6, 7] {
        assert_eq!(b.failed(at, Failure::Connect), NOTHING);
    }
    assert_eq!(b.failed(8, Failure::Connect)[0], "ejected 1");
    assert_eq!(b.succeeded(9), NOTHING, "a late success doesn't end an ejection");
}

#[test]
fn a_500_clears_gateway_failures_unless_it_counts_itself() {
    let mut b = Bench::both(false);
    b.fails(0, 3, Failure::Gateway);
    assert_eq!(b.failed(0, Failure::Server), ["counts false"]);
    assert_eq!(b.fails(1, 100, Failure::Server), NOTHING);

    let outlier = OutlierConfig { consecutive_5xx: 6, ..OutlierConfig::default() };
    let config = HealthConfig { outlier, ..HealthConfig::default() };
    b.detector.set_config(config);
    b.fails(2, 3, Failure::Server);
    assert_eq!(b.fails(2, 2, Failure::Gateway), NOTHING);
    let sixth = b.failed(2, Failure::Server);
    assert_eq!(sixth[0], "ejected 1");
    assert_eq!(sixth[2], "out until 62: 6 requests in a row failed within 120 s");
}

#[test]
fn the_last_route_in_service_is_spared_until_another_is() {
    let mut b = Bench::direct(false);
    assert_eq!(b.fails(0, 4, Failure::Connect), ["spared"]);
    b.at(1, Input::Track { id: way("tunnel"), has_check: false });
    assert_eq!(b.failed(2, Failure::Connect)[0], "ejected 1");
    let tunnel = |how| Input::Failed { id: way("tunnel"), how };
    for _ in 0..3 {
        b.at(3, tunnel(Failure::Exchange));
    }
    assert_eq!(b.at(3, tunnel(Failure::Exchange)), ["tunnel: spared"]);
    // The direct way is back, so the tunnel may go.
    assert_eq!(b.run_to(62), ["returned", "healthy"]);
    assert_eq!(b.at(63, tunnel(Failure::Exchange))[0], "tunnel: ejected 1");
}

#[test]
fn a_route_that_its_check_finds_bad_isnt_in_service() {
    let mut b = Bench::both(true);
    b.used(0);
    b.wanted(0);
    b.probed(0, Some("503"));
    for _ in 0..3 {
        b.at(1, Input::Failed { id: way("tunnel"), how: Failure::Exchange });
    }
    let fourth = b.at(1, Input::Failed { id: way("tunnel"), how: Failure::Exchange });
    assert_eq!(fourth, ["tunnel: spared"]);
}

#[test]
fn when_the_others_leave_the_ejected_route_is_back() {
    let mut b = Bench::both(false);
    b.fails(0, 4, Failure::Exchange);
    let left = b.at(5, Input::Forget { id: way("tunnel") });
    assert_eq!(left, ["returned", "healthy"]);
    assert_eq!(b.detector.next_deadline(), None);
}

#[test]
fn max_ejection_percent_is_rounded_down_but_never_to_none() {
    let percent =
        |max_ejection_percent| OutlierConfig { max_ejection_percent, ..OutlierConfig::default() };
    let cases = [
        (100, [0, 0, 1, 2, 3, 9]),
        (50, [0, 0, 1, 1, 2, 5]),
        (34, [0, 0, 1, 1, 1, 3]),
        (10, [0, 0, 1, 1, 1, 1]),
        (0, [0, 0, 0, 0, 0, 0]),
    ];
    for (given, want) in cases {
        let got = [0, 1, 2, 3, 4, 10].map(|n| percent(given).max_ejected(n));
        assert_eq!(got, want, "{given} %");
    }
}

#[test]
fn ejections_in_a_row_last_longer_and_time_in_service_shortens_them() {
    let mut b = Bench::both(false);
    let mut now = 0;
    for (times, seconds) in [(1, 60), (2, 120), (3, 180), (4, 240), (5, 300), (6, 300)] {
        assert_eq!(b.fails(now, 4, Failure::Exchange)[0], format!("ejected {times}"));
        now += seconds;
        assert_eq!(b.run_to(now - 1), NOTHING);
        assert_eq!(b.run_to(now), ["returned", "healthy"]);
    }
    // Two minutes and some in service have one forgotten, ten more have five.
    now += 130;
    assert_eq!(b.fails(now, 4, Failure::Exchange)[0], "ejected 6");
    now += 300 + 600;
    b.run_to(now);
    assert_eq!(b.fails(now, 4, Failure::Exchange)[0], "ejected 2");
    now += 120 + 10_000;
    b.run_to(now);
    assert_eq!(b.fails(now, 4, Failure::Exchange)[0], "ejected 1");
}

#[test]
fn an_ejection_for_connects_ends_early_on_two_good_connects() {
    let mut b = Bench::both(false);
    b.used(0);
    b.run_to(9);
    b.probed(10, None);
    b.used(10);
    b.fails(10, 4, Failure::Connect);
    assert_eq!(b.run_to(15), ["connect"]);
    assert_eq!(b.probed(16, Some("refused")), NOTHING);
    assert_eq!(b.run_to(21), ["connect"]);
    assert_eq!(b.probed(21, None), NOTHING);
    assert_eq!(b.run_to(26), ["connect"]);
    assert_eq!(b.probed(26, None), ["returned", "healthy"]);
}

#[test]
fn an_ejection_with_a_health_check_ends_early_on_good_checks() {
    let mut b = Bench::both(true);
    b.used(0);
    b.wanted(0);
    b.probed(0, None);
    b.fails(2, 4, Failure::Exchange);
    assert_eq!(b.run_to(7), ["check"]);
    assert_eq!(b.probed(7, None), NOTHING);
    assert_eq!(b.run_to(12), ["check"]);
    assert_eq!(b.probed(12, None), ["returned", "healthy until 312"]);
}

#[test]
fn a_probe_from_before_the_ejection_doesnt_end_it() {
    let config = HealthConfig { healthy_threshold: 1, ..HealthConfig::default() };
    let mut b = Bench::new(config);
    for source in ["agent", "tunnel"] {
        b.at(0, Input::Track { id: way(source), has_check: true });
    }
    b.used(0);
    b.wanted(0);
    b.probed(0, None);
    b.wanted(3);
    b.fails(4, 4, Failure::Exchange);
    assert_eq!(b.probed(5, None), NOTHING);
    assert_eq!(b.run_to(10), ["check"]);
    assert_eq!(b.probed(10, None), ["returned", "healthy until 310"]);
}

#[test]
fn an_ejection_that_ends_by_time_shows_what_the_probes_say() {
    let mut b = Bench::both(false);
    b.fails(0, 4, Failure::Connect);
    for at in (5..60).step_by(5) {
        b.used(at - 1);
        assert_eq!(b.run_to(at), ["connect"], "{at}");
        b.probed(at, Some("refused"));
    }
    assert_eq!(b.run_to(60), ["returned", "connect", "unhealthy: refused"]);
}

#[test]
fn an_ejected_route_of_a_service_that_nobody_uses_isnt_asked() {
    let mut b = Bench::both(false);
    b.fails(0, 4, Failure::Connect);
    assert_eq!(b.run_to(59), NOTHING);
    assert_eq!(b.run_to(60), ["returned", "healthy"]);
}

#[test]
fn new_numbers_hold_from_the_next_event_on() {
    let mut b = Bench::both(false);
    b.failed(0, Failure::Exchange);
    let outlier = OutlierConfig {
        consecutive_gateway_failure: 2,
        base_ejection_time: Duration::from_secs(7),
        ..OutlierConfig::default()
    };
    b.detector.set_config(HealthConfig { outlier, ..HealthConfig::default() });
    let second = b.failed(1, Failure::Exchange);
    assert_eq!(second[2], "out until 8: 2 requests in a row failed within 120 s");
}
