//! What became of an announcement, and what became of all of them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many refusals a report names.
pub const NAMED: usize = 16;

/// What became of an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many routes stand.
    pub taken: usize,
    n_refused: usize,
    named: Vec<String>,
}

impl Report {
    /// Notes a refusal.
    pub fn refuse(&mut self, what: &str, why: &Refused) {
        self.n_refused += 1;
        if self.named.len() < NAMED {
            // What a peer wrote goes back to it, and into logs: as text without surprises.
            let what: String = what.chars().take(64).flat_map(char::escape_debug).collect();
            self.named.push(format!("{what}: {why}"));
        }
    }

    /// Takes another's results along.
    pub fn append(&mut self, other: Self) {
        self.taken += other.taken;
        self.n_refused += other.n_refused;
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(room));
    }

    /// How many were refused.
    pub fn n_refused(&self) -> usize {
        self.n_refused
    }

    /// What was refused and why; empty if nothing was.
    pub fn refusals(&self) -> String {
        let mut text = self.named.join("; ");
        let more = self.n_refused - self.named.len();
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
        text
    }
}

/// Why a route isn't used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It couldn't be read; what was expected.
    Malformed(&'static str),
    /// There is no overlay of this number here.
    NoOverlay(u32),
    /// The peer has no part in the overlay.
    NotAMember(u32),
    /// It names no next hop, and its sender's name can't stand for one.
    NextHop,
    /// A rule of import policy.
    Policy(String),
    /// The table has no room, or knows better.
    Table(rutter_route::Refused),
}

impl Refused {
    /// A word for metrics.
    pub fn reason(&self) -> &'static str {
        REASONS[self.index()]
    }

    fn index(&self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::NoOverlay(_) => 1,
            Self::NotAMember(_) => 2,
            Self::NextHop => 3,
            Self::Policy(_) => 4,
            Self::Table(rutter_route::Refused::SourceBound(_)) => 5,
            Self::Table(rutter_route::Refused::Loop) => 6,
            Self::Table(_) => 7,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(expected) => write!(f, "expected {expected}"),
            Self::NoOverlay(vni) => write!(f, "there is no overlay {vni} here"),
            Self::NotAMember(vni) => write!(f, "the sender has no part in overlay {vni}"),
            Self::NextHop => f.write_str("there is no next hop, and the sender's is not known"),
            Self::Policy(rule) => f.write_str(rule),
            Self::Table(why) => why.fmt(f),
        }
    }
}

/// The words of [`Refused::reason`].
const REASONS: [&str; 8] = [
    "malformed",
    "no_overlay",
    "not_a_member",
    "next_hop",
    "policy",
    "max_prefixes",
    "loop",
    "table",
];

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counts {
    taken: AtomicU64,
    withdrawn: AtomicU64,
    refused: [AtomicU64; REASONS.len()],
}

/// [`Counts`] at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Claims that stood, renewals too.
    pub taken: u64,
    /// Routes that their peers took back.
    pub withdrawn: u64,
    /// Claims that were refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
}

impl Counts {
    pub(super) fn taken(&self, n: usize) {
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(super) fn withdrawn(&self, n: usize) {
        self.withdrawn.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, why: &Refused) {
        self.refused[why.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what another did.
    pub(super) fn add(&self, other: &Self) {
        let add = |to: &AtomicU64, from: &AtomicU64| {
            to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        add(&self.taken, &other.taken);
        add(&self.withdrawn, &other.withdrawn);
        self.refused.iter().zip(&other.refused).for_each(|(to, from)| add(to, from));
    }

    pub(super) fn totals(&self) -> Totals {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let refused = self.refused.iter().map(load);
        Totals {
            taken: load(&self.taken),
            withdrawn: load(&self.withdrawn),
            refused: REASONS.into_iter().zip(refused).collect(),
        }
    }
}
