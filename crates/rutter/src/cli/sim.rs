//! `rutter sim`: a fabric in one process under a simulated clock, broken on purpose.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use rutter_sim::churn::{Churn, Report, SeedReport};
use rutter_sim::run::{Options, Outcome, planned, play, record};
use rutter_sim::scenario::{Scenario, ScenarioError};
use rutter_sim::shrink::shrink;
use rutter_sim::{Span, plot};
use serde::Serialize;

use super::{Global, Output};

/// The most runs that shrinking takes.
const TRIES: usize = 400;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
A scenario is a network of clusters, their policies, what goes wrong when, and what has to be so at
the end. The clusters run the very code of the fabric; only wires, clocks and keys are simulated, so a
seed gives the same run on every machine, and hours pass in seconds.

Examples:
  rutter sim examples/fabric/ring.yaml               play it, and say whether all rules held
  rutter sim examples/fabric/ring.yaml --out plots   and write plots of messages and reachability
  rutter sim churn                                   200 hours over 20 seeds of 20 clusters
  rutter sim churn --seeds 1 --first-seed 7 --hours 10 --out broken
  rutter sim shrink broken/seed-7.yaml               the least list of faults that breaks the rule
  rutter sim replay broken/seed-7.jsonl              each speaker's part again, byte for byte

It ends with 1 if a rule was broken, and with 2 if the scenario isn't one."
)]
pub(crate) struct Sim {
    #[command(subcommand)]
    command: Option<Command>,
    /// The scenario
    #[arg(required = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where plots and what was counted are written: messages.svg, convergence.svg, outcome.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Another seed than the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write down all that happens to each speaker, to be played again
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Break networks of many seeds for many hours
    Churn(ChurnArgs),
    /// Play a recording again: each speaker's part has to give the same bytes
    Replay {
        /// The recording, JSON lines
        file: PathBuf,
    },
    /// Find the least list of faults by which a scenario breaks its rule
    Shrink {
        /// The scenario
        file: PathBuf,
        /// Where the least scenario is written; beside the file by default
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct ChurnArgs {
    /// Simulated hours, all seeds together
    #[arg(long, default_value_t = 200)]
    hours: u64,
    /// How many seeds
    #[arg(long, default_value_t = 20)]
    seeds: u32,
    /// The first seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    first_seed: u64,
    /// Clusters of each network
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=500))]
    clusters: u16,
    /// Threads; no outcome depends on it
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Where scenarios and recordings of seeds that broke a rule are written
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Sim {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let output = global.output();
        match (self.command, self.file) {
            (Some(Command::Churn(args)), _) => args.run(output),
            (Some(Command::Replay { file }), _) => replay(&file, output),
            (Some(Command::Shrink { file, to }), _) => shrink_file(&file, to, output),
            (None, Some(file)) => {
                let mut scenario = read(&file)?;
                scenario.seed = self.seed.unwrap_or(scenario.seed);
                play_file(&scenario, self.out.as_deref(), self.record.as_deref(), output)
            }
            (None, None) => bail!("name a scenario, or see `rutter sim --help`"),
        }
    }
}

/// A file's scenario; what is wrong with it is shown at its place.
fn read(file: &Path) -> anyhow::Result<Scenario> {
    Scenario::read(file).map_err(|error| match error {
        ScenarioError::File(config) => config.into(),
        other => anyhow!("{}: {other}", file.display()),
    })
}

fn wrong(why: String) -> anyhow::Error {
    anyhow!("scenario: {why}")
}

