//! A route as it was written: every field that GoDoxy has, and Rutter's own.
//!
//! Four kinds of fields: those that say what is served and how, which are read; those that protect
//! the route and aren't there yet, which refuse it by name, for a route is never started less
//! protected than it was written; those that only show it, whose mistakes are remarks; and those
//! that do something Rutter leaves out or does otherwise, which are remarks too. A field that nobody knows could be
//! any of them, so it refuses the route.

mod balance;
mod dashboard;
mod health;
mod idle;
mod log;
mod protecting;
mod target;
mod upstream;

use std::net::IpAddr;

use rutter_route::UpstreamOptions;

use crate::{Balance, HealthSettings, Homepage, Paths, ProxmoxLink};

use super::fields::Fields;
use super::lax;
use super::notes::Notes;
use super::ports::Ports;
use super::tree::Tree;

pub(crate) use health::FIELDS as HEALTH_FIELDS;
pub use health::read_defaults;
pub(crate) use idle::{FIELDS as IDLE_FIELDS, Idle};
pub(crate) use target::Scheme;

/// What was written of a route; what was left out is nothing or the default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) alias: Option<String>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<String>,
    pub(crate) ports: Ports,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) paths: Option<Paths>,
    pub(crate) root: Option<String>,
    pub(crate) index: Option<String>,
    pub(crate) is_spa: bool,
    pub(crate) sends_proxy_header: bool,
    pub(crate) terminates_tls: bool,
    pub(crate) upstream: UpstreamOptions,
    pub(crate) certificate: Option<String>,
    pub(crate) certificate_key: Option<String>,
    pub(crate) health: HealthSettings,
    pub(crate) balance: Option<Balance>,
    pub(crate) proxmox: Option<ProxmoxLink>,
    pub(crate) idle: Idle,
    pub(crate) homepage: Homepage,
    pub(crate) agent: Option<String>,
    pub(crate) inbound_mtls_profile: Option<String>,
    pub(crate) has_rules: bool,
    pub(crate) has_rule_file: bool,
}

impl Written {
    /// Reads a route; `health` is what holds where it says nothing of its own.
    pub(crate) fn read(tree: &Tree, health: &HealthSettings, notes: &mut Notes) -> Self {
        let mut written = Self { health: health.clone(), ..Self::default() };
        FIELDS.read_section(tree, &mut written, notes);
        if written.has_rules && written.has_rule_file {
            notes.problem("`rules` and `rule_file` exclude each other");
        }
        written
    }
}

/// The fields of a route.
const FIELDS: Fields<Written> = Fields(&[
    (&["alias"], |to, tree, notes| to.alias = said(tree, notes)),
    (&["scheme"], target::scheme),
    (&["host"], |to, tree, notes| to.host = said(tree, notes).map(|host| host.to_lowercase())),
    (&["port"], target::ports),
    (&["bind"], target::bind),
    (&["path_prefix"], target::paths),
    (&["root"], |to, tree, notes| to.root = said(tree, notes)),
    (&["spa"], |to, tree, notes| to.is_spa = yes(tree, notes)),
    (&["index"], |to, tree, notes| to.index = said(tree, notes)),
    (&["no_tls_verify"], |to, tree, notes| to.upstream.no_tls_verify = yes(tree, notes)),
    (&["response_header_timeout"], upstream::response_header_timeout),
    (&["max_conns_per_host"], upstream::max_connections),
    (&["disable_compression"], |to, tree, notes| to.upstream.no_compression = yes(tree, notes)),
    (&["ssl_server_name"], upstream::server_name),
    (&["ssl_trusted_certificate"], |to, tree, notes| {
        to.upstream.trusted_certificate = said(tree, notes).map(Into::into);
    }),
    (&["ssl_certificate"], |to, tree, notes| to.certificate = said(tree, notes)),
    (&["ssl_certificate_key"], |to, tree, notes| to.certificate_key = said(tree, notes)),
    (&["ssl_protocols"], upstream::tls_versions),
    (&["healthcheck"], |to, tree, notes| health::FIELDS.read_section(tree, &mut to.health, notes)),
    (&["load_balance"], balance::read),
    (&["relay_proxy_protocol_header"], |to, tree, notes| {
        to.sends_proxy_header = yes(tree, notes);
    }),
    (&["tls_termination"], |to, tree, notes| to.terminates_tls = yes(tree, notes)),
    (&["proxmox"], target::proxmox),
    (&["idlewatcher"], |to, tree, notes| idle::FIELDS.read_section(tree, &mut to.idle, notes)),
    (&["homepage"], dashboard::read),
    (&["access_log"], log::read),
    (&["agent"], |to, tree, notes| to.agent = said(tree, notes)),
    (&["middlewares"], protecting::middlewares),
    (&["rules"], protecting::rules),
    (&["rule_file"], protecting::rule_file),
    (&["inbound_mtls_profile"], protecting::inbound_mtls_profile),
    (&["path_patterns"], protecting::path_patterns),
]);

/// The name of each field.
#[cfg(test)]
pub(crate) fn field_names() -> Vec<&'static str> {
    FIELDS.names()
}

/// A text that says something.
fn said(tree: &Tree, notes: &mut Notes) -> Option<String> {
    let text = notes.take(lax::text(tree))?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn yes(tree: &Tree, notes: &mut Notes) -> bool {
    notes.take(lax::boolean(tree)).unwrap_or_default()
}
