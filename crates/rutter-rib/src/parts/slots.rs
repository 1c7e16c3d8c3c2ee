//! Values by id with reuse of freed ids.

use super::chunked::Chunked;

/// A slab on [`Chunked`]: a freed id is given again, last freed first. The value of a freed id
/// stays until then, so whoever holds a stale id must check what it finds.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    values: Chunked<T>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { values: Chunked::new(), free: Vec::new() }
    }

    /// One more than the greatest id ever given.
    pub(crate) fn span(&self) -> u32 {
        self.values.len()
    }

    /// How many ids are in use.
    pub(crate) fn len(&self) -> usize {
        self.values.len() as usize - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.values[id] = value;
                id
            }
            None => self.values.push(value),
        }
    }

    /// Frees an id that is in use; the caller frees each once.
    pub(crate) fn free(&mut self, id: u32) {
        self.free.push(id);
    }
}

impl<T> std::ops::Index<u32> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.values[id]
    }
}

impl<T> std::ops::IndexMut<u32> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.values[id]
    }
}
