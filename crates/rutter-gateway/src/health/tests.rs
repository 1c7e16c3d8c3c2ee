//! The detector, event by event at explicit times.

use std::time::Duration;

use rutter_route::{Mono, RouteKey};

use super::detector::{Detector, Failure, HealthConfig, Input, Output, ProbeKind, Verdict};
use crate::routes::RouteId;

fn id() -> RouteId {
    let source = "agent/alice".parse().unwrap();
    RouteId {
        service: "alice.nsl.sh".parse().unwrap(),
        route: RouteKey { source, path: "http 127.0.0.1:80".parse().unwrap() },
    }
}

/// A detector with one route, driven by seconds.
struct Bench {
    detector: Detector,
    last_probe: u64,
}

impl Bench {
    fn new(has_check: bool) -> Self {
        let mut bench = Self { detector: Detector::new(HealthConfig::default()), last_probe: 0 };
        bench.at(0, Input::Track { id: id(), has_check });
        bench
    }

    /// Everything due until then, and the event; said in words.
    fn at(&mut self, seconds: u64, input: Input) -> Vec<String> {
        let mut said = self.run_to(seconds);
        let mut out = Vec::new();
        self.detector.handle(Mono(seconds * 1000), input, &mut out);
        said.extend(self.words(out));
        said
    }

    fn run_to(&mut self, seconds: u64) -> Vec<String> {
        let mut said = Vec::new();
        let end = Mono(seconds * 1000);
        while let Some(due) = self.detector.next_deadline().filter(|d| *d <= end) {
            let mut out = Vec::new();
            self.detector.tick(due, &mut out);
            said.extend(self.words(out));
        }
        said
    }

    fn words(&mut self, out: Vec<Output>) -> Vec<String> {
        let s = |m: Mono| m.0 / 1000;
        out.into_iter()
            .map(|o| match o {
                Output::Probe { kind, number, .. } => {
                    self.last_probe = number;
                    match kind {
                        ProbeKind::Head => "head".to_owned(),
                        ProbeKind::Connect => "connect".to_owned(),
                    }
                }
                Output::CountsFailures { any, .. } => format!("counts {any}"),
                Output::Verdict { is, .. } => match is {
                    Verdict::Unknown => "unknown".to_owned(),
                    Verdict::Healthy { until: None } => "healthy".to_owned(),
                    Verdict::Healthy { until: Some(u) } => format!("healthy until {}", s(u)),
                    Verdict::Unhealthy { why, until: None } => format!("unhealthy: {why}"),
                    Verdict::Unhealthy { why, until: Some(u) } => {
                        format!("out until {}: {why}", s(u))
                    }
                },
            })
            .collect()
    }

    fn wanted(&mut self, at: u64) -> Vec<String> {
        self.at(at, Input::Wanted { id: id() })
    }

    fn failed(&mut self, at: u64, how: Failure) -> Vec<String> {
        self.at(at, Input::Failed { id: id(), how })
    }

    fn succeeded(&mut self, at: u64) -> Vec<String> {
        self.at(at, Input::Succeeded { id: id() })
    }

