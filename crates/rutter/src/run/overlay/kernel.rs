//! The kernel's tables, a task each.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use rutter_api::{KernelState, Metrics};
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_kernel::{
    AtEnd, DEFAULT_AUDIT, KernelError, ObjectIds, Sink, SinkSpec, Status, TaskSpec,
};
use rutter_overlay::{Overlay, OverlayConfig, Vni, kernel_outlet};
use rutter_registry::DataDir;
use rutter_route::{Prefix, TableName};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::rules;
use super::through::{Hops, Through};
use crate::config::raw;
use crate::config::resolved;
use crate::run::observe::{self, Observed};

/// Next-hop objects that a table may have, and where the numbers of the first table begin.
const OBJECTS: u32 = 100_000;
const FIRST_OBJECT: u32 = 1_000_000_000;

/// The tables that are kept.
pub(super) struct Kernel {
    tables: Vec<Kept>,
    whole: CancellationToken,
    hops: Hops,
}

struct Kept {
    vni: Vni,
    spec: TaskSpec,
    /// What becomes of it when the role ends: the task itself always leaves it to a successor.
    at_end: raw::AtEnd,
    status: watch::Receiver<Status>,
    counted: Arc<Counted>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

/// How a table stands, for those who look.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) vni: Vni,
    table: u32,
    status: watch::Receiver<Status>,
    counted: Arc<Counted>,
}

/// What is counted of a table's status as it changes.
#[derive(Debug, Default)]
struct Counted {
    failures: AtomicU64,
    /// In milliseconds since the Unix epoch; 0: never.
    looked_ms: AtomicU64,
}

