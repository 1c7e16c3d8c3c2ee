//! The least list of faults that still breaks a rule.
//!
//! Three steps, each kept only if the same rule is still broken: whole rounds before the last are left
//! out; then parts of the list, from halves down to single faults, as delta debugging does; then what
//! the clusters carry beside the fabric. Each try is a whole run, so tries are bounded, and what is
//! least when they are used up is the answer.

use serde::Serialize;

use crate::faults::Planned;
use crate::run::{Options, Outcome, length, play};
use crate::scenario::{Protocol, Scenario};
use crate::span::Span;

/// What came of shrinking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shrunk {
    /// The scenario with the least list.
    pub scenario: Scenario,
    /// How many faults there were before.
    pub before: usize,
    /// How many runs it took.
    pub runs: usize,
    /// What the least list comes to.
    pub outcome: Outcome,
}

struct Shrinking<'a> {
    protocol: Protocol,
    options: &'a Options,
    rule: String,
    left: usize,
    runs: usize,
    best: (Scenario, Outcome),
}

/// Shrinks a run that broke a rule; `None`: played once more, it doesn't.
///
/// # Errors
/// A scenario that contradicts itself.
pub fn shrink(
    scenario: &Scenario,
    outcome: &Outcome,
    options: &Options,
    tries: usize,
) -> Result<Option<Shrunk>, String> {
    let Some(violation) = outcome.violations.first() else { return Ok(None) };
    let before = outcome.faults.len();
    // What was drawn is written down, and what comes after the break is of no use.
    let mut whole = Scenario { chances: None, faults: outcome.faults.clone(), ..scenario.clone() };
    whole.faults.retain(|planned| planned.at.0 <= violation.at);
    let rounds = violation.at.saturating_sub(1) / length(scenario) + 1;
    whole.rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let first = play(&whole, outcome.protocol, options)?;
    let rule = violation.rule.to_string();
    if first.violations.first().is_none_or(|v| v.rule != rule) {
        return Ok(None);
    }
    let mut shrinking = Shrinking {
        protocol: outcome.protocol,
        options,
        rule,
        left: tries,
        runs: 1,
        best: (whole, first),
    };
    shrinking.leave_out_rounds()?;
    shrinking.leave_out_faults()?;
    let (scenario, outcome) = shrinking.best;
    Ok(Some(Shrunk { scenario, before, runs: shrinking.runs, outcome }))
}

impl Shrinking<'_> {
    /// Plays a candidate; keeps it if it breaks the same rule.
    fn is_kept(&mut self, candidate: Scenario) -> Result<bool, String> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        self.runs += 1;
        let outcome = play(&candidate, self.protocol, self.options)?;
        let same = outcome.violations.first().is_some_and(|v| v.rule == self.rule);
        if same {
            self.best = (candidate, outcome);
        }
        Ok(same)
    }

    fn leave_out_rounds(&mut self) -> Result<(), String> {
        loop {
            let (scenario, _) = &self.best;
            if scenario.rounds <= 1 {
                return Ok(());
            }
            // Half of the rounds before the last first, then one at a time.
            let (length, all) = (length(scenario), scenario.rounds);
            let halves = [all / 2, 1];
            let mut kept = false;
            for out in halves.into_iter().filter(|n| *n > 0) {
                let candidate = without_rounds(&self.best.0, u64::from(out), length);
                if self.is_kept(candidate)? {
                    kept = true;
                    break;
                }
            }
            if !kept {
                return Ok(());
            }
        }
    }

    fn leave_out_faults(&mut self) -> Result<(), String> {
        let mut part = self.best.0.faults.len().div_ceil(2);
        while part > 0 && self.left > 0 {
            let mut at = 0;
            let mut any = false;
            while at < self.best.0.faults.len() && self.left > 0 {
                let mut candidate = self.best.0.clone();
                let end = (at + part).min(candidate.faults.len());
                candidate.faults.drain(at..end);
                if self.is_kept(candidate)? {
                    any = true;
                } else {
                    at += part;
                }
            }
            if part == 1 && !any {
                return Ok(());
            }
            part = if part == 1 { 1 } else { part.div_ceil(2) };
        }
        Ok(())
    }
}

/// The scenario that begins so many rounds later.
fn without_rounds(scenario: &Scenario, out: u64, length: u64) -> Scenario {
    let mut less = scenario.clone();
    less.rounds = less.rounds.saturating_sub(u32::try_from(out).unwrap_or(u32::MAX)).max(1);
    let from = out * length;
    let later = |planned: &Planned| {
        let at = planned.at.0.checked_sub(from)?;
        Some(Planned { at: Span(at), fault: planned.fault.clone() })
    };
    less.faults = scenario.faults.iter().filter_map(later).collect();
    less
}
