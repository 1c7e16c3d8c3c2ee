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
//! Bounds: [`MAX_SOURCES`] words; [`QUEUE`] events wait for the caller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_route::TableName;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{Dialled, Dials, open};
use crate::backoff::{Backoff, chance};
use crate::said::{SourceReport, SourceUpdate};
use crate::talk::{Ended, QUEUE, Talk};
use crate::wire::said;
use crate::wire::v1::{self, frame::Body};
use crate::{LinkError, Refusal, RefusalCode};

/// The words that one announcer keeps.
pub const MAX_SOURCES: usize = 64;

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

type Key = (TableName, String);

/// A source's last word.
#[derive(Clone)]
struct Word {
    update: SourceUpdate,
    /// When to say it next; `None`: not until it changes.
    due: Option<Instant>,
}

#[derive(Default)]
struct Words {
    words: Mutex<BTreeMap<Key, Word>>,
    news: Notify,
}

impl Words {
    // Nothing panics while it holds the lock half-written.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Word>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
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
        Self { words, answered, goodbye, task: tokio::spawn(task.run()) }
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
        words.insert(key, Word { update, due: Some(Instant::now()) });
        drop(words);
        self.words.news.notify_one();
        Ok(())
    }

    /// The next thing to hear.
    pub async fn next(&mut self) -> Option<Answered> {
        self.answered.recv().await
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
        loop {
            let opened = tokio::select! {
                opened = open(&*self.dialer) => opened,
                () = self.goodbye.notified() => return,
            };
            let lost = match opened {
                Ok(dialled) => {
                    n_failures = 0;
                    match self.session(dialled).await {
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
    async fn session(&self, dialled: Dialled) -> Option<LinkError> {
        let Dialled { mut talk, hello, remote } = dialled;
        let lost = |ended| super::lost(remote.clone(), ended);
        let v1::Hello { you_are, your_address: address, your_domain: domain, .. } = hello;
        let up = Answered::Up { you_are, address, domain };
        if self.answer.send(up).await.is_err() {
            return None;
        }
        let now = Instant::now();
        self.words.lock().values_mut().for_each(|word| word.due = Some(now));
        loop {
            let due = self.words.next_due();
            let step = tokio::select! {
                body = talk.next() => match body {
                    Ok(Body::Report(report)) => self.reported(&report).await,
                    Ok(_) => Ok(()),
                    Err(ended) => Err(ended),
                },
                key = until(due) => self.say(&talk, key).await,
                () = self.words.news.notified() => Ok(()),
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
        let answered = Answered::Report { table, source, what };
        let gone = |_| Ended::Broken("the source is gone".into());
        self.answer.send(answered).await.map_err(gone)
    }
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
