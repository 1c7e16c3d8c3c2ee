//! What an original is told, and when; and how its life is watched.
//!
//! ```text
//!   introduce: all there is, by ExchangeState ─▶ there ─▶ tell what is new, and all again in time
//!                                                  │
//!   ask each `keepalive` ──────────────────────────┴─▶ silent for `dead`, or closed: lost
//! ```
//!
//! Two loops that wait for nobody but the peer: one asks whether it is there (`ExchangeState` without
//! routes, which is how an original is probed too), one tells it what the outlets of its overlays
//! say. So a long announcement delays no question.
//!
//! Everything is announced again at a third of the shortest lease, what is new at once, and what is
//! gone is withdrawn at once. At most [`ROUTES`] a message. At the end everything is withdrawn, unless
//! this host will be back: the original never does that, and so leaves black holes behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rutter_book::BookClosed;
use rutter_link::LastHeard;
use rutter_route::Prefix;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::outlets::Outlets;
use super::wire::{CALL, ROUTES, v1};
use super::{map, service};
use crate::board::Protocol;
use crate::feed::Lost;
use crate::host::{Handle, Host};
use crate::talk::fates;
use crate::way::Way;
use crate::{Announced, OverlayError, OwnRoute, Peer, Vni};

/// How soon a peer that refused is told again.
const REFUSED: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What is said of one network.
type Key = (Vni, Prefix);

/// What a peer may hold of what it was told.
pub(crate) type Told = BTreeMap<Key, OwnRoute>;

/// A peer that speaks `nnetman.v1`, while it does.
pub(crate) struct Original<'a> {
    host: &'a Host,
    peer: &'a Peer,
    client: Client,
    outlets: Outlets<'a>,
    heard: LastHeard,
    called: Arc<Notify>,
    /// What it said of this host's routes last.
    refused: Mutex<String>,
}

impl<'a> Original<'a> {
    /// The peer at the end of the way. Nothing is said yet.
    pub(crate) fn new(host: &'a Host, peer: &'a Peer, way: &Way, handle: &Handle) -> Self {
        let (config, patience) = (host.config(), peer.timers_of_original.dead);
        let client = Client::new(&config.node, way, patience, config.exchange.max_message);
        let outlets = Outlets::new(host, peer, handle.clone());
        let (heard, refused) = (LastHeard::default(), Mutex::default());
        Self { host, peer, client, outlets, heard, called: handle.called.clone(), refused }
    }

