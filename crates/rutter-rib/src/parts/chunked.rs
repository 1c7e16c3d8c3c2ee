//! A vector in chunks: ids stay, and growth never copies.

const BITS: u32 = 12;
const CHUNK: usize = 1 << BITS;

/// Values by `u32` id. Growth allocates one chunk of 4096 values; nothing moves.
#[derive(Debug)]
pub(crate) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunked<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// How many values there are; ids are below it.
    pub(crate) fn len(&self) -> u32 {
        match self.chunks.last() {
            Some(last) => ((self.chunks.len() - 1) * CHUNK + last.len()) as u32,
            None => 0,
        }
    }

    /// Adds a value and returns its id.
    pub(crate) fn push(&mut self, value: T) -> u32 {
        let id = self.len();
        match self.chunks.last_mut().filter(|c| c.len() < CHUNK) {
            Some(chunk) => chunk.push(value),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
        id
    }
}

// Ids come from `push` alone, and nothing is ever taken out: an id in hand is in range.
impl<T> std::ops::Index<u32> for Chunked<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.chunks[(id >> BITS) as usize][id as usize & (CHUNK - 1)]
    }
}

impl<T> std::ops::IndexMut<u32> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.chunks[(id >> BITS) as usize][id as usize & (CHUNK - 1)]
    }
}
