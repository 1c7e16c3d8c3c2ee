//! How a gateway ends without anybody's request failing.
//!
//! ```text
//!  begin ─▶ answers say `Connection: close` ─▶ linger over ─▶ idle connections close
//!                                          └─▶ drain over  ─▶ tunnels close, the rest is cut off
//! ```
//!
//! **An idle connection isn't closed at once.** Its client may be sending the next request at this
//! very moment, and would see it fail though nothing was wrong (RFC 9112 9.5 leaves the repair to
//! the client, and not all do it). So for a while, the *linger*, it may still bring one request,
//! whose answer says that it was the last. A client that uses its connections learns of the end by
//! an answer, never by a reset; one that is idle for longer than the linger meets the same race as
//! with any idle timeout. Rejected: closing at once, which is what most servers do, and what a load
//! of a thousand requests a second over kept connections sees as failures.
//!
//! **How long the linger is** depends on who waits for the end: a person who pressed Ctrl-C
//! (`limits.drain_idle`), or nobody, since a successor serves already (then all of `limits.drain`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Response, StatusCode, Version};

/// Whether the end has begun, as every worker sees it. Read once a request.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    begun: AtomicBool,
    linger_ms: AtomicU64,
}

impl Drain {
    /// From now on answers are the last of their connections.
    pub(super) fn begin(&self, linger: Duration) {
        let ms = u64::try_from(linger.as_millis()).unwrap_or(u64::MAX);
        self.linger_ms.store(ms, Ordering::Relaxed);
        self.begun.store(true, Ordering::Release);
    }

    /// How long an idle connection may still bring a request.
    pub(super) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms.load(Ordering::Relaxed))
    }

    /// Marks an answer as the last one of its connection, once the end has begun. HTTP/2 has GOAWAY
    /// for it, and an answer that switches protocols ends the requests of its connection anyway.
    pub(super) fn mark<B>(&self, version: Version, answer: &mut Response<B>) {
        let is_h1 = version < Version::HTTP_2;
        if is_h1
            && self.begun.load(Ordering::Acquire)
            && answer.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

#[cfg(test)]
mod tests;
