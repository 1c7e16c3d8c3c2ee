//! The role `controller`: registry, book, what a controller does, and what its APIs are about.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use rutter_api::compat::mesh_router::{self, MeshRouterOptions};
use rutter_api::compat::mpreg;
use rutter_api::{ApiOptions, LinkAddress, Owner, Tables};
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_controller::{BookFeed, Config as ControllerConfig, Controller};
use rutter_link::{AcceptConfig, LinkListener, Pulse};
use rutter_nodes::election::MAX_NODES;
use rutter_nodes::fleet::Fleet;
use rutter_nodes::policy::AutoApprovers;
use rutter_registry::{DataDir, Registry, SqliteRegistry};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::apis::{self, Around, Bound, Served};
use super::certificates::{Own, reachable};
use super::fabric;
use super::link::{Gatekeeper, NodesSide};
use super::nodes;
use super::providers::Providers;
use crate::config::resolved::Nodes;
use crate::config::{Config, tables};

/// The role, running.
pub(crate) struct ControllerRole {
    controller: Controller,
    registry: Arc<dyn Registry>,
    book: BookHandle,
    /// The nodes, and how their sessions show that they live; `None`: there are none here.
    nodes: Option<(Fleet, Pulse)>,
    providers: Providers,
    stop_book: CancellationToken,
    /// Cancelled when the book's task has ended, whoever asked for it.
    book_ended: CancellationToken,
}

/// Waits for the end of the tables' task, which nobody asked for; for ever without a controller.
pub(super) async fn ended(role: Option<&ControllerRole>) {
    match role {
        Some(role) => role.book_ended.cancelled().await,
        None => std::future::pending().await,
    }
}

impl ControllerRole {
    /// Opens the registry, makes the book and restores what was registered.
    pub(super) async fn start(config: &Config, dir: &Arc<DataDir>) -> anyhow::Result<Self> {
        let settings = config.controller.as_ref().context("no controller is configured")?;
        let registry: Arc<dyn Registry> = Arc::new(SqliteRegistry::open(dir.clone()).await?);
        let seed = seed();
        let now = SystemClock.now();
        let fleet = config.nodes.as_ref().map(nodes::fleet_config).transpose()?;
        let mut written = fabric::tables_with_overlay(config);
        if let Some(fleet) = &fleet
            && let Some(table) = written.get_mut(&fleet.table)
        {
            // Nothing is approved before the policy is in force.
            table.policy = fleet.election.policy(&AutoApprovers::default());
        }
        let book = tables::book(&written, &config.cluster, now, seed)?;
        let stop_book = CancellationToken::new();
        let (book, owner) = rutter_book::spawn(book, SystemClock, seed, stop_book.clone());
        let feed = BookFeed::open(book.clone(), tables::SERVICES.parse()?).await?;
        let controller = Controller::new(
            ControllerConfig {
                lease: settings.lease.into(),
                renew: settings.renew.into(),
                online: settings.online.into(),
                max_routes: settings.max_routes,
                addresses: settings.addresses.clone(),
                ..ControllerConfig::new(config.domain.clone())
            },
            registry.clone(),
            Arc::new(feed),
        );
        let restored = controller.restore(now).await.context("the registry can't be restored")?;
        tracing::info!(
            n_users = restored.n_users,
            n_members = restored.n_members,
            n_leases = restored.n_leases,
            "restored what was registered"
        );
        let book_ended = ends(owner);
        let nodes = match (fleet, &config.nodes) {
            (Some(fleet), Some(nodes)) => {
                let clock = Arc::new(SystemClock);
                let fleet = Fleet::start(fleet, book.clone(), registry.clone(), clock).await;
                Some((fleet.context("the nodes can't be restored")?, nodes::pulse(nodes)))
            }
            _ => None,
        };
        let providers = Providers::start(config, &book).await.context("the providers")?;
        Ok(Self { controller, registry, book, nodes, providers, stop_book, book_ended })
    }

    pub(super) fn controller(&self) -> &Controller {
        &self.controller
    }

    pub(super) fn registry(&self) -> &dyn Registry {
        &*self.registry
    }

    pub(super) fn book(&self) -> &BookHandle {
        &self.book
    }

    /// Files, engines and their routes.
    pub(super) fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Providers run by another configuration from now on.
    ///
    /// # Errors
    /// Something that can't be; all is as before.
    pub(super) async fn reload_providers(&mut self, config: &Config) -> anyhow::Result<()> {
        self.providers.reload(config).await
    }