impl Counted {
    /// Follows a status until nobody changes it any more.
    async fn follow(self: Arc<Self>, mut status: watch::Receiver<Status>) {
        let (mut n_looks, mut failed) = (0, false);
        loop {
            {
                let now = status.borrow_and_update();
                if now.n_looks != n_looks {
                    n_looks = now.n_looks;
                    self.looked_ms.store(SystemClock.now().wall.0, Ordering::Relaxed);
                }
                if now.failed.is_some() && !failed {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                failed = now.failed.is_some();
            }
            if status.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Kernel {
    /// Begins to keep the tables of all overlays, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel can't be asked, or what is configured makes no sense.
    pub(super) async fn start(
        config: &resolved::Overlay,
        book: &BookHandle,
        through: Option<Through>,
        dir: Option<&DataDir>,
        ended: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let hops = Hops(through);
        let (mut tables, whole) = (Vec::new(), CancellationToken::new());
        for (vni, overlay) in &config.host.overlays {
            let spec = TaskSpec { whole: Some(whole.clone()), ..spec(config, *vni, overlay, dir)? };
            tables.push(Kept::start(*vni, spec, config.at_end, (book, &hops), ended).await?);
        }
        Ok(Self { tables, whole, hops })
    }

    /// To be cancelled when the peers have told all they have: then what a process before left and
    /// nobody told of is removed.
    pub(super) fn whole(&self) -> CancellationToken {
        self.whole.clone()
    }

    pub(super) fn shown(&self) -> Vec<Shown> {
        let shown = |kept: &Kept| Shown {
            vni: kept.vni,
            table: kept.spec.sink.table,
            status: kept.status.clone(),
            counted: kept.counted.clone(),
        };
        self.tables.iter().map(shown).collect()
    }

    /// Keeps each table by another configuration of its overlay. Routes stay where they are
    /// meanwhile: the task that follows adopts them.
    ///
    /// # Errors
    /// As [`Kernel::start`].
    pub(super) async fn reload(
        &mut self,
        config: &resolved::Overlay,
        book: &BookHandle,
        dir: Option<&DataDir>,
        ended: &CancellationToken,
    ) -> anyhow::Result<()> {
        for kept in &mut self.tables {
            let Some(overlay) = config.host.overlays.get(&kept.vni) else { continue };
            let spec = spec(config, kept.vni, overlay, dir)?;
            let spec = TaskSpec { whole: Some(self.whole.clone()), ..spec };
            if spec.sink == kept.spec.sink {
                continue;
            }
            kept.end().await;
            *kept = Kept::start(kept.vni, spec, config.at_end, (book, &self.hops), ended).await?;
        }
        Ok(())
    }

    /// Ends all of them, and does with their routes and rules as is configured.
    pub(super) async fn shutdown(self) {
        for mut kept in self.tables {
            kept.end().await;
            if kept.at_end != raw::AtEnd::Flush {
                continue;
            }
            let (table, spec) = (kept.spec.sink.table, kept.spec.sink);
            let flushed = tokio::task::spawn_blocking(move || flush(spec)).await;
            match flushed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, table, "routes are left in the kernel"),
                Err(error) => tracing::error!(%error, table, "routes are left in the kernel"),
            }
        }
    }
}

/// Removes what is ours of a table that no task keeps.
pub(super) fn flush(spec: SinkSpec) -> Result<(), KernelError> {
    let mut sink = Sink::open(spec)?;
    sink.look()?;
    sink.flush()
}

impl Kept {
    async fn start(
        vni: Vni,
        spec: TaskSpec,
        at_end: raw::AtEnd,
        (book, hops): (&BookHandle, &Hops),
        ended: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (table, stop) = (spec.sink.table, CancellationToken::new());
        let task = rutter_kernel::start(spec.clone(), book, hops.clone(), stop.clone()).await;
        let task = task.with_context(|| format!("the kernel's table {table}"))?;
        let status = task.status.clone();
        let counted = Arc::new(Counted::default());
        tokio::spawn(counted.clone().follow(status.clone()));
        let what = format!("the kernel's table {table}");
        let ended = tokio::spawn(watch_over(task.ended, what, ended.clone()));
        Ok(Self { vni, spec, at_end, status, counted, stop, ended })
    }

    async fn end(&mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.ended).await {
            tracing::error!(%error, table = self.spec.sink.table, "a table's keeper");
        }
    }
}

/// Waits for the end of a part of the kernel's keeping, which concerns everybody if it isn't asked for.
pub(super) async fn watch_over(
    task: JoinHandle<Result<(), KernelError>>,
    what: impl std::fmt::Display,
    ended: CancellationToken,
) {
    let why = match task.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(why, "{what}: kept no more");
    ended.cancel();
}

/// What one table of the kernel is told, and how.
pub(super) fn spec(
    config: &resolved::Overlay,
    vni: Vni,
    overlay: &Overlay,
    dir: Option<&DataDir>,
) -> anyhow::Result<TaskSpec> {
    let table = overlay.install.table.get();
    let objects = config.next_hop_objects.then_some(objects(table));
    let replace_existing = match overlay.install.replace_existing {
        false => None,
        true => Some(displaced(table, dir)?),
    };
    Ok(TaskSpec {
        sink: SinkSpec {
            protocol: config.protocol,
            // As people of n-netman know them from `ip rule`.
            plain_rules: config.protocol == resolved::NETMAN_PROTOCOL,
            rules: rules::of(&config.host, overlay)?,
            rule_priorities: rules::GUARD..=rules::GUARD,
            replace_existing,
            ..SinkSpec::new(table, objects)
        },
        table: vni.table(),
        outlet: kernel_outlet("kernel"),
        whole: None,
        at_end: match config.at_end {
            raw::AtEnd::Flush | raw::AtEnd::Adopt => AtEnd::Adopt,
            raw::AtEnd::Leave => AtEnd::Leave,
        },
        audit: DEFAULT_AUDIT,
    })
}

/// The numbers of a table's next-hop objects.
pub(super) fn objects(table: u32) -> ObjectIds {
    ObjectIds { first: FIRST_OBJECT + table * OBJECTS, count: OBJECTS }
}

/// Where the operator's routes are kept that ours stand in the place of.
fn displaced(table: u32, dir: Option<&DataDir>) -> anyhow::Result<PathBuf> {
    let dir = dir.context(
        "with `replace_existing` the operator's routes are kept on disk: the overlay needs a data \
         directory",
    )?;
    let displaced = dir.file("displaced");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&displaced);
    made.with_context(|| format!("{} can't be made", displaced.display()))?;
    Ok(displaced.join(table.to_string()))
}

/// Tells people what the kernel would have been told.
pub(super) async fn observe(
    book: &BookHandle,
    config: &OverlayConfig,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    for vni in config.overlays.keys() {
        let table: TableName = vni.table();
        let sink = format!("kernel of {table}");
        let told = book.subscribe::<Prefix>(table, kernel_outlet(sink.clone())).await?;
        let told = told.context("an overlay has its table")?;
        let observed = Observed::new(sink);
        metrics.add(Box::new(observe::Exported(observed.clone())));
        // It ends with the book.
        tokio::spawn(observed.watch(told));
    }
    Ok(())
}

impl Shown {
    /// How it stands now.
    pub(super) fn state(&self) -> KernelState {
        let status = self.status.borrow().clone();
        KernelState {
            table: self.table,
            settled: status.settled,
            routes: status.n_routes,
            objects: status.n_objects,
            refused: status.n_refused,
            adopted: status.n_adopted,
            drift: status.n_drift,
            requests: status.n_requests,
            looks: status.n_looks,
            looked_ms: Some(self.counted.looked_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0),
            failures: self.counted.failures.load(Ordering::Relaxed),
            refused_rules: status.refused_rules,
            failed: status.failed,
        }
    }
}
