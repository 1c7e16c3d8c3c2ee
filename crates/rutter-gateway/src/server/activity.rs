//! What a client's connection is doing, as seen from beside hyper.
//!
//! hyper tells nobody whether a connection is idle. So requests and bodies are counted where they
//! begin and end, and the transport notes what it was asked for. [`super::http1`] decides by these
//! numbers when a connection can give its state back, and [`super::http2`] when one on which nothing
//! is asked has been there for too long. Nobody notes the time of anything: whoever wants to know
//! for how long nothing was asked looks now and then ([`Activity::quiet_for`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::accept::Admitted;

/// Into how many parts the time is cut for which nothing is to be asked.
const LOOKS: u32 = 4;

/// One connection's numbers, from one waiting for a request to the next.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The connection's places. Whatever becomes of its stream has this beside it, so they are
    /// kept as long as there is a socket.
    _admitted: Arc<Admitted>,
    /// Requests whose head came; wraps.
    begun: AtomicU32,
    /// Requests not answered yet, answers on their way, request bodies not read to their end.
    open: AtomicU32,
    /// Request bodies of which not all was read.
    unread: AtomicU32,
    /// Bytes that came from the client.
    read: AtomicU64,
    /// The status of the last answer that was written.
    status: AtomicU16,
    /// The transport could not take all that it was given.
    blocked: AtomicBool,
    /// The connection is to hand its transport back instead of closing it.
    yielding: AtomicBool,
    /// It would have closed it.
    yielded: AtomicBool,
}

/// Something of a request that isn't over yet.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new(admitted: Arc<Admitted>) -> Self {
        Self {
            _admitted: admitted,
            begun: AtomicU32::default(),
            open: AtomicU32::default(),
            unread: AtomicU32::default(),
            read: AtomicU64::default(),
            status: AtomicU16::default(),
            blocked: AtomicBool::default(),
            yielding: AtomicBool::default(),
            yielded: AtomicBool::default(),
        }
    }

    /// A request's head came; it is open until the [`Busy`] is dropped. Whether it has a body, of
    /// which nothing is read yet.
    pub(crate) fn begin(self: &Arc<Self>, has_body: bool) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.unread.fetch_add(u32::from(has_body), Ordering::Relaxed);
        self.busy()
    }

    fn busy(self: &Arc<Self>) -> Busy {
        self.open.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Waits until nothing was asked for so long, and up to a quarter longer.
    pub(super) async fn quiet_for(&self, longest: Duration) {
        let look = (longest / LOOKS).max(Duration::from_millis(1));
        let (mut n_before, mut since) = (self.n_begun(), Some(Instant::now()));
        loop {
            tokio::time::sleep(look).await;
            let (now, n_begun) = (Instant::now(), self.n_begun());
            if self.open.load(Ordering::Acquire) > 0 {
                since = None;
            } else if n_begun != n_before || since.is_none() {
                // Whatever was asked has ended before now.
                since = Some(now);
            }
            n_before = n_begun;
            if since.is_some_and(|since| now - since >= longest) {
                return;
            }
        }
    }

    /// How many requests have begun.
    pub(super) fn n_begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether every request that began is over, and its answer is out.
    pub(super) fn is_idle(&self) -> bool {
        // Acquire: what was done before a `Busy` was dropped is seen.
        self.open.load(Ordering::Acquire) == 0 && !self.blocked.load(Ordering::Relaxed)
    }

    /// Whether what comes next on the connection is the rest of a body that nobody reads any more:
    /// then it can't be handed back, or that rest would be taken for a request.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire) > 0
    }

    /// Bytes that came from the client.
    pub(super) fn n_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub(super) fn add_read(&self, n: usize) {
        self.read.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Looks at what is about to be written: the status of an answer that begins with it.
    pub(super) fn note_status(&self, written: &[u8]) {
        let Some(rest) = written.strip_prefix(b"HTTP/1.") else { return };
        let digits = rest.get(2..5).and_then(|d| std::str::from_utf8(d).ok());
        if let Some(status) = digits.and_then(|d| d.parse().ok()) {
            self.status.store(status, Ordering::Relaxed);
        }
    }

    /// The status of the last answer, whoever made it.
    pub(super) fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.status.load(Ordering::Relaxed)).ok()
    }

    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    /// From now on (or no longer) the transport is handed back instead of closed.
    pub(super) fn set_yielding(&self, yielding: bool) {
        self.yielding.store(yielding, Ordering::Relaxed);
    }

    /// Whether closing the transport means handing it back; if so, notes that it came to that.
    pub(super) fn yields(&self) -> bool {
        let yields = self.yielding.load(Ordering::Relaxed);
        if yields {
            self.yielded.store(true, Ordering::Relaxed);
        }
        yields
    }

    /// Whether the transport was to be closed while it was to be handed back.
    pub(super) fn has_yielded(&self) -> bool {
        self.yielded.load(Ordering::Relaxed)
    }
}

impl Busy {
    /// The request's body was read to its end.
    pub(crate) fn has_read_body(&self) {
        self.0.unread.fetch_sub(1, Ordering::Release);
    }

    /// For another part of the same request, which ends by itself.
    pub(crate) fn also(&self) -> Self {
        self.0.busy()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
