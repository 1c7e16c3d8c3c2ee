//! `cargo xtask bench kernel`: routes put into the kernel, moved and removed, beside `ip -batch`.
//!
//! Both sides take turns in one network namespace with one link, on a table of its own. The child
//! that drives `rutter-kernel` is built with `--release` and runs in that namespace, as `ip` does.
//! What counts is the time from the first request to the last answer, on the wall: the kernel works
//! inside the calls, so whoever asks pays. Then two hosts of an overlay: from a peer's announcement to
//! the last of its routes in the kernel ([`exchange`]).

mod child;
mod exchange;
mod report;

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

pub(crate) use self::child::{KernelChildArguments, run_child};
use super::machine;
use super::namespace::{self, Pair};
use crate::debian::{self, DebianTool};
use crate::shell;

const NEEDED: [DebianTool; 1] = [DebianTool { program: "ip", package: "iproute2" }];

/// What `bench kernel` may be told.
#[derive(Args)]
pub(crate) struct KernelArguments {
    /// How many prefixes
    #[arg(long, default_value_t = 100_000)]
    routes: usize,
    /// How many distinct next hops they have, each number measured by itself
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10_000])]
    hops: Vec<usize>,
    /// How often each side runs, in turns
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What the prefixes are drawn by
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Measures and prints.
pub(super) fn run(arguments: &KernelArguments) -> Result<()> {
    let KernelArguments { routes, hops, runs, seed } = arguments;
    if *routes == 0 || *runs == 0 || hops.is_empty() || hops.iter().any(|n| *n == 0 || n > routes) {
        bail!("`--routes` and `--runs` are at least 1, `--hops` from 1 to the number of routes");
    }
    debian::ensure_debian(&NEEDED, "the bench")?;
    if !debian::is_root() {
        bail!("the bench makes a network namespace, which only root may; run it with sudo");
    }
    let build = ["build", "--release", "--quiet", "--package", "rutter", "--package", "xtask"];
    shell::run(&mut shell::cargo(build))?;
    namespace::sweep()?;
    let mut measured = Vec::new();
    for n_hops in hops {
        // A fresh one each: what the kernel keeps of a table is gone with it.
        let pair = Pair::make()?;
        let mut child = Command::new("ip");
        child.args(["netns", "exec", pair.receiver.name()]);
        child.arg(shell::root()?.join("target/release/xtask"));
        child.args(["bench-child", "kernel", "--routes", &routes.to_string()]);
        child.args(["--hops", &n_hops.to_string(), "--runs", &runs.to_string()]);
        child.args(["--seed", &seed.to_string()]);
        let json = shell::output(&mut child)?;
        let figures = serde_json::from_str(&json);
        measured.push((*n_hops, figures.context("the child said something else than figures")?));
    }
    let exchanged = exchange::measure(*routes, *runs, *seed)?;
    let hops: Vec<String> = hops.iter().map(ToString::to_string).collect();
    let iproute = shell::output(Command::new("ip").arg("-V"))?;
    println!("Measured on {}; {}; by", machine::describe()?, iproute.trim());
    println!(
        "`cargo xtask bench kernel --routes {routes} --hops {} --runs {runs} --seed {seed}`.\n",
        hops.join(",")
    );
    report::print(*routes, &measured, &exchanged)
}
