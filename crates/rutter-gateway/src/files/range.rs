//! Which parts of a file a client asks for (RFC 9110 14.1.2, 14.2).

use smallvec::SmallVec;

/// How many parts are answered; who asks for more gets the whole.
const MAX_PARTS: usize = 16;

/// A part: from its first byte, so many bytes; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) at: u64,
    pub(super) len: u64,
}

impl Part {
    /// As `Content-Range` says it.
    pub(super) fn said(self, of: u64) -> String {
        format!("bytes {}-{}/{of}", self.at, self.at + self.len - 1)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it: there is no range, or none that counts.
    Whole,
    /// These parts.
    Parts(SmallVec<[Part; 1]>),
    /// Nothing that the file has.
    Nothing,
}

/// Reads a `Range` for a file of so many bytes. One that can't be read doesn't count, and neither
/// does one whose parts are more than the whole, which only costs.
pub(super) fn parse(range: &str, len: u64) -> Asked {
    let Some(list) = range.trim().strip_prefix("bytes=") else { return Asked::Whole };
    let mut parts = SmallVec::new();
    let mut n_asked = 0;
    for spec in list.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        n_asked += 1;
        match part(spec, len) {
            Err(Unreadable) => return Asked::Whole,
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {}
        }
    }
    let total = parts.iter().fold(0, |sum: u64, part: &Part| sum.saturating_add(part.len));
    match (n_asked, parts.len()) {
        (0, _) => Asked::Whole,
        (_, 0) => Asked::Nothing,
        (asked, _) if asked > MAX_PARTS || total > len => Asked::Whole,
        _ => Asked::Parts(parts),
    }
}

/// It is no range.
struct Unreadable;

/// One part; `None`: the file has nothing of it.
fn part(spec: &str, len: u64) -> Result<Option<Part>, Unreadable> {
    let (first, last) = spec.split_once('-').ok_or(Unreadable)?;
    if first.is_empty() {
        let n_bytes = number(last)?.min(len);
        return Ok((n_bytes > 0).then(|| Part { at: len - n_bytes, len: n_bytes }));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return Err(Unreadable);
    }
    if first >= len {
        return Ok(None);
    }
    Ok(Some(Part { at: first, len: last.min(len - 1) - first + 1 }))
}

/// A number of digits alone; one that is too large to be counted is as large as can be.
fn number(text: &str) -> Result<u64, Unreadable> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable);
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}
