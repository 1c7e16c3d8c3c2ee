//! Both ways of a stream, and how it ends.
//!
//! A side that has said all closes its half; the other may go on for as long as it likes (a client
//! of `rsh`, or of HTTP/1.0, does it). A side that breaks takes the other along, and by a reset: an
//! orderly end would tell it that what came was all.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::splice::one_way;
use crate::metrics::Counter;

/// How much of a stream in TLS is held for each direction.
const BUFFER: usize = 16 * 1024;

/// Into how many parts the time is cut in which something is to move.
const LOOKS: u32 = 4;

/// Where the bytes of a stream are counted.
#[derive(Debug)]
pub(super) struct Count<'a> {
    from_client: &'a Counter,
    to_client: &'a Counter,
    /// Pieces that moved, either way.
    n_moved: AtomicU64,
}

/// How a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Both sides have said all.
    Well,
    /// One broke.
    Broken(io::Error),
    /// Nothing moved for too long.
    Idle,
    /// The gateway ends.
    Stopped,
}

impl<'a> Count<'a> {
    pub(super) fn new(from_client: &'a Counter, to_client: &'a Counter) -> Self {
        Self { from_client, to_client, n_moved: AtomicU64::new(0) }
    }

    fn note(&self, counter: &Counter, n: usize) {
        counter.add(n as u64);
        self.n_moved.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nothing has moved for so long, or up to a quarter longer; zero: for ever.
    async fn idle_for(&self, longest: Duration) {
        if longest.is_zero() {
            return std::future::pending().await;
        }
        let (mut n_before, mut n_looks) = (0, 0);
        while n_looks <= LOOKS {
            tokio::time::sleep(longest / LOOKS).await;
            let n_now = self.n_moved.load(Ordering::Relaxed);
            n_looks = if n_now == n_before { n_looks + 1 } else { 0 };
            n_before = n_now;
        }
    }
}

/// Moves bytes both ways between two sockets until the stream ends.
pub(super) async fn plain(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    count: &Count<'_>,
    idle: Duration,
    stop: &CancellationToken,
) -> Ended {
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_upstream, to_upstream) = upstream.split();
        let up = one_way(from_client, to_upstream.as_ref(), |n| count.note(count.from_client, n));
        let down = one_way(from_upstream, to_client.as_ref(), |n| count.note(count.to_client, n));
        until(async { tokio::try_join!(up, down) }, count, idle, stop).await
    };
    if let Ended::Broken(_) = ended {
        reset(client);
        reset(upstream);
    }
    ended
}

/// The same where the client speaks TLS with us.
pub(super) async fn in_tls(
    client: &mut TlsStream<TcpStream>,
    upstream: &mut TcpStream,
    count: &Count<'_>,
    idle: Duration,
    stop: &CancellationToken,
) -> Ended {
    let ended = {
        let mut client = Noted { stream: &mut *client, count, counter: count.from_client };
        let mut upstream = Noted { stream: &mut *upstream, count, counter: count.to_client };
        let both = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
        until(both, count, idle, stop).await
    };
    if let Ended::Broken(_) = ended {
        reset(client.get_ref().0);
        reset(upstream);
    }
    ended
}

async fn until<T>(
    both: impl Future<Output = io::Result<T>>,
    count: &Count<'_>,
    idle: Duration,
    stop: &CancellationToken,
) -> Ended {
    tokio::select! {
        ended = both => ended.map_or_else(Ended::Broken, |_| Ended::Well),
        () = count.idle_for(idle) => Ended::Idle,
        () = stop.cancelled() => Ended::Stopped,
    }
}

/// Has a socket be reset when it is closed.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a stream that broke can't be reset");
    }
}

/// A stream whose bytes are counted as they are read.
struct Noted<'a, S> {
    stream: &'a mut S,
    count: &'a Count<'a>,
    counter: &'a Counter,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.count.note(self.counter, buf.filled().len() - before);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}
