//! What a gateway is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rutter_route::{Endpoint, Prefix, ServiceName, SinkMode};
use smol_str::SmolStr;

use crate::access::AccessLogConfig;
use crate::acl::AclConfig;
use crate::acme::AcmeConfig;
use crate::clusters::Clusters;
use crate::error::GatewayError;
use crate::failover::budget::RetryBudgetConfig;
use crate::health::HealthConfig;
use crate::index::HostMatching;
use crate::mtls::MtlsProfile;
use crate::own_ca::SignsNames;
use crate::proxy_protocol::{ProxyProtocolConfig, ProxyProtocolMode};
use crate::streams::StreamConfig;
use crate::upstream::Roots;

/// A gateway's configuration, resolved: what will happen, not what was written.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The gateway's name, by which its verdicts are known elsewhere: `gateway/NAME`.
    pub name: String,
    /// Whether it forwards, or only says by which ways it would: then it has no listener, no worker
    /// and no upstream connection, and its table is all there is to look at.
    pub mode: SinkMode,
    /// Where it listens; nowhere if it observes.
    pub listeners: Vec<ListenerConfig>,
    /// The server domains under which a host leads to its owner's name.
    pub domains: Vec<ServiceName>,
    /// Which services a host asks for beyond the one of exactly that name.
    pub hosts: HostMatching,
    /// Where short links are asked for; `None`: nowhere.
    pub short_links: Option<ShortLinkConfig>,
    /// Worker threads; 0: one a processor.
    pub workers: usize,
    /// The detector's numbers.
    pub health: HealthConfig,
    /// Bounds and times of client connections.
    pub limits: Limits,
    /// How upstreams are spoken to.
    pub upstream: UpstreamConfig,
    /// Where a request goes whose host leads to no service, or to one that nothing leads to;
    /// `None`: it is 404 or 503.
    pub default_backend: Option<Endpoint>,
    /// Whose `X-Forwarded-*` and `X-Real-IP` are believed. From others they are replaced.
    pub trusted_proxies: Vec<Prefix>,
    /// For how long browsers that came by TLS are to come by nothing else
    /// (`Strict-Transport-Security`, RFC 6797); zero: nothing is said.
    pub hsts: Duration,
    /// `None`: no access log is kept.
    pub access_log: Option<AccessLogConfig>,
    /// `None`: certificates come from files alone.
    pub acme: Option<AcmeConfig>,
    /// Who signs for names that listeners with `own_ca` are asked for; `None`: nobody.
    pub own_ca: Option<Arc<dyn SignsNames>>,
    /// The ways to other clusters; `None`: none are reached.
    pub clusters: Option<Arc<dyn Clusters>>,
    /// Who is let in, at every listener.
    pub acl: AclConfig,
    /// Whose PROXY headers are believed, at every listener that speaks TCP.
    pub proxy_protocol: ProxyProtocolConfig,
    /// Whose client certificates are good, by the names that listeners and routes use.
    pub inbound_mtls: BTreeMap<SmolStr, MtlsProfile>,
    /// Streams of TCP and UDP.
    pub streams: StreamConfig,
}

/// Short links: `http://go/app/page` leads to where `app` is, by a redirect to HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortLinkConfig {
    /// The host that is asked, unless it is a service's.
    pub host: ServiceName,
    /// The domain under which services without one are found.
    pub suffix: Option<ServiceName>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// The address; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Files for TLS; `None`: plain HTTP.
    pub tls: Option<CertificateFiles>,
    /// Further pairs, each for the names in its certificate; `tls` is for all others.
    pub more: Vec<CertificateFiles>,
    /// Whether [`GatewayConfig::own_ca`] signs for names under the domains that no file names and
    /// that lead to a service.
    pub own_ca: bool,
    /// A plain listener that sends everybody to HTTPS, and the port of that; `None`: it serves.
    pub redirect: Option<u16>,
    /// Whether a plain listener takes HTTP/2 from clients that begin with it unasked (RFC 9113
    /// 3.3). Over TLS the two sides agree by ALPN, and this says nothing.
    pub h2c: bool,
    /// Which of [`GatewayConfig::inbound_mtls`] every client of this TLS listener must show a
    /// certificate of; `None`: routes may ask for one.
    pub inbound_mtls_profile: Option<SmolStr>,
    /// Whether it is for neighbours of [`GatewayConfig::clusters`] and for nobody else. Its TLS is made
    /// with clusters' keys, so it has no files.
    pub for_neighbours: bool,
}

