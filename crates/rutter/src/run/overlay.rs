//! The role `overlay`: what peers claim, ranked, and the kernel made so.
//!
//! ```text
//!  peers ◀─ exchange ─▶ feed ─▶ book: overlay/100 ─ outlet ─▶ kernel: table 100, its rules
//!               ▲                     overlay/200 ─ outlet ─▶ kernel: table 200, its rules
//!               └── own networks          │
//!                                         └─▶ API: routes, explain, how it stands
//! ```
//!
//! The role has a book of its own, as a gateway has: its tables live as long as it does. Where a fabric
//! carries its tables they stand in the fabric's book, and a prefix of another cluster leads to whichever
//! neighbour the table `fabric` names ([`through`]).
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
mod links;
mod once;
mod own;
mod peers;
mod reach;
mod rules;
mod surfaces;
mod through;
mod transit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use rutter_api::{AsksOverlay, LinksState, Metrics, OverlayState, OverlayStatus, Tables};
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_kernel::vxlan;
use rutter_overlay::{Listener, OverlayConfig, Parting, Speaker, SpeakerSpec, import, own_source};
use rutter_registry::DataDir;
use rutter_rib::Book;
use rutter_route::{ClusterId, Incarnation, Prefix};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use once::{Differs, apply, clean, compare};

use super::controller::{ends, seed};
use crate::config::{Config, raw, resolved};
use kernel::Kernel;
use links::Links;
use own::Own;
use surfaces::Surfaces;
use transit::Transit;

/// How long a goodbye and the kernel's last changes may take together.
const END: Duration = Duration::from_secs(10);

/// The role, running.
pub(crate) struct OverlayRole {
    shared: Arc<Shared>,
    /// `None`: not open yet, or observing.
    acting: Option<Acting>,
    /// What it takes to begin; `None` when it has.
    prepared: Option<Prepared>,
    surfaces: Option<Surfaces>,
    /// The end of its own book; `None`: the book is the fabric's.
    own_book: Option<OwnBook>,
}

/// To end a book, and when it has ended.
struct OwnBook {
    stop: CancellationToken,
    ended: CancellationToken,
}

/// What changes the kernel, and what is read from it.
struct Acting {
    links: Links,
    transit: Transit,
    kernel: Kernel,
    own: Own,
    /// Whether routes wait in the kernel for the next start.
    adopts: bool,
    /// Dropped, nobody asks through the overlay any more.
    _reach: DropGuard,
}

/// What waits for [`OverlayRole::open`].
struct Prepared {
    listener: Listener,
    base: Incarnation,
}

/// What the surfaces look at.
pub(super) struct Shared {
    book: BookHandle,
    /// As it was at the start.
    config: Arc<OverlayConfig>,
    /// Whether its tables stand in the fabric's book.
    in_fabric: bool,
    speaker: OnceLock<Arc<Speaker>>,
    observes: bool,
    stopping: AtomicBool,
    started: Instant,
    kernel: watch::Sender<Vec<kernel::Shown>>,
    links: OnceLock<watch::Receiver<vxlan::Status>>,
    transit: OnceLock<watch::Receiver<rutter_kernel::transit::Status>>,
}

impl OverlayRole {
    /// Makes the book, unless the fabric's has the overlay's tables (`of_fabric`), and takes the
    /// addresses.
    ///
    /// # Errors
    /// The kernel may not be changed by this user, an address is taken.
    pub(super) fn prepare(
        config: &Config,
        metrics: &Metrics,
        of_fabric: Option<BookHandle>,
    ) -> anyhow::Result<Self> {
        let overlay = config.overlay.as_ref().context("no overlay is configured")?;
        let observes = overlay.mode.observes();
        if !observes {
            check_right()?;
        }
        for remark in overlay.remarks.iter().filter(|remark| remark.kind.is_warning()) {
            tracing::warn!("{}", remark.problem.message);
        }
        // By this name path lists know the host.
        let cluster = overlay.host.node.cluster();
        let (book, own_book) = match &of_fabric {
            None => own_book(cluster, &overlay.host)?,
            Some(book) => {
                anyhow::ensure!(
                    cluster == config.cluster,
                    "a fabric carries the overlay, so both know this host by one name: the overlay's \
                     is {cluster}, and `cluster` is {}",
                    config.cluster
                );
                (book.clone(), None)
            }
        };
        // It rises with the wall's clock, and a book lives as long as its process.
        let base = Incarnation(SystemClock.now().wall.0);
        let at = overlay.host.exchange.listen;
        let listener = Listener::bind(at)
            .with_context(|| format!("the overlay's exchange can't listen on {at}"))?;
        let shared = Arc::new(Shared {
            book,
            config: Arc::new(overlay.host.clone()),
            in_fabric: of_fabric.is_some(),
            speaker: OnceLock::new(),
            observes,
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            kernel: watch::Sender::new(Vec::new()),
            links: OnceLock::new(),
            transit: OnceLock::new(),
        });
        metrics.add(Box::new(figures::Figures(shared.clone())));
        let surfaces = Surfaces::bind(&overlay.host.observe)?;
        Ok(Self {
            shared,
            acting: None,
            prepared: Some(Prepared { listener, base }),
            surfaces: Some(surfaces),
            own_book,
        })
    }

