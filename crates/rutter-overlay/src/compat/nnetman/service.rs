//! The four calls, for who calls us.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt, stream};
use rutter_book::{BookClosed, BookHandle, Clock, SystemClock};
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::listener::Proven;
use super::map;
use super::wire::v1;
use super::wire::v1::n_net_man_server::NNetMan;
use crate::feed::{Feed, Report};
use crate::{Announced, Identity, OverlayConfig, PeerName, Vni};

/// This host, as those see it who speak `nnetman.v1` with it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: OverlayConfig,
    overlays: BTreeSet<Vni>,
    book: BookHandle,
    feed: Feed,
    announced: watch::Receiver<Arc<Announced>>,
    started: Instant,
}

/// Who calls, and the overlays that it has part in.
struct Caller {
    name: PeerName,
    part: BTreeSet<Vni>,
}

impl Host {
    /// A host whose peers' claims go into `feed`, a feed of `book`, and that announces what it is
    /// told to.
    pub fn new(
        config: OverlayConfig,
        book: BookHandle,
        feed: Feed,
        announced: watch::Receiver<Arc<Announced>>,
    ) -> Self {
        let overlays = config.overlays.keys().copied().collect();
        let started = Instant::now();
        Self(Arc::new(Shared { config, overlays, book, feed, announced, started }))
    }

    /// What it was told.
    pub fn config(&self) -> &OverlayConfig {
        &self.0.config
    }

    pub(super) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    pub(super) fn announced(&self) -> watch::Receiver<Arc<Announced>> {
        self.0.announced.clone()
    }

    /// Takes routes of a peer in.
    pub(super) async fn take(
        &self,
        peer: &PeerName,
        part: &BTreeSet<Vni>,
        routes: &[v1::Route],
    ) -> Result<Report, BookClosed> {
        let mut report = Report::default();
        let mut claims = Vec::with_capacity(routes.len());
        for route in routes {
            match map::claim(route, &self.0.overlays, part) {
                Ok(claim) => claims.push(claim),
                Err(why) => {
                    self.0.feed.count_refused(&why);
                    report.refuse(&route.prefix, &why);
                }
            }
        }
        report.append(self.0.feed.announce(peer, claims).await?);
        if report.n_refused() > 0 {
            let (n, why) = (report.n_refused(), report.refusals());
            tracing::debug!(%peer, n, why, "routes of a peer are refused");
        }
        Ok(report)
    }

    /// Who calls: whom its certificate names, or whom it says it is where that is enough.
    fn caller(&self, extensions: &Extensions, node_id: &str) -> Result<Caller, Status> {
        let config = &self.0.config;
        let proven = extensions.get::<Proven>().and_then(|proven| proven.name.as_deref());
        let name = match (proven, node_id) {
            (Some(name), "") => name,
            (Some(name), said) if said != name => {
                return Err(Status::permission_denied(format!(
                    "node_id {said:?} does not match authenticated identity {name:?}"
                )));
            }
            (Some(name), _) => name,
            (None, "") => return Err(Status::invalid_argument("node_id is required")),
            (None, said) if config.exchange.identity == Identity::Insecure => said,
            (None, said) => {
                return Err(Status::unauthenticated(format!(
                    "nothing proves that this is {said:?}: use a certificate"
                )));
            }
        };
        let peer = config.peers.iter().find(|peer| peer.name.as_str() == name);
        if let Some(peer) = peer {
            return Ok(Caller { name: peer.name.clone(), part: peer.overlays.clone() });
        }
        match name.parse() {
            Ok(parsed) if config.exchange.accept_unlisted_peers && parsed != config.node => {
                Ok(Caller { name: parsed, part: self.0.overlays.clone() })
            }
            _ => Err(Status::permission_denied(format!("{name:?} is not a peer of this host"))),
        }
    }

    fn node_id(&self) -> String {
        self.0.config.node.to_string()
    }

