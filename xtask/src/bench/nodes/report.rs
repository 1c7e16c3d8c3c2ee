//! What was measured, as it stands in `docs/benchmarks.md`.

use anyhow::{Context, Result};

use super::load::{Figures, Step};
use super::scene::Scene;
use crate::bench::goal::Goal;
use crate::bench::statistics::Spread;

/// Seconds from a router's loss to the last node that was told.
const WANTED: f64 = 1.0;

pub(super) fn print(scene: &Scene, figures: &Figures) -> Result<()> {
    let Figures { joined, connected, rest, losses, reloads, memory, lost } = figures;
    println!("Seconds of {} nodes, and of CPU:\n", scene.nodes);
    println!(
        "| what | time | CPU of the controller | CPU of the nodes |\n| --- | --- | --- | --- |"
    );
    step("all join", joined);
    step("all connect and are told all that is theirs", connected);
    step("ten seconds at rest", rest);
    for (spread, cost) in losses {
        let [first, middle, last] = spread;
        println!(
            "| a router is lost: the first, the middle and the last are told | {first:.3}, \
             {middle:.3}, {last:.3} | {:.2} | {:.2} |",
            cost.controller, cost.nodes
        );
    }
    for (what, cost) in
        ["a policy that grants all more", "and one that takes it back"].iter().zip(reloads)
    {
        step(what, cost);
    }
    let [before, after, all] = *memory;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / 1024.0 / scene.nodes as f64;
    println!(
        "\nMemory of the controller: {} MiB before, {:.1} KiB a node that has joined, {:.1} KiB a node \
         that is connected. Sessions that were lost and weren't cut: {lost}.\n",
        before / 1024 / 1024,
        each(after),
        each(all)
    );
    let last = losses.iter().map(|([_, _, last], _)| *last);
    let last = Spread::of(last).context("at least one loss")?;
    let what = format!("seconds from a loss to the last of {} nodes that is told", scene.nodes);
    println!("{}", Goal::new(what, last.greatest, WANTED).line());
    Ok(())
}

fn step(what: &str, Step { seconds, controller, nodes }: &Step) {
    println!("| {what} | {seconds:.2} | {controller:.2} | {nodes:.2} |");
}