    /// Serves the APIs on the addresses that were bound.
    pub(super) async fn serve(
        &self,
        config: &Config,
        bound: Bound,
        around: Around<'_>,
    ) -> anyhow::Result<Served> {
        let certificates = around.certificates.own()?;
        let settings = config.controller.as_ref().context("no controller is configured")?;
        let mut served = Served::default();
        if let Some(listener) = bound.link {
            served.link = Some(listener.address());
            self.serve_link(listener, certificates, around.stop, around.tasks)?;
        }
        if let Some(listener) = bound.api {
            let (address, tls) = (listener.address(), listener.is_tls());
            let own = apis::is_own(config);
            let url = settings.public_url.clone().unwrap_or_else(|| apis::url(address, tls));
            let link = served.link.map(|bound| LinkAddress {
                address: link_address(settings.public_url.as_deref(), bound),
                pin: certificates.pin(),
            });
            let pin = own.then(|| certificates.pin());
            let options = ApiOptions { link, ..ApiOptions::new(url.clone(), pin) };
            let mut tables = Tables::default();
            tables.add(None, self.book.clone()).await?;
            if let Some(gateway) = around.gateway {
                tables.add(Some("gateway"), gateway.book().clone()).await?;
            }
            let owner = self.owner(options);
            apis::serve(listener, owner, tables, &around).await?;
            // A certificate that was given is good for the name that others use, not for an address.
            let by_name = tls && !own;
            served.api = Some(if by_name { url.clone() } else { apis::url(address, tls) });
            (served.join, served.pin) = (Some(url), pin);
        }
        if let Some(listener) = bound.mpreg {
            let (address, tls) = (listener.address(), listener.is_tls());
            served.mpreg = Some((address, tls));
            let router = mpreg::router(mpreg::Parts {
                fabric: around.fabric.clone(),
                // It knows the same tokens, and nobody joins by it.
                owner: self.owner(ApiOptions::new(apis::url(address, tls), None)),
                clock: Arc::new(SystemClock),
                metrics: around.metrics.clone(),
            });
            around.tasks.spawn(listener.serve(router, around.stop.clone()));
        }
        if let Some(listener) = bound.mesh_router {
            served.mesh_router = Some((listener.address(), listener.is_tls()));
            let options = MeshRouterOptions {
                public_resolve: settings.public_resolve,
                trusted_gateways: settings.trusted_gateways.clone(),
            };
            let (clock, metrics) = (Arc::new(SystemClock), around.metrics.clone());
            let router = mesh_router::router(self.controller.clone(), clock, metrics, options);
            around.tasks.spawn(listener.serve(router, around.stop.clone()));
        }
        Ok(served)
    }

    fn owner(&self, options: ApiOptions) -> Owner {
        let (controller, fleet) = (self.controller.clone(), self.fleet().cloned());
        Owner::Controller { controller, options, fleet }
    }

    /// Lets gateways and agents elsewhere speak `rutter.v1`.
    fn serve_link(
        &self,
        listener: LinkListener,
        certificates: &Own,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<()> {
        let gatekeeper = Gatekeeper {
            controller: self.controller.clone(),
            registry: self.registry.clone(),
            book: self.book.clone(),
            services: tables::SERVICES.parse()?,
            ca: certificates.ca().to_vec(),
            nodes: self.nodes.clone().map(|(fleet, pulse)| NodesSide { fleet, pulse }),
        };
        let name = self.controller.server_domain().to_string();
        let (certificate, stop) = (certificates.for_link(), stop.clone());
        let has_nodes = self.nodes.is_some();
        tasks.spawn(async move {
            let mut config = AcceptConfig::new(name);
            if has_nodes {
                config.max_connections += MAX_NODES;
            }
            let served = listener.serve(config, certificate, Arc::new(gatekeeper), stop.clone());
            if let Err(error) = served.await {
                tracing::error!(%error, "the link has ended");
                stop.cancel();
            }
        });
        Ok(())
    }

    fn fleet(&self) -> Option<&Fleet> {
        self.nodes.as_ref().map(|(fleet, _)| fleet)
    }

    /// From now on the end of a session says nothing of its node, since we end it.
    pub(super) async fn pause_nodes(&self) {
        if let Some(fleet) = self.fleet() {
            fleet.pause().await;
        }
    }

    /// The nodes are waited for again.
    pub(super) async fn resume_nodes(&self) -> anyhow::Result<()> {
        match self.fleet() {
            Some(fleet) => fleet.resume().await.context("the nodes"),
            None => Ok(()),
        }
    }

    /// Nodes run by other settings from now on.
    ///
    /// # Errors
    /// The table doesn't take the policy; all is as before.
    pub(super) async fn reload_nodes(&self, nodes: &Nodes) -> anyhow::Result<()> {
        match self.fleet() {
            Some(fleet) => Ok(fleet.reconfigure(nodes::fleet_config(nodes)?).await?),
            None => Ok(()),
        }
    }

    /// Writes what waits, then ends the book.
    pub(super) async fn shutdown(self) -> anyhow::Result<()> {
        if let Some(fleet) = self.fleet() {
            fleet.close().await;
        }
        self.providers.shutdown().await;
        let flushed = self.registry.close().await;
        self.stop_book.cancel();
        self.book_ended.cancelled().await;
        Ok(flushed?)
    }
}

/// Tells of a task's end by a token, which any number may wait for.
pub(super) fn ends(task: JoinHandle<()>) -> CancellationToken {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    tokio::spawn(async move {
        if let Err(error) = task.await {
            tracing::error!(%error, "a table's task");
        }
        drop(guard);
    });
    ended
}

/// A seed for hash tables that strangers can't know.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// The link as others reach it: by the host of the API's public URL, where there is one, since
/// that is the name that leads here from elsewhere.
fn link_address(public_url: Option<&str>, bound: SocketAddr) -> String {
    let host = public_url.and_then(|url| url.parse::<http::Uri>().ok());
    match host.as_ref().and_then(http::Uri::host) {
        Some(host) => format!("{host}:{}", bound.port()),
        None => reachable(bound).to_string(),
    }
}
