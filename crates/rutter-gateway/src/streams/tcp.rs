//! A stream of TCP, from its client to an upstream that could be connected to.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::relay::{self, Count, Ended};
use super::{pick, splice};
use crate::balance::{Asker, UnderWay};
use crate::proxy::Worker;
use crate::proxy::plan::Plan;
use crate::proxy_protocol::{self, Told};
use crate::routes::{Route, Routes};
use crate::upstream::{Stream, Target};

/// The client's side of a stream.
pub(crate) type ClientSide = Stream<TlsStream<TcpStream>>;

/// A client, and what is known of it.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) stream: ClientSide,
    pub(crate) told: Told,
    /// What was read of it already, which its upstream gets first.
    pub(crate) read: Bytes,
}

/// Passes a client on to the first of a service's routes that can be connected to.
pub(crate) async fn pass_on(worker: &Worker, client: Stranger, routes: &Routes) {
    let shared = &worker.shared;
    let Stranger { stream, told, read } = client;
    let Some((route, mut upstream)) = connect(worker, routes, told).await else {
        shared.metrics.streams_without_route.add(1);
        tracing::debug!(service = %routes.service, "no route of a stream can be connected to");
        return refuse(&stream);
    };
    let header = route.delivery.stream.proxy_header;
    let header = header.map(|v| proxy_protocol::write(v, told)).unwrap_or_default();
    let first = [header.as_slice(), &read].concat();
    drop(read);
    shared.metrics.streams.add(1);
    let _open = shared.metrics.active_streams.hold();
    let _load = UnderWay::of(route);
    let metrics = &shared.metrics;
    let count = Count::new(&metrics.stream_bytes_in, &metrics.stream_bytes_out);
    let (idle, stop) = (shared.streams.config().tcp_idle_timeout, &shared.stop);
    if let Err(error) = splice::write_all(&upstream, &first).await {
        tracing::debug!(route = %route.id, %error, "a stream ended before it began");
        return refuse(&stream);
    }
    let ended = match stream {
        Stream::Plain(mut client) => {
            relay::plain(&mut client, &mut upstream, &count, idle, stop).await
        }
        Stream::Tls(mut client) => {
            relay::in_tls(&mut client, &mut upstream, &count, idle, stop).await
        }
    };
    match ended {
        Ended::Well | Ended::Stopped => {}
        Ended::Idle => metrics.streams_idle.add(1),
        Ended::Broken(error) => tracing::debug!(route = %route.id, %error, "a stream broke"),
    }
}

/// A connection to the first of the routes that has one, in the order of a request's.
async fn connect<'a>(
    worker: &Worker,
    routes: &'a Routes,
    told: Told,
) -> Option<(&'a Arc<Route>, TcpStream)> {
    let shared = &worker.shared;
    let settings = shared.settings.load();
    let (client, slow_start) = (told.client.ip(), settings.slow_start);
    let asker = Asker { client, sticks_to: None, slow_start };
    let mut plan = Plan::new(routes, asker, settings.max_tries);
    drop(settings);
    while let Some(route) = plan.next(&shared.health).await {
        // Behind a hole nobody is asked: it keeps the place.
        let endpoint = route.endpoint()?;
        if !pick::is_alike(routes, route) {
            continue;
        }
        let target = Target::new(endpoint, routes.service.name.as_str(), &routes.service.name);
        match shared.connector.connect_tcp(&target).await {
            Ok(upstream) => {
                shared.metrics.upstream_connects.add(1);
                shared.health.answered(&route.health, http::StatusCode::OK);
                return Some((route, upstream));
            }
            Err(error) => {
                tracing::debug!(route = %route.id, %error, "a stream's route can't be connected to");
                shared.metrics.upstream_connect_failures.add(1);
                shared.health.failed(&route.health, error.failure());
            }
        }
    }
    None
}

/// The client learns by a reset that nothing was served: an orderly end would look like an answer.
fn refuse(stream: &ClientSide) {
    let socket = match stream {
        Stream::Plain(socket) => socket,
        Stream::Tls(stream) => stream.get_ref().0,
    };
    if let Err(error) = socket.set_zero_linger() {
        tracing::debug!(%error, "a stream without a route can't be reset");
    }
}
