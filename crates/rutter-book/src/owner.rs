//! The task that owns the book.

use std::collections::BTreeMap;
use std::sync::Arc;

use rutter_rib::{Book, BookChanges, Progress};
use rutter_route::Now;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::attached::Attached;
use crate::clock::Clock;
use crate::handle::BookHandle;
use crate::subscription::Pump;

/// How many commands are taken between two slices.
const COMMANDS: usize = 256;

/// What answers a command once the commit that follows it is done.
type Answer = Box<dyn FnOnce() + Send>;

/// What a command does with the book.
type Applied = Box<dyn FnOnce(&mut Book, Now) -> Answer + Send>;

/// What a command asks of the owner.
type Asked = Box<dyn FnOnce(&mut Owner, Now) + Send>;

pub(crate) enum Command {
    /// Answered after the commit that follows.
    Apply(Applied),
    /// Answered at once.
    Ask(Asked),
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Apply(_) => "Apply",
            Self::Ask(_) => "Ask",
        })
    }
}

pub(crate) struct Owner {
    pub(crate) book: Book,
    pub(crate) subscribers: BTreeMap<u64, Box<dyn Pump>>,
    pub(crate) attached: Vec<Box<dyn Attached>>,
    pub(crate) seed: u64,
    last_subscriber: u64,
    changes: BookChanges,
    /// Answers that wait for the commit.
    answers: Vec<Answer>,
}

/// Gives a book to a task of its own and returns the handle. The task ends when `shutdown` is
/// cancelled, after what it was told until then is committed, or when no handle is left.
pub fn spawn(
    book: Book,
    clock: impl Clock,
    seed: u64,
    shutdown: CancellationToken,
) -> (BookHandle, JoinHandle<()>) {
    let (commands, heard) = mpsc::channel(crate::QUEUE);
    let wake = Arc::new(Notify::new());
    let handle = BookHandle { commands, wake: wake.clone() };
    let owner = Owner {
        book,
        subscribers: BTreeMap::new(),
        attached: Vec::new(),
        seed,
        last_subscriber: 0,
        changes: BookChanges::default(),
        answers: Vec::new(),
    };
    let task = tokio::spawn(run(owner, clock, heard, wake, shutdown));
    (handle, task)
}

async fn run(
    mut owner: Owner,
    clock: impl Clock,
    mut commands: mpsc::Receiver<Command>,
    wake: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let mut busy = true;
    loop {
        if !busy {
            let now = clock.now();
            let due = owner.next_deadline(now).map(|d| d.left(now));
            tokio::select! {
                // In this order: what was said before the end is done before it.
                biased;
                command = commands.recv() => match command {
                    Some(command) => owner.run(command, clock.now()),
                    None => return,
                },
                () = shutdown.cancelled() => return,
                () = wake.notified() => {}
                () = sleep(due) => {}
            }
        }
        for _ in 0..COMMANDS {
            match commands.try_recv() {
                Ok(command) => owner.run(command, clock.now()),
                Err(_) => break,
            }
        }
        busy = owner.slice(clock.now());
        if busy {
            tokio::task::yield_now().await;
        }
    }
}

async fn sleep(due: Option<std::time::Duration>) {
    match due {
        // A timer of a millisecond more never wakes too early for the tick it waits for.
        Some(due) => tokio::time::sleep(due + std::time::Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}

impl Owner {
    fn run(&mut self, command: Command, now: Now) {
        match command {
            Command::Apply(f) => {
                let answer = f(&mut self.book, now);
                self.answers.push(answer);
            }
            Command::Ask(f) => f(self, now),
        }
    }

    /// Advances the book by a slice and passes on what changed. Says whether there is more to do.
    fn slice(&mut self, now: Now) -> bool {
        self.changes.clear();
        self.attached.retain(|attached| !attached.is_closed());
        let mut worked = Progress::Done;
        for attached in &mut self.attached {
            worked = worked.and(attached.work(&mut self.book, now));
        }
        let progress = self.book.advance(now, rutter_rib::SLICE, &mut self.changes);
        let changes = &self.changes;
        let book = &self.book;
        let mut more = !progress.and(worked).is_done();
        self.subscribers.retain(|_, subscriber| {
            if subscriber.is_closed() {
                return false;
            }
            subscriber.note(book, changes);
            more |= subscriber.pump(book, now);
            true
        });
        for attached in &mut self.attached {
            attached.note(book, changes, now);
            more |= !attached.pump(book, now).is_done();
        }
        if progress.is_done() {
            for answer in self.answers.drain(..) {
                answer();
            }
        }
        more
    }

    fn next_deadline(&self, now: Now) -> Option<rutter_route::Deadline> {
        let subscribers = self.subscribers.values().filter_map(|s| s.next_deadline());
        let attached = self.attached.iter().filter_map(|a| a.next_deadline(now));
        self.book.next_deadline().into_iter().chain(subscribers).chain(attached).min()
    }

    pub(crate) fn add_subscriber(&mut self, subscriber: Box<dyn Pump>) -> u64 {
        self.last_subscriber += 1;
        self.subscribers.insert(self.last_subscriber, subscriber);
        self.last_subscriber
    }
}
