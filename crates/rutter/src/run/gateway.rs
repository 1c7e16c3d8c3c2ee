//! The role `gateway`: beside its controller in one process, or apart from it.

mod edge;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rutter_agent::Joined;
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_gateway::compat::mesh_router::MeshRouterConfig;
use rutter_gateway::{
    AccessLogConfig, AccessLogFormat, Clusters, ControllerAt, Gateway, GatewayConfig,
    GatewayHandle, GatewayMetrics, HealthConfig, Limits, LinkedController, ListenerConfig,
    OutlierConfig, RetryBudgetConfig, Roots, Sources, TableRef, UpstreamConfig,
};
use rutter_registry::DataDir;
use rutter_rib::{Book, OutletSpec, TableSpec};
use rutter_route::{DestinationKind, Service, TableName};
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::controller::{ControllerRole, ends, seed};
use super::handover::Sockets;
use super::membership;
use super::observe::Observed;
use crate::config::raw::Tls;
use crate::config::{Config, resolved, tables};

/// The listener of neighbours, by the name under which a successor finds its socket.
const FABRIC: &str = "gateway.fabric";

/// How long the start waits for a controller to join.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);

/// The role, running.
pub(crate) struct GatewayRole {
    handle: GatewayHandle,
    /// `None` while it acts.
    observed: Option<Arc<Observed>>,
    /// The CA whose certificates count for a service's own name.
    controller_ca: Option<CertificateDer<'static>>,
    /// The ways to other clusters; `None`: there is no fabric.
    clusters: Option<Arc<dyn Clusters>>,
    book: BookHandle,
    stop_book: CancellationToken,
    book_ended: CancellationToken,
}

impl GatewayRole {
    /// Beside its controller. Nobody is accepted before [`GatewayRole::open`]; `inherited` may hold
    /// its sockets.
    pub(super) async fn start(
        config: &Config,
        certificates: &Certificates,
        controller: &ControllerRole,
        clusters: Option<Arc<dyn Clusters>>,
        inherited: &mut Sockets,
    ) -> anyhow::Result<Self> {
        let services =
            TableRef { book: controller.book().clone(), table: tables::SERVICES.parse()? };
        let ca = certificates.own()?.ca().clone();
        let at = ControllerAt::Here(services);
        Self::told_by(config, certificates, at, (Some(ca), clusters), inherited).await
    }

    /// Apart from whoever tells it its routes: a controller elsewhere, or a backend of Mesh Router's.
    pub(super) async fn start_apart(
        config: &Config,
        certificates: &Certificates,
        dir: Option<&Arc<DataDir>>,
        inherited: &mut Sockets,
    ) -> anyhow::Result<Self> {
        let gateway = config.gateway.as_ref().context("no gateway is configured")?;
        if let Some(mesh_router) = &gateway.mesh_router {
            let at = ControllerAt::MeshRouter(backend(mesh_router));
            return Self::told_by(config, certificates, at, (None, None), inherited).await;
        }
        let dir = dir.context("a gateway that joins has a data directory")?;
        Self::start_linked(config, certificates, dir, inherited).await
    }

    /// It joins by the line of the file, and is told over the link. A controller that is down is
    /// waited for a moment, and then while the gateway runs.
    async fn start_linked(
        config: &Config,
        certificates: &Certificates,
        dir: &Arc<DataDir>,
        inherited: &mut Sockets,
    ) -> anyhow::Result<Self> {
        let gateway = config.gateway.as_ref().context("no gateway is configured")?;
        let join = gateway.join.clone().context("no controller to join is configured")?;
        let membership = membership::open(dir.clone(), join, gateway.name.clone())?;
        membership::join_soon(&membership, JOIN_PATIENCE).await;
        let mut joined = membership.joined();
        let ca = joined.borrow_and_update().as_ref().and_then(Joined::ca);
        let ca = ca.map(CertificateDer::from);
        let linked = LinkedController {
            dials: Arc::new(membership),
            table: tables::SERVICES.parse()?,
            keep: gateway.keep_routes.into(),
        };
        let controller = ControllerAt::Link(linked);
        let role = Self::told_by(config, certificates, controller, (ca, None), inherited).await?;
        tokio::spawn(membership::learn_ca(joined, role.handle.controller_ca()));
        Ok(role)
    }

