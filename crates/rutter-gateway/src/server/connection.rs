//! A client's connection: TLS or not, HTTP/1 or HTTP/2.
//!
//! Nothing is made for a connection before its first byte is there, neither a TLS session nor a
//! parser: who connects and says nothing costs a socket and a timer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::accept::{Accepted, Admitted, Front, HeaderFirst, To, lets_in};
use super::http2::Streams;
use super::proxied;
use super::transport::{ClientStream, Transport};
use super::worker::Place;
use crate::config::Limits;
use crate::places::ConnectedAt;
use crate::proxy::{Client, Worker};
use crate::proxy_protocol::Told;
use crate::slow::Pace;
use crate::slow::stream::Patient;
use crate::upstream::Stream;

/// How long the last bytes to a client may take.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// HTTP/2 in ALPN (RFC 9113 3.1).
pub(super) const H2: &[u8] = b"h2";

/// How HTTP/2 begins (RFC 9113 3.4). No method of HTTP/1 begins with `PRI`, so these few bytes
/// tell the two apart.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A connection that waits for a byte.
pub(super) struct Waiting {
    stage: Stage,
    /// It ends if there is none by then.
    by: Instant,
}

enum Stage {
    /// Nothing was read of it yet.
    New { stream: TcpStream, front: Arc<Front> },
    /// It speaks HTTP/1 and stands between two requests, of the next of which this was read.
    Idle { stream: ClientStream, read: Bytes, decrypted: bool },
}

impl Waiting {
    /// Whether something of the next request is in our hands already: the socket won't tell of it
    /// again. A client of TLS 1.3 sends its first request with the end of its handshake, so the
    /// two may come in one piece, and then it lies decrypted in the session.
    fn has_read(&self) -> bool {
        match &self.stage {
            Stage::New { .. } => false,
            Stage::Idle { read, decrypted, .. } => *decrypted || !read.is_empty(),
        }
    }

    /// Waits until there is a byte to read, or the end; `false`: the end. Nothing is read, so
    /// nothing is held for it. Over TLS a byte may be one of TLS itself.
    async fn has_bytes(&self) -> bool {
        let stream = match &self.stage {
            Stage::New { stream, .. } => stream,
            Stage::Idle { stream: Stream::Plain(stream), .. } => stream,
            Stage::Idle { stream: Stream::Tls(stream), .. } => stream.get_ref().0,
        };
        matches!(stream.peek(&mut [0]).await, Ok(1..))
    }

    pub(super) async fn close(self) {
        // Over TLS this says that it is the end, and not a cut (RFC 8446 6.1). A client that is
        // gone needn't hear it.
        if let Stage::Idle { mut stream, .. } = self.stage {
            let _gone = timeout(GRACE, stream.shutdown()).await;
        }
    }
}

/// Serves the connections of one worker.
pub(super) struct Serving {
    pub(super) worker: Arc<Worker>,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
    pub(super) limits: Limits,
    /// Asks connections to end when their requests have.
    pub(super) draining: CancellationToken,
    /// Changes with each beat.
    pub(super) beats: watch::Receiver<()>,
    n_given_back: AtomicU64,
}

impl Serving {
    pub(super) fn new(
        worker: Arc<Worker>,
        limits: &Limits,
        draining: CancellationToken,
        beats: watch::Receiver<()>,
    ) -> Self {
        let http1 = super::http1::builder(limits);
        let streams = Streams {
            tasks: worker.tasks.clone(),
            pace: Pace::of_answers(limits),
            metrics: worker.shared.metrics.clone(),
        };
        let http2 = super::http2::builder(limits, streams);
        Self {
            worker,
            http1,
            http2,
            limits: limits.clone(),
            draining,
            beats,
            n_given_back: AtomicU64::new(0),
        }
    }