impl ListenerConfig {
    /// A plain listener, of HTTP/1 alone.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            more: Vec::new(),
            own_ca: false,
            redirect: None,
            h2c: false,
            inbound_mtls_profile: None,
            for_neighbours: false,
        }
    }

    /// A listener for neighbours.
    pub fn neighbours(address: SocketAddr) -> Self {
        Self { for_neighbours: true, ..Self::plain(address) }
    }

    /// A TLS listener with these files.
    pub fn tls(address: SocketAddr, files: CertificateFiles) -> Self {
        Self { tls: Some(files), ..Self::plain(address) }
    }

    /// The pairs of its files, the first for everybody whom none names; `None`: plain.
    pub(crate) fn tls_files(&self) -> Option<Vec<CertificateFiles>> {
        let first = self.tls.clone()?;
        Some(std::iter::once(first).chain(self.more.iter().cloned()).collect())
    }
}

/// A certificate chain and its key, in PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Bounds and times of client connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, over all listeners; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections that one client may have open at once, by its IPv4 address or IPv6 /64; more are
    /// reset. Trusted proxies may have any number. 0: so may everybody, which is the default: many
    /// people may share an address, and the gateway can't see whether they do.
    pub max_connections_per_client: u32,
    /// Header lines of a request; more get 431.
    pub max_headers: usize,
    /// Bytes of a request's head; more get 431.
    pub max_header_bytes: usize,
    /// Bytes of a request's target; more get 414.
    pub max_target_bytes: usize,
    /// Bytes of a request's body; more get 413. 0: any number, which is the default. A body is never
    /// held here, so its size costs the gateway nothing; how much a service takes is known there.
    pub max_body_bytes: u64,
    /// Requests at once on one HTTP/2 connection (`SETTINGS_MAX_CONCURRENT_STREAMS`); more are
    /// refused by `REFUSED_STREAM`, and clients wait.
    pub max_streams: u32,
    /// How long a client may take for a request's head, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long nothing may come of a request's body while more of it is wanted; then 408.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer that waits for it.
    pub send_timeout: Duration,
    /// Bytes a second that a client must keep to, in bodies and in taking answers, once it has used
    /// up `body_timeout` or `send_timeout`; 0: a byte in that time is enough.
    pub min_rate: u32,
    /// How long a client may take for the TLS handshake.
    pub handshake_timeout: Duration,
    /// How long requests in flight may take to end at shutdown.
    pub drain: Duration,
    /// How long a connection without a request may still bring one at shutdown.
    pub drain_idle: Duration,
}

/// How upstreams are spoken to.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// How long a connection may take to come about, TLS included.
    pub connect_timeout: Duration,
    /// How long an upstream may be silent while an answer is awaited: nothing taken of the
    /// request, nothing sent of the answer. It may be a quarter longer before it is noticed.
    pub response_timeout: Duration,
    /// How long a route may be silent before a request that may be repeated is given to another in
    /// service, with the same quarter; zero: for as long as `response_timeout`.
    pub try_timeout: Duration,
    /// How long a request may take from its head to the head of its answer, over all its tries, an
    /// upload included; zero: for as long as something moves.
    pub timeout: Duration,
    /// How many requests may be repeated.
    pub retry_budget: RetryBudgetConfig,
    /// In what time a member of a group that returns, or is new, gets its whole share of requests;
    /// zero: at once. Groups by the client's address don't have it.
    pub slow_start: Duration,
    /// Routes tried for one request, at most.
    pub max_tries: usize,
    /// Idle connections a worker keeps, in all.
    pub max_idle: usize,
    /// Idle connections a worker keeps to one upstream.
    pub max_idle_per_upstream: usize,
    /// How long a connection is kept idle.
    pub idle_timeout: Duration,
    /// Public roots for upstream certificates.
    pub roots: Roots,
    /// The controller's CA, whose certificates count for the service's own name only.
    pub controller_ca: Vec<CertificateDer<'static>>,
    /// Where no upstream may be, whatever a route or a name says.
    pub forbidden: Vec<Prefix>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            name: "gateway".to_owned(),
            mode: SinkMode::Act,
            listeners: vec![ListenerConfig::plain(SocketAddr::from(([127, 0, 0, 1], 8080)))],
            domains: Vec::new(),
            hosts: HostMatching::default(),
            short_links: None,
            workers: 0,
            health: HealthConfig::default(),
            limits: Limits::default(),
            upstream: UpstreamConfig::default(),
            default_backend: None,
            trusted_proxies: Vec::new(),
            hsts: Duration::ZERO,
            access_log: None,
            acme: None,
            own_ca: None,
            clusters: None,
            acl: AclConfig::default(),
            proxy_protocol: ProxyProtocolConfig::default(),
            inbound_mtls: BTreeMap::new(),
            streams: StreamConfig::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_client: 0,
            max_headers: 100,
            max_header_bytes: 32 * 1024,
            max_target_bytes: 8 * 1024,
            max_body_bytes: 0,
            max_streams: 100,
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            min_rate: 500,
            handshake_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            drain_idle: Duration::from_secs(1),
        }
    }
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(300),
            try_timeout: Duration::from_secs(15),
            timeout: Duration::ZERO,
            retry_budget: RetryBudgetConfig::default(),
            slow_start: Duration::ZERO,
            max_tries: 8,
            max_idle: 1024,
            max_idle_per_upstream: 64,
            idle_timeout: Duration::from_secs(60),
            roots: Roots::System,
            controller_ca: Vec::new(),
            forbidden: never_upstreams(),
        }
    }
}

