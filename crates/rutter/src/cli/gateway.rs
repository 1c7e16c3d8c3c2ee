//! `rutter gateway`: apart from any controller, with an original Mesh Router backend's routes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rutter_gateway::compat::mesh_router::{BackendUrl, CaPin, MeshRouterConfig};
use rutter_gateway::{GatewayConfig, ListenerConfig};
use rutter_route::{Prefix, ServiceName};

use super::up::LogArgs;
use crate::config::Period;
use crate::config::resolved::Log;
use crate::run::{Logging, Signals};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  BACKEND_URL=http://10.0.0.1:8192 SERVER_DOMAIN=nsl.sh rutter gateway
      as Mesh Router's gateway, with its environment
  rutter gateway --backend-url http://127.0.0.1:8192 --server-domain localhost \\
      --http 127.0.0.1:8080
      beside a controller of `rutter up`, by its Mesh Router API

A gateway of a controller of Rutter's is configured in a file: rutter run --config FILE.")]
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
    #[command(flatten)]
    log: LogArgs,
}

impl Gateway {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let log = self.log.raw();
        let log = Log {
            format: log.format.unwrap_or_default(),
            level: log.level.unwrap_or_else(|| "info".to_owned()),
        };
        Logging::start(&log)?;
        let signals = Signals::hear()?;
        let (gateway, mesh_router) = self.config()?;
        crate::run::mesh_gateway(gateway, mesh_router, signals).await
    }

    fn config(self) -> anyhow::Result<(GatewayConfig, MeshRouterConfig)> {
        let cache_ttl: Duration = self.cache_ttl.into();
        anyhow::ensure!(!cache_ttl.is_zero(), "CACHE_TTL: expected more than 0");
        let mesh_router = MeshRouterConfig {
            cache_ttl,
            stale_for: self.stale_for.into(),
            ca_pin: self.ca_pin,
            ..MeshRouterConfig::new(self.backend_url)
        };
        // Set to nothing it is none, as in the original.
        let default_backend = self.default_backend.filter(|url| !url.is_empty());
        let default_backend = default_backend.map(|url| url.trim_end_matches('/').parse());
        let gateway = GatewayConfig {
            listeners: vec![ListenerConfig::plain(self.http)],
            domains: vec![self.server_domain],
            default_backend: default_backend.transpose().context("DEFAULT_BACKEND")?,
            trusted_proxies: self.trusted_proxies,
            ..GatewayConfig::default()
        };
        Ok((gateway, mesh_router))
    }
}
