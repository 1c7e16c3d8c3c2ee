//! The gateway as a program starts it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{GatewayConfig, Limits};
use crate::error::GatewayError;
use crate::metrics::GatewayMetrics;
use crate::server::Server;
use crate::table::{self, Sources};
use crate::upstream::Connector;

#[cfg(test)]
mod tests;

/// Starts gateways.
#[derive(Debug, Clone, Copy)]
pub struct Gateway;

impl Gateway {
    /// As [`Gateway::prepare`] with listeners of its own, and accepts at once.
    ///
    /// # Errors
    /// As there.
    pub async fn start(
        config: GatewayConfig,
        sources: Sources,
    ) -> Result<GatewayHandle, GatewayError> {
        let mut handle = Self::prepare(config, sources, Vec::new()).await?;
        handle.open();
        Ok(handle)
    }

    /// Takes the listeners' sockets and fills the gateway's table and index from `sources`. Nobody
    /// is accepted before [`GatewayHandle::open`], so the first request finds what the controller
    /// knows. To be called inside a tokio runtime, which runs the acceptors, the detector and the
    /// table's task; requests run on threads of the gateway's own.
    ///
    /// `inherited` are sockets that listen already, in the order of the configuration; listeners
    /// without one are bound. Whoever gave them may go on accepting from them until this one does.
    ///
    /// # Errors
    /// A listener can't be bound, a file can't be read, a number is out of its bounds, or a table
    /// isn't there. Nothing stays behind then.
    pub async fn prepare(
        config: GatewayConfig,
        sources: Sources,
        inherited: Vec<Option<std::net::TcpListener>>,
    ) -> Result<GatewayHandle, GatewayError> {
        let (server, end) = Server::bind(&config, inherited).await?;
        let stop = CancellationToken::new();
        let table = table::start(&config.name, sources, end, stop.clone()).await?;
        let limits = config.limits;
        Ok(GatewayHandle { server, limits, table, stop: stop.drop_guard() })
    }
}

/// Which CA a gateway takes for its controller's.
#[derive(Debug, Clone)]
pub struct ControllerCa(Connector);

impl ControllerCa {
    /// Trusts this one from now on, for services' own names; connections that are open stay.
    ///
    /// # Errors
    /// It is no certificate; nothing has changed then.
    pub fn trust(&self, ca: CertificateDer<'static>) -> Result<(), GatewayError> {
        self.0.set_controller_ca(&[ca])
    }
}

/// A gateway that runs. Dropping it ends it at once; [`GatewayHandle::shutdown`] ends it well.
#[derive(Debug)]
pub struct GatewayHandle {
    server: Server,
    limits: Limits,
    table: JoinHandle<()>,
    stop: DropGuard,
}

impl GatewayHandle {
    /// Accepts from now on.
    pub fn open(&mut self) {
        self.server.open();
    }

    /// The listening sockets, once more each, in the order of the configuration: for a process
    /// that takes over. What is accepted by one isn't seen by the other.
    ///
    /// # Errors
    /// The process may have no more files open.
    pub fn sockets(&self) -> std::io::Result<Vec<std::net::TcpListener>> {
        self.server.sockets()
    }

    /// Where it listens, in the order of the configuration, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// What it counts.
    pub fn metrics(&self) -> Arc<GatewayMetrics> {
        self.server.metrics()
    }

    /// Who may tell it of its controller's CA, for one that joins while it runs.
    pub fn controller_ca(&self) -> ControllerCa {
        ControllerCa(self.server.connector())
    }

    /// Takes what may change while it runs: the certificates (their files are read again), the
    /// detector's numbers, `limits.max_target_bytes`, `.max_body_bytes` and
    /// `.max_connections_per_client`, `upstream.max_tries`, the times of upstream answers, the retry
    /// budget, the trusted proxies, the ACL, whose PROXY headers are believed, and the profiles of
    /// client certificates (their files are read again). Listeners, workers, domains, roots, pools
    /// and the other limits need a restart; other listeners are an error, the rest is not looked at
    /// here.
    ///
    /// # Errors
    /// A file can't be read or a number is out of its bounds; nothing has changed then.
    pub fn reload(&self, config: &GatewayConfig) -> Result<(), GatewayError> {
        self.server.reload(config)
    }

    /// Opens the access log's file by its name again, as when it was moved away.
    pub fn reopen_access_log(&self) {
        self.server.reopen_access_log();
    }

    /// Stops accepting, lets requests in flight end within `limits.drain`, closes tunnels, and
    /// returns when all of it has ended. Connections without a request close after
    /// `limits.drain_idle`.
    pub async fn shutdown(self) {
        let linger = self.limits.drain_idle;
        self.end(linger).await;
    }

    /// As [`GatewayHandle::shutdown`] when another gateway has the sockets: nobody waits for the
    /// end of this one, so idle connections may take all of `limits.drain` for their last request.
    pub async fn hand_over(self) {
        let linger = self.limits.drain;
        self.end(linger).await;
    }

    async fn end(self, linger: Duration) {
        let Self { server, table, stop, .. } = self;
        server.shutdown(linger).await;
        drop(stop);
        if let Err(error) = table.await {
            tracing::warn!(%error, "the gateway's table task");
        }
    }
}