    fn probed(&mut self, at: u64, failed: Option<&str>) -> Vec<String> {
        let number = self.last_probe;
        self.at(at, Input::Probed { id: id(), number, failed: failed.map(str::to_owned) })
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_check_is_made_when_wanted_once_and_believed_for_300_s() {
    let mut b = Bench::new(true);
    assert_eq!(b.run_to(100), NOTHING);
    assert_eq!(b.wanted(100), ["head"]);
    assert_eq!(b.wanted(100), NOTHING, "one probe at a time");
    assert_eq!(b.probed(101, None), ["healthy until 401"]);
    assert_eq!(b.run_to(1000), NOTHING, "nobody wants it: nobody asks");
    assert_eq!(b.wanted(1000), ["head", "unknown"]);
    assert_eq!(b.probed(1001, None), ["healthy until 1301"]);
}

#[test]
fn a_belief_that_ends_soon_is_renewed_without_a_gap() {
    let mut b = Bench::new(true);
    b.wanted(0);
    b.probed(0, None);
    assert_eq!(b.wanted(280), ["head"]);
    assert_eq!(b.probed(281, None), ["healthy until 581"]);
}

#[test]
fn a_bad_verdict_is_asked_again_every_5_s_until_it_is_good() {
    let mut b = Bench::new(true);
    b.wanted(0);
    assert_eq!(b.probed(2, Some("503")), ["unhealthy: 503"]);
    assert_eq!(b.wanted(3), NOTHING, "the recheck asks");
    assert_eq!(b.run_to(6), NOTHING);
    assert_eq!(b.run_to(7), ["head"]);
    assert_eq!(b.probed(8, Some("503")), NOTHING);
    assert_eq!(b.run_to(13), ["head"]);
    assert_eq!(b.probed(13, Some("404")), ["unhealthy: 404"]);
    assert_eq!(b.run_to(18), ["head"]);
    assert_eq!(b.probed(18, None), ["healthy until 318"]);
    assert_eq!(b.run_to(300), NOTHING);
}

#[test]
fn the_fourth_failure_within_120_s_excludes_for_60_s() {
    let mut b = Bench::new(false);
    assert_eq!(b.failed(0, Failure::Exchange), ["counts true"]);
    assert_eq!(b.failed(1, Failure::Exchange), NOTHING);
    assert_eq!(b.failed(119, Failure::Exchange), NOTHING);
    assert_eq!(
        b.failed(120, Failure::Connect),
        ["counts false", "out until 180: 4 requests failed within 120 s"]
    );
    assert_eq!(b.failed(130, Failure::Connect), NOTHING, "no news");
    assert_eq!(b.run_to(179), NOTHING, "failures other than connects: no probe ends it");
    assert_eq!(b.run_to(180), ["healthy"]);
    for at in [181, 182, 183] {
        b.failed(at, Failure::Exchange);
    }
    let fourth = b.failed(184, Failure::Exchange);
    assert_eq!(fourth.last().unwrap(), "out until 244: 4 requests failed within 120 s");
}

#[test]
fn failures_older_than_the_window_dont_count() {
    let mut b = Bench::new(false);
    for at in [0, 1, 2] {
        b.failed(at, Failure::Connect);
    }
    assert_eq!(b.failed(121, Failure::Connect), NOTHING);
    // 1 is out of the window, and 2 lies just within it.
    assert_eq!(b.failed(122, Failure::Connect), NOTHING);
    assert_eq!(b.failed(122, Failure::Connect).len(), 2, "2, 121, 122, 122");
}

#[test]
fn a_success_clears_the_failures_and_is_wanted_only_then() {
    let mut b = Bench::new(false);
    assert_eq!(b.succeeded(0), NOTHING);
    for at in [1, 2, 3] {
        b.failed(at, Failure::Connect);
    }
    assert_eq!(b.succeeded(4), ["counts false"]);
    assert_eq!(b.failed(5, Failure::Connect), ["counts true"]);
    for at in [6, 7] {
        assert_eq!(b.failed(at, Failure::Connect), NOTHING);
    }
    assert_eq!(b.failed(8, Failure::Connect).len(), 2);
    assert_eq!(b.succeeded(9), NOTHING, "a late success doesn't end an exclusion");
    assert_eq!(b.run_to(12), NOTHING);
    assert_eq!(b.run_to(13), ["connect"]);
}

#[test]
fn an_exclusion_for_connects_ends_early_on_a_good_connect() {
    let mut b = Bench::new(false);
    for _ in 0..4 {
        b.failed(10, Failure::Connect);
    }
    assert_eq!(b.run_to(15), ["connect"]);
    assert_eq!(b.probed(16, Some("refused")), NOTHING);
    assert_eq!(b.run_to(21), ["connect"]);
    assert_eq!(b.probed(21, None), ["healthy"]);
    assert_eq!(b.run_to(100), NOTHING);
}

#[test]
fn an_exclusion_with_a_health_check_ends_early_on_a_good_check() {
    let mut b = Bench::new(true);
    b.wanted(0);
    b.probed(0, None);
    for _ in 0..4 {
        b.failed(10, Failure::Exchange);
    }
    assert_eq!(b.run_to(15), ["head"]);
    assert_eq!(b.probed(15, None), ["healthy until 315"]);
}

#[test]
fn an_exclusion_that_ends_by_time_shows_what_the_check_says() {
    let mut b = Bench::new(true);
    b.wanted(0);
    b.probed(0, Some("503"));
    for _ in 0..4 {
        b.failed(1, Failure::Exchange);
    }
    for at in (5..60).step_by(5) {
        assert_eq!(b.run_to(at), ["head"], "{at}");
        b.probed(at, Some("503"));
    }
    assert_eq!(b.run_to(61), ["head", "unhealthy: 503"]);
}

#[test]
fn after_an_exclusion_the_probe_stops() {
    let mut b = Bench::new(false);
    for _ in 0..4 {
        b.failed(0, Failure::Connect);
    }
    for at in (5..60).step_by(5) {
        assert_eq!(b.run_to(at), ["connect"], "{at}");
        b.probed(at, Some("refused"));
    }
    assert_eq!(b.run_to(60), ["healthy"]);
    assert_eq!(b.run_to(1000), NOTHING);
}

#[test]
fn a_probe_of_an_earlier_life_says_nothing() {
    let mut b = Bench::new(true);
    assert_eq!(b.wanted(0), ["head"]);
    b.at(1, Input::Track { id: id(), has_check: true });
    assert_eq!(b.probed(1, Some("503")), NOTHING);
    assert_eq!(b.wanted(2), ["head"]);
    b.at(3, Input::Forget { id: id() });
    assert_eq!(b.probed(3, Some("503")), NOTHING);
    assert!(b.detector.is_empty());
    assert_eq!(b.detector.next_deadline(), None);
}

#[test]
fn new_numbers_hold_from_the_next_event_on() {
    let mut b = Bench::new(false);
    b.failed(0, Failure::Exchange);
    b.detector.set_config(HealthConfig {
        failure_threshold: 1,
        exclusion: Duration::from_secs(7),
        ..HealthConfig::default()
    });
    assert_eq!(b.failed(1, Failure::Exchange)[1], "out until 8: 2 requests failed within 120 s");
}
