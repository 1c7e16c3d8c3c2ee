//! HTTP/1 with clients: a connection that is idle holds next to nothing.
//!
//! ```text
//!            a byte is there                    idle for a beat
//!  waiting ───────────────────▶ talking (hyper) ───────────────▶ waiting
//!     │ too long, end of stream    │ close, error, upgrade, head too slow
//!     ▼                            ▼
//!    end                          end
//! ```
//!
//! Most connections of an edge are idle most of the time, and hyper keeps some 13 KiB for each:
//! its read buffer, its write buffer and its state. So hyper's connection exists only while there
//! is something to do. A new connection waits for its first byte as a socket and a timer; one
//! whose requests are all answered gives hyper's state back at the next beat but one, and waits
//! again.
//!
//! **How it is given back.** hyper has no call for it, but two that make one: it is asked to shut
//! down gracefully, which it does at once if and only if it stands between two requests; and
//! `into_parts` returns the transport with the bytes that hyper read and didn't use. Between the
//! two it closes the transport, which [`Transport`] answers without doing it. If hyper was *not*
//! between two requests (which [`Activity`] rules out: nothing open, nothing unwritten), it goes
//! on to the end of the request at hand and closes, as it would in a drain: the mistake costs a
//! connection, and can't shift a byte from one request into the next. Bytes of a pipelined request
//! come back with the transport and are read first by the next hyper connection. A connection on
//! which a request's body wasn't read to its end is closed instead: there hyper doesn't know where
//! the next request begins, and the rest of the body, coming late, would be taken for one.
//!
//! **A body that nobody reads on** (the answer came first: a 413, or an origin that answers early)
//! ends the connection, by halves (RFC 9112 9.6): the answer and the end of our side go out, and
//! what still comes is thrown away for [`LINGER`]. Closed at once, the client's next piece would
//! meet a reset, which takes the answer from a client that writes all before it reads.
//!
//! **Time.** A head must be there within `limits.header_timeout` of the accept, or of its first
//! byte where the connection was idle; else the answer is 408 if there was a byte of it. An idle
//! connection closes after the same time. None of it costs a request a timer: the beat is one
//! timer a worker, and a head that comes too slowly after a request on a busy connection is found
//! by it, since a connection that waits for the rest of a head is idle to hyper too: it is given
//! back, and begins anew with the head's deadline.
//!
//! Rejected: a smaller read buffer (hyper's least is 8 KiB, and large heads would need many
//! reads); a parser of our own; giving state back after each request (8 KiB allocated and freed a
//! request costs more than the memory is worth while a client is at work).
//!
//! **What was measured** (the program's allocator, one worker, proportional set size over 4,000
//! and 8,000 connections; `server/tests/idle.rs` holds the bound of 4 KiB):
//!
//! | connection | bytes |
//! | --- | --- |
//! | that said nothing | 1,300 to 1,700 |
//! | idle after a request | 1,900 to 3,300 |
//!
//! Over TLS rustls adds its session, which lasts as long as the connection and is not in these.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::accept::Admitted;
use super::activity::Activity;
use super::connection::{GRACE, Serving, Waiting};
use super::transport::{ClientStream, Transport};
use crate::config::Limits;
use crate::proxy::entry::note_refused;
use crate::proxy::{Client, handle};
use crate::slow::stream::Patient;

/// What a client gets whose head took too long (RFC 9110 15.5.9). Written by hand: hyper's
/// connection is gone by then.
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long the rest of a body that nobody reads is taken from its sender.
const LINGER: Duration = Duration::from_secs(2);

/// How talking ended.
enum Talked {
    /// The connection is over.
    Over,
    /// Our side of it is; the client may still be sending a body.
    Unread(ClientStream),
    /// Everything is answered: it waits for the next request. The bytes were read of it already.
    Idle(ClientStream, Bytes),
    /// The head didn't come in time.
    TooSlow(ClientStream),
}

/// What connections of HTTP/1 are made with. hyper's own timer of heads stays off: see above.
pub(super) fn builder(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_headers(limits.max_headers)
        .max_header_size(limits.max_header_bytes)
        // Bounds the head while it is incomplete, and the read buffer of a streaming body.
        .max_buf_size((2 * limits.max_header_bytes).max(64 * 1024));
    http
}

impl Serving {
    /// Talks with a client until its connection is over, or idle: then it is given back. `by`:
    /// when the head of the first request must be there.
    pub(super) async fn http1(
        &self,
        stream: ClientStream,
        read: Bytes,
        by: Instant,
        client: Client,
        admitted: &Arc<Admitted>,
    ) -> Option<Waiting> {
        let activity = Arc::new(Activity::new(admitted.clone()));
        match self.talk(stream, read, by, &client, activity).await {
            Talked::Over => None,
            Talked::Unread(stream) => {
                throw_away(stream).await;
                None
            }
            Talked::Idle(stream, read) => Some(self.idle(stream, read)),
            Talked::TooSlow(stream) => {
                self.worker.shared.metrics.slow_heads.add(1);
                let status = http::StatusCode::REQUEST_TIMEOUT;
                note_refused(&self.worker, &client, status, "HEAD_TOO_SLOW");
                refuse_slow(stream).await;
                None
            }
        }
    }

