//! Listeners, workers, and their life from start to the last request.
//!
//! ```text
//!  listener ─┐               ┌─▶ worker 1: runtime of one thread, own upstream pool
//!  listener ─┴─▶ acceptors ──┼─▶ worker 2
//!   (one socket each)        └─▶ …         each connection stays with its worker
//! ```
//!
//! **Workers** are threads with a runtime of one thread each. A connection lives and dies on one
//! of them, with its upstream connections beside it, so the pool's lock is never contended and no
//! request crosses threads. The handler itself asks for none of this: it is `Send`, and would run
//! on a runtime of many threads as well.
//!
//! **Accepting** is done by one task a listener, which hands each connection to the worker with
//! the fewest open. Rejected: a socket a worker with `SO_REUSEPORT`. The kernel spreads those by
//! hash, so a few heavy connections can land on one thread; a second gateway would start on the
//! same port without an error; and closing one of the sockets drops what waits in its queue. The
//! price is one wake-up of another thread a connection, not a request.
//!
//! **Bounds.** `max_connections` over all listeners: with that many open nobody accepts, and
//! clients wait in the kernel's queue. A worker's inbox holds only connections that were counted
//! there, so it needs no bound of its own. `max_connections_per_client` is what one address may have
//! of those ([`clients`]); over it a connection is reset. A tunnel counts as the connection that it
//! was.
//!
//! **Sockets** may come from somebody who had them before, such as the process that this one takes
//! over from; what waits in their queues is then served here. `sockets` gives them to the next.
//!
//! **The end** ([`drain`]). The listeners close first. A connection closes after the answer that
//! says so, or when it was idle for the linger; what is left after `limits.drain`, tunnels among
//! it, is cut off, counted and logged.

mod accept;
mod activity;
mod certificates;
mod clients;
mod connection;
mod drain;
mod hello;
mod http1;
mod http2;
mod proxied;
mod secure;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod worker;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use std::hash::BuildHasher;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::AccessLog;
use crate::acl::Acl;
use crate::acme::{self, AcmeConfig, Served};
use crate::clusters;
use crate::config::{GatewayConfig, Limits, ListenerConfig};
use crate::error::GatewayError;
use crate::failover::budget::RetryBudget;
use crate::feed::Feed;
use crate::health::Health;
use crate::health::verdicts::VerdictBoard;
use crate::index::HostIndex;
use crate::metrics::GatewayMetrics;
use crate::mtls;
use crate::own_ca::OwnCa;
use crate::places::Places;
use crate::proxy::headers::Via;
use crate::proxy::miss::Asking;
use crate::proxy::short_links::ShortLinks;
use crate::proxy::{Settings, Shared};
use crate::routes::Routes;
use crate::slow::Pace;
use crate::streams::Streams;
use crate::upstream::{Connector, Pool, PoolConfig};

pub(crate) use accept::{Acceptor, Front, Gate, To};
pub(crate) use activity::Busy;
pub(crate) use certificates::names;
use certificates::{Certificates, Fresh, Issuers};
pub(crate) use clients::ClientPlace;
pub(crate) use drain::Drain;
pub(crate) use tls::provider;
use worker::WorkerThread;

/// A gateway's listeners and workers.
#[derive(Debug)]
pub(crate) struct Server {
    addresses: Vec<SocketAddr>,
    /// As they were configured.
    listeners: Vec<ListenerConfig>,
    shared: Arc<Shared>,
    tls: Vec<Option<Arc<Certificates>>>,
    own_ca: Option<Arc<OwnCa>>,
    /// The listening sockets, until the end begins: whoever takes over gets them.
    sockets: Vec<Arc<TcpListener>>,
    /// What they and those of streams share.
    gate: Arc<Gate>,
    /// Bound, and not yet open.
    waiting: Vec<Acceptor>,
    acceptors: JoinSet<()>,
    accepting: CancellationToken,
    workers: Vec<WorkerThread>,
    limits: Limits,
    /// What is ordered once it is open.
    acme: Option<AcmeConfig>,
}

/// What the table's side of the gateway gets.
pub(crate) struct TableEnd {
    pub(crate) feed: Feed,
    pub(crate) verdicts: Arc<VerdictBoard>,
    pub(crate) metrics: Arc<GatewayMetrics>,
    /// Raised when the controller has told all that it knows.
    pub(crate) told: Arc<AtomicBool>,
    /// For who finds routes on demand.
    pub(crate) asking: Asking,
}

