//! The old process's side: everything is given step by step, and taken back if need be.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rutter_registry::{backup, schema_known};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::channel::Channel;
use super::{PROTOCOL, READY_WITHIN, Sockets, ToNew, ToOld, Upgraded, VARIABLE};
use crate::run::start::{FABRIC_STAYS, OVERLAY_STAYS};
use crate::run::{Running, Signals, apis, notify};

/// How long the new process may take from the word to the first answer. It is the owner already:
/// this is for whoever asked, who wants to find it there.
const SERVES_WITHIN: Duration = Duration::from_secs(10);

/// What has been given and may have to be taken back.
#[derive(Default)]
struct Given {
    /// The APIs pause and the registry is lent.
    data: bool,
    /// The registry before a newer schema came over it.
    copy: Option<PathBuf>,
    /// The fabric has parted from its neighbours.
    fabric: bool,
}

impl Running {
    /// Hands over to another program. When it returns `Ok` this process has nothing left but the
    /// requests in flight; on an error everything is as it was.
    ///
    /// # Errors
    /// Why the other one couldn't.
    pub(in crate::run) async fn hand_over(
        &mut self,
        binary: Option<PathBuf>,
        signals: &mut Signals,
    ) -> anyhow::Result<Upgraded> {
        anyhow::ensure!(self.overlay.is_none(), "{OVERLAY_STAYS}");
        anyhow::ensure!(self.fabric_book.is_none(), "{FABRIC_STAYS}");
        let begun = Instant::now();
        let binary = binary.unwrap_or_else(|| self.binary.clone());
        tracing::info!(binary = %binary.display(), "handing over");
        let (channel, end) = Channel::pair()?;
        let mut child = Command::new(&binary)
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, PROTOCOL.to_string())
            .stdin(end)
            .spawn()
            .with_context(|| format!("{} can't be started", binary.display()))?;
        let mut given = Given::default();
        let outcome = tokio::select! {
            outcome = self.give(&channel, &mut given) => outcome,
            () = tokio::time::sleep(READY_WITHIN) => {
                Err(anyhow!("it wasn't ready within {READY_WITHIN:?}"))
            }
            () = signals.end() => {
                self.end_asked.cancel();
                Err(anyhow!("a signal asked for the end meanwhile"))
            }
        };
        let pid = child.id().unwrap_or_default();
        let version = match outcome {
            Ok(version) => version,
            Err(error) => {
                end_of(&mut child).await;
                self.take_back(given).await.context("taking everything back")?;
                return Err(error.context("not handed over, all goes on as before"));
            }
        };
        notify::main_pid(pid);
        if let Err(error) = channel.send(&ToNew::Go, &[]).await {
            // It has everything, and finds the channel closed when this process ends.
            tracing::warn!(%error, "the new process may wait until this one has ended");
        }
        if !matches!(
            timeout(SERVES_WITHIN, channel.receive()).await,
            Ok(Ok(Some((ToOld::Serving, _))))
        ) {
            tracing::warn!(pid, "the new process doesn't say that it serves");
        }
        if let Some(copy) = given.copy
            && let Err(error) = std::fs::remove_file(&copy)
        {
            tracing::warn!(%error, path = %copy.display(), "a copy of the registry stays");
        }
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(pid, version, took_ms, "handed over: this process ends with its requests");
        Ok(Upgraded { pid, version, took_ms })
    }

    /// Gives what the other asks for until it is ready; its version.
    async fn give(&mut self, channel: &Channel, given: &mut Given) -> anyhow::Result<String> {
        let (mut their_version, mut their_schema) = (String::new(), 0);
        loop {
            let Some((said, _)) = channel.receive().await? else {
                bail!("it ended before it was ready, see its log");
            };
            match said {
                ToOld::Hello { protocol, version, schema } => {
                    if let Err(error) = speaks(protocol, &version, schema) {
                        refuse(channel, &error).await;
                        return Err(error);
                    }
                    (their_version, their_schema) = (version, schema);
                    let sockets = self.sockets_to_give()?;
                    let named = ToNew::Sockets(sockets.names());
                    channel.send(&named, &sockets.descriptors()).await?;
                }
                ToOld::Data { path } => {
                    if let Err(error) = self.is_ours(&path) {
                        refuse(channel, &error).await;
                        return Err(error);
                    }
                    self.give_data(their_schema, given).await?;
                    let dir = self.dir.as_ref().context("there is no data directory")?;
                    channel.send(&ToNew::Data, &[dir.lock()?.as_fd()]).await?;
                }
                ToOld::Ready => {
                    // It keeps nothing, where this one does.
                    if let (Some(dir), false) = (&self.dir, given.data) {
                        let ours = dir.path().display();
                        let error = anyhow!("its `data` is off, not {ours}: that needs a restart");
                        refuse(channel, &error).await;
                        return Err(error);
                    }
                    return Ok(their_version);
                }
                ToOld::Failed { why } => bail!("{why}"),
                ToOld::Serving => bail!("it says that it serves before its time"),
            }
        }
    }

    fn sockets_to_give(&self) -> anyhow::Result<Sockets> {
        let mut sockets = self.sockets.try_clone()?;
        if let Some(gateway) = &self.gateway {
            sockets.extend(gateway.sockets(&self.config)?);
        }
        if let Some(fabric) = &self.fabric {
            sockets.extend(fabric.sockets(&self.config)?);
        }
        if let Some(control) = &self.control {
            sockets.add("control", None, control.socket()?);
        }
        Ok(sockets)
    }

    fn is_ours(&self, path: &Path) -> anyhow::Result<()> {
        let ours = self.dir.as_ref().context("there is no data directory to hand over")?.path();
        let same = path.canonicalize().ok() == ours.canonicalize().ok();
        anyhow::ensure!(
            same,
            "its data directory is {}, not {}: that needs a restart",
            path.display(),
            ours.display()
        );
        Ok(())
    }

    /// Stops whatever writes, and lends the registry.
    async fn give_data(&mut self, their_schema: i64, given: &mut Given) -> anyhow::Result<()> {
        given.data = true;
        if let Some(control) = &self.control {
            control.pause();
        }
        if let Some(controller) = &self.controller {
            controller.pause_nodes().await;
        }
        self.apis.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(controller) = &self.controller {
            controller.registry().lend().await?;
        }
        if their_schema > schema_known()
            && let Some(dir) = &self.dir
        {
            given.copy = Some(backup::before_upgrade(dir).await?);
        }
        if let Some(fabric) = &self.fabric {
            given.fabric = true;
            fabric.lend(&self.config).await;
        }
        Ok(())
    }

    async fn take_back(&mut self, given: Given) -> anyhow::Result<()> {
        if !given.data {
            return Ok(());
        }
        if let Some(dir) = &self.dir {
            if let Some(copy) = &given.copy {
                backup::put_back(dir, copy)?;
            }
            dir.note_holder()?;
        }
        if let Some(controller) = &self.controller {
            controller.registry().take_back().await?;
            controller.resume_nodes().await?;
        }
        self.apis = self.stop.child_token();
        self.tasks = TaskTracker::new();
        if let (true, Some(fabric), Some(dir)) = (given.fabric, &mut self.fabric, &self.dir) {
            fabric.take_back(&self.config, dir).await.context("the fabric")?;
            fabric.tell_failure(&self.stop, &self.apis, &self.tasks);
        }
        if let Some(certificates) = &self.certificates {
            let mut sockets = self.sockets.try_clone()?;
            let bound = apis::bind(&self.config, certificates, &mut sockets)?;
            self.serve_apis(bound).await?;
        }
        if let Some(control) = self.control.take() {
            self.control = Some(control.resume()?);
        }
        tracing::info!("everything is taken back");
        Ok(())
    }
}

fn speaks(protocol: u32, version: &str, schema: i64) -> anyhow::Result<()> {
    anyhow::ensure!(
        protocol == PROTOCOL,
        "rutter {version} hands over by another protocol: stop this one and start that"
    );
    let ours = schema_known();
    anyhow::ensure!(
        schema >= ours,
        "rutter {version} is older: it knows schema {schema}, the data is of schema {ours}; \
         restore a backup of its time for it"
    );
    Ok(())
}

async fn refuse(channel: &Channel, error: &anyhow::Error) {
    let why = format!("{error:#}");
    if let Err(error) = channel.send(&ToNew::Refused { why }, &[]).await {
        tracing::debug!(%error, "nobody hears why");
    }
}

/// Ends the new process, however it is, and waits until nothing of it is left.
async fn end_of(child: &mut Child) {
    if let Err(error) = child.start_kill() {
        tracing::debug!(%error, "the new process has ended by itself");
    }
    match child.wait().await {
        Ok(status) => tracing::info!(%status, "the new process has ended"),
        Err(error) => tracing::error!(%error, "the new process"),
    }
}
