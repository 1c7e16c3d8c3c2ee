//! A worker: one thread, its connections and its upstream pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::Accepted;
use super::connection::Serving;
use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::files::reads::Reads;
use crate::proxy::{Copied, RequestIds, Shared, Worker};
use crate::streams::Datagrams;
use crate::upstream::body::Home;
use crate::upstream::{Pool, PoolConfig};

/// How long tunnels may take to close both their ends.
const TUNNELS: Duration = Duration::from_secs(2);

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(10);

/// How often idle client connections are looked for.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// How often the allocator is reminded of memory that idle connections gave back.
const REMIND: Duration = Duration::from_secs(2);

/// What a worker does.
#[derive(Debug)]
pub(super) enum Job {
    /// Serves a connection.
    Connection(Accepted),
    /// Passes on datagrams of a service.
    Datagrams(Datagrams),
}

/// Where a worker gets its connections from.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    /// Unbounded, but each connection in it holds one of `max_connections` permits, and what passes
    /// on datagrams is one a service.
    jobs: mpsc::UnboundedSender<(Job, Place)>,
    n_open: Arc<AtomicUsize>,
}

impl Inbox {
    /// How many connections the worker has, those in the inbox included.
    pub(super) fn n_open(&self) -> usize {
        self.n_open.load(Ordering::Relaxed)
    }

    pub(super) fn put(&self, job: Job) {
        let place = Place::take(&self.n_open);
        if self.jobs.send((job, place)).is_err() {
            // The worker is gone: at shutdown, or by a fault of ours. Nobody chooses it again; the
            // connection closes with the drop.
            self.n_open.store(GONE, Ordering::Relaxed);
        }
    }
}

/// The count of a worker that is gone: more than any other can have.
const GONE: usize = usize::MAX / 2;

