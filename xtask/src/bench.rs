//! `cargo xtask bench NAME`: measurements that stand in `docs/benchmarks.md`.
//!
//! A bench prints the section that stands there, in its form, and writes no file: what is measured
//! on a busy machine should not replace what stands without someone having read it.

mod bird;
mod cpu;
mod fabric;
mod gateway;
mod goal;
mod kernel;
mod lookup;
mod machine;
mod namespace;
mod nodes;
mod prefixes;
mod process;
mod random;
mod rib;
mod services;
mod statistics;

use anyhow::Result;
use clap::{Args, Subcommand};

use self::fabric::{FabricArguments, FabricChildArguments};
use self::gateway::{FeederArguments, GatewayArguments};
use self::kernel::{KernelArguments, KernelChildArguments};
use self::lookup::{LookupArguments, LookupChildArguments};
use self::nodes::NodesArguments;
use self::rib::ChildArguments;
use self::services::ServicesArguments;

/// Which bench.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The table of routes at a million prefixes, beside BIRD taking the same over BGP
    Rib(RibArguments),
    /// The gateway's host index under writes, beside a lock around the standard map
    Lookup(LookupArguments),
    /// The gateway as a proxy, beside nginx and HAProxy
    Gateway(GatewayArguments),
    /// Routes put into the kernel, moved and removed, beside `ip -batch`
    Kernel(KernelArguments),
    /// A controller with ten thousand nodes: all connect, routers fail, the policy changes
    Nodes(NodesArguments),
    /// A hundred thousand routes in files, ten thousand containers, one edit; streams beside others
    Services(ServicesArguments),
    /// The fabric's protocol: announcements a second, memory, beside BIRD, messages of networks
    Fabric(FabricArguments),
}

/// What a bench runs of this program, in a process of its own.
#[derive(Subcommand)]
pub(crate) enum Child {
    Rib(ChildArguments),
    Lookup(LookupChildArguments),
    Feeder(FeederArguments),
    Kernel(KernelChildArguments),
    Nodes,
    Fabric(FabricChildArguments),
}

/// What `bench rib` may be told.
#[derive(Args)]
pub(crate) struct RibArguments {
    /// How many prefixes
    #[arg(long, default_value_t = 1_000_000)]
    routes: usize,
    /// How often each side runs, in turns
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What the prefixes are drawn by
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs a bench and prints what it found.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Rib(arguments) => rib::run(arguments),
        Bench::Lookup(arguments) => lookup::run(arguments),
        Bench::Gateway(arguments) => gateway::run(arguments),
        Bench::Kernel(arguments) => kernel::run(arguments),
        Bench::Nodes(arguments) => nodes::run(arguments),
        Bench::Services(arguments) => services::run(arguments),
        Bench::Fabric(arguments) => fabric::run(arguments),
    }
}

/// Runs what a bench runs of this program.
pub(crate) fn run_child(child: &Child) -> Result<()> {
    match child {
        Child::Rib(arguments) => rib::run_child(arguments),
        Child::Lookup(arguments) => lookup::run_child(arguments),
        Child::Feeder(arguments) => gateway::run_child(arguments),
        Child::Kernel(arguments) => kernel::run_child(arguments),
        Child::Nodes => nodes::run_child(),
        Child::Fabric(arguments) => fabric::run_child(arguments),
    }
}
