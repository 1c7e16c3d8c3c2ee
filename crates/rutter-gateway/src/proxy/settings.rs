//! What may change while requests run.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use rutter_route::Prefix;

use crate::acl::Acl;
use crate::failover::budget::RetryBudgetConfig;
use crate::proxy_protocol::ProxyProtocolConfig;
use crate::slow::Pace;

/// What may change while requests run; each request reads one state of it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) max_headers: usize,
    pub(crate) max_target_bytes: usize,
    /// `u64::MAX`: any size.
    pub(crate) max_body_bytes: u64,
    /// `u32::MAX`: any number.
    pub(crate) max_connections_per_client: u32,
    pub(crate) max_tries: usize,
    pub(crate) response_timeout: Duration,
    pub(crate) body_pace: Pace,
    /// Zero: a route is never given up for another because it is silent.
    pub(crate) try_timeout: Duration,
    /// Zero: none.
    pub(crate) timeout: Duration,
    pub(crate) retry_budget: RetryBudgetConfig,
    /// In what time a member of a group that returns gets its whole share; zero: at once.
    pub(crate) slow_start: Duration,
    pub(crate) trusted_proxies: Vec<Prefix>,
    pub(crate) acl: Acl,
    pub(crate) proxy_protocol: ProxyProtocolConfig,
    /// `Strict-Transport-Security` on answers over TLS.
    pub(crate) hsts: Option<HeaderValue>,
}

impl Settings {
    /// Whether whoever connects from there is a trusted proxy.
    pub(crate) fn trusts(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        self.trusted_proxies.iter().any(|p| p.contains_address(ip))
    }
}

/// One worker's copy of the settings: a request that held what all workers share would write to a
/// count that each of them writes to.
#[derive(Debug)]
pub(crate) struct Copied(Mutex<Pair>);

#[derive(Debug)]
struct Pair {
    /// What was copied.
    shared: Arc<Settings>,
    own: Arc<Settings>,
}

impl Copied {
    /// A copy of what stands now.
    pub(crate) fn new(shared: &ArcSwap<Settings>) -> Self {
        let shared = shared.load_full();
        let own = Arc::new(Settings::clone(&shared));
        Self(Mutex::new(Pair { shared, own }))
    }

    /// The settings of now. The lock is one thread's, so nobody waits for it.
    pub(super) fn now(&self, shared: &ArcSwap<Settings>) -> Arc<Settings> {
        let mut pair = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = shared.load();
        if !Arc::ptr_eq(&now, &pair.shared) {
            let own = Arc::new(Settings::clone(&now));
            *pair = Pair { shared: Arc::clone(&now), own };
        }
        pair.own.clone()
    }
}
