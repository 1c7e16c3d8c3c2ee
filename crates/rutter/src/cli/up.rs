//! `rutter up`: a controller and a gateway on this machine, nothing else needed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use rutter_route::ServiceName;

use super::Global;
use crate::config::raw::{self, Listen, Tls, Traffic};
use crate::config::resolved::LogFormat;
use crate::config::{self, Config};
use crate::run::{Announce, Logging, Predecessor, Running, Signals, taking_over};

/// Ports where nothing else is said, as in the original where it has one.
const API: u16 = 7070;
const LINK: u16 = 7071;
const HTTP: u16 = 8080;
const MESH_ROUTER: u16 = 8192;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter up
      on loopback: http://NAME.localhost:8080/ leads to what registers as NAME
  rutter up --domain example.org --listen 192.0.2.1
      for other machines: over TLS by a CA of its own, which the join token names
  rutter up --data ./data --http-port 0 --api-port 0 --link-port 0 --mesh-router-port 0
      beside another one: on free ports

What it knows is kept in its data directory; it ends well on SIGTERM and Ctrl-C, and loses nothing
that it acknowledged when it doesn't.")]
pub(crate) struct Up {
    /// The domain under which names stand
    #[arg(long, default_value = "localhost")]
    domain: ServiceName,
    /// The address to listen on; beyond loopback over TLS by the controller's own CA
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// The port of the API; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = API)]
    api_port: u16,
    /// The port of the gateway
    #[arg(long, value_name = "PORT", default_value_t = HTTP)]
    http_port: u16,
    /// The port of Mesh Router's API
    #[arg(long, value_name = "PORT", default_value_t = MESH_ROUTER)]
    mesh_router_port: u16,
    /// The join token that is printed works for any number of agents
    #[arg(long)]
    reusable: bool,
    /// The port of the link, which gateways and agents elsewhere speak
    #[arg(long, value_name = "PORT", default_value_t = LINK)]
    link_port: u16,
    /// Serve the routes of a file in GoDoxy's form, too: `app` at app.DOMAIN. It is read again when it
    /// changes
    #[arg(long, value_name = "FILE")]
    routes: Vec<PathBuf>,
    /// Print nothing but logs
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    log: LogArgs,
}

/// How to log.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The form of logs, which go to standard error
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    log_format: LogFormat,
    /// A level, or a list such as `info,rutter_gateway=debug`; RUST_LOG goes before it
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: String,
}

impl LogArgs {
    pub(super) fn raw(&self) -> raw::Log {
        raw::Log { format: Some(self.log_format), level: Some(self.log_level.clone()) }
    }
}

impl Up {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        taking_over(async |before| self.start(global, before).await).await
    }

    async fn start(
        &self,
        global: &Global,
        before: &mut Option<Predecessor>,
    ) -> anyhow::Result<(Running, Signals)> {
        let config = self.config(global)?;
        let logging = Logging::start(&config.log)?;
        let signals = Signals::hear()?;
        let announce = match self.quiet {
            true => Announce::Nothing,
            // Whoever reads standard output was told by the process before.
            false if before.is_some() => Announce::Nothing,
            false => Announce::All { reusable: self.reusable },
        };
        let running = Running::start(config, None, logging, announce, before).await?;
        Ok((running, signals))
    }

    /// The options as a file would say them, through the file's own checks.
    fn config(&self, global: &Global) -> anyhow::Result<Config> {
        let beyond = !self.listen.is_loopback();
        let at = |port, tls| Listen::At {
            address: SocketAddr::new(self.listen, port),
            tls,
            traffic: Traffic::default(),
        };
        // People's traffic in the clear beyond loopback is only for who writes it in a file.
        let http = at(self.http_port, beyond.then_some(Tls::Own));
        let file = raw::File {
            domain: Some(self.domain.clone()),
            data: Some(raw::Data::In(global.data()?)),
            log: Some(self.log.raw()),
            listeners: Some(raw::Listeners {
                api: Some(at(self.api_port, None)),
                link: Some(at(self.link_port, None)),
                gateway: Some(raw::GatewayListeners {
                    http: Some(http),
                    https: None,
                    fabric: None,
                }),
                compat: Some(raw::CompatListeners {
                    mesh_router: Some(at(self.mesh_router_port, None)),
                    mpreg: None,
                }),
            }),
            controller: Some(raw::Controller::default()),
            gateway: Some(raw::Gateway {
                // A file's `app` is what people ask for as `app.DOMAIN`, as they do for agents' names.
                hosts: (!self.routes.is_empty())
                    .then(|| raw::Hosts::Domains(vec![self.domain.clone()])),
                ..raw::Gateway::default()
            }),
            nodes: Some(raw::Nodes::default()),
            providers: Some(raw::Providers {
                files: Some(self.routes.clone()),
                ..raw::Providers::default()
            }),
            ..raw::File::default()
        };
        config::resolve(&file).map_err(|problems| {
            let told: Vec<_> = problems.into_iter().map(|p| p.message).collect();
            anyhow::anyhow!("{}", told.join("; "))
        })
    }
}