fn play_file(
    scenario: &Scenario,
    out: Option<&Path>,
    tape: Option<&Path>,
    output: Output,
) -> anyhow::Result<()> {
    let options = Options { samples: true, ..Options::default() };
    let mut runs = Vec::new();
    for protocol in &scenario.protocols {
        let outcome = match tape {
            Some(file) => {
                let to = std::io::BufWriter::new(std::fs::File::create(file)?);
                record(scenario, *protocol, &options, None, Box::new(to)).map_err(wrong)?
            }
            None => play(scenario, *protocol, &options).map_err(wrong)?,
        };
        runs.push(outcome);
    }
    if let Some(dir) = out {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        std::fs::write(dir.join("messages.svg"), plot::messages(&runs)?)?;
        std::fs::write(dir.join("convergence.svg"), plot::convergence(&runs)?)?;
        std::fs::write(dir.join("outcome.json"), serde_json::to_string_pretty(&runs)?)?;
    }
    output.print(&runs, |runs| runs.iter().map(told).collect())?;
    match runs.iter().flat_map(|run| run.violations.first()).next() {
        Some(violation) => bail!("a rule was broken: {violation}"),
        None => Ok(()),
    }
}

/// What came of a run, for people.
fn told(run: &Outcome) -> String {
    let mut text = format!(
        "{} by {}, seed {}: {} simulated, {} faults\n",
        run.name,
        run.protocol.as_str(),
        run.seed,
        Span(run.simulated / 1000 * 1000),
        run.faults.len()
    );
    text.push_str(&format!(
        "  told      {} routes, {} withdrawals, {} renewals in {} batches\n",
        run.told.announcements, run.told.withdrawals, run.told.renewals, run.told.batches
    ));
    let rests: Vec<String> = run.rested_after.iter().map(|ms| Span(*ms).to_string()).collect();
    if !rests.is_empty() && rests.len() <= 8 {
        text.push_str(&format!("  at rest   {} after all was mended\n", rests.join(", ")));
    }
    for wheel in &run.wheels {
        text.push_str(&format!("  wheel     {wheel}\n"));
    }
    for violation in &run.violations {
        text.push_str(&format!("  BROKEN    {violation}\n"));
    }
    if run.is_good() {
        text.push_str("  all rules held\n");
    }
    text
}

/// What churn comes to, for programs.
#[derive(Debug, Serialize)]
struct Churned<'a> {
    simulated_hours: u64,
    seeds: u32,
    clusters: usize,
    violations: usize,
    report: &'a Report,
}

impl ChurnArgs {
    fn run(self, output: Output) -> anyhow::Result<()> {
        let churn = Churn {
            hours: self.hours,
            seeds: self.seeds,
            first_seed: self.first_seed,
            clusters: usize::from(self.clusters),
            threads: usize::from(self.threads),
            ..Churn::default()
        };
        let mut failed = None;
        let report = churn.run(|seed| {
            progress(seed);
            if let (false, Some(dir)) = (seed.outcome.is_good(), &self.out) {
                failed = failed.take().or(keep(&churn, seed, dir).err());
            }
        });
        let report = report.map_err(wrong)?;
        if let Some(failed) = failed {
            return Err(failed);
        }
        let churned = Churned {
            simulated_hours: report.hours(),
            seeds: report.seeds,
            clusters: report.clusters,
            violations: report.broken.len(),
            report: &report,
        };
        output.print(&churned, Churned::text)?;
        match report.broken.first() {
            Some(seed) => bail!(
                "{} of {} seeds broke a rule, the first of them {}; see it again: \
                 rutter sim churn --seeds 1 --first-seed {} --hours {} --clusters {} --out DIR",
                report.broken.len(),
                report.seeds,
                seed.seed,
                seed.seed,
                self.hours.div_ceil(u64::from(self.seeds.max(1))),
                self.clusters
            ),
            None => Ok(()),
        }
    }
}

/// A line a seed, beside what is printed: long runs are watched.
#[allow(clippy::print_stderr, reason = "progress isn't the output")]
fn progress(seed: &SeedReport) {
    let outcome = &seed.outcome;
    let hours = outcome.simulated as f64 / 3_600_000.0;
    let rule = outcome.violations.first().map_or("held".to_owned(), |v| format!("BROKEN {v}"));
    eprintln!(
        "seed {:>4}  {hours:>5.1} h in {:>5.1} s  {:>6} faults  {:>9} routes told  {rule}  ({})",
        seed.seed,
        seed.took.as_secs_f64(),
        outcome.totals.faults,
        outcome.told.announcements + outcome.told.withdrawals,
        seed.about
    );
}

