//! The tables as they stand in `docs/benchmarks.md`, and the goals.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::Turns;
use super::contender::Contender;
use super::idle::Before;
use super::load::{Protocol, Request, Seen};
use crate::bench::goal::Goal;
use crate::bench::process::Cpu;
use crate::bench::statistics::Spread;

/// Of nginx's CPU a request.
const WANTED_CPU: f64 = 1.0;

/// KiB an idle connection.
const WANTED_MEMORY: f64 = 4.0;

const KIB: f64 = 1024.0;

/// One turn of a contender.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) cpu: Cpu,
    pub(super) seen: Seen,
    pub(super) seconds: f64,
}

impl Measured {
    fn cpu(&self) -> f64 {
        self.each(self.cpu.total().as_secs_f64())
    }

    fn user(&self) -> f64 {
        self.each(self.cpu.user.as_secs_f64())
    }

    fn system(&self) -> f64 {
        self.each(self.cpu.system.as_secs_f64())
    }

    fn rate(&self) -> f64 {
        self.seen.n_requests as f64 / self.seconds
    }

    /// Microseconds a request.
    fn each(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.seen.n_requests as f64
    }
}

/// All figures of a bench.
#[derive(Default)]
pub(super) struct Report {
    pub(super) turns: Turns,
    /// Bytes a connection.
    pub(super) idle: BTreeMap<(Before, Contender), Vec<f64>>,
    /// Bytes of each contender after the load, by the number of routes.
    pub(super) memory: BTreeMap<(usize, Contender), u64>,
}

impl Report {
    /// Prints the tables and the goals.
    pub(super) fn print(&self, n_connections: usize) -> Result<()> {
        println!("CPU in µs a request: median (least..greatest) of the rounds.\n");
        println!(
            "| routes | by | request | | CPU | user | system | of nginx's | p50, ms | p99, ms | \
             a second |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for ((n_routes, protocol, request, contender), turns) in &self.turns {
            let of = |value: fn(&Measured) -> f64| spread(turns, value);
            let ratio = self.ratio(*n_routes, *protocol, *request, *contender)?;
            let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            println!(
                "| {n_routes} | {} | {} | {} | {:.1} | {:.1} | {:.1} | {ratio} | {:.2} | {:.2} | \
                 {:.0} |",
                protocol.name(),
                request.name(),
                contender.name(),
                of(Measured::cpu)?,
                of(Measured::user)?.median,
                of(Measured::system)?.median,
                of(|turn| turn.seen.p50 / 1e3)?.median,
                of(|turn| turn.seen.p99 / 1e3)?.median,
                of(Measured::rate)?.median,
            );
        }
        println!("\n| routes | | MiB after the load |\n| --- | --- | --- |");
        for ((n_routes, contender), bytes) in &self.memory {
            println!("| {n_routes} | {} | {:.0} |", contender.name(), *bytes as f64 / KIB / KIB);
        }
        if !self.idle.is_empty() {
            println!("\n| {n_connections} idle connections | | KiB each |\n| --- | --- | --- |");
        }
        for ((before, contender), bytes) in &self.idle {
            let each = spread(bytes, |bytes| bytes / KIB)?;
            println!("| {} | {} | {each:.2} |", before.name(), contender.name());
        }
        println!("\n```text");
        for goal in self.goals()? {
            println!("{}", goal.line());
        }
        println!("```");
        Ok(())
    }

    fn goals(&self) -> Result<Vec<Goal>> {
        let mut goals = Vec::new();
        let ours = self.turns.keys().filter(|key| key.3 == Contender::Rutter);
        for (n_routes, protocol, request, contender) in ours {
            let ratio = self.ratio(*n_routes, *protocol, *request, *contender)?;
            if let (Protocol::Http1, Some(ratio)) = (protocol, ratio) {
                let what = format!("CPU of nginx's, {}, {n_routes} routes", request.name());
                goals.push(Goal::new(what, ratio.median, WANTED_CPU));
            }
        }
        for ((before, _), bytes) in self.idle.iter().filter(|((_, c), _)| *c == Contender::Rutter) {
            let each = spread(bytes, |bytes| bytes / KIB)?.median;
            let what = format!("KiB a connection {}", before.name());
            goals.push(Goal::new(what, each, WANTED_MEMORY));
        }
        Ok(goals)
    }

    /// CPU of a contender over nginx's, round by round, so that what the machine did in a round
    /// falls on both. Where nginx took no table of that size it is nginx's with the largest that it
    /// took.
    fn ratio(
        &self,
        n_routes: usize,
        protocol: Protocol,
        request: Request,
        contender: Contender,
    ) -> Result<Option<Spread>> {
        let ours = self.turns.get(&(n_routes, protocol, request, contender));
        let sizes = self.turns.keys().map(|key| key.0).filter(|size| *size <= n_routes);
        let theirs = sizes
            .rev()
            .find_map(|size| self.turns.get(&(size, protocol, request, Contender::Nginx)));
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return Ok(None) };
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.cpu() / theirs.cpu());
        Ok(Some(Spread::of(ratios).context("no round was measured")?))
    }
}

fn spread<T>(rounds: &[T], value: impl Fn(&T) -> f64) -> Result<Spread> {
    Spread::of(rounds.iter().map(value)).context("no round was measured")
}
