//! What will happen: every default filled in, every value checked.
//!
//! It serializes under the keys of the file, so that `rutter check --output json` shows what
//! holds, and a reload's difference is the difference of two such documents.

mod edge;
mod fabric;
mod providers;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rutter_agent::{AgentConfig, JoinConfig, JoinUrl, NodeConfig, ProbeSpec, ServiceSpec};
use rutter_controller::address::AddressPolicy;
use rutter_gateway::compat::mesh_router::{BackendUrl, CaPin};
use rutter_gateway::{AcmeChallenge, CheckMethod, StatusRange};
use rutter_overlay::OverlayConfig;
use rutter_overlay::compat::nnetman::config::Remark;
use rutter_rib::{Damping, HopKind, OnWithdraw, Policy, Rules};
use rutter_route::{
    ClusterId, DestinationKind, Endpoint, HostName, Prefix, ServiceName, SinkMode, TableName,
};
use serde::{Deserialize, Serialize, Serializer};

use super::Period;
use super::raw::{AtEnd, CertificateFiles, Hosts, ShortLinks, Tls, Traffic};
use super::section::{Described, Shape};

pub(crate) use edge::{Acl, MtlsProfile, ProxyProtocol, Streams};
pub(crate) use fabric::{
    Fabric, FabricKeys, FabricLinks, FabricLiveness, FabricNeighbour, FabricScope, FabricSecurity,
    FabricSigner,
};
pub(crate) use providers::{
    DockerEngine, Monitors, Providers, ProxmoxCluster, ProxmoxLogin, Secret,
};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Config {
    pub(crate) domain: ServiceName,
    /// `None`: nothing is kept.
    pub(crate) data: Option<PathBuf>,
    pub(crate) cluster: ClusterId,
    pub(crate) log: Log,
    pub(crate) listeners: Listeners,
    pub(crate) controller: Option<Controller>,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) agent: Option<Agent>,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) fabric: Option<Fabric>,
    pub(crate) nodes: Option<Nodes>,
    pub(crate) providers: Providers,
    pub(crate) tables: BTreeMap<TableName, Table>,
    /// What is to be said of the files that it was made of, for the log; nothing happens by it.
    #[serde(skip)]
    pub(crate) remarks: Vec<String>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// The form of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}

impl Described for LogFormat {
    fn shape() -> Shape {
        Shape::Value("`text` or `json`")
    }
}

/// A listener that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Tls,
    pub(crate) traffic: Traffic,
}

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listeners {
    pub(crate) api: Option<Listener>,
    pub(crate) link: Option<Listener>,
    pub(crate) gateway: GatewayListeners,
    pub(crate) compat: CompatListeners,
}

/// People's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct GatewayListeners {
    pub(crate) http: Option<Listener>,
    pub(crate) https: Option<Listener>,
    /// Of neighbours.
    pub(crate) fabric: Option<Listener>,
}

/// Surfaces that speak other systems' words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CompatListeners {
    pub(crate) mesh_router: Option<Listener>,
    pub(crate) mpreg: Option<Listener>,
}

impl Listeners {
    /// Those that are on, with their names in the file.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        [
            ("listeners.api", &self.api),
            ("listeners.link", &self.link),
            ("listeners.gateway.http", &self.gateway.http),
            ("listeners.gateway.https", &self.gateway.https),
            ("listeners.gateway.fabric", &self.gateway.fabric),
            ("listeners.compat.mesh_router", &self.compat.mesh_router),
            ("listeners.compat.mpreg", &self.compat.mpreg),
        ]
        .into_iter()
        .filter_map(|(name, listener)| Some((name, listener.as_ref()?)))
    }
}

/// The controller.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Controller {
    pub(crate) lease: Period,
    pub(crate) renew: Period,
    pub(crate) online: Period,
    pub(crate) max_routes: usize,
    pub(crate) addresses: AddressPolicy,
    pub(crate) trusted_gateways: Vec<Prefix>,
    pub(crate) public_resolve: bool,
    pub(crate) public_url: Option<String>,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AccessLog {
    /// `-`: standard output.
    pub(crate) file: PathBuf,
    pub(crate) format: AccessLogFormat,
}

/// What a line of the access log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessLogFormat {
    /// The Combined Log Format.
    Common,
    /// One JSON object a line.
    Json,
}

impl Described for AccessLogFormat {
    fn shape() -> Shape {
        Shape::Value("`common` or `json`")
    }
}

