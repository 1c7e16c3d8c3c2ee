//! This host among its peers: what runs the exchange with all of them.
//!
//! ```text
//!                       ┌── Listener ◀── peers that dial: sessions, calls
//!   OverlayConfig ─▶ Speaker
//!   own networks  ─▶    ├── Talk, one a peer ──▶ peers that are dialled
//!                       └── tables of the book: own networks, policy, peers' routes
//! ```
//!
//! The tables ([`crate::import::tables`]) are in the book before it starts; what the kernel gets of
//! them comes out of [`crate::kernel_outlet`].
//!
//! Dropping it ends everything at once and without a word, as when the process is killed;
//! [`Speaker::end`] says goodbye.

mod reload;
mod status;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use rutter_book::BookHandle;
use rutter_route::{Incarnation, Prefix};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::board::Lives;
use crate::feed::Totals;
use crate::host::Host;
use crate::listener::Listener;
use crate::talk::Talk;
use crate::{Announced, OverlayConfig, OverlayError, Peer, PeerName, Vni};

pub use reload::Reloaded;
pub use status::PeerStatus;

/// How long peers have to take other ways before this host is gone.
const MOVE_AWAY: Duration = Duration::from_millis(50);

/// How long goodbyes may take.
const GOODBYES: Duration = Duration::from_secs(2);

/// How this host parts from its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// For good: peers withdraw what it announced.
    Goodbye,
    /// It means to be back in this time: peers keep what it announced so long, as stale. Originals
    /// keep it for its lease.
    Restart(Duration),
}

/// What a speaker is told.
#[derive(Debug, Clone)]
pub struct SpeakerSpec {
    /// The configuration.
    pub config: OverlayConfig,
    /// What sessions are counted from. It must be greater than in any life of the process before,
    /// such as the milliseconds of the clock.
    pub base: Incarnation,
    /// Peers that are elsewhere than at this host's own port.
    pub at: BTreeMap<PeerName, SocketAddr>,
    /// Peers are heard, and told nothing.
    pub silent: bool,
    /// Cancelled if peers can't reach this host any more by a fault of its own.
    pub failed: CancellationToken,
}

impl SpeakerSpec {
    /// One that speaks with each peer at its address and this host's own port.
    pub fn new(config: OverlayConfig, base: Incarnation) -> Self {
        let (at, failed) = (BTreeMap::new(), CancellationToken::new());
        Self { config, base, at, silent: false, failed }
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct Speaker {
    host: Host,
    at: BTreeMap<PeerName, SocketAddr>,
    talks: Mutex<HashMap<PeerName, Talking>>,
    serving: Mutex<Option<AbortOnDropHandle<()>>>,
    stop: CancellationToken,
}

/// A talk that runs.
#[derive(Debug)]
struct Talking {
    peer: Peer,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Talking {
    /// Ends it with a goodbye.
    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a talk with a peer ended by a fault");
        }
    }
}

impl Speaker {
    /// Begins to speak with all peers.
    ///
    /// # Errors
    /// Certificates that can't be used, tables that aren't there. Nothing was begun.
    pub async fn start(
        spec: SpeakerSpec,
        book: BookHandle,
        listener: Listener,
    ) -> Result<Self, OverlayError> {
        let SpeakerSpec { config, base, at, silent, failed } = spec;
        let peers = config.peers.clone();
        let host = Host::new(config, book, base, silent);
        let stop = CancellationToken::new();
        let serve = listener.serve(host.clone(), stop.clone())?;
        host.put_own(|_| {}).await?;
        let serving = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "peers can't reach this host");
                failed.cancel();
            }
        }));
        let serving = Mutex::new(Some(serving));
        let speaker = Self { host, at, talks: Mutex::default(), serving, stop };
        let mut talks = speaker.talks.lock().await;
        for peer in peers {
            talks.insert(peer.name.clone(), speaker.begin(peer)?);
        }
        drop(talks);
        Ok(speaker)
    }

    fn begin(&self, peer: Peer) -> Result<Talking, OverlayError> {
        let own_port = || SocketAddr::new(peer.address, self.host.config().exchange.listen.port());
        let at = self.at.get(&peer.name).copied().unwrap_or_else(own_port);
        let stop = CancellationToken::new();
        let talk = Talk::new(&self.host, peer.clone(), at, stop.clone())?;
        let task = AbortOnDropHandle::new(tokio::spawn(talk.run()));
        Ok(Talking { peer, stop, task })
    }

    /// Networks that are announced in an overlay beside those that the configuration names: what is
    /// connected, what other files say. What was said before and isn't now is withdrawn.
    ///
    /// # Errors
    /// There is no such overlay; the book has ended.
    pub async fn set_own(&self, vni: Vni, networks: BTreeSet<Prefix>) -> Result<(), OverlayError> {
        if !self.host.config().overlays.contains_key(&vni) {
            return Err(OverlayError::NoOverlay(vni));
        }
        self.host.put_own(|own| own.set_extra(vni, networks)).await
    }

    /// The configuration in force.
    pub fn config(&self) -> std::sync::Arc<OverlayConfig> {
        self.host.config()
    }

    /// Its own networks, as announced now and from now on.
    pub fn announced(&self) -> watch::Receiver<std::sync::Arc<Announced>> {
        self.host.announced()
    }

    /// How peers are, now and from now on.
    pub fn lives(&self) -> watch::Receiver<Lives> {
        self.host.board().watch()
    }

    /// What was taken from peers and refused since the start.
    pub fn totals(&self) -> Totals {
        self.host.feed().totals()
    }

    /// Parts from all peers, and ends. What is still under way after two seconds is cut. A second
    /// call does nothing.
    pub async fn end(&self, parting: Parting) {
        let Some(serving) = self.serving.lock().await.take() else { return };
        match parting {
            Parting::Goodbye => {
                if let Err(error) = self.host.drain().await {
                    tracing::debug!(%error, "nothing to drain");
                }
                // Who hears that takes another way while this host still forwards.
                tokio::time::sleep(MOVE_AWAY).await;
            }
            Parting::Restart(within) => self.host.will_be_back(within),
        }
        self.stop.cancel();
        let talks = std::mem::take(&mut *self.talks.lock().await);
        let goodbyes = async {
            for talk in talks.values() {
                talk.stop.cancel();
            }
            for talk in talks.into_values() {
                talk.end().await;
            }
            // Only a fault of ours ends it otherwise, and that is logged.
            drop(serving.await);
        };
        if tokio::time::timeout(GOODBYES, goodbyes).await.is_err() {
            tracing::warn!("not every peer heard a goodbye in time");
        }
    }
}