    async fn talk(
        &self,
        stream: ClientStream,
        early: Bytes,
        by: Instant,
        client: &Client,
        activity: Arc<Activity>,
    ) -> Talked {
        let transport = Transport::new(stream, early, activity.clone());
        let (worker, counted) = (self.worker.clone(), activity.clone());
        let asks = client.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (worker, client, version) = (worker.clone(), asks.clone(), request.version());
            let busy = counted.begin(!request.body().is_end_stream());
            async move {
                let mut answer = handle(worker.clone(), client, request, busy).await?;
                worker.shared.drain.mark(version, &mut answer);
                Ok::<_, Infallible>(answer)
            }
        });
        let mut connection =
            self.http1.serve_connection(self.patient(transport), service).with_upgrades();
        let mut lingered = std::pin::pin!(self.lingered());
        let mut beats = self.beats.clone();
        let mut head_by = Some(Box::pin(tokio::time::sleep_until(by)));
        let mut n_before = 0;
        loop {
            tokio::select! {
                biased;
                ended = &mut connection => {
                    self.over(client, &activity, &ended);
                    return half_closed(connection.into_parts(), &activity, &ended);
                }
                _ = beats.changed() => {}
                () = expired(&mut head_by) => {
                    if activity.n_begun() == 0 {
                        return match connection.into_parts() {
                            Some(parts) if activity.n_read() > 0 => {
                                Talked::TooSlow(parts.io.into_inner().into_inner().into_parts().0)
                            }
                            _ => Talked::Over,
                        };
                    }
                    head_by = None;
                    continue;
                }
                () = &mut lingered => {
                    Pin::new(&mut connection).graceful_shutdown();
                    let ended = (&mut connection).await;
                    self.over(client, &activity, &ended);
                    return half_closed(connection.into_parts(), &activity, &ended);
                }
            }
            let n_begun = activity.n_begun();
            if n_begun == 0 || n_begun != n_before || !activity.is_idle() {
                n_before = n_begun;
                continue;
            }
            // With a body left unread it is closed, not handed back.
            activity.set_yielding(!activity.has_unread());
            Pin::new(&mut connection).graceful_shutdown();
            let ended = poll_fn(|cx| Poll::Ready(Pin::new(&mut connection).poll(cx))).await;
            activity.set_yielding(false);
            let Poll::Ready(ended) = ended else { continue };
            if ended.is_err() || !activity.has_yielded() {
                self.over(client, &activity, &ended);
                return half_closed(connection.into_parts(), &activity, &ended);
            }
            return match connection.into_parts() {
                Some(parts) => {
                    let (stream, unread) = parts.io.into_inner().into_inner().into_parts();
                    Talked::Idle(stream, joined(&parts.read_buf, &unread))
                }
                None => Talked::Over,
            };
        }
    }

    fn over(&self, client: &Client, activity: &Activity, ended: &hyper::Result<()>) {
        if let Err(error) = ended {
            // What hyper can't read it answers by itself, and tells no service.
            if error.is_parse()
                && let Some(status) = activity.status()
            {
                note_refused(&self.worker, client, status, "BAD_REQUEST");
            }
            let n_requests = activity.n_begun();
            tracing::debug!(client = %client.peer, n_requests, %error, "a client's connection ended");
        }
    }
}

/// What is left of a connection that hyper has ended: our side is closed, unless it failed.
fn half_closed<S>(
    parts: Option<http1::Parts<TokioIo<Patient<Transport>>, S>>,
    activity: &Activity,
    ended: &hyper::Result<()>,
) -> Talked {
    if ended.is_err() || !activity.has_unread() {
        return Talked::Over;
    }
    match parts {
        Some(parts) => Talked::Unread(parts.io.into_inner().into_inner().into_parts().0),
        None => Talked::Over,
    }
}

/// When the timer expires; never without one.
async fn expired(timer: &mut Option<Pin<Box<tokio::time::Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

/// What hyper read and didn't use, and then what it hadn't read of the early bytes; copied, since
/// even an empty piece of hyper's buffer would keep all of it.
fn joined(read: &[u8], unread: &[u8]) -> Bytes {
    [read, unread].concat().into()
}

/// Reads until the client has ended its side too, or for so long.
async fn throw_away(mut stream: ClientStream) {
    let mut nowhere = tokio::io::sink();
    if let Ok(Err(error)) = timeout(LINGER, tokio::io::copy(&mut stream, &mut nowhere)).await {
        tracing::debug!(%error, "a client with a body that isn't wanted is gone");
    }
}

async fn refuse_slow(mut stream: ClientStream) {
    let last_words = async {
        stream.write_all(TOO_SLOW).await?;
        stream.shutdown().await
    };
    if let Ok(Err(error)) = timeout(GRACE, last_words).await {
        tracing::debug!(%error, "a client whose head took too long is gone");
    }
}