/// The gateway.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) mode: SinkMode,
    pub(crate) domains: Vec<ServiceName>,
    pub(crate) hosts: Hosts,
    pub(crate) short_links: ShortLinks,
    pub(crate) workers: usize,
    pub(crate) health: Health,
    pub(crate) outlier_detection: OutlierDetection,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) limits: Limits,
    pub(crate) upstream: Upstream,
    pub(crate) tls: Option<CertificateFiles>,
    pub(crate) certificates: Vec<CertificateFiles>,
    pub(crate) acme: Option<Acme>,
    pub(crate) hsts: Period,
    pub(crate) trusted_proxies: Vec<Prefix>,
    pub(crate) acl: Acl,
    pub(crate) proxy_protocol: ProxyProtocol,
    pub(crate) inbound_mtls_profiles: BTreeMap<String, MtlsProfile>,
    pub(crate) inbound_mtls_profile: Option<String>,
    pub(crate) streams: Streams,
    pub(crate) access_log: Option<AccessLog>,
    #[serde(serialize_with = "controller_of_gateway")]
    pub(crate) join: Option<JoinUrl>,
    pub(crate) keep_routes: Period,
    pub(crate) mesh_router: Option<MeshRouter>,
    pub(crate) default_backend: Option<Endpoint>,
    pub(crate) read_token_file: Option<PathBuf>,
}

/// A backend of Mesh Router's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MeshRouter {
    #[serde(serialize_with = "text")]
    pub(crate) backend: BackendUrl,
    pub(crate) cache_ttl: Period,
    pub(crate) stale_for: Period,
    pub(crate) negative_ttl: Period,
    pub(crate) max_names: usize,
    #[serde(serialize_with = "some_text")]
    pub(crate) ca_pin: Option<CaPin>,
}

/// Certificates by ACME.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Acme {
    pub(crate) directory: String,
    pub(crate) contact: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) challenge: AcmeChallenge,
    /// `None`: the system's.
    pub(crate) roots: Option<Vec<PathBuf>>,
}

/// How routes are asked whether they work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    pub(crate) check_timeout: Period,
    pub(crate) cache_ttl: Period,
    pub(crate) recheck: Period,
    pub(crate) check_interval: Period,
    pub(crate) used_within: Period,
    pub(crate) check_method: CheckMethod,
    pub(crate) check_status: StatusRange,
    pub(crate) healthy_threshold: u32,
    pub(crate) unhealthy_threshold: u32,
}

/// What requests tell of routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OutlierDetection {
    pub(crate) consecutive_gateway_failure: u32,
    pub(crate) consecutive_5xx: u32,
    pub(crate) interval: Period,
    pub(crate) base_ejection_time: Period,
    pub(crate) max_ejection_time: Period,
    pub(crate) max_ejection_percent: u32,
}

/// How many requests may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RetryBudget {
    pub(crate) budget_percent: u32,
    pub(crate) min_retries_per_second: u32,
}

/// What one client may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_client: u32,
    pub(crate) max_headers: usize,
    pub(crate) max_header_bytes: usize,
    pub(crate) max_target_bytes: usize,
    pub(crate) max_body_bytes: u64,
    pub(crate) max_streams: u32,
    pub(crate) header_timeout: Period,
    pub(crate) body_timeout: Period,
    pub(crate) send_timeout: Period,
    pub(crate) min_rate: u32,
    pub(crate) handshake_timeout: Period,
    pub(crate) drain: Period,
    pub(crate) drain_idle: Period,
    pub(crate) drain_delay: Period,
}

/// How services are spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Upstream {
    pub(crate) connect_timeout: Period,
    pub(crate) response_timeout: Period,
    pub(crate) try_timeout: Period,
    pub(crate) timeout: Period,
    pub(crate) slow_start: Period,
    pub(crate) max_tries: usize,
    pub(crate) max_idle: usize,
    pub(crate) max_idle_per_upstream: usize,
    pub(crate) idle_timeout: Period,
    pub(crate) roots: Option<Vec<PathBuf>>,
}

/// The agent. The join token is never shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Agent {
    #[serde(serialize_with = "controller_of")]
    pub(crate) join: JoinUrl,
    pub(crate) name: ServiceName,
    #[serde(serialize_with = "texts")]
    pub(crate) services: Vec<ServiceSpec>,
    pub(crate) address: Option<HostName>,
    pub(crate) state: PathBuf,
    pub(crate) routes: Option<AgentRoutes>,
}

/// The agent's host as a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AgentRoutes {
    #[serde(serialize_with = "controller_of")]
    pub(crate) join: JoinUrl,
    pub(crate) advertise_routes: Vec<Prefix>,
    pub(crate) advertise_exit_node: bool,
    pub(crate) accept_routes: bool,
    pub(crate) exit_node: Option<String>,
    pub(crate) snat: bool,
    pub(crate) addresses: Vec<IpAddr>,
    #[serde(serialize_with = "probes")]
    pub(crate) probes: Vec<ProbeSpec>,
}

