//! The four calls, for who calls us.

use std::collections::BTreeSet;
use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use rutter_book::{BookClosed, Clock, SystemClock};
use rutter_link::{Peer, Proof};
use rutter_route::Prefix;
use tokio_util::sync::CancellationToken;
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::map;
use super::wire::v1;
use super::wire::v1::n_net_man_server::{NNetMan, NNetManServer};
use crate::feed::Report;
use crate::host::{Host, Member};
use crate::{PeerName, Vni};

/// The service, with messages as large as the configuration says.
pub(crate) fn service(host: Host, stop: CancellationToken) -> NNetManServer<Service> {
    let limit = host.config().exchange.max_message;
    NNetManServer::new(Service { host, stop })
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit)
}

/// Takes routes of a peer in.
pub(super) async fn take(
    host: &Host,
    peer: &PeerName,
    part: &BTreeSet<Vni>,
    routes: &[v1::Route],
) -> Result<Report, BookClosed> {
    let overlays = host.config().overlays.keys().copied().collect();
    let mut report = Report::default();
    let mut claims = Vec::with_capacity(routes.len());
    for route in routes {
        match map::claim(route, &overlays, part) {
            Ok(claim) => claims.push(claim),
            Err(why) => {
                host.feed().count_refused(&why);
                report.refuse(&route.prefix, &why);
            }
        }
    }
    report.append(host.feed().announce(peer, claims).await?);
    if report.n_refused() > 0 {
        let (n, why) = (report.n_refused(), report.refusals());
        tracing::debug!(%peer, n, why, "routes of a peer are refused");
    }
    Ok(report)
}

/// Who calls: whom its certificate names, or whom it says it is where that is enough.
fn caller(host: &Host, extensions: &Extensions, node_id: &str) -> Result<Member, Status> {
    let proof = extensions.get::<Peer>().map(|peer| &peer.proof);
    let name = match (proof, node_id) {
        (Some(Proof::Name(name)), "") => name,
        (Some(Proof::Name(name)), said) if said != &**name => {
            return Err(Status::permission_denied(format!(
                "node_id {said:?} does not match authenticated identity {name:?}"
            )));
        }
        (Some(Proof::Name(name)), _) => name,
        (_, "") => return Err(Status::invalid_argument("node_id is required")),
        (_, said) if host.believes() => said,
        (_, said) => {
            return Err(Status::unauthenticated(format!(
                "nothing proves that this is {said:?}: use a certificate"
            )));
        }
    };
    let not_a_peer = || Status::permission_denied(format!("{name:?} is not a peer of this host"));
    host.member(name).ok_or_else(not_a_peer)
}

/// How many routes there are, this host's own too.
async fn n_routes(host: &Host) -> Result<usize, BookClosed> {
    let config = host.config();
    let counted = host.book().read(move |book, _| {
        let tables = config.overlays.keys().filter_map(|vni| book.table::<Prefix>(&vni.table()));
        tables.map(|table| table.counts().routes).sum::<usize>()
    });
    counted.await
}

async fn alive(
    host: &Host,
    extensions: &Extensions,
    request: v1::KeepaliveRequest,
) -> Result<v1::KeepaliveResponse, Status> {
    caller(host, extensions, &request.node_id)?;
    let n_routes = n_routes(host).await.map_err(closing)?;
    Ok(v1::KeepaliveResponse {
        node_id: host.config().node.to_string(),
        sequence: request.sequence,
        timestamp_ms: now_ms(),
        health: Some(v1::PeerHealth {
            healthy: true,
            route_count: u32::try_from(n_routes).unwrap_or(u32::MAX),
            uptime_seconds: host.age().as_secs(),
        }),
    })
}

/// A host that is called, until it stops.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    host: Host,
    /// Ends streams, which would keep their connections open.
    stop: CancellationToken,
}

#[tonic::async_trait]
impl NNetMan for Service {
    async fn exchange_state(
        &self,
        request: Request<v1::StateRequest>,
    ) -> Result<Response<v1::StateResponse>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = caller(&self.host, &extensions, &request.node_id)?;
        if !request.routes.is_empty() {
            // An answer has no room for what was refused; `explain` does.
            take(&self.host, &caller.name, &caller.part, &request.routes).await.map_err(closing)?;
        }
        let announced = self.host.announced().borrow().clone();
        Ok(Response::new(v1::StateResponse {
            node_id: self.host.config().node.to_string(),
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
        let caller = caller(&self.host, &extensions, &request.node_id)?;
        let report = take(&self.host, &caller.name, &caller.part, &request.routes).await;
        let report = report.map_err(closing)?;
        Ok(ack(report.taken, report.refusals()))
    }

    async fn withdraw_routes(
        &self,
        request: Request<v1::RouteWithdrawal>,
    ) -> Result<Response<v1::RouteAck>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = caller(&self.host, &extensions, &request.node_id)?;
        // What can't be read was never taken, so there is nothing to remove.
        let prefixes = request.prefixes.iter().filter_map(|text| map::prefix(text)).collect();
        let removed = self.host.feed().withdraw(&caller.name, caller.part, prefixes).await;
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
                let answer = alive(&host, &extensions, request).await?;
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
