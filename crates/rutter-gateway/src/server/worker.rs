//! A worker: one thread, its connections and its upstream pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::Accepted;
use crate::config::{GatewayConfig, Limits};
use crate::error::GatewayError;
use crate::proxy::{Client, RequestIds, Shared, Worker, handle};
use crate::upstream::{Pool, PoolConfig, Stream};

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(10);

/// Where a worker gets its connections from.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    /// Unbounded, but each connection in it holds one of `max_connections` permits.
    connections: mpsc::UnboundedSender<(Accepted, Place)>,
    n_open: Arc<AtomicUsize>,
}

impl Inbox {
    /// How many connections the worker has, those in the inbox included.
    pub(super) fn n_open(&self) -> usize {
        self.n_open.load(Ordering::Relaxed)
    }

    pub(super) fn put(&self, accepted: Accepted) {
        let place = Place::take(&self.n_open);
        if self.connections.send((accepted, place)).is_err() {
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
        let (sender, connections) = mpsc::unbounded_channel();
        let n_open = Arc::new(AtomicUsize::new(0));
        let inbox = Inbox { connections: sender, n_open };
        let (draining, ending) = (CancellationToken::new(), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOK_UPS)
            .build()
            .map_err(GatewayError::Worker)?;
        let worker = Worker {
            pool: Arc::new(Pool::new(PoolConfig {
                max_idle: config.upstream.max_idle,
                max_idle_per_target: config.upstream.max_idle_per_upstream,
                idle_timeout: config.upstream.idle_timeout,
            })),
            shared,
            ids: RequestIds::new(seed),
            tasks: TaskTracker::new(),
        };
        let state = State {
            worker: Arc::new(worker),
            http: http(&config.limits),
            limits: config.limits.clone(),
            draining: draining.clone(),
        };
        let end = ending.clone();
        let thread = std::thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = Arc::new(state).run(connections) => {}
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

    /// Waits until it has ended, and ends what is left at `deadline`.
    pub(super) async fn join(mut self, deadline: Instant) {
        let Some(thread) = self.thread.take() else { return };
        let mut joined = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout_at(deadline, &mut joined).await.is_err() {
            tracing::warn!("requests in flight were cut off at the end of the drain time");
            self.ending.cancel();
            // A worker that panicked has told so itself.
            let _ended = joined.await;
        }
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_header_bytes)
        // Bounds the head while it is incomplete, and the read buffer of a streaming body.
        .max_buf_size((2 * limits.max_header_bytes).max(64 * 1024));
    http
}

struct State {
    worker: Arc<Worker>,
    http: http1::Builder,
    limits: Limits,
    draining: CancellationToken,
}

impl State {
    async fn run(self: Arc<Self>, mut connections: mpsc::UnboundedReceiver<(Accepted, Place)>) {
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = self.draining.cancelled() => break,
                _ = sweep.tick() => self.worker.pool.sweep(),
                accepted = connections.recv() => match accepted {
                    Some((accepted, place)) => {
                        self.worker.tasks.spawn(self.clone().serve(accepted, place));
                    }
                    None => break,
                },
            }
        }
        // What was accepted is served, also if it was still on its way.
        connections.close();
        while let Some((accepted, place)) = connections.recv().await {
            self.worker.tasks.spawn(self.clone().serve(accepted, place));
        }
        self.worker.tasks.close();
        self.worker.tasks.wait().await;
    }

    async fn serve(self: Arc<Self>, accepted: Accepted, place: Place) {
        let Accepted { stream, peer, tls, permit } = accepted;
        let open = self.worker.shared.metrics.active_connections.hold();
        let client = Client { peer, tls: tls.is_some() };
        match TcpStream::from_std(stream) {
            Err(error) => tracing::warn!(%error, "a connection can't be served"),
            Ok(stream) => match tls {
                None => self.http(Stream::Plain(stream), client).await,
                Some(tls) => {
                    if let Some(stream) = self.handshake(stream, tls).await {
                        self.http(Stream::Tls(Box::new(stream)), client).await;
                    }
                }
            },
        }
        drop((permit, open, place));
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        tls: Arc<rustls::ServerConfig>,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let error = match tokio::time::timeout(self.limits.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        self.worker.shared.metrics.tls_handshake_failures.add(1);
        tracing::debug!(error, "no TLS handshake with a client");
        None
    }

    async fn http(&self, stream: Stream<TlsStream<TcpStream>>, client: Client) {
        let worker = self.worker.clone();
        let service = service_fn(move |request| handle(worker.clone(), client, request));
        let connection = self.http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(client = %client.peer, %error, "a client's connection ended");
        }
    }
}
