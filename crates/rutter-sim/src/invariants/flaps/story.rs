//! What befell one neighbour's route to one destination, and what may hold it therefore.

use rutter_rib::{Damping, Stability};

/// How much later a speaker may act on what arrived than it arrived, in ms: batches wait for their
/// signatures, and each other.
pub(super) const LAG: u64 = 1_000;

/// A damping table counts time in steps of a sixty-fourth of a half-life, so its penalty is up to
/// that much above one that decays all the time.
const STEP: f64 = 1.02;

/// What befell a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Befell {
    /// It ended by its neighbour's word, or by its originator's.
    Withdrawn,
    /// Its neighbour was lost.
    Lost,
    /// It leads another way, or costs something else.
    Changed,
}

/// The sums of it. Each is at least what the table may have counted: what isn't sure counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Story {
    withdrawn: Option<u64>,
    flaps: u32,
    last_flap: u64,
    penalty: f64,
    as_of: u64,
    damped: bool,
}

impl Story {
    /// Something befell the route.
    pub(super) fn add(&mut self, at: u64, what: Befell, stability: &Stability) {
        if what == Befell::Withdrawn {
            self.withdrawn = Some(at);
        }
        if let Some(limit) = &stability.flap_limit
            && what != Befell::Changed
        {
            let apart = at - self.last_flap > millis(limit.window) + LAG;
            self.flaps = if apart { 1 } else { self.flaps + 1 };
            self.last_flap = at;
        }
        if let Some(damping) = &stability.damping {
            self.settle(at, damping);
            let points = if what == Befell::Changed { damping.change } else { damping.withdrawal };
            self.penalty = (self.penalty + f64::from(points)).min(ceiling(damping));
            self.damped |= self.most(damping) > f64::from(damping.suppress);
        }
    }

    /// Whether the route may be held at that time, for what a table gives as the reason.
    pub(super) fn explains(&self, at: u64, why: &str, stability: &Stability) -> bool {
        let since = |then: u64| at - then;
        match why {
            "hold-down" => {
                self.withdrawn.is_some_and(|then| since(then) < millis(stability.hold_down) + LAG)
            }
            "too many flaps" => stability.flap_limit.as_ref().is_some_and(|limit| {
                self.flaps >= limit.flaps && since(self.last_flap) < millis(limit.window) + LAG
            }),
            "damped" => stability.damping.as_ref().is_some_and(|damping| {
                let mut now = self.clone();
                now.settle(at, damping);
                now.damped
            }),
            _ => false,
        }
    }

    /// The penalty decays to that time, and what it damps is free below `reuse`.
    fn settle(&mut self, at: u64, damping: &Damping) {
        let half_lives = (at - self.as_of) as f64 / millis(damping.half_life) as f64;
        self.penalty *= (-half_lives).exp2();
        self.as_of = at;
        self.damped &= self.most(damping) > f64::from(damping.reuse);
    }

    /// The most that the penalty may be in the table, which heard of each flap later.
    fn most(&self, damping: &Damping) -> f64 {
        self.penalty * (LAG as f64 / millis(damping.half_life) as f64).exp2() * STEP
    }
}

fn ceiling(damping: &Damping) -> f64 {
    let half_lives = damping.max_hold.as_millis() / damping.half_life.as_millis().max(1);
    f64::from(damping.reuse) * (half_lives as f64).exp2()
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
