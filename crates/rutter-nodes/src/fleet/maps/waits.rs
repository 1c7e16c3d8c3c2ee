//! Waiting for readers: until they were told something, or say that they use it.
//!
//! Bounds: [`MAX_ROUNDS`] rounds are watched until all were told; of those that come while so many
//! are, nobody learns how long the telling took.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rutter_route::{NodeId, Prefix};
use tokio::sync::mpsc;

use super::board::Board;
use super::reader::Reader;
use super::{OnTold, Shared};

/// See the module's head.
const MAX_ROUNDS: usize = 256;

/// Many readers go on at once: they are looked at together.
const TOGETHER: Duration = Duration::from_millis(1);

/// A wait for one reader.
pub(super) struct Wait {
    reader: Arc<Reader>,
    board: Arc<Board>,
    /// The board's number that the reader is to be told.
    number: u64,
    /// Waits until it uses it, too; by its own number, once it was told.
    for_use: bool,
    told: Option<u64>,
}

impl Wait {
    /// Until the reader was told that number of its board.
    pub(super) fn for_word(reader: Arc<Reader>, board: Arc<Board>, number: u64) -> Self {
        Self { reader, board, number, for_use: false, told: None }
    }

    /// Until the reader uses all that its board has now; `None`: it has no board.
    pub(super) fn for_use(reader: Arc<Reader>) -> Option<Self> {
        let board = reader.board()?;
        let number = board.number();
        Some(Self { reader, board, number, for_use: true, told: None })
    }

    pub(super) fn node(&self) -> NodeId {
        self.reader.id
    }

    fn is_over(&mut self) -> bool {
        if self.reader.is_closed() {
            return true;
        }
        if self.told.is_none() && self.reader.was_told(&self.board, self.number) {
            self.told = Some(self.reader.numbers().0);
        }
        match self.told {
            Some(told) => !self.for_use || self.reader.numbers().1 >= told,
            None => false,
        }
    }
}

/// Waits for all; those that are over are removed, so what is left when this is dropped isn't.
pub(super) async fn until_all(shared: &Shared, waits: &mut Vec<Wait>) {
    let mut progress = shared.progress.subscribe();
    loop {
        progress.mark_unchanged();
        waits.retain_mut(|wait| !wait.is_over());
        if waits.is_empty() || progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(TOGETHER).await;
    }
}

/// Prefixes that moved together, and who is to be told.
pub(super) struct Round {
    pub(super) prefixes: BTreeSet<Prefix>,
    pub(super) waits: Vec<Wait>,
}

/// Watches rounds, and says when all were told.
pub(super) fn watch(shared: Arc<Shared>, on_told: OnTold) -> mpsc::Sender<Round> {
    let (say, rounds) = mpsc::channel(MAX_ROUNDS);
    // It ends with the distributor, which has the other end.
    tokio::spawn(watch_all(shared, rounds, on_told));
    say
}

async fn watch_all(shared: Arc<Shared>, mut rounds: mpsc::Receiver<Round>, on_told: OnTold) {
    let mut progress = shared.progress.subscribe();
    let mut watched: Vec<Round> = Vec::new();
    loop {
        progress.mark_unchanged();
        let began = tokio::time::Instant::now();
        watched.retain_mut(|round| {
            round.waits.retain_mut(|wait| !wait.is_over());
            if round.waits.is_empty() {
                on_told(&round.prefixes);
            }
            !round.waits.is_empty()
        });
        // However many are watched, most of the time is left to the telling.
        let together = TOGETHER.max(began.elapsed() * 8);
        tokio::select! {
            round = rounds.recv(), if watched.len() < MAX_ROUNDS => match round {
                Some(round) => watched.push(round),
                None => return,
            },
            changed = progress.changed(), if !watched.is_empty() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(together).await;
            }
        }
    }
}
