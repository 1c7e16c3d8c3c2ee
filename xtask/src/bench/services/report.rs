//! The tables as they stand in `docs/benchmarks.md`, and the goals.

use std::time::Duration;

use anyhow::{Context, Result};

use super::editing::Edits;
use super::scene::Scene;
use super::streams::{Load, Streams};
use crate::bench::goal::Goal;
use crate::bench::statistics::Spread;

/// Milliseconds from an edit to its service.
const WANTED_EDIT: f64 = 50.0;

/// Of the better one's CPU.
const WANTED_CPU: f64 = 1.0;

const MIB: f64 = 1024.0 * 1024.0;

/// What came of loading and editing.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) took: Duration,
    pub(super) cpu: Duration,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) edits: Edits,
}

/// Prints all that was measured.
pub(super) fn print(scene: &Scene, loaded: &Loaded, streams: Option<&Streams>) -> Result<()> {
    let n_routes = scene.files * scene.routes + scene.containers;
    println!("| loading | |\n| --- | --- |");
    println!("| routes in {} files | {} |", scene.files, scene.files * scene.routes);
    println!("| containers | {} |", scene.containers);
    println!("| until all are served | {:.1} s |", loaded.took.as_secs_f64());
    println!("| CPU | {:.1} s |", loaded.cpu.as_secs_f64());
    let memory = loaded.memory as f64;
    println!("| memory | {:.0} MiB, {:.0} bytes a route |", memory / MIB, memory / n_routes as f64);
    let mut goals = Vec::new();
    println!("\n| one route edited, served after | ms: median (least..greatest) |");
    println!("| --- | --- |");
    for (what, took) in
        [("the file's close", &loaded.edits.by_close), ("a rename", &loaded.edits.by_rename)]
    {
        let spread = Spread::of(took.iter().map(|took| took.as_secs_f64() * 1e3));
        let spread = spread.context("nothing was edited")?;
        println!("| {what} | {spread:.1} |");
        goals.push(Goal::new(format!("ms after {what}, slowest"), spread.greatest, WANTED_EDIT));
    }
    if let Some(streams) = streams {
        print_streams(streams, &mut goals)?;
    }
    println!("\n```text");
    for goal in goals {
        println!("{}", goal.line());
    }
    println!("```");
    Ok(())
}

fn print_streams(streams: &Streams, goals: &mut Vec<Goal>) -> Result<()> {
    println!("\nCPU in ns a KiB, or a datagram and its answer: median (least..greatest).\n");
    println!("| load | | CPU | a second |\n| --- | --- | --- | --- |");
    let mut loads: Vec<Load> = Vec::new();
    for (load, contender, each, rate) in streams.rows()? {
        let rate = match load {
            Load::Download | Load::Echo => format!("{:.0} MiB", rate / MIB),
            Load::Datagrams(_) => format!("{rate:.0}"),
        };
        println!("| {} | {} | {each:.0} | {rate} |", load.name(), contender.name());
        if !loads.contains(&load) {
            loads.push(load);
        }
    }
    for load in loads {
        let ratio = streams.ratio(load)?.median;
        goals.push(Goal::new(
            format!("CPU of the better one's, {}", load.name()),
            ratio,
            WANTED_CPU,
        ));
    }
    Ok(())
}
