//! The sink driven by an outlet and by the kernel's events.
//!
//! ```text
//!   outlet ──tells──▶ pending ──┐
//!   watch ──"look"──▶ look ─────┼──▶ job: want, look, settle ──▶ verdicts ──▶ outlet
//!   audit ──"look"──▶ look ─────┘    (on a thread that may block, one at a time)
//! ```
//!
//! The kernel works inside the calls that ask it, so they run on a thread for blocking work; while
//! one runs, what is told meanwhile is gathered, and later overwrites earlier by itself. Tells of
//! which more is to come at once wait for the rest ([`GATHER_FOR`]): many prefixes that move
//! together are then seen together, and are one message. In the first snapshot they don't wait:
//! what is there yet can't move, and the kernel works while the rest is told.
//!
//! What the kernel refuses goes back to the outlet, which tells it again ever rarer; what succeeds
//! by a look in between is told to it too.
//!
//! Bounds: [`GATHER`] tells wait here; over it nothing is taken from the outlet, which keeps what
//! is out of date.

use std::collections::HashSet;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use rutter_book::{BookClosed, BookHandle, Subscription};
use rutter_rib::{Batch, OutletSpec, Tell};
use rutter_route::{NextHop, Prefix, Resolution, TableName};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::fib::{Target, Wanted};
use crate::hop::Hop;
use crate::map::Map;
use crate::sink::{Looked, Settled, Sink, SinkSpec};
use crate::watch::{Hearing, Watch, group};
use crate::wire::{Answer, kind, object_row, route_event_table};

/// Tells that wait for the kernel.
const GATHER: usize = 262_144;

/// How long tells wait for more that is to come at once: so much later at most is a failover that
/// comes amid endless changes.
const GATHER_FOR: Duration = Duration::from_millis(400);

/// How long after a failure the kernel is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Looks take at most this share of the time where reasons to look never end, such as links that
/// come and go all the time: after one that took 20 ms the next waits 80.
const LOOK_SHARE: u32 = 5;

/// But no look waits longer than this.
const LOOK_WAIT: Duration = Duration::from_millis(400);

/// How often is looked without a reason, unless configured.
pub const DEFAULT_AUDIT: Duration = Duration::from_secs(30);

/// What becomes of our routes and rules when the task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtEnd {
    /// They are removed.
    Flush,
    /// They stay for the next task, which keeps what is right and removes the rest when it knows
    /// all that is wanted.
    #[default]
    Adopt,
    /// They stay, and this task didn't remove what it found and nobody wanted either.
    Leave,
}

/// Which table is told to which part of the kernel.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// The kernel's part.
    pub sink: SinkSpec,
    /// The table of prefixes.
    pub table: TableName,
    /// What of it.
    pub outlet: OutletSpec,
    /// The table isn't whole before this: what a predecessor left and nobody has told of yet isn't
    /// removed until then. `None`: with the first snapshot.
    pub whole: Option<CancellationToken>,
    /// What becomes of it in the end.
    pub at_end: AtEnd,
    /// How often is looked without a reason.
    pub audit: Duration,
}

/// How the kernel's part stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The snapshot has been told, and nothing waits for the kernel.
    pub settled: bool,
    /// Routes of ours in the kernel.
    pub n_routes: usize,
    /// Next-hop objects of ours in the kernel.
    pub n_objects: usize,
    /// Prefixes that are refused.
    pub n_refused: usize,
    /// Routes found at the start that a predecessor left.
    pub n_adopted: usize,
    /// Routes and rules that someone else removed or changed, since the start.
    pub n_drift: u64,
    /// What the kernel was asked to change, since the start.
    pub n_requests: u64,
    /// Looks since the start.
    pub n_looks: u64,
    /// Rules that the kernel refuses, each with its words.
    pub refused_rules: Vec<String>,
    /// Why the kernel can't be asked, until it can be again.
    pub failed: Option<String>,
}

/// A running task.
#[derive(Debug)]
pub struct Task {
    /// How it stands.
    pub status: watch::Receiver<Status>,
    /// Ends when it was stopped, or the book is closed.
    pub ended: JoinHandle<Result<(), KernelError>>,
}

