//! Gathering what is wrong.

use std::time::Duration;

use super::Problem;

/// What is wrong with a file, gathered: a check notes its problem and goes on with a value that
/// fits, so that one mistake hides no other.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem at a path, which is written as [`Problem::at`] takes it.
    pub fn at(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(Problem::at(path, message));
    }

    /// Notes a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Notes a problem unless something holds.
    pub fn unless(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.at(path, message);
        }
    }

    /// A duration of nothing would make a loop of something meant to wait.
    pub fn more_than_zero(&mut self, path: &str, period: impl Into<Duration>) {
        self.unless(!period.into().is_zero(), path, "expected a duration of more than 0");
    }

    /// How many were noted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that were noted, in order.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}
