//! One speaker, whose neighbours the test speaks for: they say whatever it likes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use rutter_protocol::keys::KeyRegistry;
use rutter_protocol::speaker::{
    ConnectionId, Engine, Input, LogEvent, Output, Speaker, SpeakerConfig, What,
};
use rutter_protocol::stats::{NeighbourStats, Reason};
use rutter_protocol::wire::sign::{self, SessionId};
use rutter_protocol::wire::{Batch, Close, Frame, Message, Open, Signed, root};
use rutter_rib::{Table, ViewId};
use rutter_route::{ClusterId, Now, Standing};

use super::*;

/// One connection, seen from the neighbour's end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) open: Open,
    /// What the speaker said of itself.
    pub(crate) theirs: Option<Open>,
    pub(crate) key: SigningKey,
    pub(crate) stream: u64,
    pub(crate) sent: u64,
    /// What it was told.
    pub(crate) told: Vec<Message>,
    pub(crate) closed: bool,
}

/// See the module's head.
pub(crate) struct Alone {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) key: SigningKey,
    pub(crate) ends: BTreeMap<ConnectionId, End>,
    pub(crate) log: Vec<LogEvent>,
    /// Frames that it may still be sent, by its credit.
    pub(crate) credit: BTreeMap<ConnectionId, i64>,
    /// Held back instead of answered at once.
    pub(crate) hold_verdicts: bool,
    pub(crate) held: Vec<Input>,
    last: u64,
}

/// The speaker `a` with these neighbours, everything required; all know each other's keys, and those
/// of `x`, `y` and `z`.
pub(crate) fn alone(neighbours: &[&str]) -> Alone {
    Alone::new(config("a", neighbours), neighbours)
}

/// The same where nothing has to be signed.
pub(crate) fn open(neighbours: &[&str]) -> Alone {
    Alone::new(open_config("a", neighbours), neighbours)
}

impl Alone {
    pub(crate) fn new(config: SpeakerConfig, known: &[&str]) -> Self {
        let names: Vec<&str> = ["a", "x", "y", "z"].iter().chain(known).copied().collect();
        Self::with_keys(config, registry(&names))
    }

    pub(crate) fn with_keys(config: SpeakerConfig, keys: KeyRegistry) -> Self {
        let now = at(0);
        let mut book = book(&config, now);
        let key = key(config.cluster.as_str(), 0);
        let speaker = Speaker::new(now, config, keys, &mut book).unwrap();
        let mut alone = Self {
            engine: Engine { book, speaker },
            now,
            key,
            ends: BTreeMap::new(),
            log: Vec::new(),
            credit: BTreeMap::new(),
            hold_verdicts: false,
            held: Vec::new(),
            last: 0,
        };
        alone.input(Input::Tick);
        alone
    }

