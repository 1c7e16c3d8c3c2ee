//! The tables as they stand in `docs/benchmarks.md`, and the goals.

use anyhow::{Context, Result};

use super::child::{Run, Side};
use super::exchange::Exchanged;
use crate::bench::goal::Goal;
use crate::bench::statistics::Spread;

/// Installing, of what `ip -batch` takes.
const WANTED_INSTALL: f64 = 1.0;

/// A move without compatibility mode, in milliseconds.
const WANTED_MOVE: f64 = 100.0;

/// From a peer's announcement to the last route, in seconds.
const WANTED_EXCHANGE: f64 = 3.0;

/// A figure of a side.
type Figure = fn(&Side) -> f64;

const ROWS: [(&str, Figure); 3] = [
    ("installed", |side| side.installed),
    ("moved to other next hops", |side| side.moved),
    ("removed", |side| side.removed),
];

/// Prints the figures of each number of next hops, and those of the exchange.
pub(super) fn print(
    n_routes: usize,
    measured: &[(usize, Vec<Run>)],
    exchanged: &[Exchanged],
) -> Result<()> {
    println!("Seconds for {n_routes} routes: median (least..greatest) of the runs.\n");
    println!(
        "| next hops | what | `ip -batch` | Rutter, plain | ratio | Rutter, objects | ratio |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (n_hops, runs) in measured {
        for (what, of) in ROWS {
            let (ip, plain) = (spread(runs, |r| of(&r.ip))?, spread(runs, |r| of(&r.plain))?);
            let objects = spread(runs, |r| of(&r.objects))?;
            println!(
                "| {n_hops} | {what} | {ip:.4} | {plain:.4} | {:.2} | {objects:.4} | {:.4} |",
                ratio(runs, |r| of(&r.plain) / of(&r.ip))?,
                ratio(runs, |r| of(&r.objects) / of(&r.ip))?,
            );
        }
        let moved = spread(runs, |r| r.moved_without_compat)?;
        println!(
            "| {n_hops} | moved, `nexthop_compat_mode` 0 | | | | {moved:.4} | {:.4} |",
            ratio(runs, |r| r.moved_without_compat / r.ip.moved)?
        );
    }
    let announced = Spread::of(exchanged.iter().map(|e| e.announced)).context("no exchange")?;
    let reloaded = Spread::of(exchanged.iter().map(|e| e.reloaded)).context("no exchange")?;
    let withdrawn = Spread::of(exchanged.iter().map(|e| e.withdrawn)).context("no exchange")?;
    println!("\nSeconds for {n_routes} routes of a peer.\n");
    println!("| from | to | seconds |");
    println!("| --- | --- | --- |");
    println!("| the announcement | the last route in the kernel | {announced:.2} |");
    println!("| the peer reads its file again | the last route in the kernel | {reloaded:.2} |");
    println!("| the peer reads its file again | the last route is gone | {withdrawn:.2} |");
    println!("\n```text");
    for goal in goals(measured)? {
        println!("{}", goal.line());
    }
    let what = "from a peer's announcement to the last kernel route, s";
    println!("{}", Goal::new(what, announced.median, WANTED_EXCHANGE).line());
    println!("```");
    Ok(())
}

fn goals(measured: &[(usize, Vec<Run>)]) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for (n_hops, runs) in measured {
        let install = ratio(runs, |r| r.objects.installed / r.ip.installed)?;
        let what = format!("installed over {n_hops} next hops, of `ip -batch`");
        goals.push(Goal::new(what, install, WANTED_INSTALL));
        if *n_hops == 1 {
            let moved = ratio(runs, |r| r.moved_without_compat * 1000.0)?;
            goals.push(Goal::new("moved to another next hop, ms", moved, WANTED_MOVE));
        }
    }
    Ok(goals)
}

fn spread(runs: &[Run], value: impl Fn(&Run) -> f64) -> Result<Spread> {
    Spread::of(runs.iter().map(value)).context("nothing was measured")
}

/// Of each run by itself: both sides had the machine in the same state.
fn ratio(runs: &[Run], value: impl Fn(&Run) -> f64) -> Result<f64> {
    Ok(spread(runs, value)?.median)
}
