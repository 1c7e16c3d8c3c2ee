//! A sink far from its table: told over a link, whatever becomes of the sessions.
//!
//! One task dials, subscribes, hands on what it hears, and dials again. The sink hears of each
//! loss and each return, and between the two nothing: what it holds stays. After a return it is
//! told what it missed if the accepter still has the outlet by which it was told before, else
//! everything again, as a snapshot; a sink handles both the same way.
//!
//! Bounds: [`QUEUE`] events wait for the sink. A sink that doesn't take them stops the reading,
//! and what it would have heard waits in the accepter's outlet.

use std::sync::Arc;

use rutter_rib::{Batch, Depth, Tell};
use rutter_route::{SourceId, SourceKind, TableName};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::seen::SeenBoard;
use super::{Dialled, Dials, open};
use crate::backoff::{Backoff, chance};
use crate::talk::{Ended, QUEUE};
use crate::wire::v1::{self, frame::Body};
use crate::wire::{Family, observation, tells};
use crate::{LinkError, Observation};

/// What a sink asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSpec {
    /// The table, by the accepter's name for it.
    pub table: TableName,
    /// How much of each ranked list.
    pub depth: Depth,
    /// Whether to hear of unreachable destinations.
    pub unreachable: bool,
}

/// What a sink hears.
#[derive(Debug)]
pub enum Heard<D> {
    /// A session has begun: who accepted, and by what name it knows this end.
    Up {
        /// The accepter's name for itself.
        accepter: String,
        /// This end's name there.
        you_are: String,
    },
    /// What makes the sink true.
    Batch(Batch<D>),
    /// The session is lost, or none came about.
    Lost(LinkError),
}

/// A sink's end of a link. Dropping it ends the session.
#[derive(Debug)]
pub struct Uplink<D> {
    heard: mpsc::Receiver<Heard<D>>,
    seen: Arc<SeenBoard<D>>,
    task: JoinHandle<()>,
}

impl<D> std::fmt::Debug for SeenBoard<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeenBoard")
    }
}

impl<D> Drop for Uplink<D> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<D: Family> Uplink<D> {
    /// Begins to dial.
    pub fn start(dialer: Arc<dyn Dials>, spec: SinkSpec, backoff: Backoff) -> Self {
        let (tell, heard) = mpsc::channel(QUEUE);
        let seen = Arc::new(SeenBoard::new());
        let told = Told { outlet: 0, after: 0, complete: false };
        let task = Task { dialer, spec, backoff, tell, seen: seen.clone(), told };
        Self { heard, seen, task: tokio::spawn(task.run()) }
    }

    /// The next thing to hear; `None` never comes while the task runs, which is as long as this
    /// lives.
    pub async fn next(&mut self) -> Option<Heard<D>> {
        self.heard.recv().await
    }

    /// Says what is seen of routes that were told. It is kept and said again after a loss.
    pub fn observe(&self, observations: impl IntoIterator<Item = Observation<D>>) {
        self.seen.put(observations);
    }
}

/// How far the sink was told.
struct Told {
    outlet: u64,
    after: u64,
    /// Whether it has heard a snapshot of that outlet to its end.
    complete: bool,
}

struct Task<D> {
    dialer: Arc<dyn Dials>,
    spec: SinkSpec,
    backoff: Backoff,
    tell: mpsc::Sender<Heard<D>>,
    seen: Arc<SeenBoard<D>>,
    told: Told,
}

impl<D: Family> Task<D> {
    async fn run(mut self) {
        let mut n_failures = 0;
        loop {
            let lost = match open(&*self.dialer).await {
                Ok(dialled) => {
                    n_failures = 0;
                    self.session(dialled).await
                }
                Err(error) => error,
            };
            let superseded = lost.is_superseded();
            if self.tell.send(Heard::Lost(lost)).await.is_err() {
                return;
            }
            n_failures += 1;
            let wait = match superseded {
                true => self.backoff.longest,
                false => self.backoff.wait(n_failures, chance()),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Listens until the session is lost.
    async fn session(&mut self, dialled: Dialled) -> LinkError {
        let Dialled { mut talk, hello, remote } = dialled;
        let lost = |ended| super::lost(remote.clone(), ended);
        let up = Heard::Up { accepter: hello.name, you_are: hello.you_are };
        if self.tell.send(up).await.is_err() {
            return lost(Ended::Broken("the sink is gone".into()));
        }
        if let Err(ended) = talk.say(Body::Subscribe(self.asked())).await {
            return lost(ended);
        }
        self.seen.begin();
        loop {
            let ended = tokio::select! {
                body = talk.next() => match body {
                    Ok(Body::Update(update)) => self.take(update).await,
                    Ok(_) => Ok(()),
                    Err(ended) => Err(ended),
                },
                seen = self.seen.unsent() => {
                    let observations = seen.iter().map(observation::encode).collect();
                    let table = self.spec.table.to_string();
                    talk.say(Body::Observe(v1::Observe { table, observations })).await
                }
            };
            if let Err(ended) = ended {
                return lost(ended);
            }
        }
    }

    fn asked(&self) -> v1::Subscribe {
        let (depth, first) = match self.spec.depth {
            Depth::Best => (v1::Depth::Best, 0),
            Depth::Equals => (v1::Depth::Equals, 0),
            Depth::First(n) => (v1::Depth::First, u32::try_from(n).unwrap_or(u32::MAX)),
            Depth::All => (v1::Depth::All, 0),
        };
        let (outlet, after) = match self.told.complete {
            true => (self.told.outlet, self.told.after),
            // In the middle of a snapshot there is nothing to go on from.
            false => (0, 0),
        };
        v1::Subscribe {
            table: self.spec.table.to_string(),
            kind: D::WIRE.into(),
            depth: depth.into(),
            first,
            unreachable: self.spec.unreachable,
            outlet,
            after,
        }
    }

    async fn take(&mut self, update: v1::Update) -> Result<(), Ended> {
        if update.table != self.spec.table.as_str() {
            return Err(Ended::Protocol(format!("an update of `{}`", update.table.escape_debug())));
        }
        let teller = SourceId::new(SourceKind::Controller, "link");
        let teller = teller.map_err(|error| Ended::Protocol(error.to_string()))?;
        let (batch, malformed) = tells::decode::<D>(&update, &teller);
        for error in malformed {
            tracing::warn!(table = %self.spec.table, %error, "a route over the link is left out");
        }
        self.seen.told(&batch.tells);
        if update.begin_snapshot {
            self.told = Told { outlet: update.outlet, after: 0, complete: false };
        } else if update.outlet != self.told.outlet {
            return Err(Ended::Protocol("an outlet that began without a snapshot".into()));
        }
        self.told.after = batch.tells.last().map_or(self.told.after, Tell::number);
        self.told.complete |= update.end_of_snapshot;
        let gone = |_| Ended::Broken("the sink is gone".into());
        self.tell.send(Heard::Batch(batch)).await.map_err(gone)
    }
}