/// Addresses at which there is no service: link-local (cloud metadata lives there), "this
/// network", multicast and broadcast. Private networks are allowed: that is where tunnels end.
fn never_upstreams() -> Vec<Prefix> {
    let all = [
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "ff00::/8",
    ];
    // Literals; the test of the defaults parses each.
    all.iter().filter_map(|p| p.parse().ok()).collect()
}

impl GatewayConfig {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`GatewayError::Config`] names the first field that is out of its bounds.
    pub fn check(&self) -> Result<(), GatewayError> {
        let checks: [(&'static str, bool, &str); 18] = [
            (
                "listeners",
                self.listeners.is_empty() == self.mode.observes(),
                "expected at least one, or none in a gateway that observes",
            ),
            ("workers", self.workers <= 256, "expected at most 256"),
            ("limits.max_connections", self.limits.max_connections > 0, "expected at least 1"),
            (
                "limits.max_headers",
                (16..=1024).contains(&self.limits.max_headers),
                "expected 16 to 1024",
            ),
            (
                "limits.max_header_bytes",
                (8192..=1 << 20).contains(&self.limits.max_header_bytes),
                "expected 8192 to 1048576",
            ),
            (
                "limits.max_target_bytes",
                (64..=self.limits.max_header_bytes).contains(&self.limits.max_target_bytes),
                "expected 64 to limits.max_header_bytes",
            ),
            (
                "limits.max_streams",
                (1..=1000).contains(&self.limits.max_streams),
                "expected 1 to 1000",
            ),
            (
                "limits.body_timeout",
                !self.limits.body_timeout.is_zero() && !self.limits.send_timeout.is_zero(),
                "expected more than 0, and so limits.send_timeout",
            ),
            ("upstream.max_tries", self.upstream.max_tries > 0, "expected at least 1"),
            (
                "health.check_timeout",
                !self.health.check_timeout.is_zero() && !self.health.recheck.is_zero(),
                "expected more than 0, and so health.recheck",
            ),
            (
                "health.healthy_threshold",
                self.health.healthy_threshold > 0 && self.health.unhealthy_threshold > 0,
                "expected at least 1, and so health.unhealthy_threshold",
            ),
            (
                "health.outlier.max_ejection_percent",
                self.health.outlier.max_ejection_percent <= 100,
                "expected at most 100",
            ),
            (
                "health.outlier.interval",
                !self.health.outlier.interval.is_zero(),
                "expected more than 0",
            ),
            (
                "proxy_protocol.trusted",
                self.proxy_protocol.mode == ProxyProtocolMode::Off
                    || !self.proxy_protocol.trusted.is_empty(),
                "expected at least one: headers are believed from nobody else",
            ),
            (
                "listeners.inbound_mtls_profile",
                self.listeners.iter().all(|l| self.knows_profile_of(l)),
                "expected a name of inbound_mtls, at a listener with TLS",
            ),
            (
                "listeners.for_neighbours",
                self.listeners.iter().all(|l| !l.for_neighbours || self.is_neighbours(l)),
                "expected clusters, and a listener without TLS files, h2c and a redirect",
            ),
            (
                "inbound_mtls",
                self.inbound_mtls.values().all(MtlsProfile::has_roots),
                "expected ca_files, system_roots or both in each profile",
            ),
            (
                "streams.udp_idle_timeout",
                !self.streams.udp_idle_timeout.is_zero(),
                "expected more than 0",
            ),
        ];
        match checks.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, expected)) => {
                Err(GatewayError::Config { field, expected: expected.to_owned() })
            }
            None => self.check_acme(),
        }
    }

    fn knows_profile_of(&self, listener: &ListenerConfig) -> bool {
        match &listener.inbound_mtls_profile {
            None => true,
            Some(profile) => listener.tls.is_some() && self.inbound_mtls.contains_key(profile),
        }
    }

    fn is_neighbours(&self, listener: &ListenerConfig) -> bool {
        let plain = ListenerConfig::neighbours(listener.address);
        self.clusters.is_some() && *listener == plain
    }

    fn check_acme(&self) -> Result<(), GatewayError> {
        let Some(acme) = self.acme.as_ref().filter(|_| !self.mode.observes()) else {
            return Ok(());
        };
        let people = || self.listeners.iter().filter(|l| !l.for_neighbours);
        let has = |tls| people().any(|l| l.tls.is_some() == tls);
        acme.check(has(false), has(true))
    }
}
