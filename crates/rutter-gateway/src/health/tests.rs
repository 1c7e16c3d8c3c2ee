//! The detector, event by event at explicit times.

mod ejections;
mod probes;
mod properties;
mod scenes;

use rutter_route::{Mono, RouteKey};

use super::config::{HealthConfig, OutlierConfig};
use super::detector::Detector;
use super::events::{Failure, Input, Output, ProbeKind, Verdict};
use crate::routes::RouteId;

const NOTHING: [&str; 0] = [];

/// The way of that source to alice.
fn way(source: &str) -> RouteId {
    let source = format!("{source}/alice").parse().unwrap();
    RouteId {
        service: "alice.nsl.sh".parse().unwrap(),
        route: RouteKey { source, path: "http 127.0.0.1:80".parse().unwrap() },
    }
}

/// A detector with a direct way, or with a tunnel beside it, driven by seconds. What is said of
/// another way than the direct one begins with its source.
struct Bench {
    detector: Detector,
    last_probe: u64,
}

impl Bench {
    fn new(config: HealthConfig) -> Self {
        Self { detector: Detector::new(config, 7), last_probe: 0 }
    }

    /// The direct way alone.
    fn direct(has_check: bool) -> Self {
        let mut bench = Self::new(HealthConfig::default());
        bench.at(0, Input::Track { id: way("agent"), has_check });
        bench
    }

    /// Both ways; only the direct one may have a check.
    fn both(has_check: bool) -> Self {
        let mut bench = Self::direct(has_check);
        bench.at(0, Input::Track { id: way("tunnel"), has_check: false });
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
        out.into_iter().map(|o| self.word(o)).collect()
    }

    fn word(&mut self, output: Output) -> String {
        let s = |m: Mono| m.0 / 1000;
        let (id, word) = match output {
            Output::Probe { id, kind, number } => {
                self.last_probe = number;
                let kind = match kind {
                    ProbeKind::Check => "check",
                    ProbeKind::Connect => "connect",
                };
                (id, kind.to_owned())
            }
            Output::CountsFailures { id, any } => (id, format!("counts {any}")),
            Output::Ejected { id, times } => (id, format!("ejected {times}")),
            Output::Returned { id } => (id, "returned".to_owned()),
            Output::Spared { id } => (id, "spared".to_owned()),
            Output::Renewed { id, until } => (id, format!("renewed until {}", until.map_or(0, s))),
            Output::Verdict { id, is } => {
                let word = match is {
                    Verdict::Unknown => "unknown".to_owned(),
                    Verdict::Healthy { until: None } => "healthy".to_owned(),
                    Verdict::Healthy { until: Some(u) } => format!("healthy until {}", s(u)),
                    Verdict::Unhealthy { why, until: None } => format!("unhealthy: {why}"),
                    Verdict::Unhealthy { why, until: Some(u) } => {
                        format!("out until {}: {why}", s(u))
                    }
                };
                (id, word)
            }
        };
        if id == way("agent") { word } else { format!("{}: {word}", id.route.source.kind()) }
    }

    fn wanted(&mut self, at: u64) -> Vec<String> {
        self.at(at, Input::Wanted { id: way("agent") })
    }

    fn used(&mut self, at: u64) -> Vec<String> {
        self.at(at, Input::Used { id: way("agent") })
    }

    fn failed(&mut self, at: u64, how: Failure) -> Vec<String> {
        self.at(at, Input::Failed { id: way("agent"), how })
    }

    /// So many failures at once; what the last one brings.
    fn fails(&mut self, at: u64, n: usize, how: Failure) -> Vec<String> {
        (0..n).map(|_| self.failed(at, how)).last().unwrap_or_default()
    }

    fn succeeded(&mut self, at: u64) -> Vec<String> {
        self.at(at, Input::Succeeded { id: way("agent") })
    }

    fn probed(&mut self, at: u64, failed: Option<&str>) -> Vec<String> {
        let number = self.last_probe;
        let failed = failed.map(str::to_owned);
        self.at(at, Input::Probed { id: way("agent"), number, failed })
    }
}
