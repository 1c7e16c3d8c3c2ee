//! What this host's exchange with all of its peers shares, and who may take part in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rutter_book::BookHandle;
use rutter_link::{Admission, Admitted, Caller, Offer, Refusal, RefusalCode};
use rutter_rib::OutletSpec;
use rutter_route::{DestinationKind, Incarnation};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::feed::Feed;
use crate::own::Own;
use crate::{Announced, Identity, OverlayConfig, OverlayError, PeerName, Vni, export};

/// See the module's head. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Host(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: RwLock<Arc<OverlayConfig>>,
    book: BookHandle,
    feed: Feed,
    own: tokio::sync::Mutex<Own>,
    announced: watch::Sender<Arc<Announced>>,
    board: Board,
    started: Instant,
    /// The number of the last session that a peer began here.
    last_session: AtomicU64,
    /// Peers are told nothing.
    silent: bool,
    /// In what time this host means to be back when it ends.
    back_within: Mutex<Option<Duration>>,
    /// A handle on each peer's sessions and calls. Bounded by the peers that were configured.
    handles: Mutex<HashMap<PeerName, Handle>>,
}

/// What others do about a peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handle {
    /// Cancelled when what it may hear has changed.
    pub(crate) changed: CancellationToken,
    /// It has shown that it is there.
    pub(crate) called: Arc<Notify>,
}

/// Who speaks, and the overlays that it has part in.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: PeerName,
    pub(crate) part: BTreeSet<Vni>,
    pub(crate) pulse: Option<rutter_link::Pulse>,
}

impl Host {
    /// A host that announces nothing yet.
    pub(crate) fn new(
        config: OverlayConfig,
        book: BookHandle,
        base: Incarnation,
        silent: bool,
    ) -> Self {
        let feed = Feed::new(book.clone(), base, config.node.cluster());
        Self(Arc::new(Shared {
            config: RwLock::new(Arc::new(config)),
            book,
            feed,
            own: tokio::sync::Mutex::new(Own::new(base)),
            announced: watch::Sender::new(Arc::default()),
            board: Board::default(),
            started: Instant::now(),
            last_session: AtomicU64::new(base.0),
            silent,
            back_within: Mutex::default(),
            handles: Mutex::default(),
        }))
    }

