//! What the gateway counts.
//!
//! Plain counters in one struct that whoever exports them reads; no metrics library, so no global
//! registry and no labels made on the request path. All of them start at zero with the gateway.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use rutter_route::Mono;

use crate::clock;

/// How many threads may count without touching each other's cache lines; further ones share.
const STRIPES: usize = 8;

/// A number that only rises, or a gauge that is raised and lowered.
///
/// Each thread counts in a stripe of its own: a word that every worker writes to would travel
/// between their caches with each request.
#[derive(Debug, Default)]
pub struct Counter([Stripe; STRIPES]);

/// What some threads have counted, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Counter {
    /// The value now.
    pub fn get(&self) -> u64 {
        // Wrapping: what one thread raises another may lower.
        self.0.iter().fold(0, |sum, stripe| sum.wrapping_add(stripe.0.load(Ordering::Relaxed)))
    }

    pub(crate) fn add(&self, n: u64) {
        self.own().fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.own().fetch_sub(n, Ordering::Relaxed);
    }

    fn own(&self) -> &AtomicU64 {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static STRIPE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        // Below the array's length, by the line above.
        &self.0[STRIPE.with(|stripe| *stripe)].0
    }

    /// Raises the gauge until the guard is dropped.
    pub(crate) fn hold(self: &std::sync::Arc<Self>) -> Held {
        self.add(1);
        Held(self.clone())
    }
}