/// Opens the sockets in the network namespace of the calling thread, and starts.
///
/// # Errors
/// The spec makes no sense, there is no such table, or the kernel can't be spoken with.
pub async fn start(
    spec: TaskSpec,
    book: &BookHandle,
    map: impl Map,
    stop: CancellationToken,
) -> Result<Task, KernelError> {
    let keep_left_over = spec.at_end == AtEnd::Leave || spec.sink.keep_left_over;
    let sink = Sink::open(SinkSpec { keep_left_over, ..spec.sink.clone() })?;
    // Before the first look: what happens in between is heard.
    let watch = Watch::open(hearing(spec.sink.clone()), sink.port())?;
    let told = book.subscribe::<Prefix>(spec.table.clone(), spec.outlet.clone()).await;
    let no_table = KernelError::Spec { mistake: "there is no such table of prefixes" };
    let told = told.map_err(|BookClosed| KernelError::BookClosed)?.ok_or(no_table)?;
    let (status, shown) = watch::channel(Status::default());
    let driver = Driver {
        spec,
        moves: map.moves(),
        map: Box::new(map),
        book: book.clone(),
        told,
        watch,
        sink: Some(sink),
        work: Work { look: true, ..Work::default() },
        gather_until: None,
        retry_at: None,
        look_at: None,
        mentioned: None,
        snapshot_ended: false,
        knows_all: false,
        status,
    };
    Ok(Task { status: shown, ended: tokio::spawn(driver.run(stop)) })
}

/// Links and addresses concern a sink always: they are what routes vanish by.
pub(crate) fn hearing(spec: SinkSpec) -> Hearing {
    let concerns = move |event: &Answer<'_>| match event.message_type {
        kind::NEW_LINK | kind::DEL_LINK | kind::NEW_ADDRESS | kind::DEL_ADDRESS => true,
        kind::NEW_ROUTE | kind::DEL_ROUTE => route_event_table(event.payload) == spec.table,
        kind::NEW_RULE | kind::DEL_RULE => !spec.rules.is_empty(),
        kind::NEW_OBJECT | kind::DEL_OBJECT => match (spec.objects, object_row(event.payload)) {
            (Some(ids), Some(row)) => ids.contains(row.id),
            _ => false,
        },
        _ => false,
    };
    let groups: &[_] =
        &[group::LINKS, group::ADDRESSES, group::ROUTES, group::RULES, group::OBJECTS];
    Hearing { protocol: NETLINK_ROUTE, groups, concerns: Box::new(concerns) }
}

/// What is to be done with the kernel.
#[derive(Debug, Default)]
struct Work {
    want: Vec<(Prefix, Option<Wanted>)>,
    look: bool,
    /// The snapshot has ended: what it doesn't mention isn't wanted.
    only: Option<HashSet<Prefix>>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.want.is_empty() && !self.look && self.only.is_none()
    }
}

/// What came of it.
#[derive(Debug)]
struct Done {
    looked: Option<Looked>,
    look_took: Duration,
    settled: Settled,
}

type Job = JoinHandle<(Sink, Result<Done, KernelError>)>;

struct Driver {
    spec: TaskSpec,
    map: Box<dyn Map>,
    /// When it answers otherwise.
    moves: Option<watch::Receiver<u64>>,
    book: BookHandle,
    told: Subscription<Prefix>,
    watch: Watch,
    /// `None`: a job has it.
    sink: Option<Sink>,
    work: Work,
    /// More is to come at once; it is waited for until then.
    gather_until: Option<Instant>,
    /// The kernel couldn't be asked; it is asked again then.
    retry_at: Option<Instant>,
    /// No look before.
    look_at: Option<Instant>,
    /// During a snapshot, and until the table is whole: what was mentioned.
    mentioned: Option<HashSet<Prefix>>,
    /// It has, and the table wasn't whole.
    snapshot_ended: bool,
    knows_all: bool,
    status: watch::Sender<Status>,
}

impl Driver {
    async fn run(mut self, stop: CancellationToken) -> Result<(), KernelError> {
        let mut audit = interval_at(Instant::now() + self.spec.audit, self.spec.audit);
        audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut job: Option<Job> = None;
        loop {
            if job.is_none() {
                job = self.next_job();
            }
            let look_at = self.look_at.filter(|_| self.work.look);
            let wait = self.gather_until.max(self.retry_at).max(look_at);
            tokio::select! {
                () = stop.cancelled() => break,
                batch = self.told.next(), if self.work.want.len() < GATHER => match batch {
                    Some(batch) => self.hear(batch),
                    None => break,
                },
                changed = self.watch.changed() => {
                    changed?;
                    self.work.look = true;
                }
                () = moved(&mut self.moves) => {
                    if self.told.resume(None).await.is_err() {
                        break;
                    }
                }
                _ = audit.tick() => self.work.look = true,
                () = becomes_whole(self.spec.whole.clone()), if self.snapshot_ended => {
                    self.snapshot_ended = false;
                    self.work.only = self.mentioned.take();
                }
                done = finished(&mut job), if job.is_some() => {
                    job = None;
                    if self.take(done).await.is_err() {
                        break;
                    }
                }
                // Only to come back here.
                () = sleep_until(wait.unwrap_or_else(Instant::now)), if wait.is_some() && job.is_none() => {
                    self.gather_until = None;
                    self.retry_at = None;
                    self.look_at = None;
                }
            }
        }
        self.end(job).await
    }

