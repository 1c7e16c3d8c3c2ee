//! A source far from its table: it says what it has over a link, whatever becomes of the sessions.
//!
//! Level-triggered: per table and source the last word is kept, said when a session begins, when it
//! changes, and again before its lease ends. So a session that comes back needs nothing of the
//! caller, and what the accepter holds is what was said last.
//!
//! ```text
//!            ┌──────────── wait ◀── lost ──┐
//!            ▼                             │
//!   dial ─▶ say all ─▶ report ─▶ renew ─▶ say again
//! ```
//!
//! What it sees of its own prefixes ([`Announcer::observe`]) is kept and said the same way. A node
//! hears its network map besides, which the accepter tells from the beginning with each session.
//!
//! Bounds: [`MAX_SOURCES`] words; [`MAX_SEEN`] observations, in one table; [`QUEUE`] events wait for
//! the caller: one who doesn't take them stops the reading, and what it would have heard waits at the
//! accepter's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rutter_rib::Tell;
use rutter_route::{NodeId, Prefix, TableName};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::seen::SeenBoard;
use super::{Dialled, Dials, open};
use crate::backoff::{Backoff, chance};
use crate::map::MapChange;
use crate::said::{AnyBatch, SourceReport, SourceUpdate};
use crate::talk::{Ended, QUEUE, Talk};
use crate::wire::v1::{self, frame::Body};
use crate::wire::{observation, said};
use crate::{LinkError, Malformed, Observation, Refusal, RefusalCode};

/// The words that one announcer keeps.
pub const MAX_SOURCES: usize = 64;

/// The observations that one announcer keeps.
pub const MAX_SEEN: usize = 4096;

/// The peers, prefixes and exits that one map may tell of.
const MAX_PARTS: usize = 4_000_000;

/// The least time between two renewals, whatever the accepter asks for.
const RENEW_LEAST: Duration = Duration::from_secs(1);

/// What an announcer hears.
#[derive(Debug)]
pub enum Answered {
    /// A session has begun: by what name this end is known, its address as the accepter sees it,
    /// and what its services lie under.
    Up {
        /// The name.
        you_are: String,
        /// The address.
        address: String,
        /// An agent's name under the server's domain; empty: it has none.
        domain: String,
        /// What it is as a node; `None`: it is none.
        node: Option<NodeUp>,
    },
    /// What the network map is from now on, or what of it has changed, whole. See [`Announcer::applied`].
    Map {
        /// Rises within a session.
        number: u64,
        /// What was told before is void: this is all there is.
        snapshot: bool,
        /// The new values.
        change: MapChange,
    },
    /// The accepter asks whether this end is there. See [`Announcer::pong`].
    Ping {
        /// Which question.
        number: u64,
    },
    /// What came of what a source said.
    Report {
        /// In which table.
        table: TableName,
        /// Which source.
        source: String,
        /// What came of it.
        what: Result<SourceReport, Refusal>,
    },
    /// The session is lost, or none came about.
    Lost {
        /// Why.
        why: LinkError,
        /// How long it waits before it dials again.
        again_in: Duration,
    },
}

/// What a node is told of itself when its session begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUp {
    /// Its number.
    pub id: NodeId,
    /// Its addresses in the mesh.
    pub addresses: Vec<IpAddr>,
}

type Key = (TableName, String);

/// What is said once and in one session: an older session's is nothing to a newer one.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// Of which session, by how many there were.
    session: u64,
    applied: Option<u64>,
    pong: Option<u64>,
}

/// What was told so far of a map that isn't whole yet.
#[derive(Default)]
struct Parts {
    snapshot: bool,
    change: MapChange,
}

/// A source's last word.
#[derive(Clone)]
struct Word {
    update: SourceUpdate,
    /// When to say it next; `None`: not until it changes.
    due: Option<Instant>,
}

