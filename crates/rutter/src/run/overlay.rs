//! The role `overlay`: what peers claim, ranked, and the kernel made so.
//!
//! ```text
//!  peers ◀─ exchange ─▶ feed ─▶ book: overlay/100 ─ outlet ─▶ kernel: table 100, its rules
//!               ▲                     overlay/200 ─ outlet ─▶ kernel: table 200, its rules
//!               └── own networks          │
//!                                         └─▶ API: routes, explain, how it stands
//! ```
//!
//! The role has a book of its own, as a gateway has: its tables live as long as it does.
//!
//! In two steps, as all that listens: [`OverlayRole::prepare`] takes the addresses and makes the
//! book, so that a port that is taken is told before anything is done; [`OverlayRole::open`] begins.
//! At the end it runs backwards: the peers hear a goodbye while the kernel still forwards what they
//! sent before they heard it, and only then the kernel's routes go.
//!
//! With `mode: observe` nothing is announced and the kernel isn't touched; what would be done is
//! logged ([`observe`](super::observe)).

mod figures;
mod kernel;
mod peers;
mod rights;
mod rules;
mod surfaces;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rutter_api::{AsksOverlay, Metrics, OverlayState, OverlayStatus, Tables};
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_overlay::compat::nnetman::{Host, Listener};
use rutter_overlay::feed::Feed;
use rutter_overlay::{Announced, OverlayConfig, import};
use rutter_registry::DataDir;
use rutter_rib::Book;
use rutter_route::{Incarnation, Prefix};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::controller::{ends, seed};
use crate::config::{Config, resolved};
use kernel::Kernel;
use peers::Exchange;
use surfaces::Surfaces;

/// How long a goodbye and the kernel's last changes may take together.
const END: Duration = Duration::from_secs(10);

/// The role, running.
pub(crate) struct OverlayRole {
    shared: Arc<Shared>,
    /// `None`: not open yet, or observing.
    kernel: Option<Kernel>,
    exchange: Option<Exchange>,
    /// What it takes to begin; `None` when it has.
    prepared: Option<Prepared>,
    surfaces: Option<Surfaces>,
    stop_book: CancellationToken,
    book_ended: CancellationToken,
}

/// What waits for [`OverlayRole::open`].
struct Prepared {
    listener: Listener,
}

/// What the surfaces look at.
pub(super) struct Shared {
    book: BookHandle,
    feed: Feed,
    host: Host,
    announce: watch::Sender<Arc<Announced>>,
    observes: bool,
    stopping: AtomicBool,
    started: Instant,
    kernel: watch::Sender<Vec<kernel::Shown>>,
    standings: watch::Sender<Option<peers::Standings>>,
}

impl OverlayRole {
    /// Makes the book and takes the addresses.
    ///
    /// # Errors
    /// The kernel may not be changed by this user, an address is taken.
    pub(super) fn prepare(config: &Config, metrics: &Metrics) -> anyhow::Result<Self> {
        let overlay = config.overlay.as_ref().context("no overlay is configured")?;
        let observes = overlay.mode.observes();
        if !observes {
            rights::check()?;
        }
        for remark in overlay.remarks.iter().filter(|remark| remark.kind.is_warning()) {
            tracing::warn!("{}", remark.problem.message);
        }
        let seed = seed();
        let now = SystemClock.now();
        let tables = import::tables(&overlay.host);
        let book = Book::new(config.cluster.clone(), tables, Vec::new(), Vec::new(), now, seed)?;
        let stop_book = CancellationToken::new();
        let (book, owner) = rutter_book::spawn(book, SystemClock, seed, stop_book.clone());
        // It rises with the wall's clock, and a book lives as long as its process.
        let feed = Feed::new(book.clone(), Incarnation(now.wall.0));
        let announced = Arc::new(match observes {
            true => Announced::default(),
            false => Announced::of(&overlay.host),
        });
        let (announce, announced) = watch::channel(announced);
        let host = Host::new(overlay.host.clone(), book.clone(), feed.clone(), announced);
        let at = overlay.host.exchange.listen;
        let listener = Listener::bind(at)
            .with_context(|| format!("the overlay's exchange can't listen on {at}"))?;
        let shared = Arc::new(Shared {
            book,
            feed,
            host,
            announce,
            observes,
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            kernel: watch::Sender::new(Vec::new()),
            standings: watch::Sender::new(None),
        });
        metrics.add(Box::new(figures::Figures(shared.clone())));
        let surfaces = Surfaces::bind(&overlay.host.observe)?;
        Ok(Self {
            shared,
            kernel: None,
            exchange: None,
            prepared: Some(Prepared { listener }),
            surfaces: Some(surfaces),
            stop_book,
            book_ended: ends(owner),
        })
    }

