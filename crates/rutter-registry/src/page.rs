//! Listings in pages, so that no answer is longer than its bound.

/// The most entries one page holds.
pub const MAX_PAGE: usize = 1000;

/// Which part of a listing is wanted: what follows `after` in the listing's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// The key of the last entry that the caller has; `None`: from the beginning.
    pub after: Option<K>,
    limit: usize,
}

impl<K> Page<K> {
    /// The first entries, `limit` at most; a limit out of 1 to [`MAX_PAGE`] is moved into it.
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit: limit.clamp(1, MAX_PAGE) }
    }

    /// The entries that follow `after`, `limit` at most.
    pub fn after(after: K, limit: usize) -> Self {
        Self { after: Some(after), limit: limit.clamp(1, MAX_PAGE) }
    }

    /// The most entries wanted. A page with fewer is the last.
    pub fn limit(&self) -> usize {
        self.limit
    }
}
