//! The tables as they stand in `docs/benchmarks.md`, and the goals.

use anyhow::{Context, Result};

use super::child::{Figures, Round};
use super::contender::{Contender, Index};
use crate::bench::goal::Goal;
use crate::bench::statistics::Spread;

/// What one look-up may take, by the number of hosts: nanoseconds (issue's figures; what memory
/// allows at a million was measured on a prototype).
const WANTED: [(usize, f64); 2] = [(10_000, 30.0), (1_000_000, 220.0)];

/// Two readers of one host beside one.
const WANTED_HOT: f64 = 1.2;

/// Prints the figures of each number of hosts.
pub(super) fn print(measured: &[(usize, Figures)]) -> Result<()> {
    println!("Nanoseconds: median (least..greatest) of the rounds.\n");
    println!("| hosts | | a look-up | hot host, 1 reader | 2 readers | ratio | a write |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (hosts, figures) in measured {
        for (name, rounds) in figures {
            let of = |value: fn(&Round) -> f64| spread(rounds, value);
            let (look_up, write) = (of(|r| r.random)?, of(|r| r.write)?);
            let (one, two) = (of(|r| r.hot)?, of(|r| r.hot_by_two)?);
            let ratio = of(|r| r.hot_by_two / r.hot)?;
            println!(
                "| {hosts} | {name} | {look_up:.1} | {one:.1} | {two:.1} | {ratio:.2} | {write:.0} |"
            );
        }
    }
    println!();
    println!("| hosts | | p50 | p99 | p99.9 | longest | waits | of look-ups | writes a second |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (hosts, figures) in measured {
        for (name, rounds) in figures {
            print!("| {hosts} | {name} |");
            for at in 0..4 {
                let percentile = spread(rounds, |r| f64::from(r.percentiles[at]))?;
                print!(" {percentile:.0} |");
            }
            let n_waits: u64 = rounds.iter().map(|r| r.n_waits).sum();
            let n_lookups: u64 = rounds.iter().map(|r| r.n_lookups).sum();
            let writes = spread(rounds, |r| r.writes)?.median;
            println!(" {n_waits} | {} million | {writes:.0} |", n_lookups / 1_000_000);
        }
    }
    println!("\n```text");
    for goal in goals(measured)? {
        println!("{}", goal.line());
    }
    println!("```");
    Ok(())
}

fn goals(measured: &[(usize, Figures)]) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for (hosts, figures) in measured {
        let rounds = figures.get(Index::NAME).context("the index wasn't measured")?;
        if let Some((_, wanted)) = WANTED.iter().find(|(n, _)| n == hosts) {
            let reached = spread(rounds, |r| r.random)?.median;
            goals.push(Goal::new(format!("a look-up among {hosts}, ns"), reached, *wanted));
        }
        let ratio = spread(rounds, |r| r.hot_by_two / r.hot)?.median;
        let what = format!("hot host among {hosts}, two readers of one");
        goals.push(Goal::new(what, ratio, WANTED_HOT));
        let waits: u64 = rounds.iter().map(|r| r.n_waits).sum();
        goals.push(Goal::new(format!("readers blocked among {hosts}"), waits as f64, 0.0));
    }
    Ok(goals)
}

fn spread(rounds: &[Round], value: impl Fn(&Round) -> f64) -> Result<Spread> {
    Spread::of(rounds.iter().map(value)).context("no round was measured")
}
