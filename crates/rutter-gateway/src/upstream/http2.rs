//! One HTTP/2 connection to an upstream, shared by a worker's requests.
//!
//! **What was sent.** Over HTTP/1.1 the bytes of a connection tell ([`super::meter`]). Here many
//! requests share them, so a request is judged by what the upstream says and, failing that, by the
//! worse of what may be:
//! - a stream that was refused (`REFUSED_STREAM`), that lies beyond a `GOAWAY`'s last one, or that
//!   never left the queue was not processed (RFC 9113 6.8, 8.7): any request may go on, if its body
//!   is whole;
//! - if the transport took not a byte since the request was handed over, nothing of it is out;
//! - everything else counts as sent.
//!
//! Since a refusal may come after a body's bytes are out, the replay buffer goes on recording here
//! whatever the method.
//!
//! **Bounds.** [`MAX_STREAMS`] requests at once on a connection, fewer if the upstream says so; at
//! more another connection is opened. The connection's window holds as many full windows of streams,
//! so a client that reads slowly never keeps the others of its connection waiting.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::connect::{MadeWith, Upstream};
use super::connection::MAX_HEAD;
use super::meter::{Meter, Metered};
use crate::failover::replay::{BodyError, RequestBody};

/// Requests at once on one connection.
const MAX_STREAMS: usize = 64;

/// How many bytes of one answer wait for its client.
const STREAM_WINDOW: u32 = 128 * 1024;

/// How many bytes of all answers of a connection wait.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS as u32;

/// How many bytes of one request's body wait for the upstream to take them.
const SEND_BUFFER: usize = 64 * 1024;

/// How often an upstream that has requests and is silent is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection, for as long as somebody holds it: then it ends when its streams have.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Counted>,
    /// The bytes of the transport.
    meter: Arc<Meter>,
    scheme: Scheme,
    /// What its TLS was made with.
    pub(super) made_with: MadeWith,
    n_streams: AtomicUsize,
    /// How many streams the upstream lets be open.
    allowed: Arc<AtomicUsize>,
    idle_since: Mutex<Instant>,
}

/// One request's place on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Arc<Http2>,
}

/// A request that got no answer.
pub(super) struct Failed {
    pub(super) error: hyper::Error,
    /// Whether the upstream may have seen it.
    pub(super) sent: bool,
    /// Whether it certainly was not processed.
    pub(super) refused: bool,
}

impl Http2 {
    /// Begins HTTP/2 on a stream.
    pub(super) async fn open(
        stream: Upstream,
        scheme: Scheme,
        made_with: MadeWith,
    ) -> Result<Arc<Self>, hyper::Error> {
        let meter = Arc::new(Meter::default());
        let io = TokioIo::new(Metered::new(stream, meter.clone()));
        let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(io)
            .await?;
        let allowed = Arc::new(AtomicUsize::new(MAX_STREAMS));
        let said = allowed.clone();
        tokio::spawn(async move {
            let ended = std::future::poll_fn(|cx| {
                said.store(connection.current_max_send_streams(), Ordering::Relaxed);
                Pin::new(&mut connection).poll(cx)
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "an upstream's HTTP/2 connection ended");
            }
        });
        let (n_streams, idle_since) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Ok(Arc::new(Self { sender, meter, scheme, made_with, n_streams, allowed, idle_since }))
    }

    /// A place for another request, if there is one.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Stream> {
        if self.is_closed() {
            return None;
        }
        let stream = Stream::of(self);
        // An upstream that allows none would have every request open a connection of its own.
        let allowed = self.allowed.load(Ordering::Relaxed).clamp(1, MAX_STREAMS);
        (self.n_streams.load(Ordering::Relaxed) <= allowed).then_some(stream)
    }

    /// Whether it is over.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Since when no request is on it, if none is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        (self.n_streams.load(Ordering::Relaxed) == 0).then_some(since)
    }
}

impl Stream {
    /// A place, whether there is room or not.
    pub(super) fn of(connection: &Arc<Http2>) -> Self {
        connection.n_streams.fetch_add(1, Ordering::Relaxed);
        Self { connection: connection.clone() }
    }

    /// The connection that it is a place on.
    pub(super) fn connection(&self) -> &Arc<Http2> {
        &self.connection
    }

    /// Sends a request that is written for HTTP/1.1. `exchange` counts what becomes of its body.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        exchange: Arc<Meter>,
    ) -> Result<Response<Incoming>, Failed> {
        let before = self.connection.meter.written();
        let request = translate(request, &self.connection.scheme);
        // The head counts as a byte: until the upstream says otherwise it is on its way.
        exchange.add_written(1);
        let request = request.map(|inner| Counted { inner, exchange });
        // A copy shares the connection; to send takes it mutably.
        let sent = self.connection.sender.clone().try_send_request(request).await;
        sent.map_err(|mut error| {
            let unsent = error.take_message().is_some();
            let error = error.into_error();
            let refused = unsent || is_refusal(&error);
            let sent = !refused && self.connection.meter.written() != before;
            Failed { error, sent, refused }
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.connection.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.connection.n_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether an upstream said that it didn't look at the request.
fn is_refusal(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        // h2 tells a stream of a GOAWAY only if it is beyond the last one.
        let refused = cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        cause.is_remote() && refused
    })
}

/// A head of HTTP/1.1 as one of HTTP/2 (RFC 9113 8.2.2, 8.3.1): who is asked stands in
/// `:authority`, and nothing is said of the connection.
fn translate(mut request: Request<RequestBody>, scheme: &Scheme) -> Request<RequestBody> {
    let headers = request.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    let host = headers.remove(HOST);
    let authority = host.as_ref().map(HeaderValue::as_bytes).map(Authority::try_from);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    match authority {
        Some(Ok(authority)) => {
            parts.scheme = Some(scheme.clone());
            parts.authority = Some(authority);
            parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        }
        // It was let in by its host; what isn't an authority stays in the old place.
        _ => {
            if let Some(host) = host {
                request.headers_mut().insert(HOST, host);
            }
        }
    }
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A request's body whose bytes are counted as they are taken to be sent.
#[derive(Debug)]
pub(super) struct Counted {
    inner: RequestBody,
    exchange: Arc<Meter>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let n_bytes = frame.data_ref().map_or(1, Bytes::len);
            self.exchange.add_written(n_bytes as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
