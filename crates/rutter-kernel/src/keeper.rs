//! A part of the kernel kept as it is wanted: looked at when what is wanted changes, when something
//! happens, when something failed, and now and then.
//!
//! ```text
//!   wanted ──changed──┐
//!   watch ──"look"────┼──▶ job: Keep::keep (on a thread that may block, one at a time)
//!   audit, retry ─────┘
//! ```
//!
//! Level-triggered like the sink of routes ([`crate::task`]), which has an outlet's tells to gather
//! and so a driver of its own; links, sources and transit are small enough to be compared whole
//! each time.
//!
//! Bounds: one look at a time; between two there are [`SPACING`] at least unless what is wanted has
//! changed, so a machine whose links come and go all the time isn't looked at all the time.

use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::watch::Watch;

/// The least time from the end of a look to the next that only an event asks for.
const SPACING: Duration = Duration::from_millis(100);

/// How long after a failure is looked again without a reason.
const RETRY: Duration = Duration::from_secs(1);

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All is as it is wanted.
    Whole,
    /// Some isn't, and is tried again.
    InPart,
}

/// A part of the kernel that somebody keeps.
pub(crate) trait Keep: Send + 'static {
    /// What is wanted of it.
    type Spec: Clone + Send + Sync + 'static;

    /// Looks, and makes the part what is wanted. It blocks.
    fn keep(&mut self, wanted: &Self::Spec) -> Result<Kept, KernelError>;

    /// The kernel couldn't be asked; it is asked again.
    fn failed(&mut self, error: &KernelError);

    /// What becomes of it when nobody keeps it any more. It blocks.
    fn end(&mut self) -> Result<(), KernelError>;
}

type Job<K> = JoinHandle<(K, Result<Kept, KernelError>)>;

/// When to look next.
struct Next {
    /// At once: what is wanted has changed.
    now: bool,
    /// As soon as may be: something has happened.
    soon: bool,
    /// Then: something failed.
    retry_at: Option<Instant>,
    /// What only happened waits until then.
    not_before: Instant,
}

impl Next {
    /// `None`: there is no reason to.
    fn at(&self) -> Option<Instant> {
        if self.now {
            return Some(Instant::now());
        }
        let soon = self.soon.then_some(self.not_before);
        [soon, self.retry_at].into_iter().flatten().min()
    }
}

/// Keeps a part until it is told to stop. When nobody can want anything else any more, what was
/// wanted last is kept.
pub(crate) async fn run<K: Keep>(
    part: K,
    mut wanted: watch::Receiver<K::Spec>,
    mut watches: Vec<Watch>,
    audit: Duration,
    stop: CancellationToken,
) -> Result<(), KernelError> {
    // A period of nothing is no period.
    let audit = audit.max(SPACING);
    let mut audit = interval_at(Instant::now() + audit, audit);
    audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut part = Some(part);
    let mut job: Option<Job<K>> = None;
    let mut next = Next { now: true, soon: false, retry_at: None, not_before: Instant::now() };
    let mut can_change = true;
    loop {
        if job.is_none() && next.at().is_some_and(|at| at <= Instant::now()) {
            next = Next { now: false, soon: false, retry_at: None, ..next };
            job = part.take().map(|part| begin(part, wanted.borrow_and_update().clone()));
        }
        let at = next.at().filter(|_| job.is_none());
        tokio::select! {
            () = stop.cancelled() => break,
            changed = wanted.changed(), if can_change => match changed {
                Ok(()) => next.now = true,
                Err(_) => can_change = false,
            },
            happened = any_changed(&mut watches) => {
                happened?;
                next.soon = true;
            }
            _ = audit.tick() => next.soon = true,
            done = finished(&mut job), if job.is_some() => {
                job = None;
                let (kept, done) = done.map_err(|_| KernelError::Thread)?;
                let kept = part.insert(kept);
                next.not_before = Instant::now() + SPACING;
                if let Err(error) = &done {
                    tracing::error!(%error, "the kernel can't be asked");
                    kept.failed(error);
                }
                if !matches!(done, Ok(Kept::Whole)) {
                    next.retry_at = Some(Instant::now() + RETRY);
                }
            }
            // Only to come back here.
            () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => {}
        }
    }
    end(part, job).await
}

/// Waits for the first of some watches. Like [`Watch::changed`] it may be dropped.
async fn any_changed(watches: &mut [Watch]) -> Result<(), KernelError> {
    let mut all: Vec<_> = watches.iter_mut().map(|watch| Box::pin(watch.changed())).collect();
    let first = std::future::poll_fn(|context| {
        let mut all = all.iter_mut().map(|one| one.as_mut().poll(context));
        all.find(Poll::is_ready).unwrap_or(Poll::Pending)
    });
    first.await
}

fn begin<K: Keep>(mut part: K, wanted: K::Spec) -> Job<K> {
    tokio::task::spawn_blocking(move || {
        let kept = part.keep(&wanted);
        (part, kept)
    })
}

async fn finished<K>(job: &mut Option<Job<K>>) -> <Job<K> as Future>::Output {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

/// Waits for what is under way, then ends it.
async fn end<K: Keep>(part: Option<K>, job: Option<Job<K>>) -> Result<(), KernelError> {
    let part = match job {
        Some(job) => job.await.ok().map(|(part, _)| part),
        None => part,
    };
    let mut part = part.ok_or(KernelError::Thread)?;
    let ended = tokio::task::spawn_blocking(move || part.end());
    ended.await.map_err(|_| KernelError::Thread)?
}
