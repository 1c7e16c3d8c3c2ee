//! Probes of what lies behind a router: whether its networks can be reached at all.
//!
//! ```text
//!   each interval: ask ─▶ answered or not ─▶ so often in a row? ─▶ verdict ─▶ controller
//! ```
//!
//! A router whose LAN is dead answers its controller as well as any. So it asks a host behind it,
//! named for the prefix, and says what it sees: another router takes the prefix then. Of a prefix of
//! which nothing is known the first answer counts; later it takes a threshold in a row to change.
//!
//! An echo request (`icmp`) goes by an unprivileged socket where the system lets this user have one
//! (`net.ipv4.ping_group_range`), else by a raw one, which needs CAP_NET_RAW.

mod ask;
mod icmp;
mod judge;
mod target;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rutter_link::Seen;
use rutter_route::Prefix;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

pub use target::ProbeTarget;

use judge::Judge;

/// The least time between two questions.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// Who is asked for a prefix, and how what is heard is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSpec {
    /// Of which prefix it tells.
    pub prefix: Prefix,
    /// Who is asked.
    pub target: ProbeTarget,
    /// How often; 1 s at least.
    pub interval: Duration,
    /// In what time it must be answered; more than nothing, and the interval at most.
    pub timeout: Duration,
    /// Answers in a row that make a failing prefix well; 1 at least.
    pub healthy_threshold: u32,
    /// Failures in a row that make a prefix fail; 1 at least.
    pub unhealthy_threshold: u32,
}

impl ProbeSpec {
    /// A probe with what holds unless it is said: asked every 5 s, for 2 s, two in a row to return
    /// and three to fail.
    pub fn new(prefix: Prefix, target: ProbeTarget) -> Self {
        Self {
            prefix,
            target,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        }
    }

    /// What makes no sense about it.
    pub(super) fn mistake(&self) -> Option<String> {
        let why = if self.interval < LEAST_INTERVAL {
            format!("is probed every {:?}; 1 s is the least", self.interval)
        } else if self.timeout.is_zero() || self.timeout > self.interval {
            format!(
                "is probed every {:?} and waited for {:?}: a probe ends before the next begins",
                self.interval, self.timeout
            )
        } else if self.healthy_threshold == 0 || self.unhealthy_threshold == 0 {
            "has a probe with a threshold of 0; 1 is the least".to_owned()
        } else {
            return None;
        };
        Some(format!("`{}` {why}", self.prefix))
    }
}

/// A new verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) prefix: Prefix,
    pub(super) is: Seen,
}

/// Asks until `stop`, and tells each change of verdict.
pub(super) fn start(specs: Vec<ProbeSpec>, tell: &mpsc::Sender<Verdict>, stop: &CancellationToken) {
    for spec in specs {
        let (tell, stop) = (tell.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = run(spec, tell) => {}
            }
        });
    }
}

async fn run(spec: ProbeSpec, tell: mpsc::Sender<Verdict>) {
    let mut judge = Judge::new(spec.healthy_threshold, spec.unhealthy_threshold);
    let mut ticks = interval(spec.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answered = match timeout(spec.timeout, ask::ask(&spec.target)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer in {:?}", spec.timeout)),
        };
        let failure = answered.err().map(|why| format!("{}: {why}", spec.target));
        let Some(is) = judge.hear(failure) else { continue };
        if tell.send(Verdict { prefix: spec.prefix, is }).await.is_err() {
            return;
        }
    }
}
