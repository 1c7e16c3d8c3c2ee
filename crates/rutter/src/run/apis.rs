//! The listeners of the APIs, whoever's they are: bound first, served last, handed over between.

use std::net::SocketAddr;
use std::sync::Arc;

use rutter_api::{
    ApiParts, BindError, Limits, Listener, Metrics, Owner, RECHECK, Readiness, Services, Tables,
};
use rutter_book::{BookHandle, SystemClock};
use rutter_link::LinkListener;
use rutter_registry::Pin;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificates::{Certificates, reachable};
use super::gateway::GatewayRole;
use super::handover::Sockets;
use super::overlay::OverlayRole;
use crate::config::raw::Tls;
use crate::config::{Config, resolved};

/// The listeners that have their addresses.
pub(super) struct Bound {
    pub(super) api: Option<Listener>,
    pub(super) mesh_router: Option<Listener>,
    pub(super) mpreg: Option<Listener>,
    pub(super) link: Option<LinkListener>,
}

/// What stands around the APIs.
pub(super) struct Around<'a> {
    pub(super) certificates: &'a Certificates,
    /// Whose table is shown, too.
    pub(super) gateway: Option<&'a GatewayRole>,
    /// Whose tables are shown, too.
    pub(super) overlay: Option<&'a OverlayRole>,
    /// The services of its providers, if it has some.
    pub(super) services: Option<Services>,
    /// The book of a fabric without a controller, if there is one.
    pub(super) fabric_book: Option<&'a BookHandle>,
    /// The fabric that its cluster is part of, if it is.
    pub(super) fabric: Option<rutter_fabric::FabricHandle>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    /// Ends the listeners.
    pub(super) stop: &'a CancellationToken,
    /// Where the listeners run.
    pub(super) tasks: &'a TaskTracker,
}

/// Where the APIs are served.
#[derive(Debug, Clone, Default)]
pub(super) struct Served {
    /// The API, as the command on this machine reaches it.
    pub(super) api: Option<String>,
    pub(super) mesh_router: Option<(SocketAddr, bool)>,
    pub(super) mpreg: Option<(SocketAddr, bool)>,
    /// `rutter.v1`.
    pub(super) link: Option<SocketAddr>,
    /// What a join line begins with.
    pub(super) join: Option<String>,
    /// The pin of the own CA, where the API serves TLS by it.
    pub(super) pin: Option<Pin>,
}

/// Takes the addresses of the APIs, where `inherited` has no socket for them.
pub(super) fn bind(
    config: &Config,
    certificates: &Certificates,
    inherited: &mut Sockets,
) -> anyhow::Result<Bound> {
    let mut bind = |name, listener: &Option<resolved::Listener>| -> anyhow::Result<_> {
        let Some(listener) = listener else { return Ok(None) };
        let tls = certificates.for_api(&listener.tls)?;
        let limits = Limits::default();
        Ok(Some(match inherited.take(name, Some(listener.address)) {
            Some(socket) => Listener::on(socket.into(), tls, limits)?,
            None => Listener::bind(name, listener.address, tls, limits)?,
        }))
    };
    Ok(Bound {
        api: bind("api", &config.listeners.api)?,
        mesh_router: bind("compat.mesh_router", &config.listeners.compat.mesh_router)?,
        mpreg: bind("compat.mpreg", &config.listeners.compat.mpreg)?,
        link: match &config.listeners.link {
            Some(listener) => Some(bind_link(listener.address, inherited)?),
            None => None,
        },
    })
}

fn bind_link(address: SocketAddr, inherited: &mut Sockets) -> anyhow::Result<LinkListener> {
    let bound = match inherited.take("link", Some(address)) {
        Some(socket) => LinkListener::from_std(socket.into()),
        None => LinkListener::bind(address),
    };
    Ok(bound.map_err(|error| BindError::new("link", address, error))?)
}

impl Bound {
    /// The sockets, once more, under the names by which [`bind`] finds them.
    pub(super) fn sockets(&self, config: &Config) -> std::io::Result<Sockets> {
        let mut sockets = Sockets::default();
        let listeners = [
            ("api", &self.api, &config.listeners.api),
            ("compat.mesh_router", &self.mesh_router, &config.listeners.compat.mesh_router),
            ("compat.mpreg", &self.mpreg, &config.listeners.compat.mpreg),
        ];
        for (name, bound, configured) in listeners {
            if let (Some(bound), Some(configured)) = (bound, configured) {
                sockets.add(name, Some(configured.address), bound.socket()?);
            }
        }
        if let (Some(bound), Some(configured)) = (&self.link, &config.listeners.link) {
            sockets.add("link", Some(configured.address), bound.socket()?);
        }
        Ok(sockets)
    }
}

/// Serves the listener `api`.
///
/// # Errors
/// A book is closed.
pub(super) async fn serve(
    listener: Listener,
    owner: Owner,
    mut tables: Tables,
    around: &Around<'_>,
) -> anyhow::Result<()> {
    if let Some(book) = around.overlay.and_then(OverlayRole::own_book) {
        tables.add(None, book.clone()).await?;
    }
    let router = rutter_api::router(ApiParts {
        owner,
        clock: Arc::new(SystemClock),
        tables,
        metrics: around.metrics.clone(),
        overlay: around.overlay.map(OverlayRole::asks),
        services: around.services.clone(),
        fabric: around.fabric.clone(),
        readiness: around.readiness.clone(),
        recheck: RECHECK,
        stop: around.stop.clone(),
    });
    around.tasks.spawn(listener.serve(router, around.stop.clone()));
    Ok(())
}

/// Whether the API serves TLS by the own CA.
pub(super) fn is_own(config: &Config) -> bool {
    config.listeners.api.as_ref().is_some_and(|listener| listener.tls == Tls::Own)
}

/// The URL of a listener as others on its network reach it.
pub(super) fn url(address: SocketAddr, tls: bool) -> String {
    format!("{}://{}", if tls { "https" } else { "http" }, reachable(address))
}
