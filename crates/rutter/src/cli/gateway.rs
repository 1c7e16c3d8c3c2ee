//! `rutter gateway`: apart from any controller, with an original Mesh Router backend's routes.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rutter_gateway::compat::mesh_router::{BackendUrl, CaPin};
use rutter_route::{Endpoint, Prefix, ServiceName};

use super::Global;
use super::up::LogArgs;
use crate::config::raw::{self, Listen, Tls, Traffic};
use crate::config::{self, Config, Period};
use crate::run::{Announce, Logging, Running, Signals, taking_over};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  BACKEND_URL=http://10.0.0.1:8192 SERVER_DOMAIN=nsl.sh rutter gateway
      as Mesh Router's gateway, with its environment
  rutter gateway --backend-url http://127.0.0.1:8192 --server-domain localhost \\
      --http 127.0.0.1:8080
      beside a controller of `rutter up`, by its Mesh Router API
  rutter gateway --backend-url http://10.0.0.1:8192 --api 127.0.0.1:7070 --data /var/lib/rutter
      with an API: rutter routes explain alice.localhost --data /var/lib/rutter

Nothing is kept unless --data says where. The same in a file: `gateway: {mesh_router: ...}`. A gateway of a controller of Rutter's is configured in a file: rutter run --config FILE.")]
pub(crate) struct Gateway {
    /// The backend, whose `/resolve/v2/NAME` is asked
    #[arg(long, env = "BACKEND_URL", value_name = "URL")]
    backend_url: BackendUrl,
    /// The domain under which hosts lead to names
    #[arg(long, env = "SERVER_DOMAIN", value_name = "DOMAIN", default_value = "localhost")]
    server_domain: ServiceName,
    /// How long an answer of the backend's is fresh
    #[arg(long, env = "CACHE_TTL", value_name = "DURATION", default_value = "60s")]
    cache_ttl: Period,
    /// How long after that it is used while the backend is silent
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    stale_for: Period,
    /// Where requests go that no name leads anywhere for; without it they are 404 or 503
    #[arg(long, env = "DEFAULT_BACKEND", value_name = "URL")]
    default_backend: Option<String>,
    /// The SHA-256 fingerprint of the backend's CA, if nothing else vouches for it
    #[arg(long, env = "BACKEND_CA_PIN", value_name = "sha256:HEX")]
    ca_pin: Option<CaPin>,
    /// Where people's requests come in, in the clear
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:80")]
    http: SocketAddr,
    /// Networks whose X-Forwarded-* are believed; may be given more than once
    #[arg(long = "trusted-proxy", value_name = "NETWORK")]
    trusted_proxies: Vec<Prefix>,
    /// Where its own API answers: health, metrics, its routes and why; beyond loopback it needs --data
    #[arg(long, env = "RUTTER_API", value_name = "ADDRESS:PORT")]
    api: Option<SocketAddr>,
    /// A file with a token that lets read that API, such as for Prometheus
    #[arg(long, env = "RUTTER_READ_TOKEN_FILE", value_name = "FILE", requires = "api")]
    read_token_file: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
}

impl Gateway {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        taking_over(async |before| {
            let config = self.config(global)?;
            let logging = Logging::start(&config.log)?;
            let signals = Signals::hear()?;
            let running = Running::start(config, None, logging, Announce::Nothing, before).await?;
            Ok((running, signals))
        })
        .await
    }

    /// The options as a file would say them, through the file's own checks.
    fn config(&self, global: &Global) -> anyhow::Result<Config> {
        // In the words of the environment, which the file's own checks don't know.
        anyhow::ensure!(!self.cache_ttl.0.is_zero(), "CACHE_TTL: expected more than 0");
        // Set to nothing it is none, as in the original.
        let default_backend = self.default_backend.clone().filter(|url| !url.is_empty());
        if let Some(url) = &default_backend {
            url.trim_end_matches('/').parse::<Endpoint>().context("DEFAULT_BACKEND")?;
        }
        let http =
            Listen::At { address: self.http, tls: Some(Tls::Off), traffic: Traffic::default() };
        let file = raw::File {
            domain: Some(self.server_domain.clone()),
            // Nothing is kept unless somebody says where.
            data: Some(global.data.clone().map_or(raw::Data::Off, raw::Data::In)),
            log: Some(self.log.raw()),
            listeners: Some(raw::Listeners {
                api: self.api.map(Listen::at),
                gateway: Some(raw::GatewayListeners {
                    http: Some(http),
                    https: None,
                    fabric: None,
                }),
                ..raw::Listeners::default()
            }),
            gateway: Some(raw::Gateway {
                mesh_router: Some(raw::MeshRouter {
                    backend: Some(self.backend_url.to_string()),
                    cache_ttl: Some(self.cache_ttl),
                    stale_for: Some(self.stale_for),
                    ca_pin: self.ca_pin.map(|pin| pin.to_string()),
                    ..raw::MeshRouter::default()
                }),
                default_backend,
                trusted_proxies: Some(self.trusted_proxies.clone()),
                read_token_file: self.read_token_file.clone(),
                ..raw::Gateway::default()
            }),
            ..raw::File::default()
        };
        config::resolve(&file).map_err(|problems| {
            let told: Vec<_> = problems.into_iter().map(|p| p.message).collect();
            anyhow::anyhow!("{}", told.join("; "))
        })
    }
}
