//! A sink far from its table: told over a link, whatever becomes of the sessions.
//!
//! One task dials, subscribes to one table or several, hands on what it hears, and dials again. The sink hears of each
//! loss and each return, and between the two nothing: what it holds stays. After a return it is
//! told what it missed if the accepter still has the outlet by which it was told before, else
//! everything again, as a snapshot; a sink handles both the same way.
//!
//! Bounds: [`QUEUE`] events wait for the sink. A sink that doesn't take them stops the reading,
//! and what it would have heard waits in the accepter's outlet.

use std::sync::Arc;

use rutter_rib::{Batch, Depth, Tell};
use rutter_route::{SourceId, SourceKind, TableName};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::seen::SeenBoard;
use super::{Dialled, Dials, open};
use crate::backoff::{Backoff, chance};
use crate::talk::{Ended, LastHeard, QUEUE};
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
    Batch {
        /// Of which table.
        table: TableName,
        /// What.
        batch: Batch<D>,
    },
    /// The session is lost, or none came about.
    Lost(LinkError),
}

/// A sink's end of a link. Dropping it ends the session.
#[derive(Debug)]
pub struct Uplink<D> {
    heard: mpsc::Receiver<Heard<D>>,
    seen: Arc<SeenBoard<D>>,
    last_heard: LastHeard,
    hurry: Arc<Notify>,
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
    /// Begins to dial, for a table without which the session is of no use.
    pub fn start(dialer: Arc<dyn Dials>, spec: SinkSpec, backoff: Backoff) -> Self {
        Self::begin(dialer, vec![spec], true, backoff)
    }

    /// Begins to dial, for those of these tables that the accepter offers. What is observed is said
    /// of the first.
    pub fn start_all(dialer: Arc<dyn Dials>, specs: Vec<SinkSpec>, backoff: Backoff) -> Self {
        Self::begin(dialer, specs, false, backoff)
    }

    fn begin(
        dialer: Arc<dyn Dials>,
        specs: Vec<SinkSpec>,
        required: bool,
        backoff: Backoff,
    ) -> Self {
        let (tell, heard) = mpsc::channel(QUEUE);
        let seen = Arc::new(SeenBoard::new());
        let (last_heard, hurry) = (LastHeard::default(), Arc::new(Notify::new()));
        let sinks = specs.into_iter().map(|spec| Sink { spec, told: Told::default() }).collect();
        let task = Task {
            dialer,
            sinks,
            required,
            backoff,
            tell,
            seen: seen.clone(),
            last_heard: last_heard.clone(),
            hurry: hurry.clone(),
        };
        Self { heard, seen, last_heard, hurry, task: tokio::spawn(task.run()) }
    }

    /// When the other end was heard last.
    pub fn last_heard(&self) -> LastHeard {
        self.last_heard.clone()
    }

    /// If it waits to dial again, it does so now.
    pub fn hurry(&self) {
        self.hurry.notify_waiters();
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

/// How far a sink was told of a table.
#[derive(Default)]
struct Told {
    outlet: u64,
    after: u64,
    /// Whether it has heard a snapshot of that outlet to its end.
    complete: bool,
}

struct Sink {
    spec: SinkSpec,
    told: Told,
}

struct Task<D> {
    dialer: Arc<dyn Dials>,
    sinks: Vec<Sink>,
    /// Whether a table that isn't offered is asked for, and so refused, all the same.
    required: bool,
    backoff: Backoff,
    tell: mpsc::Sender<Heard<D>>,
    seen: Arc<SeenBoard<D>>,
    last_heard: LastHeard,
    hurry: Arc<Notify>,
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
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.hurry.notified() => {}
            }
        }
    }

    /// Listens until the session is lost.
    async fn session(&mut self, dialled: Dialled) -> LinkError {
        let Dialled { mut talk, hello, remote } = dialled;
        let lost = |ended| super::lost(remote.clone(), ended);
        let up = Heard::Up { accepter: hello.name.clone(), you_are: hello.you_are.clone() };
        if self.tell.send(up).await.is_err() {
            return lost(Ended::Broken("the sink is gone".into()));
        }
        talk.show_heard(self.last_heard.clone());
        for sink in &self.sinks {
            if !self.required && !hello.tables.iter().any(|t| t == sink.spec.table.as_str()) {
                tracing::debug!(table = %sink.spec.table, "the accepter has no such table for us");
                continue;
            }
            if let Err(ended) = talk.say(Body::Subscribe(sink.asked::<D>())).await {
                return lost(ended);
            }
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
                    let table = self.sinks.first().map(|sink| sink.spec.table.to_string());
                    let table = table.unwrap_or_default();
                    talk.say(Body::Observe(v1::Observe { table, observations })).await
                }
            };
            if let Err(ended) = ended {
                return lost(ended);
            }
        }
    }

    async fn take(&mut self, update: v1::Update) -> Result<(), Ended> {
        let sink = self.sinks.iter_mut().find(|s| s.spec.table.as_str() == update.table);
        let Some(sink) = sink else {
            return Err(Ended::Protocol(format!("an update of `{}`", update.table.escape_debug())));
        };
        let teller = SourceId::new(SourceKind::Controller, "link");
        let teller = teller.map_err(|error| Ended::Protocol(error.to_string()))?;
        let (batch, malformed) = tells::decode::<D>(&update, &teller);
        for error in malformed {
            tracing::warn!(table = %sink.spec.table, %error, "a route over the link is left out");
        }
        self.seen.told(&batch.tells);
        if update.begin_snapshot {
            sink.told = Told { outlet: update.outlet, after: 0, complete: false };
        } else if update.outlet != sink.told.outlet {
            return Err(Ended::Protocol("an outlet that began without a snapshot".into()));
        }
        sink.told.after = batch.tells.last().map_or(sink.told.after, Tell::number);
        sink.told.complete |= update.end_of_snapshot;
        let gone = |_| Ended::Broken("the sink is gone".into());
        let table = sink.spec.table.clone();
        self.tell.send(Heard::Batch { table, batch }).await.map_err(gone)
    }
}

impl Sink {
    fn asked<D: Family>(&self) -> v1::Subscribe {
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
}
