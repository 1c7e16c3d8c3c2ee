//! Prefixes of other clusters: where the kernel sends what is for them.
//!
//! ```text
//!   overlay/100:  172.16.10.0/24 via cluster:a ─┐
//!                                               ├─▶ table 100 of the kernel: 172.16.10.0/24 via 10.0.1.2
//!   fabric:       a by neighbour/b via 10.0.1.2 ┘
//! ```
//!
//! A prefix that a neighbour told of has its originating cluster for a next hop, and which neighbour
//! leads there is the word of the table `fabric`: its best route to that cluster, whose next hop is the
//! neighbour's address. When that moves, all prefixes of the cluster move: they are wanted anew, and
//! where next-hop objects are used that is one message to the kernel.
//!
//! A cluster whose best has no address for a next hop (the neighbour's `next_hop` isn't configured) is
//! no next hop of the kernel's, and `explain` says so of each of its prefixes.
//!
//! Rejected: to write the address into the prefix's own route. Each move of the fabric would be a new
//! claim of every prefix, told on to every neighbour.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use rutter_book::{BookHandle, Subscription};
use rutter_kernel::{ByAddress, Hop, Map, Wanted};
use rutter_rib::{Batch, OutletSpec, Tell, ToldRoute};
use rutter_route::{ClusterId, NextHop, Prefix};
use tokio::sync::watch;

/// The table of clusters.
const FABRIC: &str = "fabric";

/// Where each cluster is reached at this moment.
#[derive(Debug, Clone)]
pub(super) struct Through {
    at: watch::Receiver<Arc<At>>,
    moves: watch::Receiver<u64>,
}

/// By cluster, the address of the neighbour that leads there.
type At = BTreeMap<ClusterId, IpAddr>;

/// What the kernel's tables are made by; without a fabric no cluster is reached.
#[derive(Debug, Clone)]
pub(super) struct Hops(pub(super) Option<Through>);

/// Follows the table `fabric` until the book ends. What it says at first is known on return.
///
/// # Errors
/// There is no such table.
pub(super) async fn start(book: &BookHandle) -> anyhow::Result<Through> {
    let told = book.subscribe::<ClusterId>(FABRIC.parse()?, OutletSpec::best("kernel")).await?;
    let mut told = told.context("the book has no table `fabric`")?;
    let mut known = Known::default();
    while let Some(batch) = told.next().await {
        let ended = batch.end_of_snapshot;
        known.take(batch);
        if ended {
            break;
        }
    }
    let (now, at) = watch::channel(Arc::new(known.at.clone()));
    let (moved, moves) = watch::channel(0);
    tokio::spawn(follow(told, known, now, moved));
    Ok(Through { at, moves })
}

async fn follow(
    mut told: Subscription<ClusterId>,
    mut known: Known,
    now: watch::Sender<Arc<At>>,
    moved: watch::Sender<u64>,
) {
    while let Some(batch) = told.next().await {
        if known.take(batch) {
            // First where they are, then that they have moved.
            now.send_replace(Arc::new(known.at.clone()));
            moved.send_modify(|n| *n += 1);
        }
    }
}

/// What the fabric has told.
#[derive(Debug, Default)]
struct Known {
    at: At,
    /// During a snapshot: what it has mentioned.
    mentioned: Option<HashSet<ClusterId>>,
}

impl Known {
    /// Whether anything is reached elsewhere than before.
    fn take(&mut self, batch: Batch<ClusterId>) -> bool {
        let mut moved = false;
        if batch.begin_snapshot {
            self.mentioned = Some(HashSet::new());
        }
        for tell in batch.tells {
            let (cluster, address) = match tell {
                Tell::Advertise { destination, routes, .. } => (destination, address(&routes)),
                Tell::Withdraw { destination, .. } => (destination, None),
            };
            if let Some(mentioned) = &mut self.mentioned {
                mentioned.insert(cluster.clone());
            }
            let before = match address {
                Some(address) => self.at.insert(cluster, address),
                None => self.at.remove(&cluster),
            };
            moved |= before != address;
        }
        if batch.end_of_snapshot
            && let Some(mentioned) = self.mentioned.take()
        {
            let before = self.at.len();
            self.at.retain(|cluster, _| mentioned.contains(cluster));
            moved |= before != self.at.len();
        }
        moved
    }
}

fn address(routes: &[ToldRoute]) -> Option<IpAddr> {
    match routes.first()?.attributes.next_hop {
        NextHop::Address(address) => Some(address),
        _ => None,
    }
}

impl Map for Hops {
    fn wanted(&self, prefix: &Prefix, routes: &[ToldRoute]) -> Result<Wanted, String> {
        let of_clusters =
            |route: &ToldRoute| matches!(route.attributes.next_hop, NextHop::Cluster(_));
        let Some(through) = self.0.as_ref().filter(|_| routes.iter().any(of_clusters)) else {
            return ByAddress.wanted(prefix, routes);
        };
        let at = through.at.borrow().clone();
        let mut routes = routes.to_vec();
        for route in &mut routes {
            let hop = &mut route.attributes.next_hop;
            if let NextHop::Cluster(cluster) = hop
                && let Some(address) = at.get(cluster)
            {
                *hop = NextHop::Address(*address);
            }
        }
        match routes.first().map(|best| &best.attributes.next_hop) {
            Some(NextHop::Cluster(cluster)) => {
                Err(format!("`{FABRIC}` has no address to the cluster {cluster}"))
            }
            _ => ByAddress.wanted(prefix, &routes),
        }
    }

    fn next_hop(&self, hop: &Hop) -> Option<NextHop> {
        ByAddress.next_hop(hop)
    }

    fn moves(&self) -> Option<watch::Receiver<u64>> {
        self.0.as_ref().map(|through| through.moves.clone())
    }
}

#[cfg(test)]
mod tests;