impl AgentRoutes {
    /// Where a node joins that has no line of its own, by the line of its agent: a token makes one
    /// key known, so where that is the agent's a person lets the node in.
    pub(crate) fn join_beside(of_agent: &JoinUrl, registers: bool) -> JoinUrl {
        if registers { of_agent.clone().without_token() } else { of_agent.clone() }
    }
}

impl Agent {
    /// The agent that registers services; `None`: it has none.
    pub(crate) fn of_services(&self) -> Option<AgentConfig> {
        (!self.services.is_empty()).then(|| {
            AgentConfig::join(JoinConfig {
                url: self.join.clone(),
                name: self.name.clone(),
                services: self.services.clone(),
                address: self.address.clone(),
                state_dir: self.state.clone(),
            })
        })
    }

    /// The node that this host is, if it is one.
    pub(crate) fn node(&self) -> Option<NodeConfig> {
        let routes = self.routes.as_ref()?;
        Some(NodeConfig {
            url: routes.join.clone(),
            name: self.name.clone(),
            state_dir: self.state.clone(),
            advertised: routes.advertise_routes.iter().copied().collect(),
            is_exit_node: routes.advertise_exit_node,
            accepts_routes: routes.accept_routes,
            exit_node: routes.exit_node.clone(),
            masquerade: routes.snat,
            addresses: routes.addresses.clone(),
            probes: routes.probes.clone(),
        })
    }
}

fn probes<S: Serializer>(probes: &[ProbeSpec], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(probes.iter().map(|probe| {
        let (interval, timeout) = (Period(probe.interval), Period(probe.timeout));
        let (up, down) = (probe.healthy_threshold, probe.unhealthy_threshold);
        let ProbeSpec { prefix, target, .. } = probe;
        format!("{prefix} by {target} every {interval} for {timeout}, {up} up, {down} down")
    }))
}

fn controller_of<S: Serializer>(join: &JoinUrl, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&join.controller)
}

fn controller_of_gateway<S: Serializer>(join: &Option<JoinUrl>, s: S) -> Result<S::Ok, S::Error> {
    some_text(&join.as_ref().map(|join| &join.controller), s)
}

fn text<S: Serializer>(value: &impl ToString, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&value.to_string())
}

fn some_text<S: Serializer>(value: &Option<impl ToString>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_some(&value.as_ref().map(ToString::to_string))
}

fn texts<S: Serializer>(services: &[ServiceSpec], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(services.iter().map(ToString::to_string))
}

/// The protocol number of n-netman's routes, which is Open/R's too.
pub(crate) const NETMAN_PROTOCOL: u8 = 99;

/// The overlay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Overlay {
    pub(crate) netman: Option<PathBuf>,
    pub(crate) mode: SinkMode,
    pub(crate) at_end: AtEnd,
    pub(crate) remove_links: bool,
    pub(crate) protocol: u8,
    pub(crate) sysctl: bool,
    pub(crate) next_hop_objects: bool,
    pub(crate) host: OverlayConfig,
    /// What is to be said of the file; nothing happens by it.
    #[serde(skip)]
    pub(crate) remarks: Vec<Remark>,
}

/// Nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Nodes {
    pub(crate) policy: Option<PolicySource>,
    pub(crate) prefixes: Vec<Prefix>,
    pub(crate) preempt: bool,
    pub(crate) sticky: bool,
    pub(crate) restart_grace: Period,
    pub(crate) strict: bool,
    pub(crate) on_withdraw: OnWithdraw,
    pub(crate) damping: Option<Damping>,
    pub(crate) ephemeral_timeout: Period,
    /// Zero: for ever.
    pub(crate) key_lifetime: Period,
    pub(crate) keepalive: Period,
    pub(crate) dead: Period,
    pub(crate) ha: Ha,
}

/// The ping of routers that share a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Ha {
    /// Zero: none.
    pub(crate) probe_interval: Period,
    pub(crate) probe_timeout: Period,
}

/// A policy file as it was read, without a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicySource {
    pub(crate) file: PathBuf,
    pub(crate) text: Arc<str>,
}

impl Serialize for PolicySource {
    /// The file, and a number that is another when its text is: two of these are compared by what
    /// is written here, and a policy may be long.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        s.collect_str(&format_args!("{} ({:016x})", self.file.display(), hasher.finish()))
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Table {
    pub(crate) kind: DestinationKind,
    pub(crate) policy: Policy,
    pub(crate) feeds: Vec<TableFeed>,
    pub(crate) resolves: Vec<TableResolve>,
}

/// One table feeds another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TableFeed {
    pub(crate) to: TableName,
    pub(crate) export: Rules,
}

/// Next hops that are looked up in another table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TableResolve {
    pub(crate) hops: HopKind,
    pub(crate) through: TableName,
}
