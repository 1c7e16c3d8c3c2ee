//! The detector as a state machine: events and the time in, probes and verdicts out.
//!
//! It owns no clock, socket or task. [`Detector::handle`] takes one event, [`Detector::tick`] does
//! what is due, [`Detector::next_deadline`] says when that is. Input and output are serde, so that
//! an incident can be recorded and replayed.
//!
//! Bounds: one entry a route that is tracked (the table bounds those), at most
//! `failure_threshold + 1` failures each, one probe in flight each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rutter_route::Mono;
use serde::{Deserialize, Serialize};

use crate::routes::RouteId;

/// The detector's numbers, as the seed names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// `HEALTH_CHECK_TIMEOUT`: how long a probe may take.
    pub check_timeout: Duration,
    /// `HEALTH_CACHE_TTL`: how long a good answer is believed.
    pub cache_ttl: Duration,
    /// `FAILURE_THRESHOLD`: with more failures than this in the window a route is excluded.
    pub failure_threshold: u32,
    /// The window in which failures count.
    pub failure_window: Duration,
    /// How long an exclusion lasts.
    pub exclusion: Duration,
    /// How long after a bad verdict the route is asked again.
    pub recheck: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            check_timeout: Duration::from_secs(2),
            cache_ttl: Duration::from_secs(300),
            failure_threshold: 3,
            failure_window: Duration::from_secs(120),
            exclusion: Duration::from_secs(60),
            recheck: Duration::from_secs(5),
        }
    }
}

/// How a request failed on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection came about: refused, unreachable, timed out.
    Connect,
    /// Anything later: TLS, a reset, no answer in time.
    Exchange,
}

/// How a route is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Its health check.
    Head,
    /// A TCP connect.
    Connect,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A route came, or its endpoint or health check changed: nothing is known of it.
    Track {
        /// Which.
        id: RouteId,
        /// Whether it has a health check.
        has_check: bool,
    },
    /// A route left.
    Forget {
        /// Which.
        id: RouteId,
    },
    /// A request wants a route of which nothing is known, or soon nothing will be.
    Wanted {
        /// Which.
        id: RouteId,
    },
    /// A request succeeded: the route answered, with whatever status.
    Succeeded {
        /// Which.
        id: RouteId,
    },
    /// A request failed on the route.
    Failed {
        /// Which.
        id: RouteId,
        /// How.
        how: Failure,
    },
    /// A probe ended.
    Probed {
        /// Which.
        id: RouteId,
        /// The probe's number, as [`Output::Probe`] gave it.
        number: u64,
        /// Nothing, or what was seen instead of health.
        failed: Option<String>,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Ask the route, and hand in [`Input::Probed`] with the same number.
    Probe {
        /// Which.
        id: RouteId,
        /// How.
        kind: ProbeKind,
        /// To tell this probe from one of an earlier life of the route.
        number: u64,
    },
    /// What is believed has changed.
    Verdict {
        /// Of which route.
        id: RouteId,
        /// What.
        is: Verdict,
    },
    /// Whether failures are counted that a success would clear has changed.
    CountsFailures {
        /// Of which route.
        id: RouteId,
        /// Whether there are any.
        any: bool,
    },
}

/// What is believed of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody knows.
    Unknown,
    /// It works.
    Healthy {
        /// When the belief ends; `None`: never by itself.
        until: Option<Mono>,
    },
    /// It doesn't.
    Unhealthy {
        /// What was seen.
        why: String,
        /// When that ends by itself, if it does.
        until: Option<Mono>,
    },
}

/// What the health check says; always `Healthy { until: None }` for a route without one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Checked {
    Unknown,
    Healthy { until: Option<Mono> },
    Unhealthy { why: String },
}

#[derive(Debug)]
struct Exclusion {
    until: Mono,
    why: String,
    /// What may end it early.
    probe: Option<ProbeKind>,
}

