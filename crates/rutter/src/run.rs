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

mod acme;
mod announce;
mod apart;
mod apis;
mod certificates;
mod clusters;
mod control;
mod controller;
mod descriptors;
mod drain;
mod fabric;
mod gateway;
mod gateway_metrics;
mod handover;
mod link;
mod local;
mod logging;
mod membership;
mod nodes;
mod notify;
mod observe;
mod overlay;
mod own_ca;
mod providers;
mod reload;
mod signals;
mod start;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use rutter_api::{LocalTokens, Metrics, Readiness};
use rutter_registry::DataDir;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Origin};

pub(crate) use announce::Announce;
pub(crate) use control::{Asked, Said, ask as ask_running};
pub(crate) use handover::{Predecessor, Upgraded};
pub(crate) use local::{Local, RunFile, is_held};
pub(crate) use logging::Logging;
pub(crate) use overlay::{
    Differs, apply as apply_overlay, clean as clean_overlay, compare as compare_overlay,
};
pub(crate) use signals::Signals;

use certificates::Certificates;
use controller::ControllerRole;
use fabric::{FabricRole, OwnBook};
use gateway::GatewayRole;
use handover::Sockets;
use overlay::OverlayRole;

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
    overlay: Option<OverlayRole>,
    fabric: Option<FabricRole>,
    /// The book of a fabric without a controller.
    fabric_book: Option<OwnBook>,
    control: Option<control::Control>,
    /// The program that runs, as it was called: another one may lie there by now.
    binary: PathBuf,
    metrics: Metrics,
    /// Who may ask the API of a gateway apart.
    tokens: LocalTokens,
    /// The APIs' sockets, once more: to go on with them, or for a successor.
    sockets: Sockets,
    /// A signal that came during a hand-over.
    end_asked: CancellationToken,
    /// Ends the agent, before the listeners that it withdraws by.
    stop_agent: CancellationToken,
    agents: TaskTracker,
    /// Ends it without a withdrawal, when a successor speaks for it.
    running_agents: Vec<AbortHandle>,
    /// Ends everything; cancelled by a part that ends by itself, too.
    stop: CancellationToken,
    /// Ends the APIs' listeners.
    apis: CancellationToken,
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
        before: &mut Option<Predecessor>,
    ) -> anyhow::Result<Self> {
        descriptors::raise();
        config.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
        if let Some(before) = before {
            before.hello().await?;
        }
        let stop = CancellationToken::new();
        let metrics = match &config.controller {
            Some(_) => Metrics::of_controller(),
            None => Metrics::new(),
        };
        let mut running = Self {
            config,
            origin,
            dir: None,
            readiness: Readiness::default(),
            logging,
            certificates: None,
            controller: None,
            gateway: None,
            overlay: None,
            fabric: None,
            fabric_book: None,
            control: None,
            binary: std::env::current_exe().context("where this program lies")?,
            metrics,
            tokens: LocalTokens::default(),
            sockets: Sockets::default(),
            end_asked: CancellationToken::new(),
            stop_agent: CancellationToken::new(),
            agents: TaskTracker::new(),
            running_agents: Vec::new(),
            apis: stop.child_token(),
            stop,
            tasks: TaskTracker::new(),
        };
        if let Err(error) = running.start_roles(announce, before).await {
            if let Some(fabric) = running.fabric {
                // Neighbours keep what they heard of it for whoever comes next.
                fabric.shutdown(&running.config).await;
            }
            return Err(error);
        }
        notify::ready();
        Ok(running)
    }

    async fn start_roles(
        &mut self,
        announce: Announce,
        before: &mut Option<Predecessor>,
    ) -> anyhow::Result<()> {
        // With a fabric, the overlay is on its book, which is made first.
        if self.config.fabric.is_none() {
            self.prepare_overlay(before.is_some(), None)?;
        }
        if self.config.controller.is_some() {
            self.start_controller(announce, before).await?;
        } else if self.config.gateway.is_some() {
            self.start_gateway(before).await?;
        } else if self.config.overlay.is_some() || self.config.fabric.is_some() {
            anyhow::ensure!(before.is_none(), "{}", start::FABRIC_STAYS);
            self.start_alone().await?;
        }
        self.open_overlay().await?;
        self.start_agent()
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
                    signals::Signal::Reopen => self.reopen_logs(),
                    signals::Signal::Upgrade => match self.hand_over(None, &mut signals).await {
                        Ok(_) => return self.succeeded(&mut signals).await,
                        Err(error) => tracing::error!("{error:#}"),
                    },
                },
                () = end.cancelled() => break Ok(()),
                () = self.end_asked.cancelled() => break Ok(()),
                request = control::next(&mut self.control) => {
                    if self.answer(request, &mut signals).await {
                        return self.succeeded(&mut signals).await;
                    }
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
        notify::stopping();
        let flushed = ends(self.shutdown(), &mut signals).await;
        ended.and(flushed)
    }

    /// Does what somebody on the control socket asks; whether another process has taken over.
    async fn answer(&mut self, request: control::Request, signals: &mut Signals) -> bool {
        let control::Request { asked, answer } = request;
        match asked {
            Asked::Reload { dry_run } => {
                answer.give(self.reload(dry_run).await, Said::Reloaded);
            }
            Asked::Snapshot {} => {
                let dir = self.dir.clone();
                // It takes as long as the registry is large; all else goes on meanwhile.
                tokio::spawn(async move {
                    let copied = match &dir {
                        Some(dir) => {
                            rutter_registry::backup::snapshot(dir).await.map_err(Into::into)
                        }
                        None => Err(anyhow::anyhow!("there is no registry here")),
                    };
                    answer.give(copied, Said::Snapshot);
                });
            }
            Asked::Upgrade { binary } => {
                let upgraded = self.hand_over(binary, signals).await;
                let succeeded = upgraded.is_ok();
                if let Err(error) = &upgraded {
                    tracing::error!("{error:#}");
                }
                answer.give(upgraded, Said::Upgraded);
                return succeeded;
            }
        }
        false
    }

    /// Ends after a hand-over: what another process has is left alone.
    async fn succeeded(mut self, signals: &mut Signals) -> anyhow::Result<()> {
        self.running_agents.iter().for_each(AbortHandle::abort);
        self.sockets = Sockets::default();
        // Where nothing is kept, the other one needed nothing but the sockets, so nothing was paused.
        self.apis.cancel();
        self.tasks.close();
        let rest = async {
            if let Some(control) = self.control.take() {
                control.leave().await;
            }
            if let Some(gateway) = self.gateway.take() {
                gateway.shutdown(true).await;
            }
            self.tasks.wait().await;
            match self.controller.take() {
                Some(controller) => controller.shutdown().await,
                None => Ok(()),
            }
        };
        ends(rest, signals).await
    }

    async fn shutdown(self) -> anyhow::Result<()> {
        drain::announce(&self.readiness, &self.config).await;
        if let Some(dir) = &self.dir {
            RunFile::remove(dir);
        }
        drop(self.sockets);
        self.stop_agent.cancel();
        self.agents.close();
        self.agents.wait().await;
        // The API outlives the gateway's requests, so that `/readyz` and the metrics tell of them.
        if let Some(gateway) = self.gateway {
            gateway.shutdown(false).await;
        }
        if let Some(overlay) = self.overlay {
            overlay.shutdown().await;
        }
        if let Some(fabric) = self.fabric {
            fabric.shutdown(&self.config).await;
        }
        if let Some(book) = self.fabric_book {
            book.end().await;
        }
        // Before the sessions end, which moves no primary when it is we who end them.
        if let Some(controller) = &self.controller {
            controller.pause_nodes().await;
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

    /// What was rotated is written under its name anew. Our own log is standard error, which whoever
    /// started us rotates.
    fn reopen_logs(&self) {
        if let Some(gateway) = &self.gateway {
            gateway.reopen_access_log();
            tracing::info!("the access log is opened again");
        }
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

/// Waits for an end, which a signal may cut short.
async fn ends(
    end: impl Future<Output = anyhow::Result<()>>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = end => ended,
        () = signals.insists() => {
            tracing::warn!("a second signal: stopping at once");
            Ok(())
        }
    }
}

/// Starts, perhaps in the place of a process that runs, which is told if it can't; then serves.
///
/// # Errors
/// What `start` says, and what ends it.
pub(crate) async fn taking_over(
    start: impl AsyncFnOnce(&mut Option<Predecessor>) -> anyhow::Result<(Running, Signals)>,
) -> anyhow::Result<()> {
    let mut before = Predecessor::find()?;
    let started = start(&mut before).await;
    if let (Err(error), Some(before)) = (&started, &mut before) {
        before.failed(error).await;
    }
    let (running, signals) = started?;
    running.serve(signals).await
}
