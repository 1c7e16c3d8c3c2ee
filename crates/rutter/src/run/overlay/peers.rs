//! The exchange with peers.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rutter_api::{PeerLife, PeerStanding};
use rutter_kernel::vxlan::LinksSpec;
use rutter_overlay::OverlayConfig;
use rutter_overlay::compat::nnetman::{self, Host, Listener};
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Shared, links};

pub(super) use rutter_overlay::compat::nnetman::Standings;

/// The exchange, running.
pub(super) struct Exchange {
    address: SocketAddr,
    standings: Standings,
    /// Ends the talks, which say goodbye.
    stop_talks: CancellationToken,
    talks: JoinHandle<()>,
    stop_serving: CancellationToken,
    serving: JoinHandle<()>,
}

impl Exchange {
    /// Begins to serve and to call.
    ///
    /// # Errors
    /// Certificates that can't be used.
    pub(super) fn start(
        host: &Host,
        listener: Listener,
        ended: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let config = host.config();
        let port = config.exchange.listen.port();
        let peers = config.peers.iter();
        let peers = peers.map(|peer| (peer.clone(), SocketAddr::new(peer.address, port))).collect();
        let (stop_talks, stop_serving) = (CancellationToken::new(), CancellationToken::new());
        let (standings, talks) = nnetman::talk(host, peers, &stop_talks)?;
        let address = listener.address();
        let served = listener.serve(host.clone(), stop_serving.clone());
        let ended = ended.clone();
        let serving = tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the overlay's exchange has ended");
                ended.cancel();
            }
        });
        let talks = tokio::spawn(talks);
        Ok(Self { address, standings, stop_talks, talks, stop_serving, serving })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn standings(&self) -> Standings {
        self.standings.clone()
    }

    /// Says goodbye to each peer, then serves no more.
    pub(super) async fn shutdown(self) {
        self.stop_talks.cancel();
        if let Err(error) = self.talks.await {
            tracing::error!(%error, "the goodbye to peers");
        }
        self.stop_serving.cancel();
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the overlay's exchange");
        }
    }
}

/// Waits until each peer is there and has told what it has, but no longer than what a process before
/// this one had learned could stand, its lease; then says so. Whoever is away at a restart keeps its
/// routes that long, and all others' are exchanged without a gap.
pub(super) async fn become_whole(
    config: OverlayConfig,
    standings: Standings,
    whole: CancellationToken,
) {
    let leases = config.overlays.values().map(|overlay| overlay.install.lease);
    let bound = leases.max().unwrap_or_default();
    let all_there = async {
        for peer in &config.peers {
            // What it tells comes with its first answer, and what it announces right after it.
            if standings.wait(&peer.name, true).await {
                tokio::time::sleep(peer.timers_of_original.keepalive).await;
            }
        }
    };
    if tokio::time::timeout(bound, all_there).await.is_err() {
        tracing::info!(?bound, "not all peers are there: what they told a process before goes");
    }
    whole.cancel();
}

/// Has frames for everybody go to the peers that are well, once it is known who is (`whole`), until
/// nobody wants them any more.
pub(super) async fn flood_to_the_well(
    config: OverlayConfig,
    standings: Standings,
    whole: CancellationToken,
    wanted: watch::Sender<LinksSpec>,
) {
    whole.cancelled().await;
    let away = Arc::new(Mutex::new(BTreeSet::new()));
    let config = Arc::new(config);
    for peer in &config.peers {
        let (config, standings, name) = (config.clone(), standings.clone(), peer.name.clone());
        let (away, wanted) = (away.clone(), wanted.clone());
        tokio::spawn(async move {
            let mut there = standings.is_there(&name).unwrap_or_default();
            loop {
                let spec = {
                    let mut away = away.lock().unwrap_or_else(PoisonError::into_inner);
                    match there {
                        true => away.remove(&name),
                        false => away.insert(name.clone()),
                    };
                    links::spec(&config, &away)
                };
                match spec {
                    Ok(spec) => drop(wanted.send_replace(spec)),
                    // It was made of the same names before.
                    Err(error) => tracing::error!(%error, "the links' peers"),
                }
                if !standings.wait(&name, !there).await {
                    return;
                }
                there = !there;
            }
        });
    }
}

/// How each peer stands.
pub(super) async fn standings(shared: &Shared) -> Vec<PeerStanding> {
    let mut routes: HashMap<String, usize> = HashMap::new();
    for vni in shared.config().overlays.keys() {
        let table = vni.table();
        let counted = shared.book.read(move |book, _| {
            let sources = book.table::<Prefix>(&table).map(|table| table.sources());
            let of = |(session, _, n): (rutter_route::Session, &str, usize)| (session.source, n);
            sources.unwrap_or_default().into_iter().map(of).collect::<Vec<_>>()
        });
        for (source, n) in counted.await.unwrap_or_default() {
            *routes.entry(source.to_string()).or_default() += n;
        }
    }
    let standings = shared.standings.get();
    let peers = shared.config().peers.iter();
    let mut peers: Vec<PeerStanding> = peers
        .map(|peer| {
            let there = standings.and_then(|standings| standings.is_there(&peer.name));
            PeerStanding {
                name: peer.name.to_string(),
                address: peer.address.to_string(),
                protocol: None,
                life: match there {
                    Some(true) => PeerLife::There,
                    Some(false) | None => PeerLife::Away,
                },
                since_ms: None,
                last_heard_ms: None,
                routes: routes.get(&peer.name.source().to_string()).copied().unwrap_or_default(),
                error: None,
            }
        })
        .collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}
