//! The task that feeds the detector, makes its probes and publishes its verdicts.
//!
//! The request path never waits for it, but for the one case that is meant to wait: the first
//! request to a route with a health check of which nothing is known.
//!
//! Bounds: the queue of notes holds [`QUEUE`]; a note that finds it full is dropped and counted
//! (a lost failure delays an exclusion by one request, a lost success leaves failures to end with
//! their window). [`PROBES`] probes run at once; more wait their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use rutter_route::Mono;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::config::HealthConfig;
use super::detector::Detector;
use super::events::{Failure, Input, Output, ProbeKind, Verdict};
use super::prober::{ProbeTarget, probe};
use super::verdicts::{Told, VerdictBoard};
use super::{Belief, HealthCell};
use crate::clock;
use crate::metrics::GatewayMetrics;
use crate::routes::RouteId;
use crate::upstream::Connector;

/// How many notes may wait.
const QUEUE: usize = 4096;

/// How many probes run at once.
const PROBES: usize = 64;

/// The detector as the rest of the gateway sees it.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    shared: Arc<Shared>,
    notes: mpsc::Sender<Input>,
}

#[derive(Debug)]
struct Shared {
    tracked: Mutex<HashMap<RouteId, (Arc<HealthCell>, ProbeTarget)>>,
    config: ArcSwap<HealthConfig>,
    metrics: Arc<GatewayMetrics>,
}