struct Words {
    words: Mutex<BTreeMap<Key, Word>>,
    said: Mutex<Said>,
    seen: SeenBoard<Prefix>,
    /// The table that is observed.
    seen_in: OnceLock<TableName>,
    news: Notify,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            words: Mutex::default(),
            said: Mutex::default(),
            seen: SeenBoard::new(),
            seen_in: OnceLock::new(),
            news: Notify::new(),
        }
    }
}

impl Words {
    // Nothing panics while it holds the lock half-written.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Word>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said once in this session, and wasn't yet.
    fn take_said(&self, session: u64) -> Said {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *said);
        if taken.session == session { taken } else { Said::default() }
    }

    /// The next that is due, and when.
    fn next_due(&self) -> Option<(Instant, Key)> {
        self.lock().iter().filter_map(|(key, word)| Some((word.due?, key.clone()))).min()
    }
}

/// A source's end of a link. Dropping it ends the session without a goodbye.
pub struct Announcer {
    words: Arc<Words>,
    answered: mpsc::Receiver<Answered>,
    /// How many sessions the caller has heard of.
    n_sessions: u64,
    goodbye: Arc<Notify>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcer")
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Announcer {
    /// Begins to dial.
    pub fn start(dialer: Arc<dyn Dials>, backoff: Backoff) -> Self {
        let (answer, answered) = mpsc::channel(QUEUE);
        let (words, goodbye) = (Arc::new(Words::default()), Arc::new(Notify::new()));
        let task = Task { dialer, backoff, answer, words: words.clone(), goodbye: goodbye.clone() };
        Self { words, answered, n_sessions: 0, goodbye, task: tokio::spawn(task.run()) }
    }

    /// All that a source says from now on. The batch is a whole one: beginning and end of a
    /// snapshot, and between them everything.
    ///
    /// # Errors
    /// [`RefusalCode::Bound`] over [`MAX_SOURCES`]; [`RefusalCode::Invalid`] for a batch that isn't
    /// whole.
    pub fn say(&self, update: SourceUpdate) -> Result<(), Refusal> {
        if !update.batch.is_whole() {
            let why = "a source says all that it has, as a snapshot";
            return Err(Refusal::new(RefusalCode::Invalid, why));
        }
        let key = (update.table.clone(), update.source.clone());
        let mut words = self.words.lock();
        if words.len() >= MAX_SOURCES && !words.contains_key(&key) {
            let why = format!("an announcer speaks for at most {MAX_SOURCES} sources");
            return Err(Refusal::new(RefusalCode::Bound, why));
        }
        if let (AnyBatch::Prefix(batch), Some(seen_in)) = (&update.batch, self.words.seen_in.get())
            && *seen_in == update.table
        {
            self.words.seen.keep_those_of(batch.tells.iter().map(Tell::destination));
        }
        words.insert(key, Word { update, due: Some(Instant::now()) });
        drop(words);
        self.words.news.notify_one();
        Ok(())
    }

    /// What is seen of prefixes that this end has said it has, in the one table that it observes.
    /// The last word of each counts, with each session; it ends when the prefix isn't said any more.
    ///
    /// # Errors
    /// [`RefusalCode::Invalid`] for a second table, [`RefusalCode::Bound`] over [`MAX_SEEN`].
    pub fn observe(
        &self,
        table: &TableName,
        observations: Vec<Observation<Prefix>>,
    ) -> Result<(), Refusal> {
        let seen_in = self.words.seen_in.get_or_init(|| table.clone());
        if seen_in != table {
            let why = format!("an announcer observes one table, `{seen_in}`, and not `{table}`");
            return Err(Refusal::new(RefusalCode::Invalid, why));
        }
        if !self.words.seen.put_within(MAX_SEEN, observations) {
            let why = format!("an announcer keeps at most {MAX_SEEN} observations");
            return Err(Refusal::new(RefusalCode::Bound, why));
        }
        Ok(())
    }

    /// The network map is used up to this number, of the session that was heard of last.
    pub fn applied(&self, number: u64) {
        self.say_once(|said| said.applied = Some(number));
    }

    /// This end is there.
    pub fn pong(&self, number: u64) {
        self.say_once(|said| said.pong = Some(number));
    }

    fn say_once(&self, say: impl FnOnce(&mut Said)) {
        let mut said = self.words.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.session != self.n_sessions {
            *said = Said { session: self.n_sessions, ..Said::default() };
        }
        say(&mut said);
        drop(said);
        self.words.news.notify_one();
    }

    /// The next thing to hear. Cancelled, it has taken nothing.
    pub async fn next(&mut self) -> Option<Answered> {
        let answered = self.answered.recv().await;
        if matches!(answered, Some(Answered::Up { .. })) {
            self.n_sessions += 1;
        }
        answered
    }

    /// Says goodbye, so that the accepter needs no silence to know.
    pub async fn goodbye(mut self) {
        self.goodbye.notify_one();
        // What is still answered is nobody's concern; the task ends after its goodbye.
        while self.answered.recv().await.is_some() {}
    }
}

struct Task {
    dialer: Arc<dyn Dials>,
    backoff: Backoff,
    answer: mpsc::Sender<Answered>,
    words: Arc<Words>,
    goodbye: Arc<Notify>,
}

impl Task {
    async fn run(self) {
        let mut n_failures = 0;
        let mut n_sessions = 0;
        loop {
            let opened = tokio::select! {
                opened = open(&*self.dialer) => opened,
                () = self.goodbye.notified() => return,
            };
            let lost = match opened {
                Ok(dialled) => {
                    n_failures = 0;
                    n_sessions += 1;
                    match self.session(dialled, n_sessions).await {
                        Some(lost) => lost,
                        None => return,
                    }
                }
                Err(error) => error,
            };
            n_failures += 1;
            let again_in = match lost.is_superseded() {
                true => self.backoff.longest,
                false => self.backoff.wait(n_failures, chance()),
            };
            let lost = Answered::Lost { why: lost, again_in };
            if self.answer.send(lost).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(again_in) => {}
                () = self.goodbye.notified() => return,
            }
        }
    }

