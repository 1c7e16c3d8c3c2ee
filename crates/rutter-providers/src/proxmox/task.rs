//! The tasks that follow clusters, and what files' routes are told by them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use rutter_yaml::Problem;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::godoxy::config::ProxmoxAt;
use crate::godoxy::is_this_host;
use crate::{Enriches, Reading, Refused, Route, Target};

use super::api::{Api, place};
use super::dial::try_door;
use super::index::{Cluster, Index};
use super::inventory::Inventory;
use super::reach::Reach;
use super::watching::Watching;
use super::{ProxmoxError, map};

/// The time from one look at a cluster to the next, as in the original.
pub const INTERVAL: Duration = Duration::from_secs(3);

/// How soon doors that were asked for are tried.
const SOON: Duration = Duration::from_millis(200);

/// After how many changes a door that nobody asked for is forgotten. Files are told again after
/// each, some changes at a time.
const FORGOTTEN_AFTER: u64 = 16;

/// How long the first look may take before routes are told without it.
const FIRST: Duration = Duration::from_secs(5);

/// How many guests are tried at once.
const TRIED_AT_ONCE: usize = 64;

/// The Proxmox clusters of a set-up.
#[derive(Debug)]
pub struct Proxmox {
    index: ArcSwap<Index>,
    /// Held while the index is made anew, so that of two clusters none is lost.
    clusters: Mutex<Vec<Cluster>>,
    reach: Mutex<Reach>,
    /// The gateway's own ports: a route to one of them on this host leads round in a circle.
    reserved_ports: Vec<u16>,
    changes: watch::Sender<u64>,
}

impl Proxmox {
    /// Starts to follow clusters, in the order in which they are taken, until it is stopped.
    /// Returns when each has been asked once, or after 5 s: one that can't be asked is asked
    /// again, and routes that are written to belong to it are unresolved until then.
    ///
    /// # Errors
    /// An address is none, or TLS can't be set up: nothing is followed.
    pub async fn start(
        at: Vec<ProxmoxAt>,
        reserved_ports: Vec<u16>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, ProxmoxError> {
        Self::start_every(INTERVAL, at, reserved_ports, stop).await
    }

    /// Starts as [`Self::start`] does, with another time from one look at a cluster to the next.
    ///
    /// # Errors
    /// As there.
    pub async fn start_every(
        interval: Duration,
        at: Vec<ProxmoxAt>,
        reserved_ports: Vec<u16>,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, ProxmoxError> {
        let (mut clusters, mut watched) = (Vec::new(), Vec::new());
        for at in at {
            let (host, port) = place(&at.url)?;
            clusters.push(Cluster { host, port, inventory: None });
            watched.push(Watching::of(Api::open(at).await?));
        }
        let proxmox = Arc::new(Self {
            index: ArcSwap::from_pointee(Index::of(clusters.clone())),
            clusters: Mutex::new(clusters),
            reach: Mutex::default(),
            reserved_ports,
            changes: watch::Sender::new(0),
        });
        let (asked, mut all_asked) = tokio::sync::mpsc::channel::<()>(1);
        for (n, watching) in watched.into_iter().enumerate() {
            let following = proxmox.clone().follow(n, watching, interval, asked.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(following));
        }
        drop(asked);
        tokio::spawn(stop.run_until_cancelled_owned(proxmox.clone().try_doors(interval)));
        // Each task drops its end after its first look; then nothing can come any more.
        let _ = timeout(FIRST, all_asked.recv()).await;
        Ok(proxmox)
    }

    /// Follows one cluster. `first` is dropped after the first look.
    async fn follow(
        self: Arc<Self>,
        n: usize,
        mut watching: Watching,
        interval: Duration,
        first: tokio::sync::mpsc::Sender<()>,
    ) {
        let mut first = Some(first);
        let mut said = String::new();
        let mut looks = tokio::time::interval(interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match watching.look().await {
                Ok(inventory) => {
                    said.clear();
                    self.has(n, inventory);
                }
                Err(error) => {
                    let why = error.to_string();
                    if why != said {
                        tracing::warn!(cluster = n, %why, "a Proxmox cluster can't be asked");
                    }
                    said = why;
                }
            }
            drop(first.take());
        }
    }

    /// A cluster has that now.
    fn has(&self, n: usize, inventory: Inventory) {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cluster) = clusters.get_mut(n) else { return };
        if cluster.inventory.as_deref() == Some(&inventory) {
            return;
        }
        cluster.inventory = Some(Arc::new(inventory));
        self.index.store(Arc::new(Index::of(clusters.clone())));
        drop(clusters);
        self.changed();
    }

    fn changed(&self) {
        let mut change = 0;
        self.changes.send_modify(|number| {
            *number += 1;
            change = *number;
        });
        self.reach().forget_before(change.saturating_sub(FORGOTTEN_AFTER));
    }

    fn reach(&self) -> std::sync::MutexGuard<'_, Reach> {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries the doors that are asked for; those at which nobody answers as often as clusters are
    /// looked at.
    async fn try_doors(self: Arc<Self>, interval: Duration) {
        let mut rounds = tokio::time::interval(SOON);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            rounds.tick().await;
            let again = last.elapsed() >= interval;
            if again {
                last = Instant::now();
            }
            let to_try = self.reach().to_try(again);
            let tried = futures_util::stream::iter(to_try).map(try_door);
            let mut tried = tried.buffer_unordered(TRIED_AT_ONCE);
            let mut is_news = false;
            while let Some((door, addresses, answers)) = tried.next().await {
                is_news |= self.reach().tried(door, &addresses, answers);
            }
            if is_news {
                self.changed();
            }
        }
    }
}

impl Enriches for Proxmox {
    fn enrich(&self, reading: &mut Reading) {
        let index = self.index.load_full();
        let change = *self.changes.borrow();
        let mut reach = self.reach();
        for route in reading.routes.iter_mut().filter(|route| route.container.is_none()) {
            let remark = map::apply(route, &index, &mut reach, change);
            reading.remarks.extend(remark);
        }
        drop(reach);
        self.refuse_circles(reading);
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Proxmox {
    /// Refuses routes that lead to the gateway itself. A file's reader leaves that to us, since
    /// what leads to this host may belong to a guest.
    fn refuse_circles(&self, reading: &mut Reading) {
        let (round, others) = std::mem::take(&mut reading.routes)
            .into_iter()
            .partition(|route| self.is_circle(route));
        reading.routes = others;
        let round: Vec<Route> = round;
        reading.refused.extend(round.into_iter().map(|route| {
            let port = match &route.target {
                Target::Http { port, .. } | Target::Tcp { port, .. } | Target::Udp { port, .. } => {
                    *port
                }
                Target::Files { .. } => 0,
            };
            let message = format!("localhost:{port} is reserved for Rutter");
            let path = vec![route.name.clone(), "port".to_owned()];
            Refused {
                places: route.places(),
                group: route.balance.as_ref().and_then(|balance| balance.group()),
                problems: vec![Problem::at_path(path, message)],
                name: route.name,
                container: route.container,
            }
        }));
    }

    fn is_circle(&self, route: &Route) -> bool {
        match &route.target {
            Target::Http { host, port, .. } | Target::Tcp { host, port, .. } => {
                is_this_host(host)
                    && route.unresolved.is_none()
                    && self.reserved_ports.contains(port)
            }
            Target::Udp { .. } | Target::Files { .. } => false,
        }
    }
}
