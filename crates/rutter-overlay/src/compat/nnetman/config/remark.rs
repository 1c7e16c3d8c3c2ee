//! What is said of a file that is taken all the same.

use rutter_yaml::Problem;

/// Something that whoever wrote a file may not expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What sort of thing.
    pub kind: RemarkKind,
    /// What, where, and what to do about it.
    pub problem: Problem,
}

/// What sort of thing a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemarkKind {
    /// A key that nobody knows.
    UnknownKey,
    /// A key was left out, and the original runs with another value than its documentation says.
    Absent,
    /// The original reads this and does nothing; Rutter does it.
    DoneHere,
    /// The original reads this and does nothing, and so does Rutter.
    NotDone,
    /// Rutter does otherwise than the original, for safety.
    Differs,
}

impl RemarkKind {
    /// Whether it is likely to be a mistake, which is said at every start and not only by a check.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::UnknownKey | Self::Differs)
    }
}

impl Remark {
    pub(super) fn unknown_key(problem: Problem) -> Self {
        Self { kind: RemarkKind::UnknownKey, problem }
    }
}

/// Remarks, gathered.
#[derive(Debug, Default)]
pub(super) struct Remarks(Vec<Remark>);

impl Remarks {
    pub(super) fn push(&mut self, kind: RemarkKind, path: &str, message: impl Into<String>) {
        self.0.push(Remark { kind, problem: Problem::at(path, message) });
    }

    /// The original reads a key that says more than nothing, and does nothing about it.
    pub(super) fn done_here(&mut self, is_said: bool, path: &str, what: &str) {
        if is_said {
            let message = format!("{what}; the original reads this key and does nothing");
            self.push(RemarkKind::DoneHere, path, message);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Remark> {
        self.0
    }
}
