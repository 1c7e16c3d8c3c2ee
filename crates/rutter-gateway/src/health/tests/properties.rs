//! The detector's invariants, over random lives of a few routes.
//!
//! A model beside the detector knows only what it is told: which routes are tracked, ejected, and
//! what each probe answered. After every step the invariants are checked on that.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SOURCES: [&str; 4] = ["agent", "tunnel", "node", "peer"];

#[derive(Debug, Clone)]
enum Step {
    Track(usize, bool),
    Forget(usize),
    Wanted(usize),
    Used(usize),
    Succeeded(usize),
    Failed(usize, Failure),
    /// Answers a probe of that route, if one is in flight.
    Probed(usize, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let route = 0..SOURCES.len();
    let how = prop_oneof![
        Just(Failure::Connect),
        Just(Failure::Exchange),
        Just(Failure::Gateway),
        Just(Failure::Server)
    ];
    let step = prop_oneof![
        1 => (route.clone(), any::<bool>()).prop_map(|(r, c)| Step::Track(r, c)),
        1 => route.clone().prop_map(Step::Forget),
        2 => route.clone().prop_map(Step::Wanted),
        3 => route.clone().prop_map(Step::Used),
        2 => route.clone().prop_map(Step::Succeeded),
        12 => (route.clone(), how).prop_map(|(r, h)| Step::Failed(r, h)),
        8 => (route, any::<bool>()).prop_map(|(r, good)| Step::Probed(r, good)),
        6 => (0_u64..90_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..400)
}

fn configs() -> impl Strategy<Value = HealthConfig> {
    (0_u32..=100, 1_u32..=4, 1_u32..=4, 0_u32..=6, 0_u32..=6).prop_map(
        |(max_ejection_percent, healthy, unhealthy, gateway, server)| HealthConfig {
            healthy_threshold: healthy,
            unhealthy_threshold: unhealthy,
            outlier: OutlierConfig {
                consecutive_gateway_failure: gateway,
                consecutive_5xx: server,
                max_ejection_percent,
                ..OutlierConfig::default()
            },
            ..HealthConfig::default()
        },
    )
}

/// What was heard of one route.
#[derive(Debug, Default)]
struct Heard {
    ejected_at: Option<u64>,
    unhealthy: bool,
    known: bool,
    /// When what is known is known no longer.
    until: Option<Mono>,
    probe: Option<u64>,
    /// An ejection has hidden what the probes made of it meanwhile.
    hidden: bool,
    /// Answers in a row.
    good: u32,
    bad: u32,
}

struct Model {
    config: HealthConfig,
    detector: Detector,
    now: u64,
    routes: BTreeMap<usize, Heard>,
    /// Until when the service counts as used.
    used_until: u64,
}

impl Model {
    fn new(config: HealthConfig) -> Self {
        let detector = Detector::new(config.clone(), 1);
        Self { config, detector, now: 0, routes: BTreeMap::new(), used_until: 0 }
    }

    fn step(&mut self, step: &Step) {
        let id = |r: usize| way(SOURCES[r]);
        let input = match *step {
            Step::Wait(ms) => return self.wait(ms),
            Step::Track(r, has_check) => {
                // Its ejection, if there was one, is told to have ended before it is tracked anew.
                if let Some(before) = self.routes.get_mut(&r) {
                    before.probe = None;
                }
                let track = Input::Track { id: id(r), has_check };
                self.hear(track);
                self.routes.insert(r, Heard { known: !has_check, ..Heard::default() });
                return self.check();
            }
            Step::Forget(r) => {
                let gone = self.routes.remove(&r);
                self.hear_of(Input::Forget { id: id(r) }, Some((r, gone)));
                return self.check();
            }
            Step::Wanted(r) => Input::Wanted { id: id(r) },
            Step::Used(r) => {
                if self.routes.contains_key(&r) {
                    self.used_until = self.now + 60_000;
                }
                Input::Used { id: id(r) }
            }
            Step::Succeeded(r) => Input::Succeeded { id: id(r) },
            Step::Failed(r, how) => Input::Failed { id: id(r), how },
            Step::Probed(r, good) => {
                let Some(heard) = self.routes.get_mut(&r) else { return };
                let Some(number) = heard.probe.take() else { return };
                let (up, down) = if good {
                    (&mut heard.good, &mut heard.bad)
                } else {
                    (&mut heard.bad, &mut heard.good)
                };
                *up += 1;
                *down = 0;
                Input::Probed { id: id(r), number, failed: (!good).then(|| "bad".to_owned()) }
            }
        };
        self.hear(input);
        self.check();
    }

    fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(due) = self.detector.next_deadline().filter(|d| d.0 <= end) {
            self.now = self.now.max(due.0);
            let mut out = Vec::new();
            self.detector.tick(Mono(self.now), &mut out);
            self.take(out, false, None);
            self.check();
        }
        self.now = end;
    }

    fn hear(&mut self, input: Input) {
        self.hear_of(input, None);
    }

    fn hear_of(&mut self, input: Input, left: Option<(usize, Option<Heard>)>) {
        let mut out = Vec::new();
        let wanted = matches!(input, Input::Wanted { .. });
        self.detector.handle(Mono(self.now), input, &mut out);
        self.take(out, wanted, left);
    }

    fn take(&mut self, out: Vec<Output>, wanted: bool, left: Option<(usize, Option<Heard>)>) {
        let place = |id: &RouteId| SOURCES.iter().position(|s| way(s) == *id).unwrap();
        for output in out {
            match output {
                Output::Probe { id, number, .. } => {
                    assert!(wanted || self.used_until > self.now, "nobody uses the service");
                    let heard = self.routes.get_mut(&place(&id)).unwrap();
                    assert_eq!(heard.probe.replace(number), None, "one in flight");
                }
                Output::Ejected { id, .. } => {
                    let r = place(&id);
                    let others = self.routes.iter().filter(|(other, _)| **other != r);
                    let in_service =
                        others.filter(|(_, h)| h.ejected_at.is_none() && !h.unhealthy).count();
                    assert!(in_service > 0, "the last route in service was ejected");
                    let heard = self.routes.get_mut(&r).unwrap();
                    assert_eq!(heard.ejected_at.replace(self.now), None, "ejected twice");
                    heard.hidden = true;
                }
                Output::Returned { id } => {
                    let r = place(&id);
                    let gone = left.as_ref().filter(|(other, _)| *other == r);
                    let Some(heard) = self.routes.get_mut(&r).filter(|_| gone.is_none()) else {
                        let heard = gone.and_then(|(_, heard)| heard.as_ref()).unwrap();
                        assert!(heard.ejected_at.is_some(), "it wasn't out");
                        continue;
                    };
                    let since = heard.ejected_at.take().expect("it was out");
                    assert!(self.now - since <= 300_000, "longer than max_ejection_time");
                }
                Output::Verdict { id, is } => self.hear_verdict(place(&id), &is),
                Output::Renewed { id, until } => {
                    self.routes.get_mut(&place(&id)).unwrap().until = until;
                }
                Output::CountsFailures { .. } | Output::Spared { .. } => {}
            }
        }
    }

    /// No verdict of the probes' flaps within the hysteresis.
    fn hear_verdict(&mut self, r: usize, is: &Verdict) {
        let (healthy, unhealthy) = (self.config.healthy_threshold, self.config.unhealthy_threshold);
        let heard = self.routes.get_mut(&r).unwrap();
        match is {
            Verdict::Unhealthy { until: Some(_), .. } => {
                assert!(heard.ejected_at.is_some(), "out without an ejection");
            }
            Verdict::Unhealthy { until: None, .. } => {
                let known = heard.known && heard.until.is_none_or(|until| until.0 > self.now);
                let expected = !known || heard.unhealthy || heard.hidden;
                assert!(expected || heard.bad >= unhealthy, "out after {} bad answers", heard.bad);
                heard.hidden = false;
                (heard.unhealthy, heard.known, heard.until) = (true, true, None);
            }
            Verdict::Healthy { until } => {
                heard.until = *until;
                // Back by probes, or presumed since nobody asks any more.
                let presumed = self.used_until <= self.now;
                let expected = !heard.unhealthy || presumed || heard.hidden;
                assert!(expected || heard.good >= healthy, "back after {}", heard.good);
                heard.hidden = false;
                heard.unhealthy = false;
                heard.known = true;
            }
            Verdict::Unknown => {
                (heard.unhealthy, heard.known, heard.hidden) = (false, false, false);
            }
        }
    }

    fn check(&self) {
        let n_out = self.routes.values().filter(|h| h.ejected_at.is_some()).count();
        let n = self.routes.len();
        let most = self.config.outlier.max_ejected(n);
        assert!(n_out <= most, "{n_out} of {n} are out");
        assert!(n == 0 || n_out < n, "the last one is out");
        assert_eq!(self.detector.len(), n);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold(config in configs(), steps in steps()) {
        let mut model = Model::new(config);
        for step in &steps {
            model.step(step);
        }
        // Nobody asks any more: every ejection ends, and no probe is made.
        model.wait(Duration::from_secs(3600).as_millis() as u64);
        prop_assert!(model.routes.values().all(|h| h.ejected_at.is_none()));
    }
}
