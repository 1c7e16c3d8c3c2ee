//! `cargo xtask bench lookup`: the gateway's host index while it is written to, beside a lock around
//! the standard map.
//!
//! A child, built with `--release`, holds the same hosts in each contender and lets them take turns
//! under the same writer. The child is a process of its own for the reason that `bench rib` has
//! one: a developer's unoptimised `xtask` measures the same as any other.

mod child;
mod contender;
mod reader;
mod report;
mod writer;

use anyhow::{Context, Result, bail};
use clap::Args;

pub(crate) use self::child::{LookupChildArguments, run_child};
use super::machine;
use crate::shell;

/// What `bench lookup` may be told.
#[derive(Args)]
pub(crate) struct LookupArguments {
    /// How many hosts, each number measured by itself
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
    hosts: Vec<usize>,
    /// How often the contenders take turns, beside one discarded turn
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How long each measurement takes, in milliseconds
    #[arg(long, default_value_t = 500)]
    milliseconds: u64,
}

/// Measures and prints.
pub(super) fn run(arguments: &LookupArguments) -> Result<()> {
    let LookupArguments { hosts, rounds, milliseconds } = arguments;
    if hosts.is_empty() || hosts.contains(&0) || *rounds == 0 || *milliseconds == 0 {
        bail!("`--hosts`, `--rounds` and `--milliseconds` are at least 1");
    }
    shell::run(&mut shell::cargo(["build", "--release", "--quiet", "--package", "xtask"]))?;
    let mut measured = Vec::new();
    for hosts in hosts {
        let mut child = shell::cargo(["run", "--release", "--quiet", "--package", "xtask", "--"]);
        child.args(["bench-child", "lookup", "--hosts", &hosts.to_string()]);
        child.args(["--rounds", &rounds.to_string()]);
        child.args(["--milliseconds", &milliseconds.to_string()]);
        let json = shell::output(&mut child)?;
        let figures = serde_json::from_str(&json);
        measured.push((*hosts, figures.context("the child said something else than figures")?));
    }
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    println!("Measured on {}; by", machine::describe()?);
    println!(
        "`cargo xtask bench lookup --hosts {} --rounds {rounds} --milliseconds {milliseconds}`.\n",
        hosts.join(",")
    );
    report::print(&measured)
}
