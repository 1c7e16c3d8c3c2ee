//! GoDoxy's `config.yml` and its environment: what they ask of a gateway.
//!
//! ```text
//!  config.yml ──▶ tree ─(without what is to be left out)─▶ sections ──┐
//!                                                                     ├──▶ Setup, and all that is
//!  environment, `.env` ───────────────────▶ variables ────────────────┘    to be said of it
//! ```
//!
//! A key that protects and isn't there yet is a problem, as is one that is wrong or that nobody
//! knows: whoever starts by this file starts nothing while there is one. A key may be left out on
//! purpose by its name (`without`); it is taken out before anything is read, so nothing of it can
//! be half there. What isn't done and protects nothing is a remark.
//!
//! Paths of files are as they were written: they are relative to the folder that the original
//! runs in, but for route files, which lie beside `config.yml`.

mod access_log;
mod acl;
mod autocert;
mod entrypoint;
mod mtls;
mod providers;
mod top;
mod variables;
mod without;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rutter_route::{Prefix, ServiceName};
use rutter_yaml::{ConfigError, Dialect, Positions, Problem};

use super::environment::{self, Environment};
use super::notes::Notes;
use super::tree::{Entries, Tree};
use crate::{HealthSettings, Remark};

pub use access_log::AccessLog;
pub use acl::Acl;
pub use autocert::{Autocert, CertificatePair};
pub use entrypoint::ProxyProtocol;
pub use mtls::MtlsProfile;
pub use providers::{DockerAt, DockerTls, ProxmoxAt, ProxmoxLogin};
pub use variables::{DotEnv, Variable};

/// What a set-up of GoDoxy's asks of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Where plain HTTP is served (`HTTP_ADDR`); `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is served (`HTTPS_ADDR`); `None`: nowhere.
    pub https: Option<SocketAddr>,
    /// The files of routes, in their order, relative to the folder of `config.yml`.
    pub include: Vec<String>,
    /// The container engines by name.
    pub docker: BTreeMap<String, DockerAt>,
    /// The Proxmox clusters, in their order.
    pub proxmox: Vec<ProxmoxAt>,
    /// Whether clients' addresses come in PROXY headers; `None`: never.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The profile of client certificates that all HTTPS needs.
    pub inbound_mtls_profile: Option<String>,
    /// The profiles that there are.
    pub inbound_mtls_profiles: BTreeMap<String, MtlsProfile>,
    /// The access log; `None`: there is none.
    pub access_log: Option<AccessLog>,
    /// The domains under which aliases are asked for; empty: any.
    pub match_domains: Vec<ServiceName>,
    /// How routes are probed that say nothing of their own.
    pub health: HealthSettings,
    /// Where the certificates come from; `None`: there are none.
    pub autocert: Option<Autocert>,
    /// Who may connect; `None`: everybody.
    pub acl: Option<Acl>,
    /// How long requests may take to end at shutdown.
    pub shutdown: Duration,
    /// The host of short links (`SHORTLINK_PREFIX`).
    pub short_links: String,
    /// Whether TCP services without a port are found by name on the HTTPS port
    /// (`SNI_ROUTING_FOR_TCP_ROUTES`).
    pub has_sni_streams: bool,
    /// Whether it says more in its log (`DEBUG`).
    pub is_debug: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let everywhere = |port| SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
        Self {
            http: Some(everywhere(80)),
            https: Some(everywhere(443)),
            include: Vec::new(),
            docker: BTreeMap::new(),
            proxmox: Vec::new(),
            proxy_protocol: None,
            inbound_mtls_profile: None,
            inbound_mtls_profiles: BTreeMap::new(),
            access_log: None,
            match_domains: Vec::new(),
            health: HealthSettings::default(),
            autocert: None,
            acl: None,
            shutdown: Duration::from_secs(3),
            short_links: "go".to_owned(),
            has_sni_streams: true,
            is_debug: false,
        }
    }
}

/// What came of reading it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SetupReading {
    /// What it asks for, as far as it can be told.
    pub setup: Setup,
    /// Why nothing may be started by it.
    pub problems: Vec<Problem>,
    /// What whoever wrote it may not expect.
    pub remarks: Vec<Remark>,
    /// Each variable of the environment that says something, with what is to be said of it.
    pub variables: Vec<Variable>,
}

/// Reads the text of a `config.yml`, shown under `name`, and the environment. `without` names keys
/// that are to be left out, as paths with points: `entrypoint.middlewares`, `acl.deny.2`.
///
/// # Errors
/// It is not a mapping in YAML.
pub fn read_config(
    name: &str,
    text: &str,
    environment: Environment<'_>,
    without: &[String],
) -> Result<SetupReading, ConfigError> {
    let refused = |problem: Problem| ConfigError::new(name, text, vec![problem]);
    let Some((plain, brackets)) = environment::without_braces(text) else {
        let message = "a text with `$(`, `$<`, `$/`, `$^`, `$=` and `$+` can't have variables too";
        return Err(refused(Problem::at_path(Vec::new(), message)));
    };
    let mut tree = match Tree::parse(&plain).map_err(refused)? {
        Tree::Null => Tree::Map(Entries::new()),
        tree @ Tree::Map(_) => tree,
        other => {
            let message = format!("expected sections with their names, found {}", other.kind());
            return Err(refused(Problem::at_path(Vec::new(), message)));
        }
    };
    let mut notes = Notes::default();
    without::remove(&mut tree, without, &mut notes);
    if text.contains("${") {
        brackets.fill(&mut tree, environment, &mut notes);
    }
    let mut setup = Setup::default();
    top::read(&tree, &mut setup, environment, &mut notes);
    let variables = variables::read(&mut setup, environment);
    let Notes { mut problems, mut remarks, .. } = notes;
    let positions = Positions::of(&plain, Dialect::Go);
    problems.iter_mut().for_each(|problem| problem.locate(&positions));
    remarks.iter_mut().for_each(|remark| remark.problem.locate(&positions));
    Ok(SetupReading { setup, problems, remarks, variables })
}

/// A path of the original's, or nothing.
fn path(text: Option<String>) -> Option<PathBuf> {
    text.map(PathBuf::from)
}

/// Networks, each as one or as a single address.
fn network(text: &str) -> Result<Prefix, String> {
    let by_address = || text.parse().ok().map(Prefix::host);
    let wrong = || format!("expected an address or a network such as 10.0.0.0/8, found `{text}`");
    by_address().or_else(|| text.parse().ok()).ok_or_else(wrong)
}
