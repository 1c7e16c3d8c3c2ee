//! A small world for the tests: hosts that speak with each other on loopback, in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_rib::{Book, OutletSpec, ViewId};
use rutter_route::{Incarnation, Prefix};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::compat::nnetman::config;
use crate::{Listener, OverlayConfig, Parting, PeerName, Speaker, SpeakerSpec, Vni, import};

/// A hang guard, never a measure.
const SOON: Duration = Duration::from_secs(60);

/// Waits for what must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it should have come by now")
}

pub(crate) fn read(text: &str) -> OverlayConfig {
    config::read("netman.yaml", text).unwrap_or_else(|error| panic!("{error}")).config
}

pub(crate) fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

pub(crate) fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A listener on a port that the system chose.
pub(crate) fn listener() -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// A listener where another was, which may be about to close.
pub(crate) async fn rebound(at: SocketAddr) -> Listener {
    soon(async {
        loop {
            match Listener::bind(at) {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

/// Where peers are; one that isn't named is nowhere.
pub(crate) type At = Vec<(&'static str, SocketAddr)>;

/// Nobody listens there.
pub(crate) fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// A host that speaks. It lives in a runtime of its own, so it can be killed; dropping it kills it.
pub(crate) struct Given {
    pub(crate) speaker: Option<Speaker>,
    pub(crate) book: BookHandle,
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Given {
    /// A host that no peer of is anywhere.
    pub(crate) async fn new(text: &str) -> Self {
        Self::start(read(text), listener(), Vec::new()).await
    }

    pub(crate) async fn start(config: OverlayConfig, listener: Listener, at: At) -> Self {
        let at: Vec<_> = at.into_iter().map(|(peer, at)| (name(peer), at)).collect();
        Self::start_among(config, listener, &at).await
    }

    pub(crate) async fn start_among(
        config: OverlayConfig,
        listener: Listener,
        at: &[(PeerName, SocketAddr)],
    ) -> Self {
        let address = listener.address();
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let mut places: BTreeMap<PeerName, SocketAddr> =
            config.peers.iter().map(|peer| (peer.name.clone(), nowhere())).collect();
        places.extend(at.iter().cloned());
        let starting = runtime.spawn(async move {
            let (tables, now) = (import::tables(&config), SystemClock.now());
            let book = Book::new("home".parse().unwrap(), tables, vec![], vec![], now, 1).unwrap();
            // It ends with its handles.
            let never = CancellationToken::new();
            let (book, _owner) = rutter_book::spawn(book, SystemClock, 1, never);
            let base = Incarnation(now.wall.0);
            let spec = SpeakerSpec { at: places, ..SpeakerSpec::new(config, base) };
            let speaker = Speaker::start(spec, book.clone(), listener).await;
            (speaker.unwrap(), book)
        });
        let (speaker, book) = soon(starting).await.unwrap();
        Self { speaker: Some(speaker), book, address, runtime: Some(runtime) }
    }

    pub(crate) fn speaker(&self) -> &Speaker {
        self.speaker.as_ref().unwrap()
    }

    /// As a process that is killed: its sockets are closed, nothing is said.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// As a process that is told to end.
    pub(crate) async fn end(mut self, parting: Parting) {
        let speaker = self.speaker.take().unwrap();
        let ending = async move { speaker.end(parting).await };
        let ending = self.runtime.as_ref().unwrap().spawn(ending);
        soon(ending).await.unwrap();
    }

    /// The routes to a network in an overlay that can be used, the best first.
    pub(crate) async fn routes(&self, number: u32, to: &str) -> Vec<String> {
        let (table, to) = (vni(number).table(), prefix(to));
        let routes = self.book.read(move |book, _| {
            let selected = book.table::<Prefix>(&table).unwrap().selected(&to, ViewId::DEFAULT);
            let route = |route: &rutter_rib::SelectedRoute<'_>| {
                let (hop, metric) = (&route.attributes.next_hop, route.attributes.metric);
                format!("{} via {hop} metric {metric}", route.source)
            };
            selected.routes().iter().map(route).collect()
        });
        routes.await.unwrap()
    }

    /// What is said of each route to a network: its standing, and the reason.
    pub(crate) async fn explained(&self, number: u32, to: &str) -> Vec<String> {
        let explanation = self.book.explain(vni(number).table(), prefix(to)).await;
        let of = |c: &rutter_route::CandidateExplanation| {
            let why = c.facts.first().map(|fact| fact.reason.clone()).unwrap_or_default();
            format!("{:?}: {why}", c.standing)
        };
        explanation.unwrap().unwrap().candidates.iter().map(of).collect()
    }

    /// Waits until the best route to a network is this, or there is none.
    pub(crate) async fn until_best(&self, vni: u32, to: &str, want: Option<&str>) {
        self.until(vni, || async {
            self.routes(vni, to).await.first().map(String::as_str) == want
        })
        .await;
    }

    /// Waits until something holds of an overlay's table. It looks whenever that changes.
    pub(crate) async fn until<F>(&self, number: u32, mut holds: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        let outlet = OutletSpec::all("test");
        let changes = self.book.subscribe::<Prefix>(vni(number).table(), outlet).await;
        let mut changes = changes.unwrap().expect("a table of prefixes");
        let reached = async {
            while !holds().await {
                let _batch = changes.next().await.unwrap();
            }
        };
        soon(reached).await;
    }

    /// Waits until something is said of a network, if only that it is refused, which no sink hears.
    pub(crate) async fn until_said(&self, vni: u32, to: &str) -> Vec<String> {
        soon(async {
            loop {
                let explained = self.explained(vni, to).await;
                if !explained.is_empty() {
                    return explained;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Waits until a peer is there, or isn't.
    pub(crate) async fn until_peer(&self, peer: &str, there: bool) {
        let mut lives = self.speaker().lives();
        let is = |lives: &crate::Lives| lives.get(&name(peer)).is_some_and(|l| l.there == there);
        drop(soon(lives.wait_for(is)).await.unwrap());
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.speaker = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