impl Server {
    /// Binds every listener that has no socket in `inherited` (which goes by their order) and
    /// starts the workers; nobody is accepted before [`Server::open`]. On an error nothing stays
    /// behind.
    pub(crate) async fn bind(
        config: &GatewayConfig,
        inherited: Vec<Option<std::net::TcpListener>>,
    ) -> Result<(Self, TableEnd), GatewayError> {
        config.check()?;
        let acme = config.acme.clone().filter(|_| !config.mode.observes());
        let served = Arc::new(Served::new(acme.as_ref().map(|acme| acme.challenge)));
        let index = Arc::new(HostIndex::matching(&config.domains, config.hosts.clone()));
        let own_ca = config.own_ca.clone();
        let own_ca =
            own_ca.map(|signer| Arc::new(OwnCa::new(signer, index.clone(), &config.domains)));
        let mut listeners = Vec::new();
        let mut tls = Vec::new();
        let mut inherited = inherited.into_iter();
        let issuers =
            Issuers { acme: served.clone(), own_ca, profiles: mtls::read(&config.inbound_mtls)? };
        for listener in &config.listeners {
            let fresh = read_certificates(listener, &issuers)?;
            tls.push(fresh.map(|fresh| Arc::new(Certificates::new(fresh))));
            listeners.push(bind(listener.address, inherited.next().flatten()).await?);
        }
        let addresses = listeners.iter().map(|(_, address)| *address).collect();
        let (shared, end) = share(config, served, index)?;
        if let Some(acme) = &acme {
            acme::load(acme, &shared.acme, &shared.metrics)?;
        }
        let workers = start_workers(config, &shared).inspect_err(|_| shared.stop.cancel())?;
        let gate = Arc::new(Gate {
            permits: Arc::new(Semaphore::new(config.limits.max_connections)),
            clients: Arc::default(),
            workers: workers.iter().map(WorkerThread::inbox).collect(),
            certificates: tls.iter().flatten().next().cloned(),
            shared: shared.clone(),
        });
        let neighbours = config.clusters.as_ref().map(clusters::tls::server_config).transpose();
        let neighbours = neighbours.map_err(GatewayError::Clusters)?.map(Arc::new);
        let acceptor = |(((listener, address), tls), told): ((_, &Option<_>), &ListenerConfig)| {
            let front = Front {
                tls: tls.clone(),
                neighbours: neighbours.clone().filter(|_| told.for_neighbours),
                h2c: told.h2c,
                redirect: told.redirect,
                profile: told.inbound_mtls_profile.clone(),
                is_place: false,
            };
            Acceptor { listener, address, to: To::Http(Arc::new(front)), gate: gate.clone() }
        };
        let server = Self {
            addresses,
            sockets: listeners.iter().map(|(listener, _)| listener.clone()).collect(),
            listeners: config.listeners.clone(),
            waiting: listeners.into_iter().zip(&tls).zip(&config.listeners).map(acceptor).collect(),
            acceptors: JoinSet::new(),
            accepting: CancellationToken::new(),
            limits: config.limits.clone(),
            acme,
            own_ca: issuers.own_ca,
            tls,
            shared,
            workers,
            gate,
        };
        Ok((server, end))
    }

