//! Long churn: many seeds of large networks for many hours, with everything going wrong that can.
//!
//! Each seed is a network of its own, with links, policies and habits drawn from the seed (plain,
//! held down, damped, paced, several paths, several connections, short claims, liars, services behind
//! policies), played for its share of the hours in rounds of faults and rest. It is what the seed of
//! this project calls its open gap: long-running churn and soak under failure injection. Seeds are
//! spread over threads and share nothing, so how many threads there are changes no outcome.

mod distrust;
mod draw;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::network::{Told, Totals};
use crate::run::{Options, Outcome, length, play};
use crate::scenario::{Protocol, Scenario};

/// How much is to be played.
#[derive(Debug, Clone, Copy)]
pub struct Churn {
    /// Simulated hours, all seeds together.
    pub hours: u64,
    /// How many seeds.
    pub seeds: u32,
    /// The first of them.
    pub first_seed: u64,
    /// Clusters of each network.
    pub clusters: usize,
    /// On how many threads.
    pub threads: usize,
    /// By which protocol.
    pub protocol: Protocol,
    /// How each is played.
    pub options: Options,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            hours: 200,
            seeds: 20,
            first_seed: 1,
            clusters: 20,
            threads: 2,
            protocol: Protocol::PathVector,
            options: Options { look_every: 5, ..Options::default() },
        }
    }
}

/// One seed's part.
#[derive(Debug, Clone, Serialize)]
pub struct SeedReport {
    /// Which.
    pub seed: u64,
    /// What its network was like.
    pub about: String,
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

/// All seeds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many seeds were played.
    pub seeds: u32,
    /// Clusters of each network.
    pub clusters: usize,
    /// Simulated milliseconds.
    pub simulated: u64,
    /// How long it took.
    pub took: Duration,
    /// What was counted.
    pub totals: Totals,
    /// What was told.
    pub told: Told,
    /// Rounds that came to rest, and after how many milliseconds at most.
    pub rests: (usize, u64),
    /// Seeds that broke a rule.
    pub broken: Vec<SeedReport>,
}

impl Report {
    /// Simulated hours.
    pub fn hours(&self) -> u64 {
        self.simulated / 3_600_000
    }
}

impl Churn {
    /// The scenario of a seed.
    pub fn scenario(&self, seed: u64) -> Scenario {
        let mut scenario = draw::scenario(seed, self.clusters);
        let share = self.hours * 3_600_000 / u64::from(self.seeds.max(1));
        let rounds = share.div_ceil(length(&scenario)).max(1);
        scenario.rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        draw::turns(&mut scenario);
        scenario
    }

    /// Plays all seeds; each is told as it ends.
    ///
    /// # Errors
    /// A scenario that contradicts itself, which would be a mistake here.
    pub fn run(&self, mut each: impl FnMut(&SeedReport)) -> Result<Report, String> {
        let began = Instant::now();
        let mut report = Report { clusters: self.clusters, ..Report::default() };
        let next = AtomicU32::new(0);
        let (done, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.seeds {
                            return;
                        }
                        // Who listens has gone only if it failed, and then nobody wants the rest.
                        if done.send(self.play(self.first_seed + u64::from(number))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            for result in results {
                let one = result?;
                each(&one);
                report.add(one);
            }
            Ok::<(), String>(())
        })?;
        report.took = began.elapsed();
        Ok(report)
    }

    fn play(&self, seed: u64) -> Result<SeedReport, String> {
        let began = Instant::now();
        let scenario = self.scenario(seed);
        let outcome = play(&scenario, self.protocol, &self.options)?;
        Ok(SeedReport { seed, about: scenario.about, took: began.elapsed(), outcome })
    }
}

impl Report {
    fn add(&mut self, one: SeedReport) {
        self.seeds += 1;
        self.simulated += one.outcome.simulated;
        self.totals.add(&one.outcome.totals);
        self.told.add(&one.outcome.told);
        self.rests.0 += one.outcome.rested_after.len();
        let longest = one.outcome.rested_after.iter().copied().max().unwrap_or(0);
        self.rests.1 = self.rests.1.max(longest);
        if !one.outcome.is_good() {
            self.broken.push(one);
        }
    }
}
