//! Plays a scenario: rounds of faults, each followed by a rest in which everything has to come to
//! order again.
//!
//! ```text
//!   |── duration: faults, looked at all along ──|mend|── rest_within: quiet by its end ──| at rest |
//! ```
//!
//! A round has a fixed length, so a list of faults with their times is all that a run depends on, and
//! a shorter list is a run too.

use std::io::Write;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rutter_route::{AnyDestination, ClusterId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::faults::{Between, Planned, Targets, draw};
use crate::invariants::{Violation, look};
use crate::network::{Network, Prepare, Told, Totals};
use crate::node::tables_digest;
use crate::record::{FORM, Head, Tape};
use crate::scenario::{Expect, Protocol, Scenario};
use crate::wheel;

/// How often the rules are looked at, in ms.
const LOOK_EVERY: u64 = 1_000;

/// Nothing is told for so long: it rests, in ms.
const QUIET: u64 = 10_000;

/// The most announcements in a round, a fault, directed link and destination; more is a storm.
const STORM: u64 = 8;

/// How a scenario is played.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What each engine is prepared with.
    pub prepare: Option<Prepare>,
    /// Look at the rules only every so many seconds (0: every one).
    pub look_every: u64,
    /// Keep a sample a second.
    pub samples: bool,
}

/// What was seen at one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in seconds.
    pub at: u64,
    /// Announcements and withdrawals in this second.
    pub announcements: u64,
    /// Withdrawals in this second.
    pub withdrawals: u64,
    /// Pairs of cluster and destination, of those that are up, without a route.
    pub unreachable: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario's name.
    pub name: String,
    /// By which protocol it was played.
    pub protocol: Protocol,
    /// The seed.
    pub seed: u64,
    /// Simulated milliseconds.
    pub simulated: u64,
    /// Rules that were broken; the run ends with the first.
    pub violations: Vec<Violation>,
    /// After the end of each round's faults, how long something was still told, in ms.
    pub rested_after: Vec<u64>,
    /// What was counted.
    pub totals: Totals,
    /// What was told in all.
    pub told: Told,
    /// All faults, drawn ones too.
    pub faults: Vec<Planned>,
    /// What was seen each second.
    pub samples: Vec<Sample>,
    /// The wheels that explanations name.
    pub wheels: Vec<String>,
    /// A digest of all tables at the end: equal for equal runs.
    pub digest: String,
}

impl Outcome {
    /// Whether all rules held.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Plays a scenario by a protocol.
///
/// # Errors
/// A scenario that contradicts itself.
pub fn play(scenario: &Scenario, protocol: Protocol, options: &Options) -> Result<Outcome, String> {
    let whole = planned(scenario);
    let network = Network::new(&whole, options.prepare, None)?;
    Ok(play_in(network, &whole, protocol, options).0)
}

/// As [`play`], and writes down all that happens to each speaker. `violation` is what a run before
/// came to.
///
/// # Errors
/// A scenario that contradicts itself, or a recording that can't be written.
pub fn record(
    scenario: &Scenario,
    protocol: Protocol,
    options: &Options,
    violation: Option<Violation>,
    to: Box<dyn Write + Send>,
) -> Result<Outcome, String> {
    let whole = planned(scenario);
    let head = Head { rutter_sim: FORM, scenario: whole.clone(), protocol, violation };
    let tape = Tape::new(to, &head);
    let network = Network::new(&whole, options.prepare, Some(tape))?;
    let (outcome, mut network) = play_in(network, &whole, protocol, options);
    network.end_tape().map_err(|why| why.to_string())?;
    Ok(outcome)
}

fn play_in(
    mut network: Network,
    scenario: &Scenario,
    protocol: Protocol,
    options: &Options,
) -> (Outcome, Network) {
    let Protocol::PathVector = protocol;
    for expect in &scenario.expect {
        if let Expect::Never { at, to } = expect {
            network.never_usable(at, to.clone());
        }
    }
    let mut play = Play::new(network, options);
    for round in 0..scenario.rounds.max(1) {
        if !play.round(u64::from(round), &scenario.faults) {
            break;
        }
    }
    if play.violations.is_empty() {
        play.expectations();
    }
    play.outcome(protocol, scenario.faults.clone())
}

/// The scenario with all faults that chance draws, as one list.
pub fn planned(scenario: &Scenario) -> Scenario {
    let mut whole = scenario.clone();
    let Some(chances) = whole.chances.take() else { return whole };
    let (clusters, links) = scenario.topology.build(scenario.seed);
    let name = |at: usize| clusters.get(at).cloned();
    let links: Vec<Between> =
        links.into_iter().filter_map(|(a, b)| Some((name(a)?, name(b)?))).collect();
    let targets = Targets { clusters: &clusters, links: &links };
    for round in 0..u64::from(scenario.rounds.max(1)) {
        let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed.wrapping_add(round << 32));
        let from = round * length(scenario) + START;
        let until = from + scenario.duration.0;
        whole.faults.extend(draw(&mut rng, &chances, &targets, from, until));
    }
    whole.faults.sort_by_key(|planned| planned.at);
    whole
}

