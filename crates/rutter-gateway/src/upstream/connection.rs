//! One exchange with an upstream: a connection of HTTP/1.1, or a stream of HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connect::{MadeWith, Upstream};
use super::http2::{Failed, Http2, Stream};
use super::meter::{Meter, Metered};
use super::slots::Slot;
use crate::failover::replay::RequestBody;

/// The most header lines an answer may have.
const MAX_HEADERS: usize = 128;

/// The largest head of an answer, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// The largest read buffer, in bytes. A connection grows to it only while reads fill what it has; an
/// answer of 64 KiB and its head are one read then, and not one and a remainder.
const MAX_BUFFER: usize = 128 * 1024;

/// The version of HTTP that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

/// A connection that one request has for itself, or its place on one.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: Wire,
    /// Counts the connection's bytes, or over HTTP/2 those of this exchange.
    meter: Arc<Meter>,
    made_with: MadeWith,
    /// Whether it was used before.
    reused: bool,
    /// When it was last used.
    pub(super) idle_since: Instant,
    /// Its place among the connections of an upstream that bounds them.
    slot: Option<Slot>,
}

#[derive(Debug)]
enum Wire {
    /// With the task that drives it.
    Http1 {
        sender: http1::SendRequest<RequestBody>,
        driver: JoinHandle<()>,
    },
    Http2(Stream),
}

/// Which patience ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// That with one route, where others are left.
    Try,
    /// That with an upstream altogether.
    Response,
}

/// How long nothing may move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Before the upstream is given up altogether.
    pub(crate) response: Duration,
    /// Before it is given up for another; zero: never.
    pub(crate) one_try: Duration,
}

/// Into how many parts the time is cut after which silence is looked for: so it is noticed at
/// most a quarter late, and a request that takes no longer than that costs one timer.
const LOOKS: u32 = 4;

/// A request that got no answer, and what is known of it.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub(crate) struct TryError {
    /// Whether the transport took a byte of the request.
    pub(crate) sent: bool,
    /// Whether a byte of an answer came.
    pub(crate) answered: bool,
    /// Whether it was given up because nothing moved for too long.
    pub(crate) silent: Option<Silence>,
    /// Whether the connection came from the pool.
    pub(crate) reused: bool,
    #[source]
    source: Option<hyper::Error>,
}

impl Patience {
    fn look(&self) -> Duration {
        let shorter = match self.one_try {
            Duration::ZERO => self.response,
            one_try => one_try.min(self.response),
        };
        (shorter / LOOKS).max(Duration::from_millis(1))
    }
}

impl TryError {
    fn describe(&self) -> String {
        let what = match &self.source {
            Some(error) => match std::error::Error::source(error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
            None => "no answer in time".to_owned(),
        };
        let sent =
            if self.sent { "after the request was sent" } else { "before anything was sent" };
        // What a server of TLS says to plain HTTP is no HTTP.
        let hint = match &self.source {
            Some(error) if error.is_parse() => "; if it speaks TLS there, its scheme is https",
            _ => "",
        };
        format!("{what} ({sent}){hint}")
    }
}

impl Connection {
    /// Begins HTTP on a stream.
    pub(super) async fn open(
        stream: Upstream,
        speaks: Speaks,
        made_with: MadeWith,
    ) -> Result<Self, hyper::Error> {
        let (wire, meter) = match speaks {
            Speaks::Http1 => open_http1(stream).await?,
            Speaks::Http2 => {
                let scheme = if made_with.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                let connection = Http2::open(stream, scheme, made_with.clone()).await?;
                (Wire::Http2(Stream::of(&connection)), Arc::default())
            }
        };
        let idle_since = Instant::now();
        Ok(Self { wire, meter, made_with, reused: false, idle_since, slot: None })
    }

    /// Another place on a connection that has requests already, or had.
    pub(super) fn on(stream: Stream) -> Self {
        let made_with = stream.connection().made_with.clone();
        Self {
            wire: Wire::Http2(stream),
            meter: Arc::default(),
            made_with,
            reused: true,
            idle_since: Instant::now(),
            slot: None,
        }
    }

    /// The connection that others may have a place on too.
    pub(super) fn shared(&self) -> Option<&Arc<Http2>> {
        match &self.wire {
            Wire::Http1 { .. } => None,
            Wire::Http2(stream) => Some(stream.connection()),
        }
    }

    /// Whether request and answer may be under way at once, and the upstream may say late that it
    /// did nothing: HTTP/2.
    pub(crate) fn speaks_both_ways(&self) -> bool {
        matches!(self.wire, Wire::Http2(_))
    }

    /// What its TLS was made with.
    pub(super) fn made_with(&self) -> Option<&Arc<rustls::ClientConfig>> {
        self.made_with.as_ref()
    }

    /// Keeps its place among the upstream's connections for as long as it lasts.
    pub(crate) fn holds(&mut self, slot: Option<Slot>) {
        self.slot = slot;
    }

    /// Gives that place back, for a connection that goes where others can take it.
    pub(crate) fn give_slot_back(&mut self) -> Option<Slot> {
        self.slot.take()
    }

