//! What hyper reads from and writes to: the client's stream, with bytes put back in front of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use crate::slow::stream::Abandon;
use crate::upstream::Stream;

/// The client's side of a connection.
pub(super) type ClientStream = Stream<TlsStream<TcpStream>>;

/// A stream, bytes that were read of it too early, and whoever wants to know what it does.
#[derive(Debug)]
pub(super) struct Transport {
    stream: ClientStream,
    early: Bytes,
    activity: Arc<Activity>,
}

impl Transport {
    pub(super) fn new(stream: ClientStream, early: Bytes, activity: Arc<Activity>) -> Self {
        Self { stream, early, activity }
    }

    /// The stream, and what is still to be read before it.
    pub(super) fn into_parts(self) -> (ClientStream, Bytes) {
        (self.stream, self.early)
    }

    /// Notes whether the stream took what it was given.
    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.set_blocked(written.is_pending());
        written
    }
}

impl Abandon for Transport {
    fn abandon(&self) -> io::Result<()> {
        let socket = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        socket.set_zero_linger()
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = if self.early.is_empty() {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            let n = self.early.len().min(buf.remaining());
            buf.put_slice(self.early.get(..n).unwrap_or_default());
            self.early.advance(n);
            Poll::Ready(Ok(()))
        };
        self.activity.add_read(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.activity.note_status(buf);
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.note_status(bufs.first().map_or(&[], |buf| buf));
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.yields() {
            return Poll::Ready(Ok(()));
        }
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        // Once it has begun to close it is no connection to keep.
        self.activity.set_blocked(true);
        closed
    }
}
