//! Readers: look-up after look-up until told to stop, measured in two ways.
//!
//! The cost of a look-up is the reader's CPU time over their number, so nobody's clock is in it and
//! a machine with other work counts little. How long single ones take needs a clock around each,
//! whose own cost is then in the figure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::contender::Contender;
use crate::bench::cpu::thread_cpu;
use crate::bench::random::Random;

/// Look-ups between two glances at the flag that ends them.
const STRETCH: usize = 1024;

/// What one reader did without a clock.
pub(super) struct Read {
    pub(super) n_lookups: u64,
    pub(super) cpu: Duration,
    /// How often it gave up the processor of its own accord: it had to wait.
    pub(super) n_waits: u64,
}

/// Asks for hosts of the list in random order; a list of one is a hot host.
pub(super) fn run<C: Contender>(
    contender: &C,
    hosts: &[String],
    seed: u64,
    stop: &AtomicBool,
) -> Result<Read> {
    let mut random = Random(seed);
    let (mut n_lookups, mut n_found) = (0, 0);
    let (waits, cpu) = (voluntary_switches()?, thread_cpu());
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..STRETCH {
            n_found += u64::from(contender.find(pick(hosts, &mut random)));
        }
        n_lookups += STRETCH as u64;
    }
    let cpu = thread_cpu().saturating_sub(cpu);
    let n_waits = voluntary_switches()? - waits;
    ensure!(n_found == n_lookups, "{} of {n_lookups} found nothing", n_lookups - n_found);
    Ok(Read { n_lookups, cpu, n_waits })
}

/// Each look-up's nanoseconds, sorted; reading the clock is in it.
pub(super) fn run_timed<C: Contender>(
    contender: &C,
    hosts: &[String],
    stop: &AtomicBool,
) -> Result<Vec<u32>> {
    let mut random = Random(11);
    let mut took = Vec::with_capacity(1 << 23);
    while !stop.load(Ordering::Relaxed) && took.len() + STRETCH <= took.capacity() {
        for _ in 0..STRETCH {
            let host = pick(hosts, &mut random);
            let begun = Instant::now();
            let found = contender.find(host);
            let nanoseconds = begun.elapsed().as_nanos();
            ensure!(found, "{host} was not found");
            took.push(u32::try_from(nanoseconds).unwrap_or(u32::MAX));
        }
    }
    took.sort_unstable();
    Ok(took)
}

#[inline]
fn pick<'a>(hosts: &'a [String], random: &mut Random) -> &'a str {
    // Scaled, so that no division is in what is measured: below the length.
    let at = (u64::from(random.next()) * hosts.len() as u64) >> 32;
    &hosts[at as usize]
}

fn voluntary_switches() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/thread-self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let number = line.and_then(|number| number.trim().parse().ok());
    number.context("/proc/thread-self/status doesn't say `voluntary_ctxt_switches`")
}
