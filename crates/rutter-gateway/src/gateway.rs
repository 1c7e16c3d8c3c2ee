//! The gateway as a program starts it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::metrics::GatewayMetrics;
use crate::server::Server;
use crate::table::{self, Sources};

#[cfg(test)]
mod tests;

/// Starts gateways.
#[derive(Debug, Clone, Copy)]
pub struct Gateway;

impl Gateway {
    /// Binds the listeners, fills the gateway's table and index from `sources`, and only then
    /// accepts: the first request finds what the controller knows. To be called inside a tokio
    /// runtime, which runs the acceptors, the detector and the table's task; requests run on
    /// threads of the gateway's own.
    ///
    /// # Errors
    /// A listener can't be bound, a file can't be read, a number is out of its bounds, or a table
    /// isn't there. Nothing stays behind then.
    pub async fn start(
        config: GatewayConfig,
        sources: Sources,
    ) -> Result<GatewayHandle, GatewayError> {
        let (mut server, end) = Server::bind(&config).await?;
        let stop = CancellationToken::new();
        let table = table::start(&config.name, sources, end, stop.clone()).await?;
        server.open();
        Ok(GatewayHandle { server, table, stop: stop.drop_guard() })
    }
}

/// A gateway that runs. Dropping it ends it at once; [`GatewayHandle::shutdown`] ends it well.
#[derive(Debug)]
pub struct GatewayHandle {
    server: Server,
    table: JoinHandle<()>,
    stop: DropGuard,
}

impl GatewayHandle {
    /// Where it listens, in the order of the configuration, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<GatewayMetrics> {
        self.server.metrics()
    }

    /// Takes what may change while it runs: the certificates (their files are read again), the
    /// detector's numbers, `limits.max_target_bytes`, `upstream.max_tries`, the times of upstream
    /// answers, the retry budget and the trusted proxies. Listeners, workers, domains, roots,
    /// pools and the other limits need a restart; other listeners are an error, the rest is not
    /// looked at here.
    ///
    /// # Errors
    /// A file can't be read or a number is out of its bounds; nothing has changed then.
    pub fn reload(&self, config: &GatewayConfig) -> Result<(), GatewayError> {
        self.server.reload(config)
    }

    /// Stops accepting, lets requests in flight end within `limits.drain`, closes tunnels, and
    /// returns when all of it has ended.
    pub async fn shutdown(self) {
        let Self { server, table, stop } = self;
        server.shutdown().await;
        drop(stop);
        if let Err(error) = table.await {
            tracing::warn!(%error, "the gateway's table task");
        }
    }
}