    /// How many routes there are, this host's own too.
    async fn n_routes(&self) -> Result<usize, BookClosed> {
        let overlays = self.0.overlays.clone();
        let own = self.0.announced.borrow().len();
        let counted = self.0.book.read(move |book, _| {
            let tables = overlays.iter().filter_map(|vni| book.table::<Prefix>(&vni.table()));
            tables.map(|table| table.counts().routes).sum::<usize>()
        });
        Ok(own + counted.await?)
    }

    async fn alive(
        &self,
        extensions: &Extensions,
        request: v1::KeepaliveRequest,
    ) -> Result<v1::KeepaliveResponse, Status> {
        self.caller(extensions, &request.node_id)?;
        let n_routes = self.n_routes().await.map_err(closing)?;
        Ok(v1::KeepaliveResponse {
            node_id: self.node_id(),
            sequence: request.sequence,
            timestamp_ms: now_ms(),
            health: Some(v1::PeerHealth {
                healthy: true,
                route_count: u32::try_from(n_routes).unwrap_or(u32::MAX),
                uptime_seconds: self.0.started.elapsed().as_secs(),
            }),
        })
    }
}

/// A host that is called, until it stops.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) host: Host,
    /// Ends streams, which would keep their connections open.
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl NNetMan for Service {
    async fn exchange_state(
        &self,
        request: Request<v1::StateRequest>,
    ) -> Result<Response<v1::StateResponse>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = self.host.caller(&extensions, &request.node_id)?;
        if !request.routes.is_empty() {
            // An answer has no room for what was refused; `explain` does.
            self.host.take(&caller.name, &caller.part, &request.routes).await.map_err(closing)?;
        }
        let announced = self.host.0.announced.borrow().clone();
        Ok(Response::new(v1::StateResponse {
            node_id: self.host.node_id(),
            routes: announced.within(&caller.part).map(map::route).collect(),
            timestamp_ms: now_ms(),
            accepted: true,
        }))
    }

    async fn announce_routes(
        &self,
        request: Request<v1::RouteAnnouncement>,
    ) -> Result<Response<v1::RouteAck>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = self.host.caller(&extensions, &request.node_id)?;
        let report = self.host.take(&caller.name, &caller.part, &request.routes).await;
        let report = report.map_err(closing)?;
        Ok(ack(report.taken, report.refusals()))
    }

    async fn withdraw_routes(
        &self,
        request: Request<v1::RouteWithdrawal>,
    ) -> Result<Response<v1::RouteAck>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = self.host.caller(&extensions, &request.node_id)?;
        // What can't be read was never taken, so there is nothing to remove.
        let prefixes = request.prefixes.iter().filter_map(|text| map::prefix(text)).collect();
        let removed = self.host.0.feed.withdraw(&caller.name, caller.part, prefixes).await;
        Ok(ack(removed.map_err(closing)?, String::new()))
    }

    type KeepaliveStream =
        Pin<Box<dyn Stream<Item = Result<v1::KeepaliveResponse, Status>> + Send>>;

    async fn keepalive(
        &self,
        request: Request<Streaming<v1::KeepaliveRequest>>,
    ) -> Result<Response<Self::KeepaliveStream>, Status> {
        let (_, extensions, asked) = request.into_parts();
        let answers = stream::try_unfold(
            (self.host.clone(), extensions, asked),
            |(host, extensions, mut asked)| async move {
                // The caller's end of the stream is ours.
                let Some(request) = asked.message().await? else { return Ok::<_, Status>(None) };
                let answer = host.alive(&extensions, request).await?;
                Ok(Some((answer, (host, extensions, asked))))
            },
        );
        let answers = answers.take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }
}

fn ack(processed: usize, error: String) -> Response<v1::RouteAck> {
    let routes_processed = u32::try_from(processed).unwrap_or(u32::MAX);
    Response::new(v1::RouteAck { accepted: true, routes_processed, error })
}

fn closing(error: BookClosed) -> Status {
    Status::unavailable(error.to_string())
}

/// The wall's clock in milliseconds; nobody decides anything by it.
pub(super) fn now_ms() -> i64 {
    i64::try_from(SystemClock.now().wall.0).unwrap_or(i64::MAX)
}