/// One connection among its worker's, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(n_open: &Arc<AtomicUsize>) -> Self {
        n_open.fetch_add(1, Ordering::Relaxed);
        Self(n_open.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many upstream names a worker looks up at once; more wait, within their connect timeout. Its
/// runtime has no other use for threads that block.
const LOOK_UPS: usize = 16;

/// A worker's thread, seen from outside.
#[derive(Debug)]
pub(super) struct WorkerThread {
    inbox: Inbox,
    /// Asks it to end when its requests have.
    draining: CancellationToken,
    /// Asks it to end now.
    ending: CancellationToken,
    /// `None` once it is being waited for.
    thread: Option<JoinHandle<()>>,
}

impl WorkerThread {
    /// Starts the thread.
    pub(super) fn start(
        number: usize,
        seed: u64,
        config: &GatewayConfig,
        shared: Arc<Shared>,
    ) -> Result<Self, GatewayError> {
        let (jobs, inbox_end) = mpsc::unbounded_channel();
        let n_open = Arc::new(AtomicUsize::new(0));
        let inbox = Inbox { jobs, n_open };
        let (draining, ending) = (CancellationToken::new(), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOK_UPS)
            .build()
            .map_err(GatewayError::Worker)?;
        let worker = Worker {
            number,
            settings: Copied::new(&shared.settings),
            home: Arc::new(Home {
                pool: Pool::new(PoolConfig::of(&config.upstream)),
                common: shared.common.clone(),
                health: shared.health.clone(),
                reads: Reads::default(),
            }),
            shared,
            ids: RequestIds::new(seed),
            tasks: TaskTracker::new(),
        };
        let (beat, beats) = watch::channel(());
        let serving = Serving::new(Arc::new(worker), &config.limits, draining.clone(), beats);
        let state = Loop { serving: Arc::new(serving), beat };
        let end = ending.clone();
        let thread = std::thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = state.run(inbox_end) => {}
                        () = end.cancelled() => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(GatewayError::Worker)?;
        Ok(Self { inbox, draining, ending, thread: Some(thread) })
    }

    pub(super) fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Asks it to end when its requests have.
    pub(super) fn drain(&self) {
        self.draining.cancel();
    }
}

/// Waits until all have ended; what is left at `deadline` is counted and cut off: tunnels in an
/// orderly way, then the rest.
pub(super) async fn join(mut workers: Vec<WorkerThread>, deadline: Instant, shared: &Shared) {
    let threads: Vec<_> = workers.iter_mut().filter_map(|worker| worker.thread.take()).collect();
    let mut joined = tokio::task::spawn_blocking(move || {
        // A worker that panicked has told so itself.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    });
    if tokio::time::timeout_at(deadline, &mut joined).await.is_ok() {
        return;
    }
    let metrics = &shared.metrics;
    let n_connections = metrics.active_connections.get();
    let n_tunnels = metrics.active_tunnels.get() + metrics.active_streams.get();
    tracing::warn!(n_connections, n_tunnels, "cut off at the end of the drain time");
    metrics.connections_cut.add(n_connections);
    metrics.tunnels_cut.add(n_tunnels);
    shared.stop.cancel();
    if n_tunnels > 0 && tokio::time::timeout(TUNNELS, &mut joined).await.is_ok() {
        return;
    }
    workers.iter().for_each(|worker| worker.ending.cancel());
    if let Err(error) = joined.await {
        tracing::error!(%error, "the workers' threads");
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

/// The worker's loop: takes connections until it drains, then waits for theirs to end.
struct Loop {
    serving: Arc<Serving>,
    /// Wakes connections that talk, so that they see whether they are idle.
    beat: watch::Sender<()>,
}

impl Loop {
    fn begin(&self, job: Job, place: Place) {
        let tasks = &self.serving.worker.tasks;
        match job {
            Job::Connection(accepted) => {
                tasks.spawn(self.serving.clone().serve(accepted, place));
            }
            Job::Datagrams(datagrams) => {
                let worker = self.serving.worker.clone();
                tasks.spawn(async move {
                    datagrams.run(worker).await;
                    drop(place);
                });
            }
        }
    }

    async fn run(self, mut jobs: mpsc::UnboundedReceiver<(Job, Place)>) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut beat = tokio::time::interval(BEAT);
        let mut remind = tokio::time::interval(REMIND);
        let mut reminder = Reminder::default();
        loop {
            tokio::select! {
                () = self.serving.draining.cancelled() => break,
                _ = beat.tick() => self.beat.send_replace(()),
                _ = remind.tick() => reminder.tick(self.serving.n_given_back()),
                _ = sweep.tick() => self.serving.worker.home.sweep(),
                job = jobs.recv() => match job {
                    Some((job, place)) => self.begin(job, place),
                    None => break,
                },
            }
        }
        // What was accepted is served, also if it was still on its way.
        jobs.close();
        while let Some((job, place)) = jobs.recv().await {
            self.begin(job, place);
        }
        self.serving.worker.tasks.close();
        let ended = self.serving.worker.tasks.wait();
        let mut ended = std::pin::pin!(ended);
        loop {
            tokio::select! {
                () = &mut ended => return,
                _ = beat.tick() => self.beat.send_replace(()),
            }
        }
    }
}

/// Lets the allocator return what it has. mimalloc keeps freed pages for a second, in case they are
/// wanted again, and looks at the time only when the next large piece is freed. A gateway that has
/// become quiet frees none, and would keep the buffers of its last burst; so one is made and freed
/// for that, untouched.
#[derive(Debug, Default)]
struct Reminder {
    n_given_back: u64,
    /// Whether there was something the last time, some of which may have been too fresh.
    again: bool,
}

impl Reminder {
    const PIECE: usize = 1 << 20;

    fn tick(&mut self, n_given_back: u64) {
        let news = n_given_back != self.n_given_back;
        if news || self.again {
            drop(std::hint::black_box(Vec::<u8>::with_capacity(Self::PIECE)));
        }
        (self.n_given_back, self.again) = (n_given_back, news);
    }
}