    pub(super) fn book(&self) -> &BookHandle {
        &self.shared.book
    }

    /// What gathers how it stands.
    pub(super) fn asks(&self) -> AsksOverlay {
        let shared = self.shared.clone();
        Arc::new(move || {
            let shared = shared.clone();
            Box::pin(async move { shared.status().await })
        })
    }

    /// Begins: the kernel's tables, then the exchange. `ended` is cancelled when a part ends that
    /// nobody stopped.
    ///
    /// # Errors
    /// The kernel can't be asked, certificates that can't be used.
    pub(super) async fn open(
        &mut self,
        config: &resolved::Overlay,
        dir: Option<&DataDir>,
        metrics: &Metrics,
        ended: &CancellationToken,
    ) -> anyhow::Result<()> {
        let prepared = self.prepared.take().context("the overlay runs already")?;
        let shared = &self.shared;
        match shared.observes {
            true => kernel::observe(&shared.book, &config.host, metrics).await?,
            false => {
                let kernel = Kernel::start(config, &shared.book, dir, ended).await?;
                shared.kernel.send_replace(kernel.shown());
                self.kernel = Some(kernel);
            }
        }
        let exchange = Exchange::start(&shared.host, prepared.listener, ended)?;
        shared.standings.send_replace(Some(exchange.standings()));
        if let Some(kernel) = &self.kernel {
            let (standings, whole) = (exchange.standings(), kernel.whole());
            tokio::spawn(peers::become_whole(config.host.clone(), standings, whole));
        }
        tracing::info!(listen = %exchange.address(), node = %config.host.node, "the overlay runs");
        self.exchange = Some(exchange);
        let mut tables = Tables::default();
        tables.add(None, shared.book.clone()).await?;
        let asks = self.asks();
        if let Some(surfaces) = &mut self.surfaces {
            surfaces.serve(asks, metrics, tables);
        }
        Ok(())
    }

    /// Goes on by another configuration: what is announced, what is taken, and where that matters to
    /// the kernel, its rules.
    ///
    /// # Errors
    /// A policy that makes no sense, a kernel that can't be asked.
    pub(super) async fn reload(
        &mut self,
        to: &resolved::Overlay,
        dir: Option<&DataDir>,
        ended: &CancellationToken,
    ) -> anyhow::Result<()> {
        let shared = self.shared.clone();
        for table in import::tables(&to.host) {
            let set =
                shared.book.apply(move |book, now| book.set_policy(now, &table.name, table.policy));
            set.await??;
        }
        if !shared.observes {
            shared.announce.send_replace(Arc::new(Announced::of(&to.host)));
        }
        if let Some(kernel) = &mut self.kernel {
            kernel.reload(to, &shared.book, dir, ended).await?;
            shared.kernel.send_replace(kernel.shown());
        }
        Ok(())
    }

    /// Says goodbye, then lets the kernel's routes go as is configured.
    pub(super) async fn shutdown(mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let ended = tokio::time::timeout(END, async {
            if let Some(exchange) = self.exchange.take() {
                exchange.shutdown().await;
            }
            if let Some(kernel) = self.kernel.take() {
                kernel.shutdown().await;
            }
        });
        if ended.await.is_err() {
            tracing::error!("the overlay didn't end in {END:?}: routes may be left in the kernel");
        }
        if let Some(surfaces) = self.surfaces.take() {
            surfaces.shutdown().await;
        }
        self.stop_book.cancel();
        self.book_ended.cancelled().await;
    }
}

impl Shared {
    fn config(&self) -> &OverlayConfig {
        self.host.config()
    }

    /// How it stands now. A book that is closed is one whose program is ending: it shows nothing.
    async fn status(&self) -> OverlayStatus {
        let kernels = self.kernel.borrow().clone();
        let announced = self.announce.borrow().clone();
        let mut overlays = Vec::new();
        for (vni, overlay) in &self.config().overlays {
            let table = vni.table();
            let name = table.clone();
            let counts =
                self.book.read(move |book, _| book.table::<Prefix>(&name).map(|t| t.counts()));
            let counts = counts.await.ok().flatten().unwrap_or_default();
            let within = [*vni].into();
            overlays.push(OverlayState {
                vni: vni.get(),
                table: table.to_string(),
                bridge: overlay.bridge.name.to_string(),
                vxlan: overlay.vxlan.name.to_string(),
                announced: announced.within(&within).count(),
                destinations: counts.destinations,
                routes: counts.routes,
                kernel: kernels.iter().find(|shown| shown.vni == *vni).map(kernel::Shown::state),
                links: None,
            });
        }
        OverlayStatus {
            node: self.config().node.to_string(),
            observes: self.observes,
            stopping: self.stopping.load(Ordering::Relaxed),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            overlays,
            peers: peers::standings(self).await,
        }
    }
}
