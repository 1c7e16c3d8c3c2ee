//! From an outlet to a session: the task that tells a sink of one table.
//!
//! It takes the next batch only when the one before has found room, so what a sink doesn't read
//! waits in its outlet.

use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rutter_book::Subscription;
use rutter_rib::{Batch, Tell};
use rutter_route::TableName;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::wire::v1::{self, frame::Body};
use crate::wire::{Family, destination, frame, tells};

/// Reports that wait for the pump; over it they are dropped, and the next update that the sink
/// refuses is reported again.
const REPORTS: usize = 16;

/// Number after which an outlet's snapshot was complete, and its subscription.
type Left = (Option<u64>, Box<dyn Any + Send>);

/// A number for an outlet that no other has, in this life of the process or, but for a chance of
/// one in 2⁶⁴, another.
pub(super) fn outlet_id() -> u64 {
    static LAST: OnceLock<AtomicU64> = OnceLock::new();
    let last = LAST.get_or_init(|| AtomicU64::new(RandomState::new().hash_one("outlet") | 1));
    // 0 stands for none.
    last.fetch_add(2, Ordering::Relaxed)
}

/// The task, seen from the session.
pub(super) struct Pump {
    outlet: u64,
    stop: CancellationToken,
    reports: mpsc::Sender<v1::Report>,
    task: JoinHandle<Left>,
}

impl Pump {
    pub(super) fn start<D: Family>(
        table: TableName,
        outlet: u64,
        complete_at: Option<u64>,
        subscription: Subscription<D>,
        out: mpsc::Sender<v1::Frame>,
    ) -> Self {
        let stop = CancellationToken::new();
        let (reports, reported) = mpsc::channel(REPORTS);
        let telling = Telling { table, outlet, complete_at, subscription, out };
        let task = tokio::spawn(telling.run(stop.clone(), reported));
        Self { outlet, stop, reports, task }
    }

    pub(super) fn outlet(&self) -> u64 {
        self.outlet
    }

    /// What the sink says of what it was told.
    pub(super) fn reported(&self, report: &v1::Report) {
        if self.reports.try_send(report.clone()).is_err() {
            tracing::debug!(table = report.table, "a sink's report finds no room");
        }
    }

    /// Ends the task; what it leaves.
    pub(super) async fn end(self) -> Option<Left> {
        self.stop.cancel();
        self.task.await.inspect_err(|error| tracing::error!(%error, "a pump")).ok()
    }
}

struct Telling<D> {
    table: TableName,
    outlet: u64,
    complete_at: Option<u64>,
    subscription: Subscription<D>,
    out: mpsc::Sender<v1::Frame>,
}

impl<D: Family> Telling<D> {
    async fn run(
        mut self,
        stop: CancellationToken,
        mut reported: mpsc::Receiver<v1::Report>,
    ) -> Left {
        // Else a sink that missed nothing would not know that.
        let goes_on =
            Batch { tells: Vec::new(), begin_snapshot: false, end_of_snapshot: false, more: false };
        if self.complete_at.is_some() && !self.tell(&goes_on).await {
            return (self.complete_at, Box::new(self.subscription));
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(report) = reported.recv() => self.refused(&report).await,
                batch = self.subscription.next() => {
                    let Some(batch) = batch else { break };
                    let told = tokio::select! {
                        () = stop.cancelled() => false,
                        told = self.tell(&batch) => told,
                    };
                    if !told {
                        break;
                    }
                }
            }
        }
        (self.complete_at, Box::new(self.subscription))
    }

    async fn tell(&mut self, batch: &Batch<D>) -> bool {
        if batch.begin_snapshot {
            self.complete_at = None;
        }
        for update in tells::encode(&self.table, self.outlet, batch) {
            if self.out.send(frame(Body::Update(update))).await.is_err() {
                return false;
            }
        }
        if batch.end_of_snapshot {
            self.complete_at = Some(batch.tells.last().map_or(0, Tell::number));
        }
        true
    }

    /// The sink's own refusals, which `explain` shows and the outlet tries again.
    async fn refused(&self, report: &v1::Report) {
        for outcome in &report.outcomes {
            let Ok(of) = destination::decode::<D>(outcome.destination.as_ref()) else { continue };
            let told = match outcome.refused.as_str() {
                "" => self.subscription.accepted(of).await,
                why => self.subscription.refused(of, why.chars().take(200).collect()).await,
            };
            if told.is_err() {
                return;
            }
        }
    }
}
