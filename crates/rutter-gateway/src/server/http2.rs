//! HTTP/2 with clients: the bounds of one connection.
//!
//! One HTTP/2 connection is many requests, so each of its bounds is a promise on memory:
//!
//! | what | bound | beyond it |
//! | --- | --- | --- |
//! | requests at once | `limits.max_streams` (100) | `REFUSED_STREAM` |
//! | a request's header list, decoded | `limits.max_header_bytes` | 431 |
//! | bytes of bodies not yet read by an upstream | [`CONNECTION_WINDOW`], of one body [`STREAM_WINDOW`] | the client waits |
//! | bytes of one answer not yet taken by the client | [`SEND_BUFFER`] | the upstream waits |
//! | streams reset by the client before they were looked at | [`RESETS`] | `GOAWAY` (RFC 9113 10.5; rapid reset) |
//! | streams that we reset for a client's errors | [`ERRORS`] | `GOAWAY` |
//! | the answer to a ping | [`PING_TIMEOUT`] | the connection closes |
//! | time without a request under way | `limits.header_timeout`, noticed up to a quarter later | `GOAWAY` |
//! | time in which a client takes nothing of an answer | `limits.send_timeout` | `RST_STREAM`, CANCEL |
//!
//! `CONTINUATION` frames and `SETTINGS` without end are bounded inside h2, by the header list's
//! size and by answering each before the next is read.
//!
//! What an upstream speaks is its own affair ([`crate::upstream`]). `CONNECT` is refused and extended `CONNECT` (RFC 8441) isn't offered: browsers open
//! WebSockets over a connection of their own, on which they offer HTTP/1.1 alone.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio_util::task::TaskTracker;

use super::accept::Admitted;
use super::activity::Activity;
use super::connection::Serving;
use super::transport::{ClientStream, Transport};
use crate::config::Limits;
use crate::metrics::GatewayMetrics;
use crate::proxy::{Client, handle};
use crate::slow::Pace;
use crate::slow::answer::{Delivered, hurried};

/// How many bytes of one request's body may be on their way before it is read.
const STREAM_WINDOW: u32 = 128 * 1024;

/// How many bytes of all bodies of a connection may be on their way.
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// How many bytes of one answer wait for the client to take them.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that a client opened and reset before we looked at them.
const RESETS: usize = 20;

/// Streams of a connection's life that we reset since the client broke the protocol on them.
const ERRORS: usize = 100;

/// How often a silent client is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a client may take to close after it was told to.
const GOODBYE: Duration = Duration::from_secs(1);

/// Runs the streams of a connection as tasks that shutdown waits for, each until its client takes
/// too long to take the answer.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) tasks: TaskTracker,
    pub(super) pace: Pace,
    pub(super) metrics: Arc<GatewayMetrics>,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        self.tasks.spawn(hurried(stream, self.pace, self.metrics.clone()));
    }
}

/// What connections of HTTP/2 are made with.
pub(super) fn builder(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    // At most 1 MiB by `GatewayConfig::check`.
    let max_header_list = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    let mut http = http2::Builder::new(streams);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(max_header_list)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    http
}

impl Serving {
    /// Serves a connection of HTTP/2 to its end.
    pub(super) async fn http2(
        &self,
        stream: ClientStream,
        read: Bytes,
        client: Client,
        admitted: &Arc<Admitted>,
    ) {
        let worker = self.worker.clone();
        let activity = Arc::new(Activity::new(admitted.clone()));
        let transport = Transport::new(stream, read, activity.clone());
        let (quiet, asks) = (activity.clone(), client.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let busy = activity.begin(!request.body().is_end_stream());
            let answer = handle(worker.clone(), asks.clone(), request, busy);
            async move { Ok::<_, Infallible>(answer.await?.map(Delivered::new)) }
        });
        let connection = self.http2.serve_connection(self.patient(transport), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = quiet.quiet_for(self.limits.header_timeout) => {
                connection.as_mut().graceful_shutdown();
                // Whoever doesn't close is closed.
                tokio::time::timeout(GOODBYE, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(client = %client.peer, %error, "a client's HTTP/2 connection ended");
        }
    }
}
