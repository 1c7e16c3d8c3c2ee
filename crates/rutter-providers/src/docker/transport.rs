//! How requests of the engine's library get there: a connection each, whose bytes are counted.
//!
//! The library keeps whole answers and half-read events in memory, whatever their length. So what
//! comes in is counted below it, and a connection that brings too much is ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bollard::BollardRequest;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::connect::{Connection, Dialer};

/// How much comes in before a connection is ended.
#[derive(Debug)]
pub(super) struct Meter {
    limit: u64,
    n_read: AtomicU64,
    is_over: AtomicBool,
    /// Woken when the head of an answer is there.
    answered: Notify,
}

impl Meter {
    pub(super) fn of(limit: u64) -> Arc<Self> {
        let (n_read, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { limit, n_read, is_over, answered: Notify::new() })
    }

    /// Begins to count anew: what was read has been used.
    pub(super) fn reset(&self) {
        self.n_read.store(0, Ordering::Relaxed);
    }

    /// Whether it was too much.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits until the head of an answer is there.
    pub(super) async fn answered(&self) {
        self.answered.notified().await;
    }

    fn read(&self, n: usize) -> io::Result<()> {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        let before = self.n_read.fetch_add(n, Ordering::Relaxed);
        if before.saturating_add(n) <= self.limit {
            return Ok(());
        }
        self.is_over.store(true, Ordering::Relaxed);
        Err(io::Error::other("more than is taken"))
    }
}

/// Sends a request over a connection of its own, which lasts as long as the answer is read.
pub(super) async fn exchange(
    dialer: Arc<Dialer>,
    meter: Arc<Meter>,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, bollard::errors::Error> {
    let connection = Metered { inner: dialer.dial().await?, meter: meter.clone() };
    let connection = hyper::client::conn::http1::handshake(TokioIo::new(connection));
    let (mut sender, connection) = connection.await?;
    // It ends when the answer is read or dropped, or by its own error, which the answer's reader
    // gets.
    tokio::spawn(connection);
    if let Some(path) = request.uri().path_and_query() {
        *request.uri_mut() = path.clone().into();
    }
    let host = HeaderValue::try_from(dialer.authority()).map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, host);
    let answer = sender.send_request(request).await?;
    meter.answered.notify_one();
    Ok(answer)
}

/// A connection whose bytes in are counted.
struct Metered {
    inner: Box<dyn Connection>,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        Poll::Ready(self.meter.read(buf.filled().len() - n_before))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
