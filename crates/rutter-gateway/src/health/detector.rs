//! The detector as a state machine: events and the time in, probes and verdicts out.
//!
//! It owns no clock, socket, task or random source. [`Detector::handle`] takes one event,
//! [`Detector::tick`] does what is due, [`Detector::next_deadline`] says when that is.
//!
//! Invariants (each a property in `tests/properties.rs`):
//! - an ejection never takes a service's last route in service, and at no time are more ejected
//!   than [`OutlierConfig::max_ejection_percent`](super::OutlierConfig::max_ejection_percent)
//!   allows, also after others have left;
//! - every ejection ends, by its time at the latest, and that is at most `max_ejection_time`;
//! - probes move a verdict only after as many answers in a row as the thresholds say;
//! - one probe a route is in flight, and none begins for a service that nobody uses.
//!
//! Bounds: one entry a route that is tracked (the table bounds those), at most as many failures
//! each as the larger threshold, one probe in flight each.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rutter_route::{Mono, Service};

use super::config::HealthConfig;
use super::events::{Failure, Input, Output, Verdict};
use super::watched::{Checked, Flight, Pool, Watched};
use crate::routes::RouteId;

/// The state machine.
#[derive(Debug)]
pub struct Detector {
    config: HealthConfig,
    seed: u64,
    services: HashMap<Service, Pool>,
    queue: BTreeSet<(Mono, RouteId)>,
    n_tracked: usize,
    n_probes: u64,
    n_drawn: u64,
}

impl Detector {
    /// A detector that tracks nothing yet. The seed spreads its probes; gateways with different
    /// seeds don't ask in step.
    pub fn new(config: HealthConfig, seed: u64) -> Self {
        Self {
            config,
            seed,
            services: HashMap::new(),
            queue: BTreeSet::new(),
            n_tracked: 0,
            n_probes: 0,
            n_drawn: 0,
        }
    }

    /// New numbers; they hold from the next event on, what runs keeps its end.
    pub fn set_config(&mut self, config: HealthConfig) {
        self.config = config;
    }

    /// How many routes are tracked.
    pub fn len(&self) -> usize {
        self.n_tracked
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.n_tracked == 0
    }

