//! What is noted while something is read.

use rutter_yaml::Problem;

use crate::{Remark, RemarkKind};

/// What is wrong with a route and what is only to be said of it, each at its path.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    path: Vec<String>,
    /// What refuses the route.
    pub(crate) problems: Vec<Problem>,
    /// What is only to be said.
    pub(crate) remarks: Vec<Remark>,
}

impl Notes {
    /// Notes of what stands at a path.
    pub(crate) fn at(path: &[&str]) -> Self {
        Self { path: path.iter().map(|step| (*step).to_owned()).collect(), ..Self::default() }
    }

    /// Does something one step further in.
    pub(crate) fn within<T>(&mut self, key: &str, does: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let done = does(self);
        self.path.pop();
        done
    }

    /// Goes one step further in, until [`Notes::leave`].
    pub(crate) fn enter(&mut self, key: &str) {
        self.path.push(key.to_owned());
    }

    /// Goes one step out.
    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// The path, with points between its steps.
    pub(crate) fn path(&self) -> String {
        self.path.join(".")
    }

    /// Notes what refuses the route.
    pub(crate) fn problem(&mut self, message: impl Into<String>) {
        self.problem_with(message, None);
    }

    /// Notes what refuses the route, and what to do about it.
    pub(crate) fn problem_with(&mut self, message: impl Into<String>, help: Option<String>) {
        let problem = Problem::at_path(self.path.clone(), message);
        self.problems.push(Problem { help, ..problem });
    }

    /// Notes what is said of a route that stands all the same.
    pub(crate) fn remark(&mut self, kind: RemarkKind, message: impl Into<String>) {
        let problem = Problem::at_path(self.path.clone(), message);
        self.remarks.push(Remark { kind, problem });
    }

    /// A value, or a problem.
    pub(crate) fn take<T>(&mut self, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.problem(message)).ok()
    }

    /// Does something whose problems refuse nothing: it concerns only what is shown.
    pub(crate) fn only_shown<T>(&mut self, does: impl FnOnce(&mut Self) -> T) -> T {
        let n_before = self.problems.len();
        let done = does(self);
        let problems = self.problems.split_off(n_before);
        let remark = |problem| Remark { kind: RemarkKind::Mistake, problem };
        self.remarks.extend(problems.into_iter().map(remark));
        done
    }
}