    /// Serves a connection to its end. What this future holds is what an idle connection costs,
    /// so whatever comes after a byte is boxed for as long as it takes.
    pub(super) async fn serve(self: Arc<Self>, accepted: Accepted, of_worker: Place) {
        let _open = self.worker.shared.metrics.active_connections.hold();
        let Accepted { stream, peer, to, header, admitted } = accepted;
        let mut stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "a connection can't be served"),
        };
        let mut peer = peer;
        let mut told = None;
        if let Some(header) = header {
            let entering = self.enter_by_header(&mut stream, peer, header, &admitted);
            match Box::pin(entering).await {
                Some(ends) => told = ends,
                None => return turn_away(&stream),
            }
            peer = told.map_or(peer, |told| told.client);
        }
        let front = match to {
            To::Http(front) => front,
            To::Stream { place, certificates } => {
                Box::pin(self.pass_on(stream, peer, told, place, certificates)).await;
                return drop((admitted, of_worker));
            }
        };
        let Ok(local) = stream.local_addr() else {
            // It is gone already.
            return drop((admitted, of_worker));
        };
        let at = ConnectedAt { local, is_place: front.is_place };
        let (tls, redirect) = (front.has_tls(), front.redirect);
        let mut client = Client {
            peer,
            at,
            tls,
            tls_version: None,
            tls_server_name: None,
            redirect,
            shown: None,
            neighbour: None,
        };
        let mut waiting = self.begin(stream, front);
        while waiting.has_read() || self.wait(&waiting).await {
            match Box::pin(self.go_on(waiting, &mut client, told, &admitted)).await {
                Some(next) => waiting = next,
                None => return drop((admitted, of_worker)),
            }
        }
        Box::pin(waiting.close()).await;
    }

    fn begin(&self, stream: TcpStream, front: Arc<Front>) -> Waiting {
        let patience = match front.has_tls() {
            true => self.limits.handshake_timeout,
            false => self.limits.header_timeout,
        };
        Waiting { stage: Stage::New { stream, front }, by: Instant::now() + patience }
    }

    /// Reads the PROXY header, and lets in whom it names, or the peer if it names nobody; `None`:
    /// not let in.
    async fn enter_by_header(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
        header: HeaderFirst,
        admitted: &Admitted,
    ) -> Option<Option<Told>> {
        let shared = &self.worker.shared;
        let by = Instant::now() + self.limits.header_timeout;
        let read = tokio::select! {
            read = proxied::read(stream, header.required, by) => read,
            () = self.lingered() => return None,
        };
        let told = match read {
            Ok(told) => told,
            Err(error) => {
                shared.metrics.proxy_headers_refused.add(1);
                tracing::debug!(client = %peer, %error, "a connection is cut");
                return None;
            }
        };
        let settings = shared.settings.load();
        let client = told.map_or(peer, |told| told.client);
        admitted.keep(lets_in(shared, &settings, &header.clients, client)?);
        Some(told)
    }

    /// Waits for a byte; `false`: none will come, or not in time.
    async fn wait(&self, waiting: &Waiting) -> bool {
        let _idle = self.worker.shared.metrics.idle_connections.hold();
        tokio::select! {
            biased;
            there = waiting.has_bytes() => there,
            () = self.lingered() => false,
            () = tokio::time::sleep_until(waiting.by) => false,
        }
    }

    /// Waits until the end has begun and idle connections may close. HTTP/2 needs no such wait:
    /// GOAWAY names the last request that counts, so a client knows which to send elsewhere
    /// (RFC 9113 6.8).
    pub(super) async fn lingered(&self) {
        self.draining.cancelled().await;
        tokio::time::sleep(self.worker.shared.drain.linger()).await;
    }

    /// Does what there is to do; `None`: the connection is over.
    async fn go_on(
        &self,
        waiting: Waiting,
        client: &mut Client,
        told: Option<Told>,
        admitted: &Arc<Admitted>,
    ) -> Option<Waiting> {
        let by = waiting.by;
        let (stream, read) = match waiting.stage {
            Stage::Idle { stream, read, .. } => {
                // Its head has begun just now, or lay there already.
                let by = Instant::now() + self.limits.header_timeout;
                return self.http1(stream, read, by, client.clone(), admitted).await;
            }
            Stage::New { stream, front } if front.neighbours.is_some() => {
                return self.neighbour(stream, &front, by, client, admitted).await;
            }
            Stage::New { stream, front } if front.tls.is_some() => {
                return self.secure(stream, &front, by, client, told, admitted).await;
            }
            Stage::New { stream, front } if !front.h2c => (Stream::Plain(stream), Bytes::new()),
            Stage::New { stream, .. } => {
                let mut stream = Stream::Plain(stream);
                let begun = tokio::time::timeout_at(by, read_preface(&mut stream)).await;
                let begun = begun.ok()?.ok()?;
                if begun == PREFACE {
                    self.http2(stream, begun, client.clone(), admitted).await;
                    return None;
                }
                (stream, begun)
            }
        };
        self.http1(stream, read, by, client.clone(), admitted).await
    }

    /// What hyper is given for a connection.
    pub(super) fn patient(&self, transport: Transport) -> TokioIo<Patient<Transport>> {
        let metrics = self.worker.shared.metrics.clone();
        TokioIo::new(Patient::new(transport, Pace::of_answers(&self.limits), metrics))
    }

    /// How many times a connection gave its state back.
    pub(super) fn n_given_back(&self) -> u64 {
        self.n_given_back.load(Ordering::Relaxed)
    }

    /// A connection that waits for its next request; these bytes of it are there.
    pub(super) fn idle(&self, mut stream: ClientStream, read: Bytes) -> Waiting {
        self.n_given_back.fetch_add(1, Ordering::Relaxed);
        let by = Instant::now() + self.limits.header_timeout;
        let decrypted = has_decrypted(&mut stream);
        Waiting { stage: Stage::Idle { stream, read, decrypted }, by }
    }
}

/// Whether a TLS session holds bytes that it has decrypted and nobody has read. A session that is
/// broken says so to its next reader.
fn has_decrypted(stream: &mut ClientStream) -> bool {
    match stream {
        Stream::Plain(_) => false,
        Stream::Tls(stream) => match stream.get_mut().1.process_new_packets() {
            Ok(state) => state.plaintext_bytes_to_read() > 0,
            Err(_) => true,
        },
    }
}

/// Has a client that isn't let in see a reset, so that nothing of it stays here.
fn turn_away(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a client that isn't let in can't be reset");
    }
}

/// Reads until it is clear whether HTTP/2 begins here; whichever parser it is for gets the bytes.
async fn read_preface(stream: &mut ClientStream) -> std::io::Result<Bytes> {
    let mut begun = BytesMut::with_capacity(PREFACE.len());
    while begun.len() < PREFACE.len() && PREFACE.starts_with(&begun) {
        let mut rest = (&mut *stream).take((PREFACE.len() - begun.len()) as u64);
        if rest.read_buf(&mut begun).await? == 0 {
            break;
        }
    }
    Ok(begun.freeze())
}
