//! Networks of hosts on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rutter_rib::{OutletSpec, Tell};
use rutter_route::Prefix;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::testing::*;
use crate::{OverlayConfig, PeerName};

/// Host `n` with these peers: its network is `172.16.<n>.0/24`, its address `10.100.0.<n>`.
/// `more` is further lines of its file.
pub(super) fn host(n: u8, peers: &[u8], more: &str) -> OverlayConfig {
    let peers: String = peers
        .iter()
        .map(|peer| format!("  - {{id: h{peer}, endpoint: {{address: 127.0.0.1}}}}\n"))
        .collect();
    read(&format!(
        "version: 2
node: {{id: h{n}}}
overlays:
  - vni: 100
    name: vx100
    bridge: {{name: br100, ipv4: 10.100.0.{n}/24}}
    routing:
      export: {{networks: [172.16.{n}.0/24]}}
      import: {{accept_all: true, install: {{flush_on_peer_down: true}}}}
rutter: {{insecure: true}}
{more}
peers:
{peers}"
    ))
}

/// Starts these, each of which knows where the others are.
pub(super) async fn start<const N: usize>(configs: [OverlayConfig; N]) -> [Given; N] {
    let mut bound = Vec::new();
    for config in configs {
        bound.push((config, listener()));
    }
    let places: Vec<(PeerName, SocketAddr)> =
        bound.iter().map(|(config, at)| (config.node.clone(), at.address())).collect();
    let mut hosts = Vec::new();
    for (config, listener) in bound {
        hosts.push(Given::start_among(config, listener, &places).await);
    }
    hosts.try_into().ok().unwrap()
}

/// The best way to host `n`'s network, by host `by`, as [`Given::routes`] writes it.
pub(super) fn way(by: u8, metric: u32) -> String {
    format!("peer/h{by} via 10.100.0.{by} metric {metric}")
}

pub(super) fn network(n: u8) -> String {
    format!("172.16.{n}.0/24")
}

/// Listens to a sink's words about a network, in overlay 100.
pub(super) async fn watch_for_gap(given: &Given, to: &str) -> Watched {
    let outlet = OutletSpec::best("watch");
    let told = given.book.subscribe::<Prefix>(vni(100).table(), outlet).await;
    let (mut told, to) = (told.unwrap().unwrap(), prefix(to));
    let gap = Arc::new(AtomicBool::new(false));
    let seen = gap.clone();
    let task = tokio::spawn(async move {
        while let Some(batch) = told.next().await {
            let gone = |tell: &Tell<_>| matches!(tell, Tell::Withdraw { destination, .. } if *destination == to);
            if batch.tells.iter().any(gone) {
                seen.store(true, Ordering::Relaxed);
            }
        }
    });
    Watched { gap, _task: AbortOnDropHandle::new(task) }
}

pub(super) struct Watched {
    gap: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl Watched {
    /// Whether it was withdrawn so far.
    pub(super) fn gap(&self) -> bool {
        self.gap.load(Ordering::Relaxed)
    }
}

/// A cable that can hang: what is sent over it is neither refused nor answered, as when a host loses
/// its power.
pub(super) struct Cable {
    pub(super) address: SocketAddr,
    hangs: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Cable {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (hangs, watched) = watch::channel(false);
        let task = tokio::spawn(async move {
            // Dropped with the task, and the connections with it.
            let mut carried = JoinSet::new();
            while let Ok((near, _)) = socket.accept().await {
                let mut watched = watched.clone();
                carried.spawn(async move {
                    if watched.wait_for(|hangs| !hangs).await.is_err() {
                        return;
                    }
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    carry(near, far, watched).await;
                });
            }
        });
        Self { address, hangs, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut hangs: watch::Receiver<bool>) {
    loop {
        if hangs.wait_for(|hangs| !hangs).await.is_err() {
            return;
        }
        tokio::select! {
            // However it ended, both ends see it.
            _ended = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            changed = hangs.changed() => if changed.is_err() { return },
        }
    }
}