    /// Moves the clock to so many milliseconds after the beginning, stopping at every deadline.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        let until = at(ms);
        while let Some(next) = self.engine.next_deadline(self.now) {
            if next.0 > until.mono {
                break;
            }
            let by = next.0.since(self.now.mono).max(Duration::from_millis(1));
            self.now = self.now.plus(by);
            self.input(Input::Tick);
        }
        let rest = until.mono.since(self.now.mono);
        self.now = self.now.plus(rest);
        self.input(Input::Tick);
        self
    }

    /// Takes an input, and answers what the speaker asks for.
    pub(crate) fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.engine.step(self.now, input, &mut out);
            for output in out {
                let answer = self.act(output);
                inputs.extend(answer);
            }
        }
    }

    fn act(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Send { connection, frame } => {
                let frame = Frame::decode(frame).unwrap();
                let end = self.ends.get_mut(&connection)?;
                match frame {
                    Frame::Open(open) => end.theirs = Some(open),
                    Frame::Batch(batch) => {
                        let messages = batch.messages.iter().map(|m| Message::decode(m).unwrap());
                        end.told.extend(messages);
                    }
                    Frame::Close(_) => {}
                }
                None
            }
            Output::Credit { connection, frames } => {
                *self.credit.entry(connection).or_default() += i64::from(frames);
                None
            }
            Output::Close { connection, .. } => {
                if let Some(end) = self.ends.get_mut(&connection) {
                    end.closed = true;
                }
                None
            }
            Output::Sign { ticket, bytes, .. } => {
                Some(Input::Signed { ticket, signature: Ok(signature(&self.key, &bytes)) })
            }
            Output::Verify { ticket, checks } => {
                let good = checks.iter().map(is_good).collect();
                let answer = Input::Verified { ticket, good };
                if self.hold_verdicts {
                    self.held.push(answer);
                    return None;
                }
                Some(answer)
            }
            Output::KeepKeys => None,
            Output::Log(event) => {
                self.log.push(event);
                None
            }
        }
    }

    /// Gives the verdicts that were held back, the last first if `backwards`.
    pub(crate) fn give_verdicts(&mut self, backwards: bool) {
        self.hold_verdicts = false;
        let mut held = std::mem::take(&mut self.held);
        if backwards {
            held.reverse();
        }
        held.into_iter().for_each(|answer| self.input(answer));
    }

    /// A new connection to a neighbour, opened.
    pub(crate) fn up(&mut self, name: &str) -> ConnectionId {
        self.up_as(name, BOOT)
    }

    /// The same from a given boot of the neighbour.
    pub(crate) fn up_as(&mut self, name: &str, boot: u64) -> ConnectionId {
        let id = self.connect(name);
        let open = Open { incarnation: boot, ..self.ends[&id].open.clone() };
        self.open_with(id, open);
        id
    }

    /// A connection whose neighbour has said nothing yet.
    pub(crate) fn connect(&mut self, name: &str) -> ConnectionId {
        self.last += 1;
        let id = ConnectionId(self.last);
        let own = self.engine.speaker.config().cluster.clone();
        let open = open_of(name, own.as_str(), self.last as u8);
        let end = End {
            open,
            theirs: None,
            key: key(name, 0),
            stream: self.last,
            sent: 0,
            told: Vec::new(),
            closed: false,
        };
        self.ends.insert(id, end);
        let neighbour = cluster(name);
        self.input(Input::Up { neighbour, connection: id, nonce: [0xee; 16] });
        self.input(Input::Room { connection: id, frames: 1_000_000 });
        id
    }

    pub(crate) fn open_with(&mut self, id: ConnectionId, open: Open) {
        self.ends.get_mut(&id).unwrap().open = open.clone();
        self.frame(id, Frame::Open(open));
    }

    /// The neighbour sends a frame, within its credit.
    pub(crate) fn frame(&mut self, id: ConnectionId, frame: Frame) {
        self.bytes(id, frame.encode());
    }

    pub(crate) fn bytes(&mut self, id: ConnectionId, frame: Bytes) {
        *self.credit.entry(id).or_default() -= 1;
        self.input(Input::Heard { connection: id, frame });
    }

    /// The neighbour says this in one batch, signed as its configuration wants it.
    pub(crate) fn say<M: Into<Message>>(
        &mut self,
        id: ConnectionId,
        messages: impl IntoIterator<Item = M>,
    ) {
        let batch = self.batch(id, messages);
        self.frame(id, Frame::Batch(batch));
    }

    /// The next batch of a connection, signed.
    pub(crate) fn batch<M: Into<Message>>(
        &mut self,
        id: ConnectionId,
        messages: impl IntoIterator<Item = M>,
    ) -> Batch {
        self.batch_of(id, messages.into_iter().map(|m| m.into().to_bytes()).collect())
    }

    /// The same of bytes, which may be no messages.
    pub(crate) fn batch_of(&mut self, id: ConnectionId, messages: Vec<Bytes>) -> Batch {
        let signs = self.engine.speaker.config().security.require_signatures;
        let end = self.ends.get_mut(&id).unwrap();
        end.sent += 1;
        let mut batch =
            Batch { stream: end.stream, number: end.sent, messages, signed: Signed::Not };
        if signs {
            batch.signed = sign_batch(end, &batch);
        }
        batch
    }

    /// Each message of a batch with a signature of its own.
    pub(crate) fn each(&self, id: ConnectionId, batch: &Batch) -> Signed {
        let end = &self.ends[&id];
        let (from, to, session) = names(end);
        let sign = |(at, message): (usize, &Bytes)| {
            let bytes =
                sign::message_bytes(&from, &to, &session, batch.stream, batch.number, at, message);
            signature(&end.key, &bytes)
        };
        let signatures = batch.messages.iter().enumerate().map(sign).collect();
        Signed::Each(key_id(&end.key), signatures)
    }

    /// The neighbour ends the connection and says how.
    pub(crate) fn close(&mut self, id: ConnectionId, close: Close) {
        self.frame(id, Frame::Close(close));
    }

    /// The connection is lost.
    pub(crate) fn down(&mut self, id: ConnectionId) {
        self.input(Input::Down { connection: id, why: "cut".into() });
    }

    pub(crate) fn stats(&self, neighbour: &str) -> NeighbourStats {
        self.engine.speaker.stats().neighbours.get(&cluster(neighbour)).cloned().unwrap_or_default()
    }

    pub(crate) fn refused(&self, neighbour: &str, reason: Reason) -> u64 {
        self.stats(neighbour).rejection_reasons.get(&reason).copied().unwrap_or(0)
    }

    pub(crate) fn fabric(&self) -> &Table<ClusterId> {
        self.engine.book.table::<ClusterId>(&scope("fabric")).unwrap()
    }

    /// How the neighbour's route to a cluster stands; `None`: there is none.
    pub(crate) fn standing(&self, neighbour_: &str, destination: &str) -> Option<Standing> {
        let table = self.fabric();
        let candidates = table.candidates(&cluster(destination));
        let found = candidates.iter().find(|c| *c.source == neighbour(neighbour_));
        found.map(|c| c.standing)
    }

    /// By whom a cluster is reached.
    pub(crate) fn best(&self, destination: &str) -> Option<String> {
        self.ranked(destination).first().cloned()
    }

    /// The neighbours by which a cluster is reached, best first.
    pub(crate) fn ranked(&self, destination: &str) -> Vec<String> {
        let table = self.fabric();
        let selected = table.selected(&cluster(destination), ViewId::DEFAULT);
        selected.routes().iter().map(|r| r.source.name().to_owned()).collect()
    }

    /// What a connection's neighbour was told, and forgets.
    pub(crate) fn take_told(&mut self, id: ConnectionId) -> Vec<Message> {
        std::mem::take(&mut self.ends.get_mut(&id).unwrap().told)
    }

    pub(crate) fn is_closed(&self, id: ConnectionId) -> bool {
        self.ends[&id].closed
    }

    pub(crate) fn logged(&self, what: What) -> usize {
        self.log.iter().filter(|event| event.what == what).count()
    }
}

fn names(end: &End) -> (ClusterId, ClusterId, SessionId) {
    let theirs = end.theirs.as_ref().unwrap();
    (end.open.cluster.clone(), theirs.cluster.clone(), SessionId::of(&end.open, theirs))
}

/// One signature for all of a batch.
fn sign_batch(end: &End, batch: &Batch) -> Signed {
    let (from, to, session) = names(end);
    let (stream, number, n) = (batch.stream, batch.number, batch.messages.len());
    let root = root(&batch.messages);
    let bytes = sign::batch_bytes(&from, &to, &session, stream, number, n, &root);
    Signed::Batch(key_id(&end.key), signature(&end.key, &bytes))
}
