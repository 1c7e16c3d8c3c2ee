//! The child of `bench fabric`: runs one part and prints its figures as JSON.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::convergence::{self, Converged};
use super::{table, throughput};

/// Which part the child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Announcements a second.
    Announcements,
    /// Bytes a route.
    Memory,
    /// A million prefixes.
    Prefixes,
    /// Whole networks.
    Convergence,
}

impl Part {
    /// As it is written on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Announcements => "announcements",
            Self::Memory => "memory",
            Self::Prefixes => "prefixes",
            Self::Convergence => "convergence",
        }
    }
}

/// What the child is told.
#[derive(Args)]
pub(crate) struct FabricChildArguments {
    part: Part,
    #[arg(long)]
    pub(super) routes: usize,
    #[arg(long)]
    pub(super) clusters: usize,
    #[arg(long)]
    pub(super) seed: u64,
}

/// What was measured, by name. It is what the child prints.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// CPU seconds.
    pub(super) seconds: BTreeMap<String, f64>,
    /// Bytes in use.
    pub(super) bytes: BTreeMap<String, f64>,
    /// Whole networks.
    pub(super) networks: Vec<Converged>,
}

/// Measures and prints.
pub(crate) fn run_child(arguments: &FabricChildArguments) -> Result<()> {
    let outcome = match arguments.part {
        Part::Announcements => throughput::run(arguments.clusters)?,
        Part::Memory => table::memory(arguments.routes, arguments.seed)?,
        Part::Prefixes => table::prefixes(arguments.routes, arguments.seed)?,
        Part::Convergence => Outcome { networks: convergence::run()?, ..Outcome::default() },
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
