//! The child of `bench lookup`: the contenders in turns, figures as JSON.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use rutter_route::{Service, ServiceName};
use serde::{Deserialize, Serialize};

use super::contender::{Contender, Fast, Index, Standard};
use super::reader::{self, Read};
use super::writer::{self, Writer, Written};
use crate::bench::prefixes::shuffled;

/// How many hosts come and go.
const VISITORS: usize = 2000;

/// What the child is told.
#[derive(Args)]
pub(crate) struct LookupChildArguments {
    #[arg(long)]
    hosts: usize,
    #[arg(long)]
    rounds: usize,
    #[arg(long)]
    milliseconds: u64,
}

/// The rounds of each contender, by its name.
pub(super) type Figures = BTreeMap<String, Vec<Round>>;

/// What one turn of one contender gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Round {
    /// Nanoseconds a look-up of a random host, one reader.
    pub(super) random: f64,
    /// The same for one host, one reader.
    pub(super) hot: f64,
    /// The same for one host, two readers.
    pub(super) hot_by_two: f64,
    /// How often readers had to wait, over these three.
    pub(super) n_waits: u64,
    /// How many look-ups these three were.
    pub(super) n_lookups: u64,
    /// Of look-ups of random hosts with a clock around each: 50 %, 99 %, 99.9 %, the longest.
    pub(super) percentiles: [u32; 4],
    /// Nanoseconds of CPU a write.
    pub(super) write: f64,
    /// Writes a second.
    pub(super) writes: f64,
}

/// Measures and prints.
pub(crate) fn run_child(arguments: &LookupChildArguments) -> Result<()> {
    let visitors = names("net", VISITORS)?;
    let names = names("org", arguments.hosts)?;
    // In another order than that of the contenders' memory.
    let hosts: Vec<String> = names.iter().map(ToString::to_string).collect();
    let hosts = shuffled(&hosts, 3);
    let bench = Bench { hosts, names: &names, time: Duration::from_millis(arguments.milliseconds) };
    let (index, standard, fast) = (bench.fill::<Index>(), bench.fill(), bench.fill());
    let (mut at_index, mut at_standard, mut at_fast) = (
        Writer::new(&names, &visitors),
        Writer::new(&names, &visitors),
        Writer::new(&names, &visitors),
    );
    let mut figures = Figures::new();
    for round in 0..=arguments.rounds {
        let turns = [
            (Index::NAME, bench.turn(&index, &mut at_index)?),
            (Standard::NAME, bench.turn::<Standard>(&standard, &mut at_standard)?),
            (Fast::NAME, bench.turn::<Fast>(&fast, &mut at_fast)?),
        ];
        if round > 0 {
            for (name, turn) in turns {
                figures.entry(name.to_owned()).or_default().push(turn);
            }
        }
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Names of 19 to 21 bytes at up to a million, such as `app123456.example.org`.
fn names(domain: &str, n: usize) -> Result<Vec<ServiceName>> {
    let name = |i| format!("app{i}.example.{domain}").parse::<ServiceName>();
    Ok((0..n).map(name).collect::<Result<_, _>>()?)
}

struct Bench<'a> {
    names: &'a [ServiceName],
    hosts: Vec<String>,
    time: Duration,
}

impl Bench<'_> {
    fn fill<C: Contender>(&self) -> C {
        let contender = C::new();
        contender.write(
            self.names
                .iter()
                .map(|n| (Service::http(n.clone()), Some(writer::routes(n))))
                .collect(),
        );
        contender
    }

    fn turn<C: Contender>(&self, contender: &C, writer: &mut Writer<'_>) -> Result<Round> {
        let hot = self.hosts.get(..1).context("there is a host")?;
        let (random, written) = self.read(contender, &self.hosts, 1, writer)?;
        let (one, _) = self.read(contender, hot, 1, writer)?;
        let (two, _) = self.read(contender, hot, 2, writer)?;
        let (timed, _) = self.beside_writer(contender, writer, |stop| {
            reader::run_timed(contender, &self.hosts, stop)
        })?;
        let mut percentiles = [0; 4];
        for (percentile, share) in percentiles.iter_mut().zip([0.5, 0.99, 0.999, 1.0]) {
            let at = ((timed.len() as f64 * share) as usize).min(timed.len().saturating_sub(1));
            *percentile = timed.get(at).copied().context("nothing was timed")?;
        }
        Ok(Round {
            random: random.each(),
            hot: one.each(),
            hot_by_two: two.each(),
            n_waits: random.n_waits + one.n_waits + two.n_waits,
            n_lookups: random.n_lookups + one.n_lookups + two.n_lookups,
            percentiles,
            write: written.cpu.as_nanos() as f64 / written.n_writes as f64,
            writes: written.n_writes as f64 / written.took.as_secs_f64(),
        })
    }

    fn read<C: Contender>(
        &self,
        contender: &C,
        hosts: &[String],
        n_readers: u64,
        writer: &mut Writer<'_>,
    ) -> Result<(Read, Written)> {
        let (reads, written) = self.beside_writer(contender, writer, |stop| {
            std::thread::scope(|scope| {
                let start = |seed| scope.spawn(move || reader::run(contender, hosts, seed, stop));
                let readers: Vec<_> = (0..n_readers).map(start).collect();
                readers.into_iter().map(|r| joined(r.join())?).collect::<Result<Vec<Read>>>()
            })
        })?;
        let sum = |a: Read, b: Read| Read {
            n_lookups: a.n_lookups + b.n_lookups,
            cpu: a.cpu + b.cpu,
            n_waits: a.n_waits + b.n_waits,
        };
        let read = reads.into_iter().reduce(sum).context("there is a reader")?;
        ensure!(read.n_lookups > 0, "nobody was looked up: the time is too short");
        Ok((read, written))
    }

    /// Runs readers and the writer for as long as a measurement takes.
    fn beside_writer<C: Contender, R: Send>(
        &self,
        contender: &C,
        writer: &mut Writer<'_>,
        readers: impl FnOnce(&AtomicBool) -> Result<R> + Send,
    ) -> Result<(R, Written)> {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| writer.run(contender, &stop));
            let reading = scope.spawn(|| readers(&stop));
            std::thread::sleep(self.time);
            stop.store(true, Ordering::Relaxed);
            Ok((joined(reading.join())??, joined(writing.join())?))
        })
    }
}

impl Read {
    /// Nanoseconds of CPU each.
    fn each(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.n_lookups as f64
    }
}

fn joined<R>(thread: std::thread::Result<R>) -> Result<R> {
    thread.map_err(|_| anyhow!("a thread panicked"))
}