/// Before the first fault that is drawn, in ms: the network comes up.
const START: u64 = 5_000;

/// How long a round is, in ms.
pub(crate) fn length(scenario: &Scenario) -> u64 {
    START + scenario.duration.0 + scenario.rest_within.0
}

struct Play<'a> {
    network: Network,
    options: &'a Options,
    violations: Vec<Violation>,
    rested_after: Vec<u64>,
    samples: Vec<Sample>,
    wheels: Vec<String>,
    before: Told,
    told: Told,
    /// What was told between honest clusters when it was last counted, and when that last changed.
    in_honesty: u64,
    last_told_at: u64,
    /// The same in all.
    told_in_honesty: u64,
}

impl<'a> Play<'a> {
    fn new(network: Network, options: &'a Options) -> Self {
        Self {
            network,
            options,
            violations: Vec::new(),
            rested_after: Vec::new(),
            samples: Vec::new(),
            wheels: Vec::new(),
            before: Told::default(),
            told: Told::default(),
            in_honesty: 0,
            last_told_at: 0,
            told_in_honesty: 0,
        }
    }

    /// One round; says whether all rules held.
    fn round(&mut self, number: u64, faults: &[Planned]) -> bool {
        let scenario = self.network.scenario.clone();
        let from = number * length(&scenario);
        let told_before = self.told_in_honesty;
        let mended = from + START + scenario.duration.0;
        if !self.go_on(mended) {
            return false;
        }
        self.network.mend();
        let until = from + length(&scenario);
        if !self.go_on(until) {
            return false;
        }
        let is_wheel = scenario.expect.iter().any(|e| matches!(e, Expect::Wheel { .. }));
        self.rested_after.push(self.last_told_at.saturating_sub(mended));
        if self.last_told_at + QUIET > until && !is_wheel {
            let what =
                format!("something is still told {} after all was mended", scenario.rest_within);
            self.broken("comes_to_rest", what);
            return false;
        }
        if !is_wheel {
            let broken = self.network.check_at_rest();
            self.violations.extend(broken);
            let in_round = |p: &&Planned| (from..until).contains(&p.at.0);
            let n_faults = 1 + faults.iter().filter(in_round).count() as u64;
            self.check_storm(n_faults, told_before);
        }
        self.violations.is_empty()
    }

    /// What goes to liars and from them isn't counted: who ends its connections by what it says is told
    /// all there is with each that it begins.
    fn check_storm(&mut self, n_faults: u64, before: u64) {
        let links = self.network.n_directed_links() as u64;
        let destinations = self.network.ever.len() as u64;
        let bound = STORM * n_faults * links * destinations.max(1);
        let told = self.told_in_honesty - before;
        if told > bound {
            let what = format!("{told} routes were told after {n_faults} faults, at most {bound}");
            self.broken("messages_are_bounded", what);
        }
    }

    fn broken(&mut self, rule: &'static str, what: String) {
        let at = self.network.at();
        self.violations.push(Violation { at, rule: rule.into(), cluster: None, what });
    }

    /// Lets time pass, and looks; says whether all rules held.
    fn go_on(&mut self, until: u64) -> bool {
        let look_every = self.options.look_every.max(1);
        while self.network.at() < until {
            let next = (self.network.at() / LOOK_EVERY + 1) * LOOK_EVERY;
            self.network.run_until(next.min(until));
            if let Some(broken) = self.network.broken.first().cloned() {
                self.violations.push(broken);
                return false;
            }
            self.count();
            if !(self.network.at() / LOOK_EVERY).is_multiple_of(look_every) {
                continue;
            }
            if let Some(broken) = look(&self.network) {
                self.violations.push(broken);
                return false;
            }
        }
        true
    }