#[derive(Debug)]
struct Watched {
    has_check: bool,
    checked: Checked,
    failures: VecDeque<(Mono, Failure)>,
    exclusion: Option<Exclusion>,
    /// The probe in flight.
    probing: Option<u64>,
    /// When to ask again.
    recheck: Option<Mono>,
    /// Where this route stands in the queue of deadlines.
    queued: Option<Mono>,
    told: Verdict,
}

/// The state machine.
#[derive(Debug, Default)]
pub struct Detector {
    config: HealthConfig,
    routes: BTreeMap<RouteId, Watched>,
    queue: BTreeSet<(Mono, RouteId)>,
    n_probes: u64,
}

impl Detector {
    /// A detector that tracks nothing yet.
    pub fn new(config: HealthConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// New numbers; they hold from the next event on, what runs keeps its end.
    pub fn set_config(&mut self, config: HealthConfig) {
        self.config = config;
    }

    /// How many routes are tracked.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// When [`Detector::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one event. Events about routes that aren't tracked say nothing.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Track { id, has_check } => self.track(id, has_check),
            Input::Forget { id } => self.forget(&id),
            Input::Wanted { id } => self.wanted(now, &id, out),
            Input::Succeeded { id } => self.succeeded(&id, out),
            Input::Failed { id, how } => self.failed(now, &id, how, out),
            Input::Probed { id, number, failed } => self.probed(now, &id, number, failed, out),
        }
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Mono, out: &mut Vec<Output>) {
        while let Some((at, id)) = self.queue.first().cloned() {
            if at > now {
                break;
            }
            self.queue.remove(&(at, id.clone()));
            let Some(route) = self.routes.get_mut(&id) else { continue };
            route.queued = None;
            if route.exclusion.as_ref().is_some_and(|e| e.until <= now) {
                route.exclusion = None;
                // A bad health check goes on being asked; nothing else does.
                route.recheck.take_if(|_| !matches!(route.checked, Checked::Unhealthy { .. }));
            }
            if route.recheck.is_some_and(|at| at <= now) {
                route.recheck = None;
                let kind = route.probe_kind();
                self.probe(&id, kind, out);
            }
            self.settle(now, &id, out);
        }
    }

    fn track(&mut self, id: RouteId, has_check: bool) {
        self.forget(&id);
        self.routes.insert(id, Watched::new(has_check));
    }

    fn forget(&mut self, id: &RouteId) {
        if let Some(route) = self.routes.remove(id)
            && let Some(at) = route.queued
        {
            self.queue.remove(&(at, id.clone()));
        }
    }

    fn wanted(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        let Some(route) = self.routes.get(id) else { return };
        // While it is known to be bad the recheck asks; nobody has to want it.
        if route.has_check && !matches!(route.checked, Checked::Unhealthy { .. }) {
            self.probe(id, Some(ProbeKind::Head), out);
            self.settle(now, id, out);
        }
    }

    fn succeeded(&mut self, id: &RouteId, out: &mut Vec<Output>) {
        let Some(route) = self.routes.get_mut(id) else { return };
        if !route.failures.is_empty() {
            route.failures.clear();
            out.push(Output::CountsFailures { id: id.clone(), any: false });
        }
    }

    fn failed(&mut self, now: Mono, id: &RouteId, how: Failure, out: &mut Vec<Output>) {
        let Some(route) = self.routes.get_mut(id) else { return };
        if route.exclusion.is_some() {
            // It was used because nothing better was left; that is no news.
            return;
        }
        if route.failures.is_empty() {
            out.push(Output::CountsFailures { id: id.clone(), any: true });
        }
        route.failures.push_back((now, how));
        let window = self.config.failure_window;
        route.failures.retain(|(at, _)| now.since(*at) <= window);
        if route.failures.len() > self.config.failure_threshold as usize {
            route.exclude(now, &self.config);
            out.push(Output::CountsFailures { id: id.clone(), any: false });
        }
        self.settle(now, id, out);
    }

    fn probed(
        &mut self,
        now: Mono,
        id: &RouteId,
        number: u64,
        failed: Option<String>,
        out: &mut Vec<Output>,
    ) {
        let Some(route) = self.routes.get_mut(id) else { return };
        if route.probing != Some(number) {
            return;
        }
        route.probing = None;
        match failed {
            None => {
                route.exclusion = None;
                route.recheck = None;
                if route.has_check {
                    let until = Some(now.after(self.config.cache_ttl));
                    route.checked = Checked::Healthy { until };
                }
            }
            Some(why) => {
                route.recheck = Some(now.after(self.config.recheck));
                if route.has_check {
                    route.checked = Checked::Unhealthy { why };
                }
            }
        }
        self.settle(now, id, out);
    }

    fn probe(&mut self, id: &RouteId, kind: Option<ProbeKind>, out: &mut Vec<Output>) {
        let Some(route) = self.routes.get_mut(id) else { return };
        let Some(kind) = kind else { return };
        if route.probing.is_some() {
            return;
        }
        self.n_probes += 1;
        route.probing = Some(self.n_probes);
        out.push(Output::Probe { id: id.clone(), kind, number: self.n_probes });
    }

    /// Tells the verdict if it is another than was told, and queues the next deadline.
    fn settle(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        let Some(route) = self.routes.get_mut(id) else { return };
        let verdict = route.verdict(now);
        if verdict != route.told {
            route.told = verdict.clone();
            out.push(Output::Verdict { id: id.clone(), is: verdict });
        }
        let due = route.exclusion.as_ref().map(|e| e.until).into_iter().chain(route.recheck).min();
        if due != route.queued {
            if let Some(at) = route.queued {
                self.queue.remove(&(at, id.clone()));
            }
            route.queued = due;
            if let Some(at) = due {
                self.queue.insert((at, id.clone()));
            }
        }
    }
}

