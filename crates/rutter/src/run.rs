//! From a configuration to a running process and back.
//!
//! ```text
//!  data dir ─▶ registry, CA ─▶ book ─▶ controller ◀─ restore
//!                               │         │
//!                               ▼         ▼
//!  listeners bound ─────▶ gateway's book  APIs ─▶ serve … signal ─▶ drain ─▶ flush ─▶ end
//! ```
//!
//! The order at the start is what a restart promises: the APIs' addresses are bound first, so that a
//! port that is taken is told before anything is done; what the registry holds is restored before
//! anybody is answered; the gateway accepts when its table has its first snapshot. At the end it
//! runs backwards: `/readyz` says so, the gateway's listeners close and drain, then the APIs', the registry writes what waits, and only then the
//! books end. A second signal ends it at once; nothing that was acknowledged waits for anything
//! but the disk, so nothing of it is lost.
//!
//! One task, [`Running::serve`], owns all that runs and takes signals and reloads in turn, so a
//! reload never meets a shutdown half-way.

mod announce;
mod certificates;
mod control;
mod controller;
mod drain;
mod gateway;
mod gateway_metrics;
mod local;
mod logging;
mod reload;
mod signals;

use std::sync::Arc;

use anyhow::Context;
use rutter_api::{Metrics, Readiness};
use rutter_registry::DataDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Origin};

pub(crate) use announce::Announce;
pub(crate) use control::ask as ask_running;
pub(crate) use local::{Local, RunFile};
pub(crate) use logging::Logging;
pub(crate) use signals::Signals;

use certificates::Certificates;
use controller::{Around, ControllerRole};
use gateway::GatewayRole;