    /// Speaks until the session is lost; `None` after a goodbye.
    async fn session(&self, dialled: Dialled, session: u64) -> Option<LinkError> {
        let Dialled { mut talk, hello, remote } = dialled;
        let lost = |ended| super::lost(remote.clone(), ended);
        let up = match up(hello) {
            Ok(up) => up,
            Err(malformed) => return Some(lost(Ended::Protocol(malformed.to_string()))),
        };
        if self.answer.send(up).await.is_err() {
            return None;
        }
        self.words.seen.begin();
        let mut parts = Parts::default();
        let now = Instant::now();
        self.words.lock().values_mut().for_each(|word| word.due = Some(now));
        loop {
            let due = self.words.next_due();
            let step = tokio::select! {
                body = talk.next() => match body {
                    Ok(Body::Report(report)) => self.reported(&report).await,
                    Ok(Body::Map(map)) => self.told(map, &mut parts).await,
                    Ok(Body::Ping(v1::Ping { number })) => {
                        self.hand_on(Answered::Ping { number }).await
                    }
                    Ok(_) => Ok(()),
                    Err(ended) => Err(ended),
                },
                key = until(due) => self.say(&talk, key).await,
                () = self.words.news.notified() => self.say_said(&talk, session).await,
                seen = self.words.seen.unsent() => self.say_seen(&talk, &seen).await,
                () = self.goodbye.notified() => {
                    let why = "the source ends".to_owned();
                    let code = RefusalCode::Shutdown.to_string();
                    let bye = v1::Bye { code, why, back_within_ms: 0 };
                    talk.part(bye).await;
                    return None;
                }
            };
            if let Err(ended) = step {
                return Some(lost(ended));
            }
        }
    }

    async fn say<S>(&self, talk: &Talk<S>, key: Key) -> Result<(), Ended>
    where
        S: futures_util::Stream<Item = Result<v1::Frame, tonic::Status>> + Unpin,
    {
        let update = match self.words.lock().get_mut(&key) {
            Some(word) => {
                // Said again when the report tells the lease.
                word.due = None;
                word.update.clone()
            }
            None => return Ok(()),
        };
        for wire in said::encode_update(&update) {
            talk.say(Body::Update(wire)).await?;
        }
        Ok(())
    }