/// A number that is told, not counted.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// One that is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Held(std::sync::Arc<Counter>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// The gateway's counters.
#[derive(Debug, Default)]
pub struct GatewayMetrics {
    /// Answers by the first digit of their status: `[1xx, 2xx, 3xx, 4xx, 5xx]`.
    pub answers: [Counter; 5],
    /// Requests that went on to another route after one failed.
    pub failovers: Counter,
    /// Requests that were tried again on the same route after a pooled connection failed.
    pub stale_retries: Counter,
    /// Requests that failed and were not sent again, by the rules of failover.
    pub retries_refused: Counter,
    /// Requests that went on to another route after bytes of them were sent to one: each cost a
    /// token of the retry budget.
    pub retries: Counter,
    /// Requests that failed because the retry budget was used up.
    pub retry_budget_exhausted: Counter,
    /// Tries that were given up for another route because nothing moved for `try_timeout`.
    pub try_timeouts: Counter,
    /// Requests that were not answered within `timeout`.
    pub request_timeouts: Counter,
    /// Requests that found all connections taken that their route may have, and waited too long.
    pub upstream_busy: Counter,
    /// Requests for which no route was left.
    pub routes_exhausted: Counter,
    /// Upstream connections opened.
    pub upstream_connects: Counter,
    /// Upstream connections that didn't come about.
    pub upstream_connect_failures: Counter,
    /// Requests sent over a connection from the pool.
    pub upstream_reuses: Counter,
    /// Client connections accepted.
    pub connections: Counter,
    /// Those turned away, since their client had too many already; not counted as accepted.
    pub connections_refused: Counter,
    /// Connections and clients of UDP turned away by the ACL.
    pub acl_denied: Counter,
    /// Connections cut since they began without the PROXY header that they must have, or with one
    /// that can't be read or may not be sent.
    pub proxy_headers_refused: Counter,
    /// Client connections open now.
    pub active_connections: std::sync::Arc<Counter>,
    /// Of those, the ones that wait for a request and hold no more than a socket.
    pub idle_connections: std::sync::Arc<Counter>,
    /// Lines of the access log that could not be kept or written.
    pub access_log_dropped: Counter,
    /// Certificates ordered by ACME, whatever came of it.
    pub acme_orders: Counter,
    /// Of those, the ones that came to nothing.
    pub acme_failures: Counter,
    /// When ACME's certificate ends, in seconds since the Unix epoch; 0: there is none.
    pub acme_not_after_seconds: Gauge,
    /// TLS handshakes with clients that failed.
    pub tls_handshake_failures: Counter,
    /// Connections cut since a request's head had begun and didn't end in time.
    pub slow_heads: Counter,
    /// Requests cut since their body came too slowly.
    pub slow_bodies: Counter,
    /// Requests refused or cut since their body is larger than `limits.max_body_bytes`.
    pub large_bodies: Counter,
    /// Answers cut since their client took them too slowly.
    pub slow_readers: Counter,
    /// Tunnels (WebSocket) open now.
    pub active_tunnels: std::sync::Arc<Counter>,
    /// Streams of TCP passed on, from the moment that an upstream was found.
    pub streams: Counter,
    /// Of those, the ones that are open now.
    pub active_streams: std::sync::Arc<Counter>,
    /// Streams for which no route was left.
    pub streams_without_route: Counter,
    /// Streams closed since nothing moved on them.
    pub streams_idle: Counter,
    /// Bytes of streams that came from clients.
    pub stream_bytes_in: Counter,
    /// Bytes of streams that went to clients.
    pub stream_bytes_out: Counter,
    /// Clients of UDP that were given an upstream.
    pub udp_sessions: Counter,
    /// Of those, the ones that have it now.
    pub active_udp_sessions: std::sync::Arc<Counter>,
    /// Datagrams that came from clients.
    pub datagrams_in: Counter,
    /// Datagrams that went to clients.
    pub datagrams_out: Counter,
    /// Datagrams that were not passed on: no route, too many clients, or no room in a socket.
    pub datagrams_dropped: Counter,
    /// Client connections cut off at the end of the drain time.
    pub connections_cut: Counter,
    /// Tunnels and streams closed at the end of the drain time.
    pub tunnels_cut: Counter,
    /// Health probes that found the route well.
    pub probes_good: Counter,
    /// Health probes that didn't.
    pub probes_bad: Counter,
    /// Routes taken out of service by outlier detection.
    pub ejections: Counter,
    /// Routes out of service by it now.
    pub ejected_routes: Counter,
    /// Failures that would have had a route ejected, had enough others been in service.
    pub ejections_spared: Counter,
    /// Failures and successes that the detector had no room for.
    pub health_notes_dropped: Counter,
    /// Routes that the gateway's table could not take.
    pub routes_refused: Counter,
    /// Names asked for at a backend that answers for one at a time.
    pub resolves: Counter,
    /// Of those, the ones that it didn't answer.
    pub resolve_failures: Counter,
    /// Names remembered of such a backend, known or not.
    pub resolved_names: Gauge,
    /// Whether the link to the controller is up: 1 or 0; 0 also where there is none.
    pub controller_up: Gauge,
    /// Sessions with a controller elsewhere that were lost.
    pub controller_sessions_lost: Counter,
    /// Whether the controller has told all its services, and they still stand: 1 or 0.
    pub services_told: Gauge,
    /// Since when a controller elsewhere is away, by the gateway's clock; 0: it isn't.
    pub(crate) controller_away_since: Gauge,
}

impl GatewayMetrics {
    pub(crate) fn count_answer(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|c| self.answers.get(c)) {
            counter.add(1);
        }
    }

    /// For how long a controller elsewhere has been away, from the start if it was never there;
    /// `None`: it isn't.
    pub fn controller_away(&self) -> Option<Duration> {
        let since = self.controller_away_since.get();
        (since != 0).then(|| clock::now().since(Mono(since)))
    }

    /// Notes whether a controller elsewhere is there.
    pub(crate) fn controller_is(&self, there: bool) {
        let was_up = self.controller_up.get() == 1;
        self.controller_up.set(u64::from(there));
        match there {
            true => self.controller_away_since.set(0),
            false if was_up => self.controller_sessions_lost.add(1),
            false => {}
        }
        if !there && self.controller_away_since.get() == 0 {
            self.controller_away_since.set(clock::now().0);
        }
    }

    pub(crate) fn count_probe(&self, good: bool) {
        if good { self.probes_good.add(1) } else { self.probes_bad.add(1) }
    }
}