    /// What was told since it was last counted. Who restarts counts from zero again.
    fn count(&mut self) {
        let now = self.network.told();
        let more = |now: u64, before: u64| now.saturating_sub(before);
        let announcements = more(now.announcements, self.before.announcements);
        let withdrawals = more(now.withdrawals, self.before.withdrawals);
        self.told.announcements += announcements;
        self.told.withdrawals += withdrawals;
        self.told.renewals += more(now.renewals, self.before.renewals);
        self.told.batches += more(now.batches, self.before.batches);
        self.told.accepted += more(now.accepted, self.before.accepted);
        self.told.rejected += more(now.rejected, self.before.rejected);
        self.told.held += more(now.held, self.before.held);
        self.told.suppressed += more(now.suppressed, self.before.suppressed);
        self.before = now;
        let at = self.network.at();
        let in_honesty = self.network.told_in_honesty();
        let before = std::mem::replace(&mut self.in_honesty, in_honesty);
        self.told_in_honesty += more(in_honesty, before);
        if in_honesty != before {
            self.last_told_at = at;
        }
        if self.options.samples {
            let unreachable = self.network.n_unreachable();
            self.samples.push(Sample { at: at / 1000, announcements, withdrawals, unreachable });
        }
    }

    fn expectations(&mut self) {
        for expect in self.network.scenario.expect.clone() {
            match &expect {
                Expect::Never { .. } => {}
                Expect::Path { at, to, is } => {
                    let path = self.network.selected_path(at, to);
                    if path != *is {
                        let shown = |path: &[ClusterId]| {
                            path.iter().map(ClusterId::as_str).collect::<Vec<_>>().join(" ")
                        };
                        let what = format!(
                            "{at} goes to {to} by `{}`, expected `{}`",
                            shown(&path),
                            shown(is)
                        );
                        self.broken("expected_path", what);
                    }
                }
                Expect::Refused { at, from, to, why } => {
                    let seen = self.network.why_not(at, from, to);
                    if !seen.iter().any(|seen| seen.contains(why.as_str())) {
                        let what = format!(
                            "{at} should refuse {to} of {from} for `{why}`: {}",
                            seen.join("; ")
                        );
                        self.broken("expected_refusal", what);
                    }
                }
                Expect::Wheel { over, at_most } => self.wheel(over, *at_most),
            }
        }
    }

    fn wheel(&mut self, over: &AnyDestination, at_most: u32) {
        let named = wheel::named(&self.network, over);
        if named.is_empty() {
            self.broken("expected_wheel", format!("no explanation of {over} names a wheel"));
        }
        self.wheels.extend(named);
        if self.last_told_at + QUIET <= self.network.at() {
            self.broken("expected_wheel", format!("{over} has come to rest"));
        }
        let seconds = (self.network.at() / 1000).max(1);
        let links = self.network.n_directed_links().max(1) as u64;
        let told = self.told.announcements + self.told.withdrawals;
        if told > u64::from(at_most) * seconds * links {
            let what = format!("{told} routes in {seconds} s over {links} directed links");
            self.broken("messages_are_bounded", what);
        }
    }

    fn outcome(self, protocol: Protocol, faults: Vec<Planned>) -> (Outcome, Network) {
        let scenario = &self.network.scenario;
        let outcome = Outcome {
            name: scenario.name.clone(),
            protocol,
            seed: scenario.seed,
            simulated: self.network.at(),
            violations: self.violations,
            rested_after: self.rested_after,
            totals: self.network.totals().clone(),
            told: self.told,
            faults,
            samples: self.samples,
            wheels: self.wheels,
            digest: digest(&self.network),
        };
        (outcome, self.network)
    }
}

/// A digest of all tables of all clusters.
fn digest(network: &Network) -> String {
    let mut hash = Sha256::new();
    for node in network.nodes() {
        let tables = node.engine.as_ref().map(tables_digest).unwrap_or_default();
        hash.update(format!("{} {} {tables}\n", node.name, node.n_inputs));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Network {
    /// Something that a cluster is never to have a usable route to.
    fn never_usable(&mut self, at: &ClusterId, to: AnyDestination) {
        if let Some(node) = self.place(at) {
            self.ever.insert(to.clone());
            self.never.entry(node).or_default().push(to);
        }
    }

    /// Pairs of cluster and destination that somebody who is up originates, without a route.
    fn n_unreachable(&self) -> u64 {
        let up = || self.nodes.iter().filter(|node| node.is_up());
        let mut n = 0;
        for destination in up().flat_map(|node| node.originates()) {
            n += up().filter(|node| node.best(&destination).is_none()).count() as u64;
        }
        n
    }
}