    /// Begins to accept: when the index is filled, so that nobody is told that a name is unknown
    /// only because it wasn't heard of yet.
    pub(crate) fn open(&mut self) {
        let own = self.waiting.iter().filter_map(|acceptor| match &acceptor.to {
            // No service has its place among neighbours.
            To::Http(front) if front.neighbours.is_some() => None,
            To::Http(front) => Some((acceptor.address, front.clone())),
            To::Stream { .. } => None,
        });
        let own: Vec<_> = own.collect();
        for acceptor in self.waiting.drain(..) {
            self.acceptors.spawn(acceptor.run(self.accepting.clone()));
        }
        if !self.gate.workers.is_empty() {
            self.shared.streams.open(self.gate.clone());
            self.shared.places.open(own, self.gate.clone());
        }
        if let Some(acme) = self.acme.take() {
            let (served, metrics) = (self.shared.acme.clone(), self.shared.metrics.clone());
            self.acceptors.spawn(acme::run(acme, served, metrics, self.accepting.clone()));
        }
        let certificates: Vec<_> = self.tls.iter().flatten().cloned().collect();
        let stop = self.accepting.clone();
        if !certificates.is_empty() {
            self.acceptors.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = certificates::watch(certificates) => {}
                }
            });
        }
    }

    /// Where it listens, in the order of the configuration.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn metrics(&self) -> Arc<GatewayMetrics> {
        self.shared.metrics.clone()
    }

    pub(crate) fn connector(&self) -> Connector {
        self.shared.connector.clone()
    }

    /// Takes what may change while it runs: certificates, the detector's numbers, tries, times of
    /// upstream answers, trusted proxies. Nothing changes on an error.
    pub(crate) fn reload(&self, config: &GatewayConfig) -> Result<(), GatewayError> {
        config.check()?;
        if !self.has_listeners(&config.listeners) {
            return Err(GatewayError::Config {
                field: "listeners",
                expected: "expected those that it was started with; others need a restart".into(),
            });
        }
        let profiles = mtls::read(&config.inbound_mtls)?;
        let (acme, own_ca) = (self.shared.acme.clone(), self.own_ca.clone());
        let issuers = Issuers { acme, own_ca, profiles };
        let read = |l: &ListenerConfig| read_certificates(l, &issuers);
        let fresh: Vec<_> = config.listeners.iter().map(read).collect::<Result<_, _>>()?;
        for (old, new) in self.tls.iter().zip(fresh) {
            if let (Some(old), Some(new)) = (old, new) {
                old.take(new);
            }
        }
        self.shared.health.set_config(config.health.clone());
        self.shared.has_profiles.store(!config.inbound_mtls.is_empty(), Ordering::Relaxed);
        self.shared.settings.store(Arc::new(settings(config)));
        self.reopen_access_log();
        Ok(())
    }

    /// Opens the access log's file by its name again.
    pub(crate) fn reopen_access_log(&self) {
        if let Some(log) = &self.shared.access {
            log.reopen();
        }
    }

    fn has_listeners(&self, listeners: &[ListenerConfig]) -> bool {
        let same = |(now, then): (&ListenerConfig, &ListenerConfig)| {
            now.address == then.address
                && now.tls.is_some() == then.tls.is_some()
                && now.h2c == then.h2c
                && now.redirect == then.redirect
                && now.inbound_mtls_profile == then.inbound_mtls_profile
                && now.for_neighbours == then.for_neighbours
        };
        listeners.len() == self.listeners.len() && listeners.iter().zip(&self.listeners).all(same)
    }

    /// The listening sockets, once more each, in the order of the configuration.
    pub(crate) fn sockets(&self) -> std::io::Result<Vec<std::net::TcpListener>> {
        let again = |s: &Arc<TcpListener>| Ok(s.as_fd().try_clone_to_owned()?.into());
        self.sockets.iter().map(again).collect()
    }

    /// Stops accepting, lets requests in flight end, and waits for the workers. Idle connections
    /// close after `linger`, which `limits.drain` bounds.
    pub(crate) async fn shutdown(mut self, linger: Duration) {
        let deadline = Instant::now() + self.limits.drain;
        self.sockets.clear();
        self.accepting.cancel();
        self.waiting.clear();
        self.shared.streams.close().await;
        self.shared.places.close().await;
        while self.acceptors.join_next().await.is_some() {}
        self.shared.drain.begin(linger.min(self.limits.drain));
        for worker in &self.workers {
            worker.drain();
        }
        let workers = std::mem::take(&mut self.workers);
        worker::join(workers, deadline, &self.shared).await;
        self.shared.stop.cancel();
        if let Some(log) = &self.shared.access {
            log.close();
        }
    }
}

/// A listener's certificates; `None`: it is a plain one.
fn read_certificates(
    listener: &ListenerConfig,
    issuers: &Issuers,
) -> Result<Option<Fresh>, GatewayError> {
    let own_ca = issuers.own_ca.clone().filter(|_| listener.own_ca);
    let issuers = Issuers { own_ca, ..issuers.clone() };
    listener.tls_files().map(|files| certificates::read(&files, issuers)).transpose()
}

async fn bind(
    address: SocketAddr,
    inherited: Option<std::net::TcpListener>,
) -> Result<(Arc<TcpListener>, SocketAddr), GatewayError> {
    let failed = |source| GatewayError::Listen { address, source };
    let listener = match inherited {
        Some(socket) => adopt(socket).map_err(failed)?,
        None => crate::socket::listen(address).map_err(failed)?,
    };
    let bound = listener.local_addr().map_err(failed)?;
    Ok((Arc::new(listener), bound))
}

fn adopt(socket: std::net::TcpListener) -> std::io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