    /// Begins what is to be done, unless it is better to wait.
    fn next_job(&mut self) -> Option<Job> {
        let gathers = self.gather_until.is_some() && self.work.want.len() < GATHER;
        if gathers || self.retry_at.is_some() {
            return None;
        }
        // A look that has to wait keeps nothing else waiting.
        let waits = self.work.look && self.look_at.is_some_and(|at| at > Instant::now());
        let look = self.work.look && !waits;
        if self.work.want.is_empty() && self.work.only.is_none() && !look {
            return None;
        }
        let mut sink = self.sink.take()?;
        let work = Work { look, ..std::mem::take(&mut self.work) };
        self.work.look = waits;
        Some(tokio::task::spawn_blocking(move || {
            let done = do_work(&mut sink, work);
            (sink, done)
        }))
    }

    fn hear(&mut self, batch: Batch<Prefix>) {
        if batch.begin_snapshot {
            self.mentioned = Some(HashSet::new());
            self.snapshot_ended = false;
        }
        for tell in batch.tells {
            let (prefix, wanted) = match tell {
                Tell::Advertise { destination, routes, .. } => {
                    if let Some(mentioned) = &mut self.mentioned {
                        mentioned.insert(destination);
                    }
                    let wanted = self.map.wanted(&destination, &routes);
                    let refused = |why| Wanted { target: Target::Refused(why), priority: 0 };
                    (destination, Some(wanted.unwrap_or_else(refused)))
                }
                Tell::Withdraw { destination, .. } => (destination, None),
            };
            // A snapshot that ended before says nothing of what is told after it.
            if let Some(only) = &mut self.work.only {
                only.insert(prefix);
            }
            self.work.want.push((prefix, wanted));
        }
        if batch.end_of_snapshot {
            self.knows_all = true;
            match self.is_whole() {
                true => self.work.only = self.mentioned.take(),
                false => self.snapshot_ended = true,
            }
        }
        self.gather_until = match (batch.more && self.knows_all, self.gather_until) {
            (false, _) => None,
            (true, None) => Some(Instant::now() + GATHER_FOR),
            (true, until) => until,
        };
        self.show(|status| status.settled = false);
    }

    /// Whether what isn't told isn't wanted.
    fn is_whole(&self) -> bool {
        self.spec.whole.as_ref().is_none_or(CancellationToken::is_cancelled)
    }

    /// What a job brought back.
    async fn take(
        &mut self,
        done: Result<(Sink, Result<Done, KernelError>), JoinError>,
    ) -> Result<(), BookClosed> {
        let Ok((sink, done)) = done else {
            // It panicked, and the sink is lost: the end says so.
            return Err(BookClosed);
        };
        let numbers = (sink.n_routes(), sink.n_objects(), sink.n_refused());
        let refused_rules = sink.refused_rules().iter();
        let refused_rules = refused_rules.map(|(rule, why)| format!("{rule}: {why}")).collect();
        self.sink = Some(sink);
        let mut answers = Settled::default();
        let mut failed = None;
        let looked = match done {
            Ok(done) => {
                answers = done.settled;
                let wait = (done.look_took * (LOOK_SHARE - 1)).min(LOOK_WAIT);
                self.look_at = done.looked.map(|_| Instant::now() + wait).or(self.look_at);
                done.looked
            }
            Err(error) => {
                tracing::error!(%error, table = self.spec.sink.table, "the kernel can't be asked");
                failed = Some(error.to_string());
                self.work.look = true;
                self.retry_at = Some(Instant::now() + RETRY);
                None
            }
        };
        let drift = answers.n_drift + looked.map_or(0, |looked| looked.drift);
        if drift > 0 {
            tracing::warn!(
                drift,
                table = self.spec.sink.table,
                "someone else removed or changed what is ours in the kernel; it is put right"
            );
        }
        for (prefix, why) in &answers.refused {
            tracing::debug!(%prefix, why, "the kernel refuses a route");
        }
        let settled = self.knows_all && self.work.is_empty() && failed.is_none();
        let (refused, accepted) =
            (std::mem::take(&mut answers.refused), std::mem::take(&mut answers.accepted));
        self.told.answered(refused, accepted).await?;
        self.tell_hops(std::mem::take(&mut answers.hops)).await?;
        self.show(|status| {
            status.settled = settled;
            (status.n_routes, status.n_objects, status.n_refused) = numbers;
            status.failed = failed;
            if let Some(looked) = looked {
                if status.n_looks == 0 {
                    status.n_adopted = looked.adopted;
                }
                status.n_looks += 1;
            }
            status.n_drift += u64::try_from(drift).unwrap_or(u64::MAX);
            status.n_requests += u64::try_from(answers.n_requests).unwrap_or(u64::MAX);
            if status.refused_rules != refused_rules {
                for rule in &refused_rules {
                    tracing::warn!(rule, "the kernel refuses a rule");
                }
                status.refused_rules = refused_rules;
            }
        });
        Ok(())
    }

