//! The child of `bench rib`: runs the scenario in one way and prints figures as JSON.

use anyhow::Result;
use clap::Args;

use super::meter::{Meter, Way};
use super::scenario::Scenario;
use crate::allocator;
use crate::bench::prefixes;

/// The calls are repeated, so that what the machine adds to one of them can be told from it.
const REPEATS: usize = 5;

/// What the child is told.
#[derive(Args)]
pub(crate) struct ChildArguments {
    way: Way,
    #[arg(long)]
    routes: usize,
    #[arg(long)]
    seed: u64,
}

/// Measures and prints.
pub(crate) fn run_child(arguments: &ChildArguments) -> Result<()> {
    let networks = prefixes::draw(arguments.routes, arguments.seed)?;
    let scenario = Scenario::new(&networks, arguments.seed)?;
    drop(networks);
    let mut meter = Meter::new(arguments.way);
    let repeats = if arguments.way == Way::Calls { REPEATS } else { 1 };
    if arguments.way == Way::Bytes {
        allocator::begin();
    }
    for _ in 0..repeats {
        scenario.run(&mut meter)?;
    }
    println!("{}", serde_json::to_string(&meter.into_outcome())?);
    Ok(())
}
