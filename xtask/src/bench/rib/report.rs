//! The table as it stands in `docs/benchmarks.md`, and what was wanted beside what was reached.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::meter::{Longest, Outcome};
use super::scenario::step;
use crate::bench::bird::{Costs, Measured};
use crate::bench::goal::Goal;
use crate::bench::statistics::Spread;

/// All figures of a bench.
pub(super) struct Report {
    pub(super) n_routes: usize,
    /// Each run of BIRD.
    pub(super) theirs: Vec<Measured>,
    /// Each run of ours.
    pub(super) ours: Vec<Outcome>,
    pub(super) calls: BTreeMap<String, Longest>,
    pub(super) bytes: BTreeMap<String, f64>,
}

/// A row: what was done, our step, and what BIRD does in its place.
type Row = (&'static str, &'static str, Option<fn(&Costs) -> f64>);

const ROWS: [Row; 10] = [
    ("taken in, one source", step::TAKEN_IN, Some(|c| c.taken_in)),
    ("withdrawn in the order of arrival", step::WITHDRAWN, Some(|c| c.withdrawn)),
    ("withdrawn in another order", step::WITHDRAWN_AT_RANDOM, Some(|c| c.withdrawn)),
    ("the better of two sources lost", step::SECOND_LOST, Some(|c| c.lost)),
    ("the only source lost", step::ONLY_LOST, Some(|c| c.lost)),
    ("ended by lease", step::ENDED, None),
    ("renewed: lease, and all said again", step::RENEWED, None),
    ("changed: new attributes each", step::CHANGED, None),
    ("a better second source in", step::SECOND_IN, None),
    ("longest matches, as many", step::MATCHED, None),
];

const MS: f64 = 1e3;

impl Report {
    /// Prints the tables and the goals.
    pub(super) fn print(&self) -> Result<()> {
        println!("CPU seconds for {} routes: median (least..greatest) of the runs.", self.n_routes);
        println!();
        println!("| what | Rutter | BIRD, random order | ratio | BIRD at its best | ratio |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for (what, step, theirs) in ROWS {
            let ours = self.ours(step)?;
            let beside = match theirs {
                None => "| | | |".to_owned(),
                Some(cost) => {
                    let (random, best) = (self.at_random(cost)?, self.at_best(cost)?);
                    let ratio = |of: Spread| ours.median / of.median;
                    format!("{random:.3} | {:.2} | {best:.3} | {:.2} |", ratio(random), ratio(best))
                }
            };
            println!("| {what} | {ours:.3} | {beside}");
        }
        println!();
        self.print_calls()?;
        self.print_bytes()?;
        for goal in self.goals()? {
            println!("{}", goal.line());
        }
        Ok(())
    }

    fn print_calls(&self) -> Result<()> {
        println!("| what | calls | longest by itself, ms | longest in any run, ms |");
        println!("| --- | --- | --- | --- |");
        for (what, step, _) in ROWS {
            let Longest { by_itself, in_any_run, n_calls } = self.longest(step)?;
            println!("| {what} | {n_calls} | {:.3} | {:.3} |", by_itself * MS, in_any_run * MS);
        }
        println!();
        Ok(())
    }

    fn print_bytes(&self) -> Result<()> {
        let theirs = self.their_bytes()?;
        println!("| bytes a route | Rutter | BIRD |");
        println!("| --- | --- | --- |");
        println!("| one source | {:.1} | {theirs:.1} |", self.bytes_of(step::ONE_SOURCE)?);
        println!("| two sources | {:.1} | |", self.bytes_of(step::TWO_SOURCES)?);
        println!();
        Ok(())
    }

    fn goals(&self) -> Result<Vec<Goal>> {
        let ratio = |step: &str, cost: fn(&Costs) -> f64| -> Result<f64> {
            Ok(self.ours(step)?.median / self.at_random(cost)?.median)
        };
        let longest = self.calls.values().map(|longest| longest.by_itself * MS);
        Ok(vec![
            Goal::new("in, of BIRD's CPU", ratio(step::TAKEN_IN, |c| c.taken_in)?, 0.75),
            Goal::new(
                "out, of BIRD's CPU",
                ratio(step::WITHDRAWN_AT_RANDOM, |c| c.withdrawn)?,
                1.0,
            ),
            Goal::new("lost source, of BIRD's CPU", ratio(step::SECOND_LOST, |c| c.lost)?, 0.5),
            Goal::new("bytes a route", self.bytes_of(step::ONE_SOURCE)?, 88.0),
            Goal::new("longest call or slice, ms", longest.fold(0.0, f64::max), 1.0),
        ])
    }

    fn ours(&self, step: &str) -> Result<Spread> {
        let runs = self.ours.iter().filter_map(|outcome| outcome.seconds.get(step).copied());
        Spread::of(runs).with_context(|| format!("the child didn't measure `{step}`"))
    }

    fn at_random(&self, cost: fn(&Costs) -> f64) -> Result<Spread> {
        Spread::of(self.theirs.iter().map(|run| cost(&run.at_random))).context("BIRD never ran")
    }

    fn at_best(&self, cost: fn(&Costs) -> f64) -> Result<Spread> {
        Spread::of(self.theirs.iter().map(|run| cost(&run.at_best))).context("BIRD never ran")
    }

    fn their_bytes(&self) -> Result<f64> {
        let bytes = Spread::of(self.theirs.iter().map(|run| run.table_bytes));
        Ok(bytes.context("BIRD never ran")?.median / self.n_routes as f64)
    }

    fn longest(&self, step: &str) -> Result<&Longest> {
        self.calls.get(step).with_context(|| format!("the child timed no call of `{step}`"))
    }

    fn bytes_of(&self, moment: &str) -> Result<f64> {
        let bytes = self.bytes.get(moment).copied();
        bytes.with_context(|| format!("the child didn't count the bytes of `{moment}`"))
    }
}