/// A process whose roles run.
pub(crate) struct Running {
    config: Config,
    /// The file to read again at a reload; `rutter up` has none.
    origin: Option<Origin>,
    dir: Option<Arc<DataDir>>,
    readiness: Readiness,
    logging: Logging,
    certificates: Option<Certificates>,
    controller: Option<ControllerRole>,
    gateway: Option<GatewayRole>,
    control: Option<control::Control>,
    /// Ends the agent, before the listeners that it withdraws by.
    stop_agent: CancellationToken,
    agents: TaskTracker,
    /// Ends the listeners; cancelled by a part that ends by itself, too.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Starts what the configuration switches on.
    ///
    /// # Errors
    /// What the parts say, which is made for people. The process should end then: tasks that were
    /// started end with it.
    pub(crate) async fn start(
        config: Config,
        origin: Option<Origin>,
        logging: Logging,
        announce: Announce,
    ) -> anyhow::Result<Self> {
        let mut running = Self {
            config,
            origin,
            dir: None,
            readiness: Readiness::default(),
            logging,
            certificates: None,
            controller: None,
            gateway: None,
            control: None,
            stop_agent: CancellationToken::new(),
            agents: TaskTracker::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        if running.config.controller.is_some() {
            running.start_controller(announce).await?;
        }
        running.start_agent()?;
        Ok(running)
    }

    async fn start_controller(&mut self, announce: Announce) -> anyhow::Result<()> {
        let dir = Arc::new(DataDir::open(&self.config.data)?);
        let certificates = Certificates::open(&dir, &self.config)?;
        let (metrics, readiness) = (Metrics::new(), self.readiness.clone());
        let bound = controller::bind(&self.config, &certificates)?;
        let role = ControllerRole::start(&self.config, &dir).await?;
        let gateway = match &self.config.gateway {
            Some(_) => {
                readiness.set("gateway", false);
                let gateway = GatewayRole::start(&self.config, &certificates, &role).await?;
                readiness.set("gateway", true);
                metrics.add(Box::new(gateway_metrics::Exported(gateway.metrics())));
                Some(gateway)
            }
            None => None,
        };
        let token = local::admin_token(&dir, role.controller()).await?;
        let control = control::Control::open(&dir).await;
        let served = role
            .serve(
                &self.config,
                bound,
                Around {
                    certificates: &certificates,
                    gateway: gateway.as_ref(),
                    metrics,
                    readiness,
                    stop: &self.stop,
                    tasks: &self.tasks,
                },
            )
            .await?;
        let run = RunFile::new(&self.config, &served, gateway.as_ref(), &certificates);
        run.write(&dir)?;
        announce.ready(&run, &token, &role).await?;
        self.dir = Some(dir);
        self.certificates = Some(certificates);
        self.controller = Some(role);
        self.gateway = gateway;
        self.control = control;
        Ok(())
    }

    fn start_agent(&self) -> anyhow::Result<()> {
        let Some(agent) = &self.config.agent else { return Ok(()) };
        let config = rutter_agent::AgentConfig::join(rutter_agent::JoinConfig {
            url: agent.join.clone(),
            name: agent.name.clone(),
            services: agent.services.clone(),
            address: agent.address.clone(),
            state_dir: agent.state.clone(),
        });
        let agent = rutter_agent::Agent::new(config).context("the agent can't start")?;
        let (end, stop) = (self.stop_agent.clone(), self.stop.clone());
        self.agents.spawn(async move {
            if let Err(error) = agent.run(end).await {
                tracing::error!(%error, "the agent has ended");
                stop.cancel();
            }
        });
        Ok(())
    }

    /// Serves until a signal ends it, and ends well.
    ///
    /// # Errors
    /// A part that ended by itself, writes that can't be finished.
    pub(crate) async fn serve(self, signals: Signals) -> anyhow::Result<()> {
        self.serve_until(signals, CancellationToken::new()).await
    }

    /// As [`Running::serve`]; `end` ends it as a signal does.
    pub(crate) async fn serve_until(
        mut self,
        mut signals: Signals,
        end: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut renewal = certificates::renewals();
        let ended = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    signals::Signal::End => break Ok(()),
                    signals::Signal::Reload => self.reload_and_log().await,
                },
                () = end.cancelled() => break Ok(()),
                request = control::next(&mut self.control) => {
                    let answer = self.reload(request.dry_run).await;
                    request.answer(answer);
                }
                _ = renewal.tick() => self.renew_certificates(),
                () = self.stop.cancelled() => {
                    break Err(anyhow::anyhow!("a part of the program has ended, see the log"));
                }
                () = controller::ended(self.controller.as_ref()) => {
                    break Err(anyhow::anyhow!("the tables' task has ended, see the log"));
                }
            }
        };
        tracing::info!("stopping: listeners close, requests in flight end");
        let flushed = tokio::select! {
            flushed = self.shutdown() => flushed,
            () = signals.insists() => {
                tracing::warn!("a second signal: stopping at once");
                Ok(())
            }
        };
        ended.and(flushed)
    }

    async fn shutdown(self) -> anyhow::Result<()> {
        drain::announce(&self.readiness, &self.config).await;
        if let Some(dir) = &self.dir {
            RunFile::remove(dir);
        }
        self.stop_agent.cancel();
        self.agents.close();
        self.agents.wait().await;
        // The API outlives the gateway's requests, so that `/readyz` and the metrics tell of them.
        if let Some(gateway) = self.gateway {
            gateway.shutdown().await;
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(controller) = self.controller {
            controller.shutdown().await?;
        }
        tracing::info!("stopped");
        Ok(())
    }

    fn renew_certificates(&mut self) {
        let Some(certificates) = &self.certificates else { return };
        match certificates.renew_if_due() {
            Ok(false) => {}
            Ok(true) => {
                if let Some(gateway) = &self.gateway
                    && let Err(error) = gateway.reload(&self.config, certificates)
                {
                    tracing::error!(%error, "the gateway keeps its certificate");
                }
            }
            Err(error) => tracing::error!(%error, "the listeners' certificate isn't renewed"),
        }
    }
}
