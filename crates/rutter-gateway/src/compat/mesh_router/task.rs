//! The task that asks the backend and tells what it hears as an outlet would.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rutter_rib::{Batch, Tell, ToldRoute};
use rutter_route::{Mono, Service, ServiceName, Standing};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cache::{Answer, Cache, Do, Reply};
use super::config::MeshRouterConfig;
use super::fetch::Backend;
use super::map::{Name, name_of};
use crate::clock;
use crate::index::HostIndex;
use crate::metrics::GatewayMetrics;
use crate::proxy::miss::{Ask, Asking, Missed};
use crate::upstream::Connector;

/// How many questions are out at once.
pub(super) const FETCHES: usize = 32;

/// How many batches may wait for the table.
const TOLD: usize = 64;

/// How often the backend's CA is fetched again, and how soon after it couldn't be.
const CA_FETCH: Duration = Duration::from_secs(3600);
const CA_RETRY: Duration = Duration::from_secs(5);

/// Starts the task; what it hears comes as batches, the first of which is an empty snapshot, since
/// nothing is known before it is asked for. It ends with `stop`, or when nobody listens.
pub(crate) fn start(
    config: MeshRouterConfig,
    asking: Asking,
    stop: CancellationToken,
) -> mpsc::Receiver<Batch<Service>> {
    let (tell, told) = mpsc::channel(TOLD);
    let asks = asking.begin();
    let backend = Backend::new(asking.connector.clone(), config.backend.clone());
    let ca = keep_ca(backend.clone(), config.clone(), asking.connector);
    let task = Task {
        cache_ttl: config.cache_ttl,
        cache: Cache::new(config),
        backend,
        index: asking.index,
        metrics: asking.metrics,
        domains: asking.domains,
        waiting: HashMap::new(),
        questions: JoinSet::new(),
        permits: Arc::new(Semaphore::new(FETCHES)),
        tell,
        number: 0,
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = task.run(asks) => {}
            () = ca => {}
        }
    });
    told
}

/// Has the connector trust the backend's CA, as it is now.
async fn keep_ca(backend: Backend, config: MeshRouterConfig, connector: Connector) {
    loop {
        let fetched = backend.ca(config.ca_pin).await;
        let trusted = match fetched {
            Ok(ca) => connector.set_controller_ca(&[ca]).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let pause = match trusted {
            Ok(()) => CA_FETCH,
            Err(error) => {
                tracing::warn!(
                    backend = %config.backend, error,
                    "the backend's CA can't be had; routes with its certificates fail until it is"
                );
                CA_RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

struct Task {
    cache_ttl: Duration,
    cache: Cache,
    backend: Backend,
    index: Arc<HostIndex>,
    metrics: Arc<GatewayMetrics>,
    domains: Vec<ServiceName>,
    /// Requests that wait, by name. Each has its patience; those that are gone are found gone.
    waiting: HashMap<Name, Vec<oneshot::Sender<Missed>>>,
    questions: JoinSet<(Name, Answer)>,
    permits: Arc<Semaphore>,
    tell: mpsc::Sender<Batch<Service>>,
    number: u64,
}

impl Task {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let snapshot = Batch { begin_snapshot: true, end_of_snapshot: true, ..empty() };
        if self.tell.send(snapshot).await.is_err() {
            return;
        }
        let mut todo = Vec::new();
        loop {
            let due = self.cache.next_deadline();
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.asked(ask, &mut todo),
                    None => return,
                },
                Some(ended) = self.questions.join_next() => {
                    // A question that panicked would be a fault of ours; its waiters run out of
                    // patience, and its name stays as it is.
                    if let Ok((name, answer)) = ended {
                        self.cache.answered(clock::now(), &name, answer, &mut todo);
                    }
                }
                () = sleep_until(due) => {}
            }
            let (index, now, ttl) = (self.index.clone(), clock::now(), self.cache_ttl);
            self.cache.tick(now, |name| is_in_use(&index, name, now, ttl), &mut todo);
            self.metrics.resolved_names.set(self.cache.len() as u64);
            for one in std::mem::take(&mut todo) {
                if self.act(one).await.is_err() {
                    return;
                }
            }
        }
    }

    fn asked(&mut self, ask: Ask, todo: &mut Vec<Do>) {
        let Some(name) = name_of(&ask.host, &self.domains) else {
            // The request may be gone.
            let _gone = ask.reply.send(Missed::Unknown);
            return;
        };
        self.waiting.entry(name.clone()).or_default().push(ask.reply);
        self.cache.asked(&name, todo);
    }

    /// The error: nobody listens.
    async fn act(&mut self, todo: Do) -> Result<(), ()> {
        match todo {
            Do::Ask(name) => self.ask(name),
            Do::Tell { name, routes, stale } => {
                if stale {
                    let service = &name.service;
                    tracing::warn!(%service, "the backend is silent; its routes are stale");
                }
                self.number += 1;
                let tell = Tell::Advertise {
                    number: self.number,
                    destination: Service::http(name.service),
                    routes: routes.into_iter().map(|route| standing(route, stale)).collect(),
                };
                return self.say(tell).await;
            }
            Do::Withdraw(name) => {
                self.number += 1;
                let destination = Service::http(name.service);
                return self.say(Tell::Withdraw { number: self.number, destination }).await;
            }
            Do::Reply { name, reply } => {
                for waiter in self.waiting.remove(&name).unwrap_or_default() {
                    let missed = match reply {
                        Reply::Told => Missed::Told,
                        Reply::Unknown => Missed::Unknown,
                        // Dropped: nobody can say.
                        Reply::Unavailable => continue,
                    };
                    // The request may be gone.
                    let _gone = waiter.send(missed);
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, name: Name) {
        let (backend, permits) = (self.backend.clone(), self.permits.clone());
        let metrics = self.metrics.clone();
        self.questions.spawn(async move {
            // Never closed.
            let _permit = permits.acquire_owned().await;
            metrics.resolves.add(1);
            let answer = match backend.resolve(&name).await {
                Ok(answer) => answer,
                Err(error) => {
                    metrics.resolve_failures.add(1);
                    tracing::debug!(service = %name.service, %error, "a name isn't resolved");
                    Answer::Silence
                }
            };
            (name, answer)
        });
    }

    async fn say(&self, tell: Tell<Service>) -> Result<(), ()> {
        let batch = Batch { tells: vec![tell], ..empty() };
        self.tell.send(batch).await.map_err(drop)
    }
}

fn empty() -> Batch<Service> {
    Batch { tells: Vec::new(), begin_snapshot: false, end_of_snapshot: false, more: false }
}

fn standing(mut route: ToldRoute, stale: bool) -> ToldRoute {
    if stale {
        route.standing = Standing::Stale;
    }
    route
}

/// Whether requests used one of the name's routes since its answer came.
fn is_in_use(index: &HostIndex, name: &Name, now: Mono, ttl: Duration) -> bool {
    let routes = index.find(name.service.as_str());
    routes.is_some_and(|r| r.ranked.iter().any(|route| route.health.used_within(now, ttl)))
}

async fn sleep_until(due: Option<Mono>) {
    match due {
        Some(due) => tokio::time::sleep(due.since(clock::now())).await,
        None => std::future::pending().await,
    }
}
