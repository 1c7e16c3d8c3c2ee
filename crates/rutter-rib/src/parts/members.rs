//! The destinations of one group of candidates, as ids that may have gone stale.
//!
//! Appending is all that an update pays. A withdrawal leaves its id; whoever walks checks each
//! candidate. Ids are taken out a chunk at a time, so a walk of a million is many short ones.

const CHUNK: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Members {
    full: Vec<Vec<u32>>,
    tail: Vec<u32>,
}

impl Members {
    #[inline]
    pub(crate) fn push(&mut self, id: u32) {
        if self.tail.len() == CHUNK {
            self.full.push(std::mem::take(&mut self.tail));
            self.tail.reserve_exact(CHUNK);
        }
        self.tail.push(id);
    }

    /// How many ids there are, stale and repeated ones too.
    pub(crate) fn len(&self) -> usize {
        self.full.len() * CHUNK + self.tail.len()
    }

    /// The chunk at a position, for reading in place; `None` behind the last. Ids that come while
    /// somebody reads are at or behind the last chunk.
    pub(crate) fn chunk(&self, at: usize) -> Option<&[u32]> {
        match self.full.get(at) {
            Some(chunk) => Some(chunk),
            None => (at == self.full.len()).then_some(&self.tail),
        }
    }

    /// Starts afresh and hands out what there was; for compaction, which pushes back what lives.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Takes the last chunk out.
    pub(crate) fn pop_chunk(&mut self) -> Option<Vec<u32>> {
        if !self.tail.is_empty() {
            return Some(std::mem::take(&mut self.tail));
        }
        self.full.pop()
    }
}
