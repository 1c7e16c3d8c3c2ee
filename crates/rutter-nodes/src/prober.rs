//! The controller's own ping of routers that share a prefix: who doesn't answer is unhealthy.
//!
//! ```text
//!           begin(now, routers)                 answered
//!   idle ───────────────────────▶ asked, each ───────────▶ healthy
//!    ▲                              │ timeout
//!    └──────────── ended ───────────┴─▶ unhealthy, unless one of the rules below
//! ```
//!
//! A session that lives says little of a router that hangs, so routers of which one could take over
//! from another are asked through it. It is asked of the node's session; what lies behind the router
//! is for the probes that the node itself runs.
//!
//! A node that doesn't answer in time is unhealthy, but there is no verdict when
//! - its session has ended: being away says it all, and the next session begins well;
//! - its session is another than the one that was asked: the answer is the newer one's to give;
//! - it was asked for the first time in its session: a connection that just came may be slow.
//!
//! Each of these concerns one node. Headscale drops the verdicts of a whole cycle for one node that
//! is new, so one that flaps keeps all others from being judged; here it keeps nobody.
//!
//! Silence of several is told at once, so an election sees all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rutter_route::{Deadline, Health, Mono, NodeId, Now};

/// When to ask whom, and what to make of it. Its size is that of the routers that share a prefix.
#[derive(Debug, Default)]
pub struct Prober {
    /// Whom the cycle under way has asked and who hasn't answered, with the session asked.
    asked: BTreeMap<NodeId, u64>,
    /// Sessions that were asked before.
    settled: BTreeMap<NodeId, u64>,
    /// When the cycle under way ends.
    ends: Option<Mono>,
}

impl Prober {
    /// A cycle begins: who is to be asked, of the routers that share a prefix, each with its live
    /// session. Whoever isn't among them is new when it is again. One that is under way ends first.
    pub fn begin(
        &mut self,
        now: Now,
        timeout: Duration,
        routers: &BTreeMap<NodeId, u64>,
    ) -> BTreeSet<NodeId> {
        self.settled.retain(|id, session| routers.get(id) == Some(session));
        self.asked = routers.clone();
        self.ends = Some(now.mono.after(timeout)).filter(|_| !routers.is_empty());
        routers.keys().copied().collect()
    }

    /// When the cycle ends.
    pub fn deadline(&self) -> Option<Deadline> {
        self.ends.map(Deadline)
    }

    /// A session has answered: `None` where nobody waits for it any more.
    pub fn answered(&mut self, id: NodeId, session: u64) -> Option<Health> {
        if self.asked.get(&id) != Some(&session) {
            return None;
        }
        self.asked.remove(&id);
        self.settled.insert(id, session);
        Some(Health::Healthy)
    }

    /// What to make of those who haven't answered, if the time is over. `current` says a node's live
    /// session.
    pub fn end(
        &mut self,
        now: Now,
        timeout: Duration,
        current: impl Fn(NodeId) -> Option<u64>,
    ) -> Vec<(NodeId, Health)> {
        if self.ends.is_none_or(|ends| now.mono < ends) {
            return Vec::new();
        }
        self.ends = None;
        let silent = std::mem::take(&mut self.asked);
        let mut verdicts = Vec::new();
        for (id, session) in silent {
            if current(id) != Some(session) {
                continue;
            }
            if self.settled.insert(id, session) == Some(session) {
                let why = format!("no answer within {} ms", timeout.as_millis());
                verdicts.push((id, Health::Unhealthy { why, until: None }));
            }
        }
        verdicts
    }
}

#[cfg(test)]
mod tests;
