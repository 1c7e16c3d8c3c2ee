//! A client's connection, from its first byte to its end.

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::accept::Accepted;
use super::http2::{Streams, builder};
use super::worker::Place;
use crate::config::Limits;
use crate::proxy::{Client, Worker, handle};
use crate::slow::Pace;
use crate::slow::answer::Delivered;
use crate::slow::idle::Activity;
use crate::slow::stream::Patient;
use crate::upstream::Stream;

/// HTTP/2 in ALPN (RFC 9113 3.1).
pub(super) const H2: &[u8] = b"h2";

/// How HTTP/2 begins (RFC 9113 3.4). No method of HTTP/1 begins with `PRI`, so these few bytes
/// tell the two apart.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// The client's side of a connection.
type ClientStream = Stream<TlsStream<TcpStream>>;

/// Serves the connections of one worker.
pub(super) struct Serving {
    pub(super) worker: Arc<Worker>,
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    limits: Limits,
    /// Asks connections to end when their requests have.
    pub(super) draining: CancellationToken,
}

impl Serving {
    pub(super) fn new(worker: Arc<Worker>, limits: &Limits, draining: CancellationToken) -> Self {
        let streams = Streams {
            tasks: worker.tasks.clone(),
            pace: Pace::of_answers(limits),
            metrics: worker.shared.metrics.clone(),
        };
        let http2 = builder(limits, streams);
        Self { worker, http1: http1(limits), http2, limits: limits.clone(), draining }
    }

    pub(super) async fn serve(self: Arc<Self>, accepted: Accepted, place: Place) {
        let Accepted { stream, peer, tls, h2c, permit } = accepted;
        let open = self.worker.shared.metrics.active_connections.hold();
        let client = Client { peer, tls: tls.is_some() };
        match TcpStream::from_std(stream) {
            Err(error) => tracing::warn!(%error, "a connection can't be served"),
            Ok(stream) => match tls {
                None if h2c && self.begins_with_http2(&stream).await => {
                    self.http2(Stream::Plain(stream), client).await;
                }
                None => self.http1(Stream::Plain(stream), client).await,
                Some(tls) => self.tls(stream, tls, client).await,
            },
        }
        drop((permit, open, place));
    }

    async fn tls(&self, stream: TcpStream, tls: Arc<rustls::ServerConfig>, client: Client) {
        let Some(stream) = self.handshake(stream, tls).await else { return };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        let stream = Stream::Tls(Box::new(stream));
        if http2 {
            self.http2(stream, client).await;
        } else {
            self.http1(stream, client).await;
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        tls: Arc<rustls::ServerConfig>,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let error = match tokio::time::timeout(self.limits.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        self.worker.shared.metrics.tls_handshake_failures.add(1);
        tracing::debug!(error, "no TLS handshake with a client");
        None
    }

    /// Whether a plain connection begins with HTTP/2. Looked at without being taken: whichever
    /// parser it is for gets it from the first byte.
    async fn begins_with_http2(&self, stream: &TcpStream) -> bool {
        let mut seen = [0; PREFACE.len()];
        let look = async {
            loop {
                let n = stream.peek(&mut seen).await.unwrap_or(0);
                let begun = seen.get(..n).unwrap_or_default();
                if n == 0 || !PREFACE.starts_with(begun) || n == PREFACE.len() {
                    return begun == PREFACE;
                }
                // The rest of the preface is on its way, but what is there already counts as
                // readable: only time tells when there is more.
                tokio::time::sleep(PREFACE_RECHECK).await;
            }
        };
        tokio::time::timeout(self.limits.header_timeout, look).await.unwrap_or(false)
    }

    async fn http1(&self, stream: ClientStream, client: Client) {
        let worker = self.worker.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (worker, version) = (worker.clone(), request.version());
            async move {
                let mut answer = handle(worker.clone(), client, request).await?;
                worker.shared.drain.mark(version, &mut answer);
                Ok::<_, Infallible>(answer)
            }
        });
        let stream = self.patient(stream);
        let begun = stream.begun();
        let connection = self.http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.lingered() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            if error.is_timeout() && begun.get() {
                self.worker.shared.metrics.slow_heads.add(1);
            }
            tracing::debug!(client = %client.peer, %error, "a client's connection ended");
        }
    }

    fn patient(&self, stream: ClientStream) -> Patient<ClientStream> {
        Patient::new(stream, Pace::of_answers(&self.limits), self.worker.shared.metrics.clone())
    }

    /// Waits until the end has begun and idle connections may close. HTTP/2 needs no such wait:
    /// GOAWAY names the last request that counts, so a client knows which to send elsewhere
    /// (RFC 9113 6.8).
    async fn lingered(&self) {
        self.draining.cancelled().await;
        tokio::time::sleep(self.worker.shared.drain.linger()).await;
    }

    async fn http2(&self, stream: ClientStream, client: Client) {
        let worker = self.worker.clone();
        let activity = Activity::new();
        let asked = activity.clone();
        let service = service_fn(move |request| {
            let under_way = asked.begin();
            let answer = handle(worker.clone(), client, request);
            async move { Ok::<_, Infallible>(answer.await?.map(|b| Delivered::new(b, under_way))) }
        });
        let stream = TokioIo::new(self.patient(stream));
        let connection = self.http2.serve_connection(stream, service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = activity.quiet_for(self.limits.header_timeout) => {
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

/// How long a client of HTTP/2 may take to close after it was told to.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(1);

/// How often a beginning of the preface is looked at again. It comes in one piece from whoever
/// means it.
const PREFACE_RECHECK: std::time::Duration = std::time::Duration::from_millis(20);

fn http1(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_header_bytes)
        // Bounds the head while it is incomplete, and the read buffer of a streaming body.
        .max_buf_size((2 * limits.max_header_bytes).max(64 * 1024));
    http
}