    /// The table hears of next hops, once for all their prefixes, and takes others or returns.
    async fn tell_hops(&self, hops: Vec<(Hop, Option<String>)>) -> Result<(), BookClosed> {
        let told = hops.into_iter().filter_map(|(hop, why)| Some((self.map.next_hop(&hop)?, why)));
        let told: Vec<(NextHop, Option<String>)> = told.collect();
        if told.is_empty() {
            return Ok(());
        }
        for (hop, why) in &told {
            match why {
                Some(why) => tracing::warn!(%hop, why, "the kernel can't use a next hop"),
                None => tracing::info!(%hop, "the kernel can use a next hop again"),
            }
        }
        let name = self.spec.table.clone();
        let applied = self.book.apply(move |book, now| {
            let Some(table) = book.table_mut::<Prefix>(&name) else { return };
            for (hop, why) in told {
                let is = match why {
                    Some(why) => Resolution::Unresolved { why },
                    None => Resolution::Resolved,
                };
                // `false`: no route has it any more.
                table.next_hop(now, &hop, is);
            }
        });
        applied.await
    }

    fn show(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }

    /// Waits for what is under way, then does what is to be done in the end.
    async fn end(mut self, job: Option<Job>) -> Result<(), KernelError> {
        if let Some(job) = job {
            match job.await {
                Ok((sink, _)) => self.sink = Some(sink),
                Err(_) => return Err(KernelError::Thread),
            }
        }
        let Some(mut sink) = self.sink.take() else { return Err(KernelError::Thread) };
        // Whether they can be used is the next task's to say. Without a book nobody asks.
        let hops = sink.unusable_hops().map(|hop| (hop.clone(), None)).collect();
        if self.tell_hops(hops).await.is_err() {
            tracing::debug!("the book is closed");
        }
        if self.spec.at_end != AtEnd::Flush {
            return Ok(());
        }
        let flushed = tokio::task::spawn_blocking(move || sink.flush());
        flushed.await.map_err(|_| KernelError::Thread)?
    }
}

/// Waits until a map answers otherwise; for ever if it never will.
async fn moved(moves: &mut Option<watch::Receiver<u64>>) {
    if let Some(receiver) = moves {
        if receiver.changed().await.is_ok() {
            return;
        }
        *moves = None;
    }
    std::future::pending().await
}

async fn becomes_whole(whole: Option<CancellationToken>) {
    if let Some(whole) = whole {
        whole.cancelled().await;
    }
}

async fn finished(job: &mut Option<Job>) -> <Job as Future>::Output {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

fn do_work(sink: &mut Sink, work: Work) -> Result<Done, KernelError> {
    // What is wanted is known even where the kernel can't be asked.
    for (prefix, wanted) in work.want {
        sink.want(prefix, wanted);
    }
    if let Some(only) = work.only {
        let gone: Vec<Prefix> = sink.wanted().filter(|p| !only.contains(*p)).copied().collect();
        for prefix in gone {
            sink.want(prefix, None);
        }
        sink.sweep();
    }
    let began = Instant::now();
    let looked = if work.look { Some(sink.look()?) } else { None };
    Ok(Done { looked, look_took: began.elapsed(), settled: sink.settle()? })
}