    async fn say_said<S>(&self, talk: &Talk<S>, session: u64) -> Result<(), Ended>
    where
        S: futures_util::Stream<Item = Result<v1::Frame, tonic::Status>> + Unpin,
    {
        let Said { applied, pong, .. } = self.words.take_said(session);
        if let Some(number) = applied {
            talk.say(Body::Applied(v1::Applied { number })).await?;
        }
        if let Some(number) = pong {
            talk.say(Body::Pong(v1::Pong { number })).await?;
        }
        Ok(())
    }

    async fn say_seen<S>(&self, talk: &Talk<S>, seen: &[Observation<Prefix>]) -> Result<(), Ended>
    where
        S: futures_util::Stream<Item = Result<v1::Frame, tonic::Status>> + Unpin,
    {
        let table = self.words.seen_in.get().map(ToString::to_string).unwrap_or_default();
        let observations = seen.iter().map(observation::encode).collect();
        talk.say(Body::Observe(v1::Observe { table, observations })).await
    }

    /// A map, or a part of one that is handed on when it is whole.
    async fn told(&self, map: v1::Map, parts: &mut Parts) -> Result<(), Ended> {
        // What comes with the next session may be understood; half a map may not be used.
        let change = MapChange::decode(&map.change).map_err(|e| Ended::Protocol(e.to_string()))?;
        if map.snapshot {
            *parts = Parts { snapshot: true, change: MapChange::default() };
        }
        parts.change.then(change);
        if parts.change.len() > MAX_PARTS {
            return Err(Ended::Protocol(format!("a map of more than {MAX_PARTS} things")));
        }
        if map.more {
            return Ok(());
        }
        let Parts { snapshot, change } = std::mem::take(parts);
        self.hand_on(Answered::Map { number: map.number, snapshot, change }).await
    }

    async fn hand_on(&self, answered: Answered) -> Result<(), Ended> {
        let gone = |_| Ended::Broken("the source is gone".into());
        self.answer.send(answered).await.map_err(gone)
    }

    async fn reported(&self, report: &v1::Report) -> Result<(), Ended> {
        let protocol = |error: &dyn std::fmt::Display| Ended::Protocol(error.to_string());
        let table: TableName = report.table.parse().map_err(|e| protocol(&e))?;
        let what = said::decode_report(report).map_err(|e| protocol(&e))?;
        let key = (table.clone(), report.source.clone());
        let again = match &what {
            Ok(report) => report.renew_within().map(|renew| {
                // Ten percent early or late, so that many don't come at once.
                renew.max(RENEW_LEAST).mul_f64(0.9 + 0.2 * chance())
            }),
            Err(refusal) if refusal.code.is_transient() => Some(self.backoff.longest),
            Err(_) => None,
        };
        if let Some(word) = self.words.lock().get_mut(&key)
            && word.due.is_none()
        {
            word.due = again.map(|again| Instant::now() + again);
        }
        let source = report.source.clone();
        self.hand_on(Answered::Report { table, source, what }).await
    }
}

fn up(hello: v1::Hello) -> Result<Answered, Malformed> {
    let v1::Hello { you_are, your_address: address, your_domain: domain, .. } = hello;
    let addresses = hello.your_addresses.iter().map(|text| text.parse());
    let addresses = addresses.collect::<Result<Vec<IpAddr>, _>>();
    let addresses = addresses.map_err(Malformed::at("hello.your_addresses"))?;
    let id = NodeId(hello.your_node);
    let node = (id != NodeId(0)).then_some(NodeUp { id, addresses });
    Ok(Answered::Up { you_are, address, domain, node })
}

async fn until(due: Option<(Instant, Key)>) -> Key {
    match due {
        Some((at, key)) => {
            sleep_until(at).await;
            key
        }
        None => std::future::pending().await,
    }
}