    /// Talks with it until it is lost, or shows that it is none any more, or until `stop`: then says
    /// goodbye. Whether another way of talking is to be tried.
    pub(crate) async fn talk(&self, told: &mut Told, stop: &CancellationToken) -> bool {
        let (gathered, announced) = watch::channel(None);
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.probe() => return true,
            // It has begun a session of `rutter.v1`: it was replaced between two questions.
            () = self.called.notified() => return true,
            () = self.tell(told, announced) => {}
            () = self.outlets.gather(&gathered) => {}
        }
        if self.is_known() && self.host.leaves() {
            self.goodbye(std::mem::take(told)).await;
        }
        false
    }

    /// Asks whether the peer is there, until it is lost.
    async fn probe(&self) {
        let timers = self.peer.timers_of_original;
        let mut tick =
            tokio::time::interval_at(Instant::now() + timers.keepalive, timers.keepalive);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        // Once between two ticks, so that one that closes after each answer isn't asked all the time.
        let mut heeds_closing = true;
        loop {
            let by_tick = tokio::select! {
                _ = tick.tick() => true,
                // A peer that ends closes its connections: asked again it is there, or refuses.
                () = self.closes(), if heeds_closing => false,
            };
            heeds_closing = false;
            // What is left of its time, but never less than one interval.
            let left = timers.dead.saturating_sub(heard.elapsed()).max(timers.keepalive);
            let mut answer = self.client.exchange(Vec::new(), left).await;
            if answer.is_err() && !by_tick {
                // That may have gone over the connection that closes; now it is another.
                answer = self.client.exchange(Vec::new(), left).await;
            }
            match answer {
                Ok(routes) => {
                    heeds_closing = by_tick;
                    heard = Instant::now();
                    self.is_there(&routes).await;
                }
                Err(error) => {
                    let closed = matches!(error, OverlayError::Unreachable { closed: true, .. });
                    if closed || heard.elapsed() >= timers.dead {
                        return self.is_lost(&error).await;
                    }
                }
            }
        }
    }

    /// Whether it has answered at all.
    fn is_known(&self) -> bool {
        self.heard.at().is_some()
    }

    /// A connection to a peer that was there has ended.
    async fn closes(&self) {
        loop {
            self.client.closed().await;
            if self.is_known() {
                return;
            }
        }
    }

    /// The peer answered, with its own routes.
    async fn is_there(&self, routes: &[v1::Route]) {
        self.heard.now();
        let name = &self.peer.name;
        let came = self.host.board().up(name, Protocol::NNetMan, self.heard.clone());
        if came {
            tracing::info!(peer = %name, "the peer is there");
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
        service::take(self.host, &self.peer.name, &self.peer.overlays, routes).await.map(drop)
    }

    async fn is_lost(&self, why: &OverlayError) {
        let why = why.to_string();
        if self.host.board().down(&self.peer.name, &why) {
            tracing::warn!(peer = %self.peer.name, why, "the peer is lost");
        }
        for (vni, how) in fates(self.host, self.peer, |keep| keep.map_or(Lost::Flush, Lost::Keep)) {
            let lost = self.host.feed().lost(&self.peer.name, vni, how, &why).await;
            if let Err(error) = lost {
                tracing::debug!(%error, "a peer was lost too late");
            }
        }
    }

    /// Tells the peer what there is for it, until the book ends. `told` is all that it may hold.
    async fn tell(&self, told: &mut Told, mut gathered: watch::Receiver<Option<Arc<Announced>>>) {
        if gathered.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let (mut introduced, mut renew) = (false, false);
        loop {
            let want = gathered.borrow_and_update().clone().unwrap_or_default();
            let want: Told =
                want.within(&self.peer.overlays).map(|(v, p, r)| ((v, p), r)).collect();
            let before = told.clone();
            // Whatever comes of it, the peer may hold this from now on.
            told.extend(want.iter().map(|(key, route)| (*key, *route)));
            let said = match introduced {
                true => self.update(&before, &want, renew).await,
                false => self.introduce(&before, &want).await,
            };
            introduced = said.is_ok();
            let again = match said {
                Ok(()) => {
                    *told = want;
                    renewal(told)
                }
                Err(error) => {
                    tracing::debug!(peer = %self.peer.name, %error, "the peer isn't told");
                    match error {
                        // It won't think otherwise in a second.
                        OverlayError::Refused { .. } => REFUSED,
                        _ => self.peer.timers_of_original.keepalive,
                    }
                }
            };
            renew = tokio::select! {
                () = tokio::time::sleep(again) => true,
                changed = gathered.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
            };
        }
    }

    /// All there is, to a peer that may hold something of before.
    async fn introduce(&self, before: &Told, want: &Told) -> Result<(), OverlayError> {
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
    async fn update(&self, told: &Told, want: &Told, renew: bool) -> Result<(), OverlayError> {
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

    async fn announce(&self, routes: Vec<v1::Route>) -> Result<(), OverlayError> {
        let refused = self.client.announce(routes, CALL).await?;
        let mut last = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // Each renewal is refused again: it is told when it changes.
        if !refused.is_empty() && *last != refused {
            tracing::warn!(peer = %self.peer.name, refused, "the peer refuses routes of this host");
        }
        *last = refused;
        Ok(())
    }

    async fn withdraw(&self, prefixes: Vec<Prefix>) -> Result<(), OverlayError> {
        for slice in prefixes.chunks(ROUTES) {
            let prefixes = slice.iter().map(ToString::to_string).collect();
            self.client.withdraw(prefixes, CALL).await?;
        }
        Ok(())
    }

    async fn goodbye(&self, told: Told) {
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
fn renewal(want: &Told) -> Duration {
    let shortest = want.values().map(|route| route.lease).min();
    shortest.map_or(Duration::from_secs(10), |lease| lease / 3)
}
