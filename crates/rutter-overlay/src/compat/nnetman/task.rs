//! What a peer is told, and when.
//!
//! ```text
//!            answered                    silent for `dead`, or closed
//!   away ──────────────▶ there ────────────────────────────────────────▶ away
//!    ▲  all it has: ExchangeState,       its routes are out of use         │
//!    └──────────── asked each `keepalive` all the while ───────────────────┘
//! ```
//!
//! One task a peer, with two loops that wait for nobody but the peer: one asks whether it is there
//! (`ExchangeState` without routes, which is how an original is probed too), one tells it what this
//! host announces. So a peer that hangs delays no other, and a long announcement no probe.
//!
//! Telling begins with `ExchangeState`, whenever the peer comes back; then everything is announced
//! again at a third of the shortest lease, what is new at once, and what is gone is withdrawn at
//! once. At most [`ROUTES`] a message. At the end everything is withdrawn: the original never does
//! that, and so leaves black holes behind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rutter_book::BookClosed;
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::wire::{CALL, ROUTES, v1};
use super::{Host, NNetManError, map};
use crate::feed::Lost;
use crate::{Announced, OwnRoute, Peer, PeerName, Vni};

/// How soon a peer that refused is told again.
const REFUSED: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Which peers are there, as of now.
#[derive(Debug, Clone)]
pub struct Standings(Vec<(PeerName, watch::Receiver<Life>)>);

impl Standings {
    /// Whether a peer is there; `None` for one that isn't called.
    pub fn is_there(&self, peer: &PeerName) -> Option<bool> {
        let (_, life) = self.0.iter().find(|(name, _)| name == peer)?;
        Some(life.borrow().there)
    }

    /// Waits until a peer is there, or isn't. `false`: that will never be told.
    pub async fn wait(&self, peer: &PeerName, there: bool) -> bool {
        let Some((_, life)) = self.0.iter().find(|(name, _)| name == peer) else { return false };
        life.clone().wait_for(|life| life.there == there).await.is_ok()
    }
}

/// What is known of a peer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Life {
    there: bool,
    /// Rises each time it comes, so that who was busy meanwhile sees that it was away.
    lives: u64,
}

/// Speaks with these peers, each at its address, until `stop`; then says goodbye to each. The
/// future ends when all of that is done.
///
/// # Errors
/// Certificates that can't be used. Nothing was begun.
pub fn talk(
    host: &Host,
    peers: Vec<(Peer, SocketAddr)>,
    stop: &CancellationToken,
) -> Result<(Standings, impl Future<Output = ()> + Send + use<>), NNetManError> {
    let (mut standings, mut talks) = (Vec::new(), Vec::new());
    for (peer, at) in peers {
        let client = Client::new(&host.config().node, &peer, at, &host.config().exchange)?;
        let (life, seen) = watch::channel(Life::default());
        standings.push((peer.name.clone(), seen));
        let (refused, stop) = (Mutex::default(), stop.clone());
        talks.push(Talk { host: host.clone(), client, peer, life, refused, stop });
    }
    let all = async move {
        let mut running: JoinSet<()> = talks.into_iter().map(Talk::run).collect();
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a talk with a peer ended by a fault");
            }
        }
    };
    Ok((Standings(standings), all))
}

/// What is said of one network.
type Key = (Vni, Prefix);

struct Talk {
    host: Host,
    client: Client,
    peer: Peer,
    life: watch::Sender<Life>,
    /// What it said of this host's routes last.
    refused: Mutex<String>,
    stop: CancellationToken,
}

