//! The tables and the goals of `bench fabric`.

use anyhow::{Context, Result};

use super::child::Outcome;
use super::convergence::{Converged, Told};
use super::{originals, table, throughput};
use crate::bench::bird::{Costs, Measured};
use crate::bench::goal::Goal;
use crate::bench::statistics::Spread;

/// All figures of a bench; what wasn't asked for is empty.
pub(super) struct Report {
    n_routes: usize,
    n_clusters: usize,
    /// Each run.
    pub(super) announcements: Vec<Outcome>,
    /// Each run of BIRD.
    pub(super) theirs: Vec<Measured>,
    /// Each run of ours.
    pub(super) prefixes: Vec<Outcome>,
    pub(super) memory: Outcome,
    pub(super) networks: Vec<Converged>,
}

/// A way to announce: our step, what the original does, and how many times that is wanted.
type Row = (&'static str, f64, Option<f64>);

const ANNOUNCEMENTS: [Row; 6] = [
    (throughput::step::UNSIGNED, originals::UNSIGNED, Some(20.0)),
    (throughput::step::UNSIGNED_AGAIN, originals::UNSIGNED, Some(20.0)),
    (throughput::step::EACH, originals::SIGNED, Some(1.2)),
    (throughput::step::EACH_AGAIN, originals::SIGNED, Some(2.5)),
    (throughput::step::BATCH, originals::SIGNED, Some(1.2)),
    (throughput::step::BATCH_AGAIN, originals::SIGNED, Some(15.0)),
];

/// A row beside BIRD: what was done, our step, what BIRD does in its place.
type Beside = (&'static str, &'static str, fn(&Costs) -> f64);

const PREFIXES: [Beside; 3] = [
    ("taken in", table::step::TAKEN_IN, |costs| costs.taken_in),
    ("withdrawn in another order", table::step::WITHDRAWN, |costs| costs.withdrawn),
    ("the neighbour lost", table::step::LOST, |costs| costs.lost),
];

/// Bytes of a route in the table.
const MOST_BYTES: f64 = 88.0;

/// Messages a directed link, of one announcement.
const MOST_MESSAGES: f64 = 2.0;

impl Report {
    pub(super) fn new(n_routes: usize, n_clusters: usize) -> Self {
        Self {
            n_routes,
            n_clusters,
            announcements: Vec::new(),
            theirs: Vec::new(),
            prefixes: Vec::new(),
            memory: Outcome::default(),
            networks: Vec::new(),
        }
    }

    /// Prints the tables and the goals.
    pub(super) fn print(&self) -> Result<()> {
        let mut goals = Vec::new();
        if !self.announcements.is_empty() {
            self.print_announcements(&mut goals)?;
        }
        if !self.memory.bytes.is_empty() {
            self.print_memory(&mut goals)?;
        }
        if !self.prefixes.is_empty() {
            self.print_prefixes(&mut goals)?;
        }
        if !self.networks.is_empty() {
            self.print_networks(&mut goals);
        }
        goals.iter().for_each(|goal| println!("{}", goal.line()));
        Ok(())
    }

    fn print_announcements(&self, goals: &mut Vec<Goal>) -> Result<()> {
        println!(
            "Announcements of {} clusters, each a message with a path of its own, 64 a batch; \
             accepted a second of one core, from bytes: median (least..greatest) of the runs.\n",
            self.n_clusters
        );
        println!("| what | ns each | a second | the original's | times |");
        println!("| --- | --- | --- | --- | --- |");
        for (step, theirs, wanted) in ANNOUNCEMENTS {
            let rates = seconds(&self.announcements, step).map(|s| self.n_clusters as f64 / s);
            let rate = Spread::of(rates).with_context(|| format!("`{step}` wasn't measured"))?;
            let (each, times) = (1e9 / rate.median, rate.median / theirs);
            println!("| {step} | {each:.0} | {rate:.0} | {theirs:.0} | {times:.1} |");
            if let Some(wanted) = wanted {
                goals.push(Goal::at_least(format!("{step}, times the original"), times, wanted));
            }
        }
        println!();
        Ok(())
    }

    fn print_memory(&self, goals: &mut Vec<Goal>) -> Result<()> {
        let of = |name: &str| {
            let bytes = self.memory.bytes.get(name).copied();
            bytes.with_context(|| format!("the bytes of a {name} weren't counted"))
        };
        let (route, claim) = (of(table::step::ROUTE)?, of(table::step::CLAIM)?);
        println!("| bytes, at {} | |", self.n_routes);
        println!("| --- | --- |");
        println!("| a route, in the table and all that the speaker keeps of it | {route:.1} |");
        println!("| its claim, where it has one | {claim:.1} |");
        println!();
        goals.push(Goal::new("bytes a route", route, MOST_BYTES));
        Ok(())
    }

    fn print_prefixes(&self, goals: &mut Vec<Goal>) -> Result<()> {
        println!("CPU seconds for {} prefixes over one session, unsigned.\n", self.n_routes);
        println!("| what | Rutter | BIRD, random order | ratio | BIRD at its best | ratio |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for (what, step, cost) in PREFIXES {
            let ours = Spread::of(seconds(&self.prefixes, step))
                .with_context(|| format!("`{step}` wasn't measured"))?;
            let theirs = |of: fn(&Measured) -> &Costs| {
                let costs = self.theirs.iter().map(|run| cost(of(run)));
                Spread::of(costs).context("BIRD never ran")
            };
            let (random, best) = (theirs(|run| &run.at_random)?, theirs(|run| &run.at_best)?);
            let ratio = |of: Spread| ours.median / of.median;
            println!(
                "| {what} | {ours:.3} | {random:.3} | {:.2} | {best:.3} | {:.2} |",
                ratio(random),
                ratio(best)
            );
            if step == table::step::TAKEN_IN {
                goals.push(Goal::new("prefixes in, of BIRD's CPU", ratio(random), 1.0));
            }
        }
        println!();
        Ok(())
    }

    fn print_networks(&self, goals: &mut Vec<Goal>) {
        println!("Messages (announcements and withdrawals of a route), and simulated ms.\n");
        println!(
            "| network | directed links | start | one announcement | a link | one link lost | \
             one withdrawal |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        let cell = |told: &Told| format!("{} in {} ms", told.messages, told.ms);
        for network in &self.networks {
            let a_link = network.announcement.messages as f64 / network.directed_links as f64;
            println!(
                "| {} | {} | {} | {} | {a_link:.2} | {} | {} |",
                network.shape,
                network.directed_links,
                cell(&network.start),
                cell(&network.announcement),
                cell(&network.link_loss),
                cell(&network.withdrawal),
            );
            let what = format!("messages a directed link, {}", network.shape);
            goals.push(Goal::new(what, a_link, MOST_MESSAGES));
        }
        println!();
    }
}

fn seconds<'a>(runs: &'a [Outcome], step: &'a str) -> impl Iterator<Item = f64> + 'a {
    runs.iter().filter_map(move |outcome| outcome.seconds.get(step).copied())
}