fn share(
    config: &GatewayConfig,
    acme: Arc<Served>,
    index: Arc<HostIndex>,
) -> Result<(Arc<Shared>, TableEnd), GatewayError> {
    let metrics = Arc::new(GatewayMetrics::default());
    let upstream = &config.upstream;
    let connector = Connector::new(
        &upstream.roots,
        &upstream.controller_ca,
        tls::provider(),
        config.clusters.clone(),
        upstream.forbidden.clone(),
        upstream.connect_timeout,
    )?;
    let verdicts = Arc::new(VerdictBoard::default());
    let stop = CancellationToken::new();
    let random = RandomState::default();
    let health = Health::start(
        config.health.clone(),
        random.hash_one("probes"),
        connector.clone(),
        metrics.clone(),
        verdicts.clone(),
        stop.clone(),
    );
    let by_name = HostIndex::matching(&config.domains, config.hosts.clone());
    let streams = Arc::new(Streams::new(config.streams.clone(), by_name));
    let short_links = config.short_links.clone().map(|links| Arc::new(ShortLinks::new(links)));
    let places = Places::new(&config.domains, config.hosts.clone(), config.streams.address);
    let places = Arc::new(places);
    let feed = Feed::new(index.clone(), places.clone(), health.clone(), streams.clone())
        .with_short_links(short_links.clone());
    let settings = ArcSwap::from_pointee(settings(config));
    let via = Via::new(RandomState::default().hash_one(config.name.as_str()));
    let told = Arc::new(AtomicBool::new(false));
    let asking = Asking {
        on_miss: Arc::default(),
        connector: connector.clone(),
        index: index.clone(),
        metrics: metrics.clone(),
        domains: config.domains.clone(),
    };
    let access = open_access_log(config, &metrics)?;
    let shared = Shared {
        acme,
        access,
        index,
        on_miss: asking.on_miss.clone(),
        places,
        short_links,
        default_routes: config.default_backend.as_ref().and_then(Routes::default_of),
        told: told.clone(),
        settings,
        connector,
        common: Arc::new(Pool::new(PoolConfig::of(&config.upstream))),
        health,
        retries: RetryBudget::new(n_workers(config)),
        metrics: metrics.clone(),
        via,
        clusters: config.clusters.clone(),
        streams,
        has_profiles: AtomicBool::new(!config.inbound_mtls.is_empty()),
        drain: Drain::default(),
        stop,
    };
    Ok((Arc::new(shared), TableEnd { feed, verdicts, metrics, told, asking }))
}

fn open_access_log(
    config: &GatewayConfig,
    metrics: &Arc<GatewayMetrics>,
) -> Result<Option<AccessLog>, GatewayError> {
    let Some(log) = &config.access_log else { return Ok(None) };
    let failed = |source| GatewayError::AccessLog {
        path: log.file.clone().unwrap_or_else(|| "-".into()),
        source,
    };
    AccessLog::open(log.clone(), n_workers(config), metrics.clone()).map(Some).map_err(failed)
}

fn settings(config: &GatewayConfig) -> Settings {
    Settings {
        max_headers: config.limits.max_headers,
        max_target_bytes: config.limits.max_target_bytes,
        max_body_bytes: match config.limits.max_body_bytes {
            0 => u64::MAX,
            bytes => bytes,
        },
        max_connections_per_client: match config.limits.max_connections_per_client {
            0 => u32::MAX,
            connections => connections,
        },
        max_tries: config.upstream.max_tries,
        response_timeout: config.upstream.response_timeout,
        body_pace: Pace::of_bodies(&config.limits),
        try_timeout: config.upstream.try_timeout,
        timeout: config.upstream.timeout,
        retry_budget: config.upstream.retry_budget,
        slow_start: config.upstream.slow_start,
        trusted_proxies: config.trusted_proxies.clone(),
        acl: Acl::new(&config.acl),
        proxy_protocol: config.proxy_protocol.clone(),
        hsts: crate::proxy::redirect::hsts(config.hsts),
    }
}

fn start_workers(
    config: &GatewayConfig,
    shared: &Arc<Shared>,
) -> Result<Vec<WorkerThread>, GatewayError> {
    if config.mode.observes() {
        return Ok(Vec::new());
    }
    let random = RandomState::default();
    let start = |i| WorkerThread::start(i, random.hash_one(i), config, shared.clone());
    (0..n_workers(config)).map(start).collect()
}

fn n_workers(config: &GatewayConfig) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

impl Drop for Server {
    /// Tasks and threads end with it, also when nobody waited for them.
    fn drop(&mut self) {
        self.accepting.cancel();
        self.shared.streams.stop_listening();
        self.shared.places.stop_listening();
        self.shared.stop.cancel();
    }
}