    /// When [`Detector::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one event. Events about routes that aren't tracked say nothing.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Track { id, has_check } => {
                self.remove(&id, out);
                let pool = self.services.entry(id.service).or_default();
                pool.insert(Watched::new(id.route, has_check));
                self.n_tracked += 1;
            }
            Input::Forget { id } => self.forget(now, &id, out),
            Input::Wanted { id } => self.wanted(now, &id, out),
            Input::Used { id } => self.used(now, &id),
            Input::Succeeded { id } => {
                if let Some(route) = self.route(&id) {
                    let counted = route.failures.any();
                    route.failures.clear();
                    tell_failures(&id, counted, false, out);
                }
            }
            Input::Failed { id, how } => self.failed(now, &id, how, out),
            Input::Probed { id, number, failed } => self.probed(now, &id, number, failed, out),
        }
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Mono, out: &mut Vec<Output>) {
        while let Some((_, id)) = self.queue.first().filter(|(at, _)| *at <= now).cloned() {
            self.queue.pop_first();
            let Some(route) = self.route(&id) else { continue };
            route.queued = None;
            if route.ejection.as_ref().is_some_and(|e| e.until <= now) {
                self.release(now, &id, out);
            }
            self.probe_if_due(now, &id, out);
            self.settle(now, &id, out);
        }
    }

    fn route(&mut self, id: &RouteId) -> Option<&mut Watched> {
        self.services.get_mut(&id.service)?.get_mut(&id.route)
    }

    fn forget(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        self.remove(id, out);
        if self.services.get(&id.service).is_some_and(|pool| pool.len() == 0) {
            self.services.remove(&id.service);
        }
        self.keep_bounds(now, &id.service, out);
    }

    fn remove(&mut self, id: &RouteId, out: &mut Vec<Output>) {
        let Some(pool) = self.services.get_mut(&id.service) else { return };
        let Some(route) = pool.remove(&id.route) else { return };
        self.n_tracked -= 1;
        if let Some(at) = route.queued {
            self.queue.remove(&(at, id.clone()));
        }
        if route.ejection.is_some() {
            out.push(Output::Returned { id: id.clone() });
        }
    }

    /// With fewer routes fewer may be out; who would be back first is back now.
    fn keep_bounds(&mut self, now: Mono, service: &Service, out: &mut Vec<Output>) {
        while let Some(pool) = self.services.get(service)
            && let Some(route) = pool.one_too_many(&self.config)
        {
            let id = RouteId { service: service.clone(), route };
            self.release(now, &id, out);
            self.settle(now, &id, out);
        }
    }

    fn wanted(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        let Some(route) = self.route(id) else { return };
        // While it is known to be bad the recheck asks; nobody has to want it.
        if route.has_check && !route.is_unhealthy() {
            self.probe(now, id, out);
            self.settle(now, id, out);
        }
    }

    fn used(&mut self, now: Mono, id: &RouteId) {
        let (until, recheck) = (now.after(self.config.used_within), self.config.recheck);
        let interval = self.config.check_interval;
        let first = self.draw(interval);
        let Some(pool) = self.services.get_mut(&id.service) else { return };
        if pool.get_mut(&id.route).is_none() {
            return;
        }
        pool.used_until = until;
        let mut to_queue = Vec::new();
        for route in pool.iter_mut() {
            let is_it = route.key == id.route;
            if is_it {
                route.used_until = until;
            }
            if route.due.is_some() || route.probing.is_some() || route.probe_kind().is_none() {
                continue;
            }
            // What is out is asked while anybody uses the service, what is in while it is used.
            route.due = match (route.in_service(), is_it) {
                (false, _) => Some(now.after(recheck)),
                (true, true) if !interval.is_zero() => Some(now.after(first)),
                (true, _) => continue,
            };
            to_queue.push(RouteId { service: id.service.clone(), route: route.key.clone() });
        }
        for id in to_queue {
            self.enqueue(&id);
        }
    }

    fn failed(&mut self, now: Mono, id: &RouteId, how: Failure, out: &mut Vec<Output>) {
        let Some(pool) = self.services.get_mut(&id.service) else { return };
        let may_eject = pool.may_eject(&id.route, &self.config);
        let Some(route) = pool.get_mut(&id.route) else { return };
        if route.ejection.is_some() {
            // It was used because nothing better was left; that is no news.
            return;
        }
        let counted = route.failures.any();
        match route.failures.note(now, how, &self.config.outlier) {
            Some(reason) if may_eject => {
                let times = route.eject(now, reason, &self.config);
                out.push(Output::Ejected { id: id.clone(), times });
            }
            Some(_) => out.push(Output::Spared { id: id.clone() }),
            None => {}
        }
        tell_failures(id, counted, route.failures.any(), out);
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
        let next = self.spread(self.config.check_interval);
        let Some(pool) = self.services.get_mut(&id.service) else { return };
        let Some(route) = pool.get_mut(&id.route) else { return };
        let Some(flight) = route.probing.take_if(|f| f.number == number) else { return };
        let is_bad = failed.is_some();
        let returns = match failed {
            None => route.probed_good(now, flight.since, &self.config),
            Some(why) => {
                route.probed_bad(now, why, &self.config);
                false
            }
        };
        if returns {
            self.release(now, id, out);
        }
        let recheck = self.config.recheck;
        let Some(route) = self.route(id) else { return };
        route.due = if route.probe_kind().is_none() {
            None
        } else if is_bad || !route.in_service() {
            Some(now.after(recheck))
        } else {
            next.map(|next| now.after(next)).filter(|_| route.used_until > now)
        };
        self.settle(now, id, out);
    }

    /// Asks the route if it is time, unless nobody needs to know.
    fn probe_if_due(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        let Some(pool) = self.services.get_mut(&id.service) else { return };
        let service_used = pool.used_until > now;
        let Some(route) = pool.get_mut(&id.route) else { return };
        if route.due.take_if(|due| *due <= now).is_none() {
            return;
        }
        let matters = if route.in_service() { route.used_until > now } else { service_used };
        if matters {
            self.probe(now, id, out);
        } else if route.is_unhealthy() {
            // Nobody asks any more, so nothing is known any more.
            route.checked = Checked::presumed(route.has_check);
        }
    }

    fn probe(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        let number = self.n_probes + 1;
        let Some(route) = self.route(id) else { return };
        let Some(kind) = route.probe_kind() else { return };
        if route.probing.is_some() {
            return;
        }
        route.probing = Some(Flight { number, since: now });
        route.due = None;
        self.n_probes = number;
        out.push(Output::Probe { id: id.clone(), kind, number });
    }

    fn release(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        if self.route(id).is_some_and(|route| route.release(now)) {
            out.push(Output::Returned { id: id.clone() });
        }
    }

    /// Tells the verdict if it is another than was told, and queues the next deadline.
    fn settle(&mut self, now: Mono, id: &RouteId, out: &mut Vec<Output>) {
        let Some(route) = self.route(id) else { return };
        let verdict = route.verdict(now);
        if verdict != route.told {
            out.push(match (&route.told, &verdict) {
                (Verdict::Healthy { .. }, Verdict::Healthy { until }) => {
                    Output::Renewed { id: id.clone(), until: *until }
                }
                _ => Output::Verdict { id: id.clone(), is: verdict.clone() },
            });
            route.told = verdict;
        }
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: &RouteId) {
        let Some(pool) = self.services.get_mut(&id.service) else { return };
        let Some(route) = pool.get_mut(&id.route) else { return };
        let due = route.ejection.as_ref().map(|e| e.until).into_iter().chain(route.due).min();
        if due == route.queued {
            return;
        }
        if let Some(at) = route.queued {
            self.queue.remove(&(at, id.clone()));
        }
        route.queued = due;
        if let Some(at) = due {
            self.queue.insert((at, id.clone()));
        }
    }

    /// The interval give or take a tenth; `None` if it is zero.
    fn spread(&mut self, interval: Duration) -> Option<Duration> {
        (!interval.is_zero()).then(|| interval - interval / 10 + self.draw(interval / 5))
    }

    /// Some time up to `most`, another at each call (SplitMix64).
    fn draw(&mut self, most: Duration) -> Duration {
        self.n_drawn += 1;
        let mut x = self.seed.wrapping_add(self.n_drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX - 1);
        Duration::from_millis(x % (most + 1))
    }
}

fn tell_failures(id: &RouteId, before: bool, after: bool, out: &mut Vec<Output>) {
    if before != after {
        out.push(Output::CountsFailures { id: id.clone(), any: after });
    }
}
