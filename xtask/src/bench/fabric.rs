//! `cargo xtask bench fabric`: what the fabric's protocol costs, and how many messages it takes.
//!
//! Four parts. *Announcements* go as bytes through a speaker into its table, beside what the original
//! was measured at (MPREG, see `docs/benchmarks.md`); *memory* is counted at a million routes;
//! *prefixes* are a million of them over one session, in turns with BIRD; *convergence* counts what
//! whole networks tell each other, in the simulator, which runs the same code.
//!
//! What is measured runs in children, built with `--release`, each with a fresh heap.

mod child;
mod convergence;
mod originals;
mod receiver;
mod report;
mod table;
mod throughput;
mod voice;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

pub(crate) use self::child::{FabricChildArguments, run_child};
use self::child::{Outcome, Part};
use self::report::Report;
use super::{bird, machine, prefixes};
use crate::shell;

/// What `bench fabric` may be told.
#[derive(Args)]
pub(crate) struct FabricArguments {
    /// How many prefixes, for memory and beside BIRD
    #[arg(long, default_value_t = 1_000_000)]
    routes: usize,
    /// How many clusters are announced, each by a message of its own
    #[arg(long, default_value_t = 10_000)]
    clusters: usize,
    /// How often each side runs, in turns
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What all of it is drawn by
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Announcements a second
    Announcements,
    /// Bytes a route
    Memory,
    /// A million prefixes, beside BIRD
    Prefixes,
    /// Messages and time until a network is still
    Convergence,
}

/// Runs the parts and prints what they found.
pub(super) fn run(arguments: &FabricArguments) -> Result<()> {
    if arguments.runs == 0 || arguments.routes == 0 || arguments.clusters == 0 {
        bail!("`--runs`, `--routes` and `--clusters` are at least 1");
    }
    let wanted = |section| arguments.only.is_empty() || arguments.only.contains(&section);
    let mut versions = Vec::new();
    if wanted(Section::Prefixes) {
        versions.push(bird::prepare()?);
    }
    shell::run(&mut shell::cargo(["build", "--release", "--quiet", "--package", "xtask"]))?;
    let mut report = Report::new(arguments.routes, arguments.clusters);
    let networks = prefixes::draw(arguments.routes, arguments.seed)?;
    for run in 1..=arguments.runs {
        eprintln!("run {run} of {}", arguments.runs);
        if wanted(Section::Announcements) {
            report.announcements.push(measure(Part::Announcements, arguments)?);
        }
        if wanted(Section::Prefixes) {
            report.theirs.push(bird::run(&networks)?);
            report.prefixes.push(measure(Part::Prefixes, arguments)?);
        }
    }
    if wanted(Section::Memory) {
        eprintln!("memory");
        report.memory = measure(Part::Memory, arguments)?;
    }
    if wanted(Section::Convergence) {
        eprintln!("convergence");
        report.networks = measure(Part::Convergence, arguments)?.networks;
    }
    versions.insert(0, machine::describe()?);
    println!("Measured on {}; by", versions.join("; "));
    println!(
        "`cargo xtask bench fabric --routes {} --clusters {} --runs {} --seed {}`.\n",
        arguments.routes, arguments.clusters, arguments.runs, arguments.seed
    );
    report.print()
}

fn measure(part: Part, arguments: &FabricArguments) -> Result<Outcome> {
    let mut child = shell::cargo(["run", "--release", "--quiet", "--package", "xtask", "--"]);
    child.args(["bench-child", "fabric", part.word()]);
    child.args(["--routes", &arguments.routes.to_string()]);
    child.args(["--clusters", &arguments.clusters.to_string()]);
    child.args(["--seed", &arguments.seed.to_string()]);
    let json = shell::output(&mut child)?;
    serde_json::from_str(&json).context("the child said something else than figures")
}
