//! How each role starts; the order is told in the head of [`run`](super).

use std::sync::Arc;

use anyhow::Context;
use rutter_book::BookHandle;
use rutter_registry::{DataDir, SqliteRegistry};

use super::apis::{self, Around, Bound};
use super::certificates::Certificates;
use super::controller::ControllerRole;
use super::fabric::{FabricRole, OwnBook};
use super::gateway::GatewayRole;
use super::handover::Sockets;
use super::overlay::OverlayRole;
use super::{
    Announce, Predecessor, RunFile, Running, apart, control, gateway_metrics, local, observe,
};

/// Why a process with an overlay hands over to nobody: two that keep one table of the kernel undo each
/// other's work.
pub(super) const OVERLAY_STAYS: &str = "an overlay isn't handed over: with `at_end: adopt` a restart \
                                        leaves its routes where they are";

/// Why a process with a fabric and no controller hands over to nobody: no traffic goes through it.
pub(super) const FABRIC_STAYS: &str = "a fabric without a controller isn't handed over: neighbours \
                                       keep its routes over a restart, for `fabric.restart`";

impl Running {
    pub(super) async fn start_controller(
        &mut self,
        announce: Announce,
        before: &mut Option<Predecessor>,
    ) -> anyhow::Result<()> {
        let dir = self.open_data(before).await?.context("a controller has a data directory")?;
        SqliteRegistry::check(&dir).await?;
        let certificates = Certificates::open(Some(&dir), &self.config)?;
        let (mut none, takes_over) = (Sockets::default(), before.is_some());
        let inherited = before.as_mut().map_or(&mut none, |before| &mut before.sockets);
        let bound = apis::bind(&self.config, &certificates, inherited)?;
        let role = ControllerRole::start(&self.config, &dir).await?;
        if self.config.fabric.is_some() {
            self.prepare_overlay(takes_over, Some(role.book().clone()))?;
            let book = role.book().clone();
            let fabric = FabricRole::start(&self.config, &dir, book, inherited).await;
            let fabric = fabric.context("the fabric")?;
            fabric.tell_failure(&self.stop, &self.apis, &self.tasks);
            self.fabric = Some(fabric);
        }
        let clusters = self.fabric.as_ref().and_then(FabricRole::clusters);
        if self.config.gateway.is_some() {
            self.readiness.set("gateway", false);
            let gateway =
                GatewayRole::start(&self.config, &certificates, &role, clusters, inherited).await?;
            self.export(&gateway);
            self.gateway = Some(gateway);
        }
        let token = local::admin_token(&dir, role.controller()).await?;
        if let Some(fabric) = &self.fabric {
            fabric.speak();
        }
        let control = inherited.take("control", None);
        self.sockets = bound.sockets(&self.config)?;
        let before = before.take();
        if let Some(before) = &before {
            if let Some(fabric) = &self.fabric {
                fabric.heard_all().await;
            }
            before.ready().await?;
        }
        self.control = control::Control::open(&dir, control);
        if let Some(gateway) = &mut self.gateway {
            gateway.open();
            self.readiness.set("gateway", true);
        }
        self.dir = Some(dir);
        self.certificates = Some(certificates);
        self.controller = Some(role);
        let run = self.serve_apis(bound).await?;
        if let Some(before) = before {
            before.serving().await;
        }
        if let Some(role) = &self.controller {
            announce.ready(&run, &token, role).await?;
        }
        Ok(())
    }

    /// Serves the APIs, and leaves word of it for the command line.
    pub(super) async fn serve_apis(&self, bound: Bound) -> anyhow::Result<RunFile> {
        let certificates = self.certificates.as_ref().context("there is nothing to be served")?;
        let around = Around {
            certificates,
            gateway: self.gateway.as_ref(),
            overlay: self.overlay.as_ref(),
            services: self.controller.as_ref().map(|role| role.providers().services()),
            fabric_book: self.fabric_book.as_ref().map(|own| &own.book),
            fabric: self.fabric.as_ref().map(FabricRole::handle),
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            stop: &self.apis,
            tasks: &self.tasks,
        };
        let served = match &self.controller {
            Some(role) => role.serve(&self.config, bound, around).await?,
            None => apart::serve(&self.config, bound, &self.tokens, around).await?,
        };
        let run = RunFile::new(&self.config, &served, self.gateway.as_ref(), certificates);
        if let Some(dir) = &self.dir {
            run.write(dir)?;
        }
        Ok(run)
    }

