//! From what was written to what will happen.
//!
//! Everything that is wrong is told at once: a check notes its problem and goes on with a value
//! that fits, so that one mistake hides no other.

mod acme;
mod agent;
mod edge;
mod fabric;
mod gateway;
mod health;
mod join;
mod kept;
mod listeners;
mod mesh_router;
mod nodes;
mod overlay;
mod providers;
pub(crate) mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rutter_controller::address::AddressPolicy;
use rutter_route::{ClusterId, Prefix, ServiceName};
use tracing_subscriber::EnvFilter;

use super::raw;
use super::resolved::{Config, Controller, Log};
use super::{Period, Problem, Problems};

pub(crate) use providers::file_name;

/// Fills in the defaults and checks everything.
///
/// # Errors
/// All that is wrong, each with its path.
pub(crate) fn resolve(file: &raw::File) -> Result<Config, Vec<Problem>> {
    let mut problems = Problems::default();
    let to = &mut problems;
    let domain = file.domain.clone().unwrap_or_else(default_domain);
    let data = match &file.data {
        Some(raw::Data::In(path)) => Some(path.clone()),
        Some(raw::Data::Off) => None,
        None => default_data().or_else(|| {
            to.push(
                Problem::at("data", "there is no home directory to keep the data in")
                    .help("write `data: DIRECTORY`, or set HOME"),
            );
            None
        }),
    };
    let cluster = file.cluster.clone().unwrap_or_else(default_cluster);
    let mut config = Config {
        log: log(file.log.as_ref(), to),
        listeners: listeners::resolve(file, to),
        controller: file.controller.as_ref().map(|raw| controller(raw, to)),
        gateway: file.gateway.as_ref().map(|raw| gateway::resolve(raw, &domain, to)),
        agent: file.agent.as_ref().and_then(|raw| agent::resolve(raw, data.as_deref(), to)),
        overlay: file.overlay.as_ref().and_then(|raw| overlay::resolve(raw, to)),
        fabric: None,
        nodes: file.nodes.as_ref().map(|raw| nodes::resolve(raw, to)),
        providers: providers::resolve(file, to),
        tables: BTreeMap::new(),
        remarks: Vec::new(),
        domain,
        data,
        cluster,
    };
    let forwarded = config.listeners.gateway.fabric.as_ref();
    let own = file.cluster.as_ref();
    config.fabric = file.fabric.as_ref().map(|raw| fabric::resolve(raw, own, forwarded, to));
    config.tables = tables::resolve(file, config.fabric.as_ref(), &config.cluster, to);
    roles(file, to);
    fabric::check_file(file, to);
    overlay::check_tables(file, to);
    nodes::check_file(file, to);
    if file.data == Some(raw::Data::Off) {
        kept::check(file, &config, to);
    }
    match problems.into_vec() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(problems),
    }
}

fn roles(file: &raw::File, to: &mut Problems) {
    let (controller, gateway) = (file.controller.is_some(), file.gateway.is_some());
    let others = file.agent.is_some() || file.overlay.is_some() || file.fabric.is_some();
    if !controller && !gateway && !others {
        to.push(
            Problem::at_path(Vec::new(), "no role is switched on")
                .help("write `controller:`, `gateway:`, `agent:`, `overlay:` or `fabric:`"),
        );
    }
    let joins = file.gateway.as_ref().is_some_and(|g| g.join.is_some() || g.join_file.is_some());
    let by_backend = file.gateway.as_ref().is_some_and(|g| g.mesh_router.is_some());
    if gateway && !controller && !joins && !by_backend {
        to.push(
            Problem::at("gateway", "the gateway doesn't know where its controller is")
                .help("write `join: URL#TOKEN` in it, as `rutter tokens join --role gateway` prints it, `mesh_router: {backend: URL}`, or `controller:` beside it"),
        );
    }
    if gateway && controller && joins {
        to.push(
            Problem::at("gateway.join", "the gateway's controller stands in this file")
                .help("leave out `join` or `controller`"),
        );
    }
    if by_backend && (controller || joins) {
        let other = if controller { "controller" } else { "join" };
        let problem = Problem::at("gateway.mesh_router", "a gateway's routes come from one place");
        to.push(problem.help(format!("leave out `mesh_router` or `{other}`")));
    }
}

fn log(raw: Option<&raw::Log>, to: &mut Problems) -> Log {
    let raw = raw.cloned().unwrap_or_default();
    let level = raw.level.unwrap_or_else(|| "info".to_owned());
    if let Err(error) = EnvFilter::try_new(&level) {
        to.push(Problem::at("log.level", format!("`{level}` is not a level: {error}")).help(
            "expected error, warn, info, debug or trace, or such as `info,rutter_gateway=debug`",
        ));
    }
    Log { format: raw.format.unwrap_or_default(), level }
}

fn controller(raw: &raw::Controller, to: &mut Problems) -> Controller {
    let controller = Controller {
        lease: raw.lease.unwrap_or(Period::seconds(600)),
        renew: raw.renew.unwrap_or(Period::seconds(300)),
        online: raw.online.unwrap_or(Period::seconds(120)),
        max_routes: raw.max_routes.unwrap_or(16),
        addresses: addresses(raw.addresses.as_ref()),
        trusted_gateways: raw.trusted_gateways.clone().unwrap_or_else(loopback),
        public_resolve: raw.public_resolve.unwrap_or(false),
        public_url: raw.public_url.clone(),
    };
    to.more_than_zero("controller.renew", controller.renew);
    to.more_than_zero("controller.online", controller.online);
    let least = controller.renew.0.saturating_mul(2);
    if controller.lease.0 < least {
        let (lease, renew, least) = (controller.lease, controller.renew, Period(least));
        // Where only `renew` was written, that is where the mistake stands.
        let path = if raw.lease.is_some() { "controller.lease" } else { "controller.renew" };
        to.push(
            Problem::at(
                path,
                format!("a lease of {lease} is shorter than two renewals of {renew}: one lost renewal would end routes that work"),
            )
            .help(format!("write a lease of at least {least}, or renew more often")),
        );
    }
    let week = Duration::from_secs(7 * 86_400);
    to.unless(controller.lease.0 <= week, "controller.lease", "expected at most 7d");
    to.unless(
        (1..=1024).contains(&controller.max_routes),
        "controller.max_routes",
        "expected 1 to 1024",
    );
    if let Some(url) = &controller.public_url {
        let fits = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let fits = fits.is_some_and(|rest| !rest.is_empty() && !rest.contains(['#', '?', ' ']));
        to.unless(fits, "controller.public_url", "expected `http(s)://HOST:PORT`");
    }
    controller
}

fn addresses(raw: Option<&raw::Addresses>) -> AddressPolicy {
    let raw = raw.cloned().unwrap_or_default();
    AddressPolicy { allow: raw.allow.unwrap_or_default(), deny: raw.deny.unwrap_or_default() }
}

fn loopback() -> Vec<Prefix> {
    // Literals that parse; the test of the defaults sees them.
    ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|prefix| prefix.parse().ok()).collect()
}

fn default_domain() -> ServiceName {
    #[allow(clippy::expect_used, reason = "a literal that parses")]
    "localhost".parse().expect("`localhost` is a host name")
}

fn default_cluster() -> ClusterId {
    #[allow(clippy::expect_used, reason = "a literal that parses")]
    "local".parse().expect("`local` is a cluster's name")
}

/// Where data is kept unless the file or an option says so; `None` without a home directory.
pub(crate) fn default_data() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/rutter"));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    Some(base.or_else(|| Some(set("HOME")?.join(".local/share")))?.join("rutter"))
}
