//! `cargo xtask bench rib`: the table at a million prefixes, in turns with BIRD.
//!
//! Our side runs in a child, built with `--release`: what BIRD's side reads and writes is not in
//! its memory or its caches, and a developer's unoptimised `xtask` measures the same as any other.

mod child;
mod meter;
mod report;
mod scenario;

use anyhow::{Context, Result, bail};

pub(crate) use self::child::{ChildArguments, run_child};
use self::meter::{Outcome, Way};
use self::report::Report;
use super::{RibArguments, bird, machine, prefixes};
use crate::shell;

/// Runs both sides in turns and prints the table and what was reached.
pub(super) fn run(arguments: &RibArguments) -> Result<()> {
    if arguments.runs == 0 || arguments.routes == 0 {
        bail!("`--runs` and `--routes` are at least 1");
    }
    let bird_version = bird::prepare()?;
    let networks = prefixes::draw(arguments.routes, arguments.seed)?;
    shell::run(&mut shell::cargo(["build", "--release", "--quiet", "--package", "xtask"]))?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for run in 1..=arguments.runs {
        eprintln!("run {run} of {}", arguments.runs);
        theirs.push(bird::run(&networks)?);
        ours.push(measure(Way::Steps, arguments)?);
    }
    eprintln!("the longest calls, and bytes");
    let report = Report {
        n_routes: arguments.routes,
        theirs,
        ours,
        calls: measure(Way::Calls, arguments)?.longest,
        bytes: measure(Way::Bytes, arguments)?.bytes,
    };
    println!("Measured on {}; {bird_version}; by", machine::describe()?);
    println!(
        "`cargo xtask bench rib --routes {} --runs {} --seed {}`.\n",
        arguments.routes, arguments.runs, arguments.seed
    );
    report.print()
}

fn measure(way: Way, arguments: &RibArguments) -> Result<Outcome> {
    let mut child = shell::cargo(["run", "--release", "--quiet", "--package", "xtask", "--"]);
    child.args(["bench-child", "rib", way.word()]);
    child.args(["--routes", &arguments.routes.to_string()]);
    child.args(["--seed", &arguments.seed.to_string()]);
    let json = shell::output(&mut child)?;
    serde_json::from_str(&json).context("the child said something else than figures")
}
