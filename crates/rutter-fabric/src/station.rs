//! The speaker on the task that owns the book: what it hears, and what it wants done.
//!
//! ```text
//!   connections, signer, verifiers, handle ─ told ─▶ work ─▶ Speaker ─▶ tables
//!                                                    note, pump  │
//!   connections, signer, verifiers, keeper ◀──── outputs ────────┘
//! ```
//!
//! Only the owner's task touches the [`Core`]; its lock is there because others hold it too, to hand
//! it into a closure that the owner runs. Nothing waits here: outputs go into queues whose bounds the
//! protocol keeps (room, credit, one batch a neighbour that waits for its signature).

mod log;
mod publish;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;
use rutter_book::Attached;
use rutter_protocol::Speaker;
use rutter_protocol::keys::KeyId;
use rutter_protocol::speaker::{Check, Input, Output, Ticket};
use rutter_rib::{Book, BookChanges, Progress};
use rutter_route::{AnyDestination, Deadline, Now, SinkExplanation, TableName};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::ports::Ports;
pub(crate) use publish::Publisher;

/// Inputs that are taken in one slice.
const INPUTS: usize = 256;

/// Bytes of frames that are taken in one slice, so that it is short.
const BYTES: usize = 256 * 1024;

/// What the station is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something for the speaker.
    Input(Input),
    /// This cluster shows something else in TLS.
    Identity(Arc<CertifiedKey>),
    /// Another configuration is in force, by which a neighbour that only might know a way may be
    /// asked, or not.
    Reloaded { fallback: bool },
}

/// The speaker, and what it wants done and isn't yet.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) speaker: Speaker,
    pub(crate) out: Vec<Output>,
}

/// A core that the owner's task looks into. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Core>>);

impl Shared {
    pub(crate) fn new(speaker: Speaker) -> Self {
        Self(Arc::new(Mutex::new(Core { speaker, out: Vec::new() })))
    }

    /// For closures that the owner runs: it is never held while anybody waits.
    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who does what the speaker wants done.
pub(crate) struct Hands {
    pub(crate) ports: Arc<Ports>,
    pub(crate) sign: Box<dyn Fn(Ticket, KeyId, Vec<u8>) + Send>,
    pub(crate) verify: Box<dyn Fn(Ticket, Vec<Check>) + Send>,
    /// Keys have changed.
    pub(crate) keep: Arc<Notify>,
}

/// See the module's head.
pub(crate) struct Station {
    shared: Shared,
    told: mpsc::Receiver<Told>,
    hands: Hands,
    publisher: Publisher,
    ended: CancellationToken,
    heard_all: CancellationToken,
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Station")
    }
}

impl Station {
    /// A station that is told over `told`, until `ended`. It cancels `heard_all` when all neighbours have
    /// said all they had at the start.
    pub(crate) fn new(
        shared: Shared,
        told: mpsc::Receiver<Told>,
        hands: Hands,
        publisher: Publisher,
        ended: CancellationToken,
        heard_all: CancellationToken,
    ) -> Self {
        Self { shared, told, hands, publisher, ended, heard_all }
    }

    /// Takes in what has come; says whether there is more.
    fn take(&mut self, core: &mut Core, book: &mut Book, now: Now) -> Progress {
        let (mut n_bytes, mut n_taken) = (0, 0);
        loop {
            if n_taken >= INPUTS || n_bytes >= BYTES {
                return Progress::More;
            }
            match self.told.try_recv() {
                Ok(Told::Input(input)) => {
                    if let Input::Heard { frame, .. } = &input {
                        n_bytes += frame.len();
                    }
                    self.publisher.heard(&input);
                    core.speaker.handle(now, book, input, &mut core.out);
                }
                Ok(Told::Identity(identity)) => self.publisher.identity(identity),
                Ok(Told::Reloaded { fallback }) => self.publisher.reloaded(fallback),
                Err(_) => return Progress::Done,
            }
            n_taken += 1;
        }
    }

    /// Has done what the speaker wants done.
    fn act(&mut self, core: &mut Core) {
        for output in core.out.drain(..) {
            match output {
                Output::Send { connection, frame } => self.hands.ports.send(connection, frame),
                Output::Credit { connection, frames } => {
                    self.hands.ports.credit(connection, frames);
                }
                Output::Close { connection, why } => self.hands.ports.close(connection, why),
                Output::Sign { ticket, key, bytes } => (self.hands.sign)(ticket, key, bytes),
                Output::Verify { ticket, checks } => (self.hands.verify)(ticket, checks),
                Output::KeepKeys => {
                    self.publisher.keys_changed();
                    self.hands.keep.notify_one();
                }
                Output::Log(event) => log::event(&event),
            }
        }
    }
}

impl Attached for Station {
    fn work(&mut self, book: &mut Book, now: Now) -> Progress {
        let shared = self.shared.clone();
        let core = &mut *shared.core();
        let progress = self.take(core, book, now);
        if core.speaker.next_deadline(now).is_some_and(|due| due.is_due(now)) {
            self.publisher.ticked();
            core.speaker.handle(now, book, Input::Tick, &mut core.out);
        }
        self.act(core);
        progress
    }

    fn note(&mut self, book: &Book, changes: &BookChanges, now: Now) {
        let shared = self.shared.clone();
        let core = &mut *shared.core();
        core.speaker.note(now, book, changes, &mut core.out);
        self.publisher.note(changes);
        self.act(core);
    }

    fn pump(&mut self, book: &Book, now: Now) -> Progress {
        let shared = self.shared.clone();
        let core = &mut *shared.core();
        let progress = core.speaker.pump(now, book, &mut core.out);
        self.act(core);
        self.publisher.publish(&core.speaker, book, now);
        if !self.heard_all.is_cancelled() && core.speaker.has_heard_all(book) {
            self.heard_all.cancel();
        }
        progress
    }

    fn next_deadline(&self, now: Now) -> Option<Deadline> {
        self.shared.core().speaker.next_deadline(now)
    }

    fn sinks(&self, table: &TableName, destination: &AnyDestination) -> Vec<SinkExplanation> {
        self.shared.core().speaker.sinks(table, destination)
    }

    fn is_closed(&self) -> bool {
        self.ended.is_cancelled()
    }
}