    /// What it was told last.
    pub(crate) fn config(&self) -> Arc<OverlayConfig> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_config(&self, config: OverlayConfig) {
        let config = Arc::new(config);
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) fn book(&self) -> &BookHandle {
        &self.0.book
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    pub(crate) fn board(&self) -> &Board {
        &self.0.board
    }

    /// Its own networks, as announced now.
    pub(crate) fn announced(&self) -> watch::Receiver<Arc<Announced>> {
        self.0.announced.subscribe()
    }

    pub(crate) fn age(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Puts its own networks into the tables; `change` says which there are.
    ///
    /// # Errors
    /// As [`Own::put`].
    pub(crate) async fn put_own(
        &self,
        change: impl FnOnce(&mut Own) + Send,
    ) -> Result<(), OverlayError> {
        let mut own = self.0.own.lock().await;
        change(&mut own);
        let announced = own.put(&self.config(), self.book()).await?;
        if !self.0.silent {
            self.0.announced.send_replace(announced);
        }
        Ok(())
    }

    /// Tells peers that it is about to end.
    ///
    /// # Errors
    /// The book has ended.
    pub(crate) async fn drain(&self) -> Result<(), OverlayError> {
        self.0.own.lock().await.drain(&self.config(), self.book()).await
    }

    /// When it ends, it means to be back in this time.
    pub(crate) fn will_be_back(&self, within: Duration) {
        *self.0.back_within.lock().unwrap_or_else(PoisonError::into_inner) = Some(within);
    }

    /// Whether it says goodbye for good when it ends.
    pub(crate) fn leaves(&self) -> bool {
        self.back_within().is_none()
    }

    /// Whether somebody's word is enough for who he is.
    pub(crate) fn believes(&self) -> bool {
        self.config().exchange.identity == Identity::Insecure
    }

    /// The peer of this name; `None`: it is none of this host's.
    pub(crate) fn member(&self, name: &str) -> Option<Member> {
        let config = self.config();
        if let Some(peer) = config.peers.iter().find(|peer| peer.name.as_str() == name) {
            let (name, part) = (peer.name.clone(), peer.overlays.clone());
            return Some(Member { name, part, pulse: Some(peer.timers.into()) });
        }
        let name: PeerName = name.parse().ok()?;
        let may = config.exchange.accept_unlisted_peers && name != config.node;
        let part = config.overlays.keys().copied().collect();
        may.then_some(Member { name, part, pulse: None })
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<PeerName, Handle>> {
        self.0.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle on a configured peer.
    pub(crate) fn handle(&self, peer: &PeerName) -> Handle {
        self.handles().entry(peer.clone()).or_default().clone()
    }

    /// What a peer may hear has changed: its session begins again.
    pub(crate) fn changed(&self, peer: &PeerName) {
        if let Some(handle) = self.handles().get_mut(peer) {
            std::mem::take(&mut handle.changed).cancel();
        }
    }

    /// A peer is none any more.
    pub(crate) fn forget(&self, peer: &PeerName) {
        if let Some(handle) = self.handles().remove(peer) {
            handle.changed.cancel();
        }
        self.board().forget(peer);
    }

    /// What a peer is told in each of these overlays.
    pub(crate) fn outlets(
        &self,
        name: &PeerName,
        part: &BTreeSet<Vni>,
    ) -> BTreeMap<Vni, OutletSpec> {
        let config = self.config();
        let overlays = config.overlays.iter().filter(|(vni, _)| part.contains(vni));
        overlays
            .map(|(vni, overlay)| {
                let mut outlet = export::peer_outlet(&config, (*vni, overlay), name);
                if self.0.silent {
                    outlet.export = export::nothing();
                }
                (*vni, outlet)
            })
            .collect()
    }

    fn believed(&self, caller: &Caller) -> Result<Member, Refusal> {
        let not_known = |why: String| Refusal::new(RefusalCode::NotKnown, why);
        let name = match caller {
            Caller::Name(name) => name,
            Caller::Unproven(name) if self.believes() => name,
            Caller::Unproven(name) => {
                let why = format!("nothing proves that this is {name:?}: use a certificate");
                return Err(not_known(why));
            }
            Caller::Key(_) => return Err(not_known("keys are not known here".into())),
        };
        self.member(name).ok_or_else(|| not_known(format!("{name:?} is not a peer of this host")))
    }
}

/// Peers that speak `rutter.v1` are sinks here; as sources they are dialled.
#[async_trait]
impl Admission for Host {
    async fn admit(&self, caller: &Caller, _: SocketAddr) -> Result<Admitted, Refusal> {
        let Member { name, part, pulse } = self.believed(caller)?;
        // Only of those who are configured is anything kept.
        let is_listed = self.config().peers.iter().any(|peer| peer.name == name);
        let handle = if is_listed { self.handle(&name) } else { Handle::default() };
        // It is there: whoever waits to dial it needs to wait no longer.
        handle.called.notify_one();
        let offer = |(vni, spec): (Vni, OutletSpec)| {
            let (table, kind) = (vni.table(), DestinationKind::Prefix);
            Offer { table, kind, book: self.book().clone(), spec }
        };
        let incarnation = self.0.last_session.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Admitted {
            pulse,
            changed: handle.changed,
            offers: self.outlets(&name, &part).into_iter().map(offer).collect(),
            ..Admitted::new(name.source().to_string(), incarnation)
        })
    }

    fn knows(&self, caller: &Caller) -> bool {
        self.believed(caller).is_ok()
    }

    fn back_within(&self) -> Option<Duration> {
        *self.0.back_within.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