    /// The book that its tables are in, if that is its own.
    pub(super) fn own_book(&self) -> Option<&BookHandle> {
        self.own_book.as_ref().map(|_| &self.shared.book)
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
        let Prepared { listener, base } = prepared;
        let address = listener.address();
        match shared.observes {
            true => {
                kernel::observe(&shared.book, &config.host, metrics).await?;
                shared.speak(config, base, listener, ended).await?;
            }
            false => self.acting = Some(shared.act(config, dir, (listener, base), ended).await?),
        }
        tracing::info!(listen = %address, node = %config.host.node, "the overlay runs");
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
        if let Some(speaker) = shared.speaker.get() {
            let reloaded = speaker.reload(to.host.clone()).await?;
            for what in reloaded.kept {
                tracing::warn!("{what} changed in the file: that needs a restart");
            }
        }
        if let Some(acting) = &mut self.acting {
            acting.own.reload(&to.host)?;
            acting.transit.reload(&to.host)?;
            acting.kernel.reload(to, &shared.book, dir, ended).await?;
            shared.kernel.send_replace(acting.kernel.shown());
        }
        Ok(())
    }

    /// Routes that wait in the kernel for the next start go on forwarding: peers keep their ways here
    /// as long as what they told could stand.
    fn parting(&self) -> Parting {
        match &self.acting {
            Some(acting) if acting.adopts => {
                let leases = self.shared.config.overlays.values().map(|o| o.install.lease);
                Parting::Restart(leases.max().unwrap_or_default())
            }
            _ => Parting::Goodbye,
        }
    }

    /// Says goodbye, then lets the kernel's routes go as is configured.
    pub(super) async fn shutdown(mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let ended = tokio::time::timeout(END, async {
            if let Some(speaker) = self.shared.speaker.get() {
                speaker.end(self.parting()).await;
            }
            if let Some(acting) = self.acting.take() {
                acting.kernel.shutdown().await;
                acting.transit.shutdown().await;
                acting.links.shutdown().await;
            }
        });
        if ended.await.is_err() {
            tracing::error!("the overlay didn't end in {END:?}: routes may be left in the kernel");
        }
        if let Some(surfaces) = self.surfaces.take() {
            surfaces.shutdown().await;
        }
        if let Some(book) = self.own_book {
            book.stop.cancel();
            book.ended.cancelled().await;
        }
    }
}

impl Shared {
    /// Begins to speak with peers.
    async fn speak(
        &self,
        config: &resolved::Overlay,
        base: Incarnation,
        listener: Listener,
        ended: &CancellationToken,
    ) -> anyhow::Result<Arc<Speaker>> {
        let spec = SpeakerSpec {
            silent: self.observes,
            failed: ended.clone(),
            ..SpeakerSpec::new(config.host.clone(), base)
        };
        let speaker = Arc::new(Speaker::start(spec, self.book.clone(), listener).await?);
        // Opened once.
        let _first = self.speaker.set(speaker.clone());
        Ok(speaker)
    }

