//! What requests say of one route: failures in a row, and the ejections that follow.

use std::collections::VecDeque;
use std::time::Duration;

use rutter_route::Mono;

use super::config::OutlierConfig;
use super::events::{Failure, ProbeKind};

/// Failures since the last success, at most as many as the larger threshold.
#[derive(Debug, Default)]
pub(super) struct Failures {
    run: VecDeque<(Mono, Failure)>,
}

/// Why a route should be ejected.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) why: String,
    /// Whether all the failures that count were connects that didn't come about.
    pub(super) only_connects: bool,
}

impl Failures {
    /// Whether a success would clear any.
    pub(super) fn any(&self) -> bool {
        !self.run.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.run.clear();
    }

    /// Counts one more; says why, if these are enough to eject the route.
    pub(super) fn note(
        &mut self,
        now: Mono,
        how: Failure,
        config: &OutlierConfig,
    ) -> Option<Reason> {
        if !how.is_gateway() && config.consecutive_5xx == 0 {
            // The origin answered, and its errors don't count: as good as a success.
            self.clear();
            return None;
        }
        self.run.push_back((now, how));
        self.run.retain(|(at, _)| now.since(*at) <= config.interval);
        let most = config.consecutive_gateway_failure.max(config.consecutive_5xx) as usize;
        while self.run.len() > most {
            self.run.pop_front();
        }
        let n_gateway = self.run.iter().rev().take_while(|(_, how)| how.is_gateway()).count();
        let reached = |n: usize, threshold: u32| threshold > 0 && n >= threshold as usize;
        if reached(n_gateway, config.consecutive_gateway_failure) {
            Some(self.reason(n_gateway, config.interval))
        } else if reached(self.run.len(), config.consecutive_5xx) {
            Some(self.reason(self.run.len(), config.interval))
        } else {
            None
        }
    }

    fn reason(&self, n: usize, within: Duration) -> Reason {
        let mut counted = self.run.iter().rev().take(n).map(|(_, how)| *how);
        let only_connects = counted.all(|how| how == Failure::Connect);
        let what = if only_connects { "connects" } else { "requests" };
        let why = format!("{n} {what} in a row failed within {} s", within.as_secs());
        Reason { why, only_connects }
    }
}

/// One time out of service.
#[derive(Debug)]
pub(super) struct Ejection {
    pub(super) since: Mono,
    pub(super) until: Mono,
    pub(super) why: String,
    /// What may end it early: the check, or where there is none a connect, if connects are all
    /// that failed. (A connect says nothing of a service that accepts and then hangs up.)
    pub(super) probe: Option<ProbeKind>,
}

/// How often a route was ejected lately.
#[derive(Debug, Default)]
pub(super) struct History {
    n: u32,
    /// When the last ejection ended.
    returned: Mono,
}

impl History {
    /// One more; which in a row it is. Each `interval` in service has one forgotten.
    pub(super) fn eject(&mut self, now: Mono, config: &OutlierConfig) -> u32 {
        let interval = config.interval.as_millis().max(1);
        let forgotten = now.since(self.returned).as_millis() / interval;
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        self.n = self.n.saturating_sub(forgotten).saturating_add(1);
        self.n
    }

    pub(super) fn returned(&mut self, now: Mono) {
        self.returned = now;
    }
}