impl Watched {
    fn new(has_check: bool) -> Self {
        let checked = if has_check { Checked::Unknown } else { Checked::Healthy { until: None } };
        let told = if has_check { Verdict::Unknown } else { Verdict::Healthy { until: None } };
        Self {
            has_check,
            checked,
            failures: VecDeque::new(),
            exclusion: None,
            probing: None,
            recheck: None,
            queued: None,
            told,
        }
    }

    fn exclude(&mut self, now: Mono, config: &HealthConfig) {
        let n = self.failures.len();
        let only_connects = self.failures.iter().all(|(_, how)| *how == Failure::Connect);
        let probe = match (self.has_check, only_connects) {
            (true, _) => Some(ProbeKind::Head),
            (false, true) => Some(ProbeKind::Connect),
            (false, false) => None,
        };
        let what = if only_connects { "connects" } else { "requests" };
        let why = format!("{n} {what} failed within {} s", config.failure_window.as_secs());
        self.failures.clear();
        self.exclusion = Some(Exclusion { until: now.after(config.exclusion), why, probe });
        if probe.is_some() && self.recheck.is_none() {
            self.recheck = Some(now.after(config.recheck));
        }
    }

    fn probe_kind(&self) -> Option<ProbeKind> {
        match &self.exclusion {
            Some(exclusion) => exclusion.probe,
            None => self.has_check.then_some(ProbeKind::Head),
        }
    }

    fn verdict(&self, now: Mono) -> Verdict {
        if let Some(exclusion) = &self.exclusion {
            return Verdict::Unhealthy { why: exclusion.why.clone(), until: Some(exclusion.until) };
        }
        match &self.checked {
            Checked::Healthy { until } if until.is_none_or(|u| u > now) => {
                Verdict::Healthy { until: *until }
            }
            Checked::Unhealthy { why } => Verdict::Unhealthy { why: why.clone(), until: None },
            _ => Verdict::Unknown,
        }
    }
}
