//! A speaker with a book of its own, for one who drives nothing else: the simulator, tests.

use rutter_rib::{Book, BookChanges, Progress, SLICE};
use rutter_route::{Deadline, Now};

use super::{Input, Output, Speaker};

/// A book and the speaker on it.
#[derive(Debug)]
pub struct Engine {
    /// The tables.
    pub book: Book,
    /// The voice.
    pub speaker: Speaker,
}

impl Engine {
    /// Takes an input in, and goes on until nothing is left to do now.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        self.speaker.handle(now, &mut self.book, input, out);
        let mut changes = BookChanges::default();
        loop {
            changes.clear();
            let advanced = self.book.advance(now, SLICE, &mut changes);
            self.speaker.note(now, &self.book, &changes, out);
            let pumped = self.speaker.pump(now, &self.book, out);
            if advanced.and(pumped) == Progress::Done {
                return;
            }
        }
    }

    /// When [`Input::Tick`] is due although nothing has happened.
    pub fn next_deadline(&self, now: Now) -> Option<Deadline> {
        let speaker = self.speaker.next_deadline(now);
        self.book.next_deadline().into_iter().chain(speaker).min()
    }
}
