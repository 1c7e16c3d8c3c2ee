//! `rutter overlay`: a host of overlays, by n-netman's file, and what is asked of it.

mod apply;
mod cert;
mod clean;
mod doctor;
mod remarks;
mod routes;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rutter_route::SinkMode;

use super::Global;
use crate::config::raw::AtEnd;
use crate::config::{self, Config, ConfigError, Form, NetmanOptions, Origin};
use crate::run::{Announce, Logging, Running, Signals};

pub(super) use remarks::{Networks, Remarked, received, remarks};

/// Where n-netman keeps its file.
const FILE: &str = "/etc/n-netman/n-netman.yaml";

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = false,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  rutter check /etc/n-netman/n-netman.yaml
      what is wrong with the file, and what it means that may surprise
  rutter overlay --config /etc/n-netman/n-netman.yaml
      in n-netman's place: its file, its ports, its wire, its routes
  rutter overlay --observe
      beside it: says what it would do, and does nothing
  rutter overlay status
  rutter overlay explain 172.16.20.0/24

It reads the file again on SIGHUP, or by `rutter reload`. docs/overlay.md tells more."
)]
pub(crate) struct Overlay {
    #[command(subcommand)]
    command: Option<Command>,
    /// n-netman's file, version 1 or 2; `diff`, `apply`, `doctor` and `clean` take one of Rutter's too
    #[arg(long, short, global = true, value_name = "FILE", default_value = FILE)]
    config: PathBuf,
    #[command(flatten)]
    start: Start,
}

/// How it runs.
#[derive(Debug, Args)]
struct Start {
    /// Say what would be done, and do nothing
    #[arg(long)]
    observe: bool,
    /// What becomes of the kernel's routes and rules at the end
    #[arg(long, value_enum, value_name = "WHAT")]
    at_end: Option<AtEnd>,
    /// The protocol number of its routes in the kernel; n-netman's is 99
    #[arg(long, value_name = "NUMBER")]
    protocol: Option<u8>,
    /// Set the kernel's settings that routes need, such as ip_forward
    #[arg(long)]
    sysctl: bool,
    /// Where the API answers; by default on any free port of loopback
    #[arg(long, value_name = "ADDRESS:PORT")]
    api: Option<SocketAddr>,
    /// A level of logs, in place of the file's
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how it stands: overlays, kernel, peers
    Status,
    /// List what is announced and what was learned
    Routes(routes::Routes),
    /// Compare links, rules and settings of the kernel with the file
    Diff,
    /// Make links, rules and settings of the kernel as the file says, once
    Apply(apply::Apply),
    /// Look for what keeps an overlay from working
    Doctor,
    /// Remove the routes that a host left in the kernel
    Clean(clean::Clean),
    /// Make a CA, and certificates of hosts
    #[command(subcommand)]
    Cert(cert::Cert),
    /// Say why a network is reached as it is, or isn't
    Explain(routes::Explain),
}

impl Overlay {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self.command {
            None => run(self.config, self.start, global).await,
            Some(Command::Status) => status::run(global).await,
            Some(Command::Routes(routes)) => routes.run(global).await,
            Some(Command::Diff) => apply::diff(self.config, global),
            Some(Command::Apply(apply)) => apply.run(self.config, global),
            Some(Command::Doctor) => doctor::run(self.config, global),
            Some(Command::Clean(clean)) => clean.run(self.config, global),
            Some(Command::Cert(cert)) => cert.run(global),
            Some(Command::Explain(explain)) => explain.run(global).await,
        }
    }
}

/// What a file says of the overlay, ours or n-netman's, for commands that run beside a host or without
/// one.
fn load(file: PathBuf, global: &Global) -> Result<Config, ConfigError> {
    let form = match config::is_netman(&rutter_yaml::read(&file)?) {
        true => Form::NNetman(NetmanOptions::default()),
        false => Form::Rutter,
    };
    config::load(&Origin { file, data: global.data.clone(), form })
}

async fn run(file: PathBuf, start: Start, global: &Global) -> anyhow::Result<()> {
    let options = NetmanOptions {
        mode: start.observe.then_some(SinkMode::Observe),
        at_end: start.at_end,
        protocol: start.protocol,
        sysctl: start.sysctl.then_some(true),
        api: start.api,
        log_level: start.log_level,
    };
    let origin = Origin { file, data: global.data.clone(), form: Form::NNetman(options) };
    let config = config::load(&origin)?;
    let logging = Logging::start(&config.log)?;
    let signals = Signals::hear()?;
    let running =
        Running::start(config, Some(origin), logging, Announce::Nothing, &mut None).await?;
    running.serve(signals).await
}
