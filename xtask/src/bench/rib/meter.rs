//! How the child measures: CPU of its one thread, in one of three ways.
//!
//! Reading the thread's clock is a system call, and a million routes mean a million calls, so the
//! cost of a step and the longest call in it can't be had from one run: the first reads the clock
//! twice a step, the second twice a call. Bytes are a third run, since counting costs too.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::bench::cpu::thread_cpu;

/// What a run of the child measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// CPU a step.
    Steps,
    /// The longest call of each step.
    Calls,
    /// Bytes in use at some moments.
    Bytes,
}

impl Way {
    /// As it is written on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Calls => "calls",
            Self::Bytes => "bytes",
        }
    }
}

/// What was measured, by the step's or the moment's name. It is what the child prints.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// CPU seconds.
    pub(super) seconds: BTreeMap<String, f64>,
    /// The longest call.
    pub(super) longest: BTreeMap<String, Longest>,
    /// Bytes in use.
    pub(super) bytes: BTreeMap<String, f64>,
}

/// The longest call of a step. All runs of one seed make the same calls in the same order, so what
/// a call takes by itself is the least that it took in any run; the rest is the machine's: an
/// interrupt, a page that had to be found, a neighbour's use of the cache.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Longest {
    /// Seconds of the longest call, of each the least over the runs.
    pub(super) by_itself: f64,
    /// Seconds of the longest call in any run.
    pub(super) in_any_run: f64,
    /// How many calls there were.
    pub(super) n_calls: usize,
}

/// Takes the time.
pub(super) struct Meter {
    way: Way,
    outcome: Outcome,
    /// Of the running step, each call's nanoseconds, the least over the runs until now.
    calls: BTreeMap<String, Vec<u32>>,
    step: Vec<u32>,
}

impl Meter {
    pub(super) fn new(way: Way) -> Self {
        Self { way, outcome: Outcome::default(), calls: BTreeMap::new(), step: Vec::new() }
    }

    /// For what is not to be measured, at the least cost.
    pub(super) fn off() -> Self {
        Self::new(Way::Bytes)
    }

    /// A part of the scenario, with a name.
    pub(super) fn step<R>(&mut self, name: &str, part: impl FnOnce(&mut Self) -> R) -> R {
        self.step.clear();
        let begun = thread_cpu();
        let result = part(self);
        let took = thread_cpu().saturating_sub(begun);
        match self.way {
            Way::Steps => {
                self.outcome.seconds.insert(name.to_owned(), took.as_secs_f64());
            }
            Way::Calls => self.keep_calls(name),
            Way::Bytes => {}
        }
        result
    }

    /// One call to the table, or one slice of work.
    #[inline]
    pub(super) fn call<R>(&mut self, call: impl FnOnce() -> R) -> R {
        if self.way != Way::Calls {
            return call();
        }
        let begun = thread_cpu();
        let result = call();
        let took = thread_cpu().saturating_sub(begun);
        self.step.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        result
    }

    /// A moment at which bytes in use are noted, a route.
    pub(super) fn bytes_a_route(&mut self, name: &str, n_routes: usize) {
        if self.way == Way::Bytes {
            let bytes = crate::allocator::in_use() as f64 / n_routes as f64;
            self.outcome.bytes.insert(name.to_owned(), bytes);
        }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        self.outcome
    }

    fn keep_calls(&mut self, name: &str) {
        let least = self.calls.entry(name.to_owned()).or_insert_with(|| self.step.clone());
        // Another number of calls would mean another scenario, and the least of two of them
        // nothing.
        assert_eq!(least.len(), self.step.len(), "runs of one seed make the same calls");
        for (least, now) in least.iter_mut().zip(&self.step) {
            *least = (*least).min(*now);
        }
        let longest = self.outcome.longest.entry(name.to_owned()).or_default();
        let seconds = |calls: &[u32]| f64::from(calls.iter().copied().max().unwrap_or(0)) / 1e9;
        longest.by_itself = seconds(least);
        longest.in_any_run = longest.in_any_run.max(seconds(&self.step));
        longest.n_calls = least.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_call_is_the_least_of_each_over_the_runs() {
        let mut meter = Meter::new(Way::Calls);
        for calls in [[10, 900, 30], [500, 20, 40]] {
            meter.step("a", |meter| meter.step.extend(calls));
        }
        let longest = &meter.into_outcome().longest["a"];
        assert_eq!(longest.by_itself, 30e-9);
        assert_eq!(longest.in_any_run, 900e-9);
        assert_eq!(longest.n_calls, 3);
    }

    #[test]
    fn work_takes_cpu_time() {
        let mut meter = Meter::new(Way::Steps);
        let sum = meter.step("sum", |_| (0..2_000_000u64).map(std::hint::black_box).sum::<u64>());
        assert!(sum > 0);
        assert!(meter.into_outcome().seconds["sum"] > 0.0);
    }
}