    /// The bytes that it moved.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    /// Whether it ended since the client's body failed, amid an answer that had begun.
    pub(super) fn is_cut_by_client(&self) -> bool {
        self.meter.is_cut_by_client()
    }

    /// Sends a request and waits for the head of the answer, for as long as it takes.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TryError> {
        let (written, read) = (self.meter.written(), self.meter.read());
        let sent = match &mut self.wire {
            Wire::Http1 { sender, .. } => {
                sender.try_send_request(request).await.map_err(|e| Why::Error(e.into_error()))
            }
            Wire::Http2(stream) => {
                // In a box, so that the many requests of HTTP/1.1 don't carry it along.
                let sent = Box::pin(stream.send(request, self.meter.clone()));
                sent.await.map_err(Why::Stream)
            }
        };
        match sent {
            Ok(response) => Ok(response),
            Err(why) => Err(self.failed(written, read, why).await),
        }
    }

    /// As [`Connection::send`], but gives up when for too long nothing moved in either direction
    /// and no answer came. (An upload may take hours; what is watched is that it goes on.) For
    /// another route only if not a byte of an answer came and `may_move` says so then.
    pub(crate) async fn send_within(
        &mut self,
        request: Request<RequestBody>,
        patience: Patience,
        may_move: impl Fn() -> bool,
    ) -> Result<Response<Incoming>, TryError> {
        let meter = self.meter();
        let (written, read) = (meter.written(), meter.read());
        let silence = {
            let mut send = std::pin::pin!(self.send(request));
            let look = patience.look();
            let (mut moved, mut since) = (written + read, Instant::now());
            loop {
                if let Ok(sent) = tokio::time::timeout(look, &mut send).await {
                    return sent;
                }
                let now = Instant::now();
                let before = std::mem::replace(&mut moved, meter.written() + meter.read());
                if before != moved {
                    since = now;
                    continue;
                }
                if now - since >= patience.response {
                    break Silence::Response;
                }
                let cut = !patience.one_try.is_zero() && now - since >= patience.one_try;
                if cut && meter.read() == read && may_move() {
                    break Silence::Try;
                }
            }
        };
        Err(self.failed(written, read, Why::Silence(silence)).await)
    }

    /// Over HTTP/1.1 it ends the connection, and only then reads the meter: as long as the driver
    /// lives it could still write what hyper has buffered. Over HTTP/2 the connection is others'
    /// too, and a request that was given up counts as sent.
    async fn failed(&mut self, written: u64, read: u64, why: Why) -> TryError {
        let mut stale = self.reused;
        let (sent, answered) = match &mut self.wire {
            Wire::Http1 { driver, .. } => {
                driver.abort();
                // Cancelled or ended, either way nothing moves any more.
                let _ended = driver.await;
                (self.meter.written() != written, self.meter.read() != read)
            }
            Wire::Http2(stream) => {
                let (sent, refused) = match &why {
                    Why::Stream(failed) => (failed.sent, failed.refused),
                    Why::Error(_) | Why::Silence(_) => (true, false),
                };
                // A connection that goes on, and didn't refuse the request, isn't to blame.
                stale &= refused || stream.connection().is_closed();
                (sent, false)
            }
        };
        let (silent, source) = match why {
            Why::Error(error) => (None, Some(error)),
            Why::Stream(failed) => (None, Some(failed.error)),
            Why::Silence(silence) => (Some(silence), None),
        };
        TryError { sent, answered, silent, reused: stale, source }
    }

    /// Whether a request can be sent, as far as the kernel knows. An origin that ended has taken
    /// its connections with it, but the task that drives this one learns it only when the runtime
    /// next looks at its sockets; this waits for one such look.
    pub(crate) async fn is_still_open(&self) -> bool {
        tokio::task::yield_now().await;
        self.is_ready()
    }

    /// Whether a request can be sent at once, as far as hyper knows.
    pub(super) fn is_ready(&self) -> bool {
        match &self.wire {
            Wire::Http1 { sender, .. } => sender.is_ready(),
            Wire::Http2(stream) => !stream.connection().is_closed(),
        }
    }

    /// Whether it is over.
    pub(super) fn is_closed(&self) -> bool {
        match &self.wire {
            Wire::Http1 { sender, .. } => sender.is_closed(),
            Wire::Http2(stream) => stream.connection().is_closed(),
        }
    }

    /// Waits until the last exchange is over; `false`: the connection is over too.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.wire {
            Wire::Http1 { sender, .. } => sender.ready().await.is_ok(),
            Wire::Http2(stream) => !stream.connection().is_closed(),
        }
    }

    pub(super) fn put_to_rest(&mut self, now: Instant) {
        self.reused = true;
        self.idle_since = now;
    }
}

/// Why an exchange came to nothing.
enum Why {
    Error(hyper::Error),
    Stream(Failed),
    Silence(Silence),
}

async fn open_http1(stream: Upstream) -> Result<(Wire, Arc<Meter>), hyper::Error> {
    let meter = Arc::new(Meter::default());
    let io = TokioIo::new(Metered::new(stream, meter.clone()));
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .handshake(io)
        .await?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "an upstream connection ended");
        }
    });
    Ok((Wire::Http1 { sender, driver }, meter))
}