impl Health {
    /// Starts the task. Verdicts go to `verdicts`; it ends with `stop`. `seed`: see
    /// [`Detector::new`].
    pub(crate) fn start(
        config: HealthConfig,
        seed: u64,
        connector: Connector,
        metrics: Arc<GatewayMetrics>,
        verdicts: Arc<VerdictBoard>,
        stop: CancellationToken,
    ) -> Self {
        let (notes, inbox) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            tracked: Mutex::new(HashMap::new()),
            config: ArcSwap::from_pointee(config.clone()),
            metrics,
        });
        let health = Self { shared, notes };
        let task = Task {
            detector: Detector::new(config, seed),
            health: health.clone(),
            connector,
            verdicts,
            permits: Arc::new(Semaphore::new(PROBES)),
            done: mpsc::unbounded_channel(),
        };
        tokio::spawn(task.run(inbox, stop));
        health
    }

    /// New numbers for all routes.
    pub(crate) fn set_config(&self, config: HealthConfig) {
        self.shared.config.store(Arc::new(config));
    }

    /// The cell of a route: the one it has, unless the way to ask it has changed.
    pub(crate) async fn track(&self, id: &RouteId, target: ProbeTarget) -> Arc<HealthCell> {
        let has_check = target.health_check.is_some();
        let cell = {
            let mut tracked = self.tracked();
            if let Some((cell, known)) = tracked.get(id)
                && *known == target
            {
                return cell.clone();
            }
            let cell = Arc::new(HealthCell::new(id.clone(), has_check));
            if let Some((old, _)) = tracked.insert(id.clone(), (cell.clone(), target)) {
                old.let_go();
            }
            cell
        };
        self.tell(Input::Track { id: id.clone(), has_check }).await;
        cell
    }

    /// A route left.
    pub(crate) async fn forget(&self, id: &RouteId) {
        if let Some((cell, _)) = self.tracked().remove(id) {
            cell.let_go();
        }
        self.tell(Input::Forget { id: id.clone() }).await;
    }

    /// Whether the route may be used, asking it first if nobody knows. Waits as long as a probe
    /// may take and no longer; then it may be used, as if it had no check.
    pub(crate) async fn is_usable(&self, cell: &HealthCell) -> bool {
        let now = clock::now();
        let usable = match cell.belief(now) {
            Belief::Healthy { ends_soon: false } => true,
            Belief::Unhealthy => false,
            Belief::Healthy { ends_soon: true } => {
                self.note(Input::Wanted { id: cell.id().clone() });
                true
            }
            Belief::Unknown => Box::pin(self.ask(cell)).await,
        };
        if usable {
            self.note_use(cell, now);
        }
        usable
    }

    /// Whether the route is known to be bad.
    pub(crate) fn is_out(&self, cell: &HealthCell) -> bool {
        cell.belief(clock::now()) == Belief::Unhealthy
    }

    /// A request uses the route although it may not, since nothing better is left.
    pub(crate) fn used_anyway(&self, cell: &HealthCell) {
        self.note_use(cell, clock::now());
    }

    fn note_use(&self, cell: &HealthCell, now: Mono) {
        if cell.note_use(now) {
            self.note(Input::Used { id: cell.id().clone() });
        }
    }

    /// A request was answered on the route, with that status.
    pub(crate) fn answered(&self, cell: &HealthCell, status: StatusCode) {
        match status.as_u16() {
            502..=504 => self.failed(cell, Failure::Gateway),
            500.. if self.shared.config.load().outlier.consecutive_5xx > 0 => {
                self.failed(cell, Failure::Server);
            }
            _ => self.succeeded(cell),
        }
    }

    fn succeeded(&self, cell: &HealthCell) {
        if cell.has_failures() {
            self.note(Input::Succeeded { id: cell.id().clone() });
        }
    }

    /// A request failed on the route.
    pub(crate) fn failed(&self, cell: &HealthCell, how: Failure) {
        self.note(Input::Failed { id: cell.id().clone(), how });
    }

    async fn ask(&self, cell: &HealthCell) -> bool {
        let mut changed = std::pin::pin!(cell.changed());
        changed.as_mut().enable();
        self.note(Input::Wanted { id: cell.id().clone() });
        // The probe's own bound, and a little for the way there and back.
        let patience = self.shared.config.load().check_timeout + Duration::from_millis(250);
        if cell.belief(clock::now()) == Belief::Unknown {
            // Out of patience is no verdict; the belief says what to do in either case.
            let _elapsed = tokio::time::timeout(patience, changed).await;
        }
        cell.belief(clock::now()) != Belief::Unhealthy
    }

    /// What must not be lost: it waits for room.
    async fn tell(&self, input: Input) {
        // The task is gone only when the gateway ends.
        let _closed = self.notes.send(input).await;
    }

    fn note(&self, input: Input) {
        if self.notes.try_send(input).is_err() {
            self.shared.metrics.health_notes_dropped.add(1);
        }
    }

    fn find(&self, id: &RouteId) -> Option<(Arc<HealthCell>, ProbeTarget)> {
        self.tracked().get(id).cloned()
    }

    fn tracked(&self) -> MutexGuard<'_, HashMap<RouteId, (Arc<HealthCell>, ProbeTarget)>> {
        self.shared.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Task {
    detector: Detector,
    health: Health,
    connector: Connector,
    verdicts: Arc<VerdictBoard>,
    permits: Arc<Semaphore>,
    /// Probes that ended: at most one a tracked route waits here.
    done: (mpsc::UnboundedSender<Input>, mpsc::UnboundedReceiver<Input>),
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Input>, stop: CancellationToken) {
        let mut out = Vec::new();
        let mut config = self.health.shared.config.load_full();
        loop {
            let due = self.detector.next_deadline();
            let input = tokio::select! {
                () = stop.cancelled() => return,
                input = inbox.recv() => input,
                input = self.done.1.recv() => input,
                () = sleep_until(due) => None,
            };
            let now = clock::now();
            let latest = self.health.shared.config.load_full();
            if !Arc::ptr_eq(&config, &latest) {
                self.detector.set_config(latest.as_ref().clone());
                config = latest;
            }
            if let Some(input) = input {
                self.before(&input);
                self.detector.handle(now, input, &mut out);
            }
            self.detector.tick(now, &mut out);
            for output in out.drain(..) {
                self.act(now, output);
            }
        }
    }

    /// A route that is tracked anew has a new cell from that moment; what the detector said of its
    /// earlier life may have been put there since.
    fn before(&self, input: &Input) {
        if let Input::Track { id, has_check } = input
            && let Some((cell, _)) = self.health.find(id)
        {
            cell.reset(*has_check);
        }
    }

    fn act(&self, now: Mono, output: Output) {
        match output {
            Output::Probe { id, kind, number } => self.spawn_probe(id, kind, number),
            Output::Verdict { id, is } => self.publish(now, id, is),
            Output::Renewed { id, until } => {
                if let Some((cell, _)) = self.health.find(&id) {
                    cell.believe_healthy(until.unwrap_or(Mono(u64::MAX)));
                }
            }
            Output::CountsFailures { id, any } => {
                if let Some((cell, _)) = self.health.find(&id) {
                    cell.set_has_failures(any);
                }
            }
            Output::Ejected { id, times } => {
                tracing::info!(route = %id, times, "the route is ejected");
                self.metrics().ejections.add(1);
                self.metrics().ejected_routes.add(1);
            }
            Output::Returned { id } => {
                tracing::info!(route = %id, "the route is back in service");
                self.metrics().ejected_routes.sub(1);
            }
            Output::Spared { id } => {
                tracing::debug!(route = %id, "the route fails, but too few others are left");
                self.metrics().ejections_spared.add(1);
            }
        }
    }

    fn metrics(&self) -> &GatewayMetrics {
        &self.health.shared.metrics
    }

    fn publish(&self, now: Mono, id: RouteId, is: Verdict) {
        let Some((cell, _)) = self.health.find(&id) else { return };
        let left = match &is {
            Verdict::Unknown => {
                cell.believe_unknown();
                None
            }
            Verdict::Healthy { until } => {
                cell.believe_healthy(until.unwrap_or(Mono(u64::MAX)));
                None
            }
            Verdict::Unhealthy { why, until } => {
                tracing::info!(route = %id, why, "route is unhealthy");
                cell.believe_unhealthy();
                until.map(|u| u.since(now))
            }
        };
        self.verdicts.put(id, Told { is, left });
    }

    fn spawn_probe(&self, id: RouteId, kind: ProbeKind, number: u64) {
        let Some((_, target)) = self.health.find(&id) else { return };
        let health = self.health.clone();
        let connector = self.connector.clone();
        let permits = self.permits.clone();
        let done = self.done.0.clone();
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire_owned().await;
            let config = health.shared.config.load_full();
            let seen = probe(&connector, &target, kind, &config).await;
            health.shared.metrics.count_probe(seen.is_ok());
            // The task is gone only when the gateway ends.
            let _closed = done.send(Input::Probed { id, number, failed: seen.err() });
        });
    }
}

async fn sleep_until(due: Option<Mono>) {
    match due {
        Some(due) => tokio::time::sleep(due.since(clock::now())).await,
        None => std::future::pending().await,
    }
}