    /// Makes the gateway's own book and starts the gateway.
    async fn told_by(
        config: &Config,
        certificates: &Certificates,
        controller: ControllerAt,
        (controller_ca, clusters): (Option<CertificateDer<'static>>, Option<Arc<dyn Clusters>>),
        inherited: &mut Sockets,
    ) -> anyhow::Result<Self> {
        let seed = seed();
        let own: TableName = tables::SERVICES.parse()?;
        let spec = TableSpec {
            name: own.clone(),
            kind: DestinationKind::Service,
            policy: own_policy(config),
        };
        let now = SystemClock.now();
        let book =
            Book::new(config.cluster.clone(), vec![spec], Vec::new(), Vec::new(), now, seed)?;
        let stop_book = CancellationToken::new();
        let (book, owner) = rutter_book::spawn(book, SystemClock, seed, stop_book.clone());
        let sources = Sources { controller, own: TableRef { book: book.clone(), table: own } };
        let sockets = named_listeners(config)
            .map(|(name, listener)| inherited.take(name, Some(listener.address)).map(Into::into))
            .collect();
        let gateway =
            gateway_config(config, certificates, controller_ca.as_ref(), clusters.clone())?;
        let handle = Gateway::prepare(gateway, sources, sockets).await?;
        let (observed, book_ended) = (None, ends(owner));
        let mut role =
            Self { handle, controller_ca, clusters, observed, book, stop_book, book_ended };
        if let Some(gateway) = config.gateway.as_ref().filter(|gateway| gateway.mode.observes()) {
            role.observe(&gateway.name).await?;
        }
        Ok(role)
    }

    /// Tells people what the index would have been told.
    async fn observe(&mut self, name: &str) -> anyhow::Result<()> {
        let sink = format!("gateway/{name}");
        let spec = OutletSpec::all(sink.as_str());
        let table: TableName = tables::SERVICES.parse()?;
        let from = self.book.subscribe::<Service>(table, spec).await?;
        let observed = Observed::new(sink);
        tokio::spawn(observed.clone().watch(from.context("the gateway has no table")?));
        self.observed = Some(observed);
        Ok(())
    }

    /// What it has counted, if it observes.
    pub(super) fn observed(&self) -> Option<Arc<Observed>> {
        self.observed.clone()
    }

    /// Accepts from now on.
    pub(super) fn open(&mut self) {
        self.handle.open();
    }

    /// The listening sockets, once more, under the names by which a successor finds them.
    pub(super) fn sockets(&self, config: &Config) -> std::io::Result<Sockets> {
        let mut sockets = Sockets::default();
        for ((name, listener), socket) in named_listeners(config).zip(self.handle.sockets()?) {
            sockets.add(name, Some(listener.address), socket.into());
        }
        Ok(sockets)
    }

    pub(super) fn book(&self) -> &BookHandle {
        &self.book
    }

    pub(super) fn metrics(&self) -> Arc<GatewayMetrics> {
        self.handle.metrics()
    }

    /// Where it listens for people, and whether by TLS.
    pub(super) fn addresses(&self, config: &Config) -> Vec<(SocketAddr, bool)> {
        let people = named_listeners(config).filter(|(name, _)| *name != FABRIC);
        let tls = people.map(|(_, listener)| listener.tls != Tls::Off);
        self.handle.addresses().iter().copied().zip(tls).collect()
    }

    /// Takes what may change while it runs.
    pub(super) fn reload(
        &self,
        config: &Config,
        certificates: &Certificates,
    ) -> anyhow::Result<()> {
        Ok(self.handle.reload(&gateway_config(
            config,
            certificates,
            self.controller_ca.as_ref(),
            self.clusters.clone(),
        )?)?)
    }

    /// Opens the access log's file by its name again.
    pub(super) fn reopen_access_log(&self) {
        self.handle.reopen_access_log();
    }

    /// Lets requests in flight end; `succeeded`: another process accepts already.
    pub(super) async fn shutdown(self, succeeded: bool) {
        match succeeded {
            true => self.handle.hand_over().await,
            false => self.handle.shutdown().await,
        }
        self.stop_book.cancel();
        self.book_ended.cancelled().await;
    }
}

/// The policy of the gateway's own table.
pub(super) fn own_policy(config: &Config) -> rutter_rib::Policy {
    let own = config.tables.iter().find(|(name, _)| tables::is_gateways(name));
    own.map(|(_, table)| table.policy.clone()).unwrap_or_default()
}

fn named_listeners(config: &Config) -> impl Iterator<Item = (&'static str, &resolved::Listener)> {
    // A gateway that observes may stand beside one that has these addresses.
    let acts = config.gateway.as_ref().is_some_and(|gateway| !gateway.mode.observes());
    let listeners = acts.then_some(&config.listeners.gateway).into_iter();
    listeners.flat_map(of_listeners)
}

fn of_listeners(
    listeners: &resolved::GatewayListeners,
) -> impl Iterator<Item = (&'static str, &resolved::Listener)> {
    let http = listeners.http.iter().map(|l| ("gateway.http", l));
    let https = listeners.https.iter().map(|l| ("gateway.https", l));
    // Last, so that those of people are the first.
    http.chain(https).chain(listeners.fabric.iter().map(|l| (FABRIC, l)))
}

/// The gateway's own words for what the file says.
fn gateway_config(
    config: &Config,
    certificates: &Certificates,
    controller_ca: Option<&CertificateDer<'static>>,
    clusters: Option<Arc<dyn Clusters>>,
) -> anyhow::Result<GatewayConfig> {
    let gateway = config.gateway.as_ref().context("no gateway is configured")?;
    let listener = |(name, l): (&str, &resolved::Listener)| -> anyhow::Result<ListenerConfig> {
        if name == FABRIC {
            return Ok(ListenerConfig::neighbours(l.address));
        }
        Ok(ListenerConfig {
            address: l.address,
            tls: certificates.for_gateway(&l.tls)?,
            h2c: l.traffic.h2c,
            own_ca: l.tls == Tls::Own,
            more: certificates.more_for_gateway(&l.tls, &gateway.certificates),
            redirect: l.traffic.redirect.then(|| https_port(config)),
            inbound_mtls_profile: gateway
                .inbound_mtls_profile
                .as_deref()
                .filter(|_| l.tls != Tls::Off)
                .map(Into::into),
            for_neighbours: false,
        })
    };
    Ok(GatewayConfig {
        name: gateway.name.clone(),
        mode: gateway.mode,
        listeners: named_listeners(config).map(listener).collect::<anyhow::Result<_>>()?,
        domains: gateway.domains.clone(),
        hosts: edge::hosts(&gateway.hosts),
        short_links: edge::short_links(gateway),
        acl: edge::acl(&gateway.acl),
        proxy_protocol: edge::proxy_protocol(&gateway.proxy_protocol),
        inbound_mtls: edge::inbound_mtls(&gateway.inbound_mtls_profiles),
        streams: edge::streams(&gateway.streams),
        workers: gateway.workers,
        health: health(gateway),
        limits: limits(&gateway.limits),
        upstream: upstream(gateway, controller_ca)?,
        default_backend: gateway.default_backend.clone(),
        clusters,
        trusted_proxies: gateway.trusted_proxies.clone(),
        hsts: gateway.hsts.into(),
        acme: gateway
            .acme
            .as_ref()
            .map(|a| super::acme::config(a, certificates.own()?.dir()))
            .transpose()?,
        access_log: gateway.access_log.as_ref().map(access_log),
        // A gateway apart has no key that its people's browsers were told to trust.
        own_ca: match &config.controller {
            Some(_) => Some(certificates.own()?.for_names(&gateway.domains)),
            None => None,
        },
    })
}

fn backend(from: &resolved::MeshRouter) -> MeshRouterConfig {
    MeshRouterConfig {
        backend: from.backend.clone(),
        cache_ttl: from.cache_ttl.into(),
        stale_for: from.stale_for.into(),
        negative_ttl: from.negative_ttl.into(),
        max_names: from.max_names,
        ca_pin: from.ca_pin,
    }
}

fn health(gateway: &resolved::Gateway) -> HealthConfig {
    let (health, outlier) = (&gateway.health, &gateway.outlier_detection);
    HealthConfig {
        check_timeout: health.check_timeout.into(),
        cache_ttl: health.cache_ttl.into(),
        recheck: health.recheck.into(),
        check_interval: health.check_interval.into(),
        used_within: health.used_within.into(),
        check_method: health.check_method,
        check_status: health.check_status,
        healthy_threshold: health.healthy_threshold,
        unhealthy_threshold: health.unhealthy_threshold,
        outlier: OutlierConfig {
            consecutive_gateway_failure: outlier.consecutive_gateway_failure,
            consecutive_5xx: outlier.consecutive_5xx,
            interval: outlier.interval.into(),
            base_ejection_time: outlier.base_ejection_time.into(),
            max_ejection_time: outlier.max_ejection_time.into(),
            max_ejection_percent: outlier.max_ejection_percent,
        },
    }
}

/// Where people reach HTTPS.
fn https_port(config: &Config) -> u16 {
    config.listeners.gateway.https.as_ref().map_or(443, |https| https.address.port())
}

fn access_log(log: &resolved::AccessLog) -> AccessLogConfig {
    let to_stdout = log.file.as_os_str() == "-";
    AccessLogConfig {
        file: (!to_stdout).then(|| log.file.clone()),
        format: match log.format {
            resolved::AccessLogFormat::Common => AccessLogFormat::Common,
            resolved::AccessLogFormat::Json => AccessLogFormat::Json,
        },
    }
}

fn limits(limits: &resolved::Limits) -> Limits {
    Limits {
        max_connections: limits.max_connections,
        max_connections_per_client: limits.max_connections_per_client,
        max_headers: limits.max_headers,
        max_header_bytes: limits.max_header_bytes,
        max_target_bytes: limits.max_target_bytes,
        max_body_bytes: limits.max_body_bytes,
        max_streams: limits.max_streams,
        header_timeout: limits.header_timeout.into(),
        body_timeout: limits.body_timeout.into(),
        send_timeout: limits.send_timeout.into(),
        min_rate: limits.min_rate,
        handshake_timeout: limits.handshake_timeout.into(),
        drain: limits.drain.into(),
        drain_idle: limits.drain_idle.into(),
    }
}

/// The roots in these files, named by `key`; the system's, if none are named.
pub(super) fn roots(files: Option<&[PathBuf]>, key: &str) -> anyhow::Result<Roots> {
    let Some(files) = files else { return Ok(Roots::System) };
    let mut roots = Vec::new();
    for file in files {
        let found = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("{key}: {}", file.display()))?;
        roots.extend(found);
    }
    Ok(Roots::Only(roots))
}

fn upstream(
    gateway: &resolved::Gateway,
    controller_ca: Option<&CertificateDer<'static>>,
) -> anyhow::Result<UpstreamConfig> {
    let upstream = &gateway.upstream;
    Ok(UpstreamConfig {
        connect_timeout: upstream.connect_timeout.into(),
        response_timeout: upstream.response_timeout.into(),
        try_timeout: upstream.try_timeout.into(),
        timeout: upstream.timeout.into(),
        retry_budget: RetryBudgetConfig {
            budget_percent: gateway.retry_budget.budget_percent,
            min_retries_per_second: gateway.retry_budget.min_retries_per_second,
        },
        slow_start: upstream.slow_start.into(),
        max_tries: upstream.max_tries,
        max_idle: upstream.max_idle,
        max_idle_per_upstream: upstream.max_idle_per_upstream,
        idle_timeout: upstream.idle_timeout.into(),
        roots: roots(upstream.roots.as_deref(), "gateway.upstream.roots")?,
        controller_ca: controller_ca.cloned().into_iter().collect(),
        ..UpstreamConfig::default()
    })
}
