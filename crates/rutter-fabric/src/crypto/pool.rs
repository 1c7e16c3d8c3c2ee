//! Threads that verify, so that the owner of the book doesn't.
//!
//! ```text
//!   submit ─▶ queue of pieces ─▶ threads ─▶ the job's verdicts ─▶ in the order of submission ─▶ told
//! ```
//!
//! A job is one ticket with its checks. Its checks are cut into pieces of [`PIECE`], so that one big
//! batch uses every thread; its verdict is told when all are done, and never before that of a job
//! that was submitted earlier: what the speaker hears is the same whatever the threads' luck.
//!
//! The queue's bound is the speaker's: at most [`rutter_protocol::speaker::MAX_WAITING`] batches a
//! connection wait, and no more is read of it meanwhile. `told` may block; then verifying waits for
//! whoever doesn't take its answers.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rutter_protocol::speaker::{Check, Ticket};

use super::Verify;
use super::cache::{Cache, digest};
use crate::FabricError;

/// Checks that a thread takes at a time: about 2 ms of work.
const PIECE: usize = 64;

/// The answer to a ticket: of each check, whether it is good.
pub type Verdict = (Ticket, Vec<bool>);

/// See the module's head. When it goes, its threads end after the piece they are at, and what is
/// queued is dropped.
pub struct Verifier {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    is_work: Condvar,
    cache: Mutex<Cache>,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    n_submitted: u64,
    is_over: bool,
}

struct Piece {
    job: u64,
    ticket: Ticket,
    /// Of the job, which is how long.
    from: usize,
    n_of_job: usize,
    checks: Vec<Check>,
}

struct Answers {
    /// Jobs that aren't told yet, by the order of submission.
    open: BTreeMap<u64, Open>,
    next: u64,
    told: Box<dyn FnMut(Verdict) + Send>,
}

struct Open {
    ticket: Ticket,
    good: Vec<bool>,
    n_left: usize,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Begins `threads` of them (at least one). `told` is called on one of them at a time, with each
    /// verdict in the order of submission.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        threads: usize,
        told: impl FnMut(Verdict) + Send + 'static,
    ) -> Result<Self, FabricError> {
        let answers = Answers { open: BTreeMap::new(), next: 0, told: Box::new(told) };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            is_work: Condvar::new(),
            cache: Mutex::default(),
            answers: Mutex::new(answers),
        });
        let mut verifier = Self { shared, threads: Vec::new() };
        for n in 0..threads.max(1) {
            let shared = verifier.shared.clone();
            let named = std::thread::Builder::new().name(format!("fabric-verify-{n}"));
            let thread = named.spawn(move || shared.work()).map_err(|error| FabricError::Key {
                what: "verifying signatures".into(),
                why: format!("no thread: {error}"),
            })?;
            verifier.threads.push(thread);
        }
        Ok(verifier)
    }

    /// Checks to be verified. It never waits.
    pub fn submit(&self, ticket: Ticket, checks: Vec<Check>) {
        let mut queue = lock(&self.shared.queue);
        let job = queue.n_submitted;
        queue.n_submitted += 1;
        let n_of_job = checks.len();
        let mut checks = checks.into_iter();
        let mut from = 0;
        loop {
            let checks: Vec<Check> = checks.by_ref().take(PIECE).collect();
            let n = checks.len();
            // One without checks has an answer too.
            if n == 0 && from > 0 {
                break;
            }
            queue.pieces.push_back(Piece { job, ticket, from, n_of_job, checks });
            from += n;
            if from >= n_of_job {
                break;
            }
        }
        drop(queue);
        self.shared.is_work.notify_all();
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        lock(&self.shared.queue).is_over = true;
        self.shared.is_work.notify_all();
        // The threads are not waited for: one of them may be the one that drops this.
        self.threads.clear();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(piece) = self.next() {
            let mut verify = Verify::default();
            let good = piece.checks.iter().map(|check| self.is_good(&mut verify, check)).collect();
            self.done(piece, good);
        }
    }

    fn next(&self) -> Option<Piece> {
        let queue = lock(&self.queue);
        let is_idle = |queue: &mut Queue| queue.pieces.is_empty() && !queue.is_over;
        let waited = self.is_work.wait_while(queue, is_idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.is_over { None } else { queue.pieces.pop_front() }
    }

    fn is_good(&self, verify: &mut Verify, check: &Check) -> bool {
        let known = digest(check);
        if lock(&self.cache).has(&known) {
            return true;
        }
        let good = verify.is_good(check);
        if good {
            lock(&self.cache).put(known);
        }
        good
    }

    fn done(&self, piece: Piece, good: Vec<bool>) {
        let mut answers = lock(&self.answers);
        let open = answers.open.entry(piece.job).or_insert_with(|| Open {
            ticket: piece.ticket,
            good: vec![false; piece.n_of_job],
            n_left: piece.n_of_job,
        });
        open.n_left = open.n_left.saturating_sub(good.len());
        let places = open.good.iter_mut().skip(piece.from);
        places.zip(good).for_each(|(place, good)| *place = good);
        let answers = &mut *answers;
        while let Some(first) = answers.open.first_entry()
            && *first.key() == answers.next
            && first.get().n_left == 0
        {
            let open = first.remove();
            answers.next += 1;
            (answers.told)((open.ticket, open.good));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