    /// Begins to change the kernel: first the links, which routes lead over, and what peers tell
    /// when it can be done.
    async fn act(
        &self,
        config: &resolved::Overlay,
        dir: Option<&DataDir>,
        (listener, base): (Listener, Incarnation),
        ended: &CancellationToken,
    ) -> anyhow::Result<Acting> {
        let links = Links::start(config, ended)?;
        once::set(config)?;
        let transit = Transit::start(config, ended)?;
        let hops = match self.in_fabric {
            true => Some(through::start(&self.book).await?),
            false => None,
        };
        let kernel = Kernel::start(config, &self.book, hops, dir, ended).await?;
        // Before peers send what it must not forward.
        transit.settles().await;
        let speaker = self.speak(config, base, listener, ended).await?;
        let own = Own::start(config, speaker.clone(), ended)?;
        let reach = CancellationToken::new();
        let started = reach::start(speaker.clone(), self.book.clone(), seed(), reach.clone()).await;
        started.context("the probe through the overlay")?;
        let (whole, wanted) = (CancellationToken::new(), links.wanted());
        tokio::spawn(peers::and_fabric(whole.clone(), self.in_fabric, kernel.whole()));
        tokio::spawn(peers::become_whole(speaker.clone(), whole.clone()));
        tokio::spawn(peers::flood_to_the_well(speaker, whole, wanted));
        // Opened once.
        let _first = (self.links.set(links.status()), self.transit.set(transit.status()));
        self.kernel.send_replace(kernel.shown());
        let adopts = config.at_end == raw::AtEnd::Adopt;
        Ok(Acting { links, transit, kernel, own, adopts, _reach: reach.drop_guard() })
    }

    fn config(&self) -> Arc<OverlayConfig> {
        self.speaker.get().map_or_else(|| self.config.clone(), |speaker| speaker.config())
    }

    /// How it stands now. A book that is closed is one whose program is ending: it shows nothing.
    async fn status(&self) -> OverlayStatus {
        let kernels = self.kernel.borrow().clone();
        let announced = self.speaker.get().map(|s| s.announced().borrow().clone());
        let announced = announced.unwrap_or_default();
        let config = self.config();
        let links = self.links.get().map(|status| status.borrow().clone());
        let transit = self.transit.get().map(|status| status.borrow().clone());
        let mut overlays = Vec::new();
        for (vni, overlay) in &config.overlays {
            let table = vni.table();
            let name = table.clone();
            let counts = self.book.read(move |book, _| {
                let table = book.table::<Prefix>(&name)?;
                Some((table.counts(), table.routes_of(&own_source())))
            });
            let (counts, n_own) = counts.await.ok().flatten().unwrap_or_default();
            let within = [*vni].into();
            overlays.push(OverlayState {
                vni: vni.get(),
                table: table.to_string(),
                bridge: overlay.bridge.name.to_string(),
                vxlan: overlay.vxlan.name.to_string(),
                announced: announced.within(&within).count(),
                destinations: counts.destinations.saturating_sub(n_own),
                routes: counts.routes.saturating_sub(n_own),
                kernel: kernels.iter().find(|shown| shown.vni == *vni).map(kernel::Shown::state),
                mtu: links.as_ref().and_then(|links| links.mtus.get(&vni.get()).copied()),
                link_problem: links.as_ref().and_then(|l| l.errors.get(&vni.get()).cloned()),
                link_remark: links.as_ref().and_then(|l| l.remarks.get(&vni.get()).cloned()),
            });
        }
        OverlayStatus {
            node: config.node.to_string(),
            observes: self.observes,
            stopping: self.stopping.load(Ordering::Relaxed),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            overlays,
            peers: peers::standings(self).await,
            links: links.map(links_state),
            transit: transit.map(|status| transit::state(&config, &status)),
        }
    }
}

/// A book of the overlay's tables alone.
fn own_book(
    cluster: ClusterId,
    host: &OverlayConfig,
) -> anyhow::Result<(BookHandle, Option<OwnBook>)> {
    let (seed, now) = (seed(), SystemClock.now());
    let book = Book::new(cluster, import::tables(host), Vec::new(), Vec::new(), now, seed)?;
    let stop = CancellationToken::new();
    let (book, owner) = rutter_book::spawn(book, SystemClock, seed, stop.clone());
    Ok((book, Some(OwnBook { stop, ended: ends(owner) })))
}

/// Fails unless this process may change the kernel's networking, and says what to do.
fn check_right() -> anyhow::Result<()> {
    anyhow::ensure!(
        rutter_kernel::abilities()?.may_change,
        "the overlay changes links, routes and rules, which needs CAP_NET_ADMIN: run it as root, or \
         let systemd give it (`AmbientCapabilities=CAP_NET_ADMIN`), or look on without it \
         (`--observe`)"
    );
    Ok(())
}

fn links_state(status: vxlan::Status) -> LinksState {
    let problems = status.bridge_errors.iter().map(|(bridge, why)| format!("{bridge}: {why}"));
    LinksState {
        settled: status.settled,
        vxlans: status.n_vxlans,
        bridges: status.n_bridges,
        flooded_to: status.n_flood,
        drift: status.n_drift,
        problems: problems.collect(),
        failed: status.failed,
    }
}