    /// A gateway whose controller is elsewhere, or that has a backend of Mesh Router's instead.
    pub(super) async fn start_gateway(
        &mut self,
        before: &mut Option<Predecessor>,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.config.fabric.is_none(),
            "a fabric stands beside a controller or alone: leave `fabric` out, or write `controller:` too"
        );
        let dir = self.open_data(before).await?;
        let certificates = Certificates::open(dir.as_ref(), &self.config)?;
        let (mut none, takes_over) = (Sockets::default(), before.is_some());
        let inherited = before.as_mut().map_or(&mut none, |before| &mut before.sockets);
        let bound = apis::bind(&self.config, &certificates, inherited)?;
        self.tokens.set(apart::tokens(&self.config, dir.as_deref())?);
        self.readiness.set("gateway", false);
        let apart = GatewayRole::start_apart(&self.config, &certificates, dir.as_ref(), inherited);
        let mut gateway = apart.await?;
        // Routes don't travel, so the old process may know more than this one can be told now.
        if takes_over && gateway.metrics().services_told.get() == 0 {
            anyhow::bail!("the controller has told no services, so the routes would be lost");
        }
        self.export(&gateway);
        let control = inherited.take("control", None);
        self.sockets = bound.sockets(&self.config)?;
        let before = before.take();
        if let Some(before) = &before {
            before.ready().await?;
        }
        self.control = dir.as_ref().and_then(|dir| control::Control::open(dir, control));
        gateway.open();
        self.readiness.set("gateway", true);
        if let Some(settings) = &self.config.gateway {
            let services = apart::services(gateway.metrics(), settings.keep_routes);
            self.readiness.ask("services", services);
        }
        self.dir = dir;
        self.certificates = Some(certificates);
        self.gateway = Some(gateway);
        let run = self.serve_apis(bound).await?;
        if let Some(before) = before {
            before.serving().await;
        }
        tracing::info!(api = run.api, gateway = ?run.gateway, "ready");
        Ok(())
    }

    /// Makes the overlay's tables and takes its addresses, before anything is done.
    pub(super) fn prepare_overlay(
        &mut self,
        takes_over: bool,
        of_fabric: Option<BookHandle>,
    ) -> anyhow::Result<()> {
        if self.config.overlay.is_none() {
            return Ok(());
        }
        anyhow::ensure!(!takes_over, "{OVERLAY_STAYS}");
        self.readiness.set("overlay", false);
        self.overlay = Some(OverlayRole::prepare(&self.config, &self.metrics, of_fabric)?);
        Ok(())
    }

    /// Neither controller nor gateway runs here: the overlay's and the fabric's API, by the tokens of
    /// this machine.
    pub(super) async fn start_alone(&mut self) -> anyhow::Result<()> {
        let dir = self.open_data(&mut None).await?;
        if self.config.fabric.is_some() {
            let own = OwnBook::make(&self.config)?;
            let book = own.book.clone();
            self.fabric_book = Some(own);
            self.prepare_overlay(false, Some(book.clone()))?;
            let dir = dir.as_ref().context("a fabric has a data directory")?;
            let mut none = Sockets::default();
            let fabric = FabricRole::start(&self.config, dir, book, &mut none).await;
            let fabric = fabric.context("the fabric")?;
            fabric.tell_failure(&self.stop, &self.apis, &self.tasks);
            fabric.speak();
            self.fabric = Some(fabric);
        }
        let certificates = Certificates::open(dir.as_ref(), &self.config)?;
        let bound = apis::bind(&self.config, &certificates, &mut Sockets::default())?;
        self.tokens.set(apart::tokens(&self.config, dir.as_deref())?);
        self.control = dir.as_ref().and_then(|dir| control::Control::open(dir, None));
        self.dir = dir;
        self.certificates = Some(certificates);
        let run = self.serve_apis(bound).await?;
        tracing::debug!(api = run.api, "the API answers");
        Ok(())
    }

    /// Has the overlay begin.
    pub(super) async fn open_overlay(&mut self) -> anyhow::Result<()> {
        let (Some(role), Some(config)) = (&mut self.overlay, &self.config.overlay) else {
            return Ok(());
        };
        role.open(config, self.dir.as_deref(), &self.metrics, &self.stop).await?;
        self.readiness.set("overlay", true);
        Ok(())
    }

    /// The data directory; `None` where nothing is kept.
    async fn open_data(
        &self,
        before: &mut Option<Predecessor>,
    ) -> anyhow::Result<Option<Arc<DataDir>>> {
        let Some(path) = &self.config.data else { return Ok(None) };
        Ok(Some(Arc::new(match before {
            Some(before) => DataDir::adopt(path, before.data(path).await?)?,
            None => DataDir::open(path)?,
        })))
    }

    /// Adds a gateway's numbers to the metrics.
    fn export(&self, gateway: &GatewayRole) {
        self.metrics.add(Box::new(gateway_metrics::Exported(gateway.metrics())));
        if let Some(observed) = gateway.observed() {
            self.metrics.add(Box::new(observe::Exported(observed)));
        }
    }

    pub(super) fn start_agent(&mut self) -> anyhow::Result<()> {
        let Some(agent) = &self.config.agent else { return Ok(()) };
        let of_services = agent.of_services().map(rutter_agent::Agent::new).transpose();
        let node = agent.node().map(rutter_agent::Node::new).transpose();
        let of_services = of_services.context("the agent can't start")?;
        let node = node.context("the node can't start")?;
        let end = self.stop_agent.clone();
        if let Some(agent) = of_services {
            self.spawn_agent("the agent", agent.run(end.clone()));
        }
        if let Some(node) = node {
            self.spawn_agent("the node", node.run(end));
        }
        Ok(())
    }

    /// Where it ends by an error, all of it ends.
    fn spawn_agent<F>(&mut self, what: &'static str, run: F)
    where
        F: Future<Output = Result<(), rutter_agent::AgentError>> + Send + 'static,
    {
        let stop = self.stop.clone();
        let task = self.agents.spawn(async move {
            if let Err(error) = run.await {
                tracing::error!(%error, "{what} has ended");
                stop.cancel();
            }
        });
        self.running_agents.push(task.abort_handle());
    }
}
