//! A client's connection, and how long the gateway waits until the client takes what it sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::{Pace, Patience};
use crate::metrics::GatewayMetrics;

/// A stream that can be given up.
pub(crate) trait Abandon {
    /// From now on closing it drops what the other end hasn't taken, and tells it so by a reset.
    /// Else the kernel would keep those bytes, for a client that doesn't read, for minutes.
    fn abandon(&self) -> io::Result<()>;
}

/// A stream whose other end must keep taking what is written.
///
/// What shows is a full socket. So that it shows in small steps, the kernel keeps little that is
/// not yet sent ([`crate::socket::prepare`]): else megabytes could drain before it has room again.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    inner: S,
    patience: Patience,
    /// Made when the client first makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
    metrics: Arc<GatewayMetrics>,
}

impl<S: Abandon> Patient<S> {
    pub(crate) fn new(inner: S, pace: Pace, metrics: Arc<GatewayMetrics>) -> Self {
        let patience = Patience::new(pace);
        Self { inner, patience, timer: None, metrics }
    }

    pub(crate) fn into_inner(self) -> S {
        self.inner
    }

    /// What a write, flush or shutdown came to, by the time it has taken.
    fn timed<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        moved: impl FnOnce(&T) -> usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match done {
            Poll::Ready(done) => {
                if self.patience.waits() {
                    let bytes = done.as_ref().map_or(0, moved);
                    self.patience.moved(Instant::now(), bytes);
                }
                Poll::Ready(done)
            }
            Poll::Pending => {
                let until = self.patience.wait(Instant::now());
                std::task::ready!(super::poll_timer(&mut self.timer, until, cx));
                self.metrics.slow_readers.add(1);
                self.inner.abandon()?;
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client doesn't read")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Abandon + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.timed(written, |n| *n, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.timed(written, |n| *n, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.timed(flushed, |()| 0, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closed = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.timed(closed, |()| 0, cx)
    }
}