impl Talk {
    async fn run(self) {
        let stop = self.stop.clone();
        let mut told = BTreeMap::new();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.probe() => {}
            () = self.tell(&mut told) => {}
        }
        if self.life.borrow().there {
            self.goodbye(told).await;
        }
    }

    /// Asks whether the peer is there, for ever.
    async fn probe(&self) {
        let timers = self.peer.timers_of_original;
        let mut tick =
            tokio::time::interval_at(Instant::now() + timers.keepalive, timers.keepalive);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tick.tick().await;
            // What is left of its time, but never less than one interval.
            let left = timers.dead.saturating_sub(heard.elapsed()).max(timers.keepalive);
            match self.client.exchange(Vec::new(), left).await {
                Ok(routes) => {
                    heard = Instant::now();
                    self.is_there(&routes).await;
                }
                Err(error) => {
                    let closed = matches!(error, NNetManError::Unreachable { closed: true, .. });
                    if closed || heard.elapsed() >= timers.dead {
                        self.is_away(&error).await;
                    }
                }
            }
        }
    }

    /// The peer answered, with its own routes.
    async fn is_there(&self, routes: &[v1::Route]) {
        let came = self.life.send_if_modified(|life| {
            let came = !life.there;
            life.lives += u64::from(came);
            life.there = true;
            came
        });
        if came {
            tracing::info!(peer = %self.peer.name, "the peer is there");
        }
        if let Err(error) = self.hear(came, routes).await {
            tracing::debug!(%error, "what a peer said came too late");
        }
    }

    async fn hear(&self, came: bool, routes: &[v1::Route]) -> Result<(), BookClosed> {
        if came {
            for vni in &self.peer.overlays {
                self.host.feed().found(&self.peer.name, *vni).await?;
            }
        }
        self.host.take(&self.peer.name, &self.peer.overlays, routes).await.map(drop)
    }

    async fn is_away(&self, why: &NNetManError) {
        let went = self.life.send_if_modified(|life| std::mem::take(&mut life.there));
        if !went {
            tracing::debug!(peer = %self.peer.name, %why, "the peer stays away");
            return;
        }
        tracing::warn!(peer = %self.peer.name, %why, "the peer is lost");
        // A connection that went silent may stay so for minutes after the peer is back.
        self.client.reconnect();
        for vni in &self.peer.overlays {
            let Some(overlay) = self.host.config().overlays.get(vni) else { continue };
            let how = match overlay.install.flush_on_peer_down {
                true => Lost::Flush,
                false => Lost::Keep(overlay.install.lease),
            };
            let lost = self.host.feed().lost(&self.peer.name, *vni, how, &why.to_string()).await;
            if let Err(error) = lost {
                tracing::debug!(%error, "a peer was lost too late");
            }
        }
    }

    /// Tells the peer what this host announces, for ever. `told` is all that it may hold.
    async fn tell(&self, told: &mut BTreeMap<Key, OwnRoute>) {
        let mut announced = self.host.announced();
        let mut life = self.life.subscribe();
        let mut more = true;
        let mut introduced = None;
        let mut renew = false;
        loop {
            let want = self.want(&announced.borrow_and_update());
            let before = told.clone();
            // Whatever comes of it, the peer may hold this from now on.
            told.extend(want.iter().map(|(key, route)| (*key, *route)));
            let lives = life.borrow_and_update().lives;
            let telling = async {
                match introduced == Some(lives) {
                    true => self.update(&before, &want, renew).await,
                    false => self.introduce(&before, &want).await,
                }
            };
            let said = tokio::select! {
                said = telling => said,
                () = self.goes_away() => Err(self.away()),
            };
            let again = match said {
                Ok(()) => {
                    // An introduction may be what it came by.
                    introduced = Some(life.borrow_and_update().lives);
                    *told = want;
                    renewal(told)
                }
                Err(error) => {
                    tracing::debug!(peer = %self.peer.name, %error, "the peer isn't told");
                    introduced = None;
                    match error {
                        // It won't think otherwise in a second.
                        NNetManError::Refused { .. } => REFUSED,
                        _ => self.peer.timers_of_original.keepalive,
                    }
                }
            };
            renew = tokio::select! {
                () = tokio::time::sleep(again) => true,
                // Never an error: the sender is this talk's own.
                _ = life.changed() => false,
                changed = announced.changed(), if more => {
                    more = changed.is_ok();
                    false
                }
            };
            // Who is away is told when it comes; it is asked all the while.
            if introduced.is_some() || lives > 0 {
                drop(life.wait_for(|life| life.there).await);
            }
        }
    }

    /// Waits until the peer, once it is there, isn't.
    async fn goes_away(&self) {
        let mut life = self.life.subscribe();
        // Never errors: the sender is this talk's own.
        drop(life.wait_for(|life| life.there).await);
        drop(life.wait_for(|life| !life.there).await);
    }

    fn away(&self) -> NNetManError {
        let (peer, why) = (self.peer.name.to_string(), "it is lost".to_owned());
        NNetManError::Unreachable { peer, why, closed: false }
    }

    fn want(&self, announced: &Arc<Announced>) -> BTreeMap<Key, OwnRoute> {
        let within = announced.within(&self.peer.overlays);
        within.map(|(vni, prefix, route)| ((vni, prefix), route)).collect()
    }

    /// All there is, to a peer that has just come, which may hold something of before.
    async fn introduce(
        &self,
        before: &BTreeMap<Key, OwnRoute>,
        want: &BTreeMap<Key, OwnRoute>,
    ) -> Result<(), NNetManError> {
        let mut messages = messages(want.iter());
        let first = messages.next().unwrap_or_default();
        let routes = self.client.exchange(first, CALL).await?;
        self.is_there(&routes).await;
        for message in messages {
            self.announce(message).await?;
        }
        // What it was just told is no news; what it held before and is gone, is.
        let mut told = before.clone();
        told.extend(want.iter().map(|(key, route)| (*key, *route)));
        self.update(&told, want, false).await
    }

    /// What differs from what it was told; with `renew` what doesn't, too.
    async fn update(
        &self,
        told: &BTreeMap<Key, OwnRoute>,
        want: &BTreeMap<Key, OwnRoute>,
        renew: bool,
    ) -> Result<(), NNetManError> {
        // A withdrawal has no overlay: it takes the network back in all of them. So what remains
        // in another is said again behind it.
        let gone: BTreeSet<Prefix> =
            told.keys().filter(|key| !want.contains_key(key)).map(|key| key.1).collect();
        self.withdraw(gone.iter().copied().collect()).await?;
        let news = want
            .iter()
            .filter(|(key, route)| renew || told.get(key) != Some(route) || gone.contains(&key.1));
        for message in messages(news) {
            self.announce(message).await?;
        }
        Ok(())
    }

    async fn announce(&self, routes: Vec<v1::Route>) -> Result<(), NNetManError> {
        let refused = self.client.announce(routes, CALL).await?;
        let mut last = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // Each renewal is refused again: it is told when it changes.
        if !refused.is_empty() && *last != refused {
            tracing::warn!(peer = %self.peer.name, refused, "the peer refuses routes of this host");
        }
        *last = refused;
        Ok(())
    }

    async fn withdraw(&self, prefixes: Vec<Prefix>) -> Result<(), NNetManError> {
        for slice in prefixes.chunks(ROUTES) {
            let prefixes = slice.iter().map(ToString::to_string).collect();
            self.client.withdraw(prefixes, CALL).await?;
        }
        Ok(())
    }

    async fn goodbye(&self, told: BTreeMap<Key, OwnRoute>) {
        let prefixes: BTreeSet<Prefix> = told.into_keys().map(|(_, prefix)| prefix).collect();
        let withdrawn = self.withdraw(prefixes.into_iter().collect());
        match tokio::time::timeout(GOODBYE, withdrawn).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no goodbye: routes end with their lease"),
            Err(_) => {
                let peer = &self.peer.name;
                tracing::warn!(%peer, "no goodbye in time: routes end with their lease");
            }
        }
    }
}

/// Routes in messages that an original takes.
fn messages<'r>(
    routes: impl Iterator<Item = (&'r Key, &'r OwnRoute)>,
) -> impl Iterator<Item = Vec<v1::Route>> {
    let mut routes = routes.map(|((vni, prefix), route)| map::route((*vni, *prefix, *route)));
    std::iter::from_fn(move || {
        let message: Vec<v1::Route> = routes.by_ref().take(ROUTES).collect();
        (!message.is_empty()).then_some(message)
    })
}

/// When to say it again: at a third of the shortest lease.
fn renewal(want: &BTreeMap<Key, OwnRoute>) -> Duration {
    let shortest = want.values().map(|route| route.lease).min();
    shortest.map_or(Duration::from_secs(10), |lease| lease / 3)
}