/// Writes down what a seed that broke a rule needs to be seen again.
fn keep(churn: &Churn, seed: &SeedReport, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let mut whole = planned(&churn.scenario(seed.seed));
    let at = seed.outcome.violations.first().map_or(u64::MAX, |violation| violation.at);
    whole.faults.retain(|fault| fault.at.0 <= at);
    let file = dir.join(format!("seed-{}.yaml", seed.seed));
    // JSON is YAML, and nobody reads a list of thousands of faults before it is shrunk.
    std::fs::write(file, serde_json::to_string_pretty(&whole)?)?;
    Ok(())
}

impl Churned<'_> {
    fn text(&self) -> String {
        let (report, told) = (self.report, &self.report.told);
        let took = report.took.as_secs_f64().max(0.001);
        let speed = report.simulated as f64 / 1000.0 / took;
        let held = told.held + told.suppressed;
        let share = held as f64 * 100.0 / (told.accepted.max(1)) as f64;
        format!(
            "{} simulated hours over {} seeds of {} clusters: {} broke a rule\n  \
             took      {took:.0} s, {speed:.0} times as fast as the clock\n  \
             faults    {}, {} boots, {} connections\n  \
             told      {} routes, {} withdrawals, {} renewals\n  \
             taken     {} routes, {} refused, {held} held ({share:.2} %)\n  \
             verified  {} signatures\n  \
             at rest   {} times, after {} at most\n",
            self.simulated_hours,
            self.seeds,
            self.clusters,
            self.violations,
            report.totals.faults,
            report.totals.boots,
            report.totals.connections,
            told.announcements,
            told.withdrawals,
            told.renewals,
            told.accepted,
            told.rejected,
            report.totals.verified,
            report.rests.0,
            Span(report.rests.1)
        )
    }
}

fn replay(file: &Path, output: Output) -> anyhow::Result<()> {
    let lines = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    let replayed = rutter_sim::record::replay(BufReader::new(lines))
        .with_context(|| file.display().to_string())?;
    output.print(&replayed, |replayed| {
        let mut text = format!(
            "{} boots and {} inputs give the bytes that were recorded; {} books are equal\n",
            replayed.boots, replayed.inputs, replayed.compared
        );
        if let Some(violation) = &replayed.head.violation {
            text.push_str(&format!("the run had broken a rule: {violation}\n"));
        }
        text
    })
}

fn shrink_file(file: &Path, to: Option<PathBuf>, output: Output) -> anyhow::Result<()> {
    let scenario = read(file)?;
    let options = Options::default();
    let protocol = *scenario.protocols.first().context("no protocol")?;
    let outcome = play(&scenario, protocol, &options).map_err(wrong)?;
    let Some(shrunk) = shrink(&scenario, &outcome, &options, TRIES).map_err(wrong)? else {
        bail!("{} breaks no rule: there is nothing to shrink", file.display());
    };
    let to = to.unwrap_or_else(|| file.with_extension("least.yaml"));
    std::fs::write(&to, serde_json::to_string_pretty(&shrunk.scenario)?)?;
    let tape = to.with_extension("jsonl");
    let violation = shrunk.outcome.violations.first().cloned();
    let lines = std::io::BufWriter::new(std::fs::File::create(&tape)?);
    record(&shrunk.scenario, protocol, &options, violation, Box::new(lines)).map_err(wrong)?;
    output.print(&shrunk, |shrunk| {
        let mut text = format!(
            "{} faults of {} are enough, found in {} runs:\n",
            shrunk.scenario.faults.len(),
            shrunk.before,
            shrunk.runs
        );
        for planned in &shrunk.scenario.faults {
            text.push_str(&format!("  {:>8}  {:?}\n", planned.at.to_string(), planned.fault));
        }
        if let Some(violation) = shrunk.outcome.violations.first() {
            text.push_str(&format!("{violation}\n"));
        }
        text.push_str(&format!("written to {} and {}\n", to.display(), tape.display()));
        text
    })
}
