//! What the rest of the program asks of the fabric.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rutter_protocol::keys::KeySnapshot;
use rutter_protocol::planner::{Ask, Planned};
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourStatus, Parting, Refusal};
use rutter_protocol::stats::Stats;
use rutter_protocol::wire::{Metrics, Scope};
use rutter_route::{ClusterId, Standing};
use serde::{Deserialize, Serialize};

use tokio::sync::watch;

use crate::{FabricConfig, FabricError, Forwarding};

/// The fabric as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricStatus {
    /// This cluster.
    pub cluster: ClusterId,
    /// This boot.
    pub incarnation: u64,
    /// The neighbours.
    pub neighbours: Vec<NeighbourStatus>,
    /// Claims held.
    pub claims: usize,
    /// The tables that are carried.
    pub scopes: Vec<Scope>,
}

/// Everything there is to say of one destination cluster, as `/routing/trace` has it and more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Where to.
    pub destination: ClusterId,
    /// Those in the table, best first, the barred ones behind.
    pub candidates: Vec<TraceCandidate>,
    /// What was refused and stands in no table.
    pub refused: Vec<Refusal>,
    /// What the planner decides now.
    pub decision: Planned,
}

/// What another policy would do to the stored routes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Which table.
    pub table: String,
    /// How many routes were looked at.
    pub n_routes: usize,
    /// Routes that would be permitted and aren't now: (source, destination).
    pub permitted: Vec<(String, String)>,
    /// Routes that would be denied and aren't now.
    pub denied: Vec<(String, String)>,
    /// Destinations whose best would be another: (destination, now, then).
    pub moved: Vec<(String, Option<String>, Option<String>)>,
}

/// One route of a [`Trace`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceCandidate {
    /// Who says it.
    pub advertiser: ClusterId,
    /// This cluster first, the destination last.
    pub path: Vec<ClusterId>,
    /// With the link to the advertiser.
    pub metrics: Metrics,
    /// In thousandths of a point.
    pub score: u64,
    /// What decides after the score, in order, with the route's value.
    pub tiebreakers: Vec<(String, String)>,
    /// How it stands.
    pub standing: Standing,
    /// Why, where it is barred or impaired.
    pub why: Option<String>,
    /// Whether it leads through what is to be avoided.
    pub avoided: bool,
    /// Whether it is the best of those not avoided.
    pub selected: bool,
    /// How long it is held, in milliseconds.
    pub held_for_ms: Option<u64>,
}

/// A handle on the fabric that runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FabricHandle {}

impl FabricHandle {
    /// How it is.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn status(&self) -> Result<FabricStatus, FabricError> {
        todo!("H6")
    }

    /// What was counted.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn stats(&self) -> Result<Stats, FabricError> {
        todo!("H6")
    }

    /// How many routes of the table `fabric` aren't barred, by destination.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn routes(&self) -> Result<BTreeMap<ClusterId, usize>, FabricError> {
        todo!("H6")
    }

    /// The keys that are known.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn keys(&self) -> Result<KeySnapshot, FabricError> {
        todo!("H6")
    }

    /// Which neighbour a request goes to.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn next_hop(&self, _ask: Ask) -> Result<Planned, FabricError> {
        todo!("H6")
    }

    /// What a gateway forwards by, as it changes.
    pub fn forwarding(&self) -> watch::Receiver<Arc<Forwarding>> {
        todo!("H6")
    }

    /// All there is to say of a destination.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn trace(
        &self,
        _destination: ClusterId,
        _avoid: Vec<ClusterId>,
    ) -> Result<Trace, FabricError> {
        todo!("H6")
    }

    /// What another policy would change, and changes nothing: a table each.
    ///
    /// # Errors
    /// The policy contradicts itself; the program is shutting down.
    pub async fn try_policy(&self, _policy: FabricPolicy) -> Result<Vec<PolicyDiff>, FabricError> {
        todo!("H6")
    }

    /// Another configuration: neighbours, policy, security, sources of keys. Sessions that it
    /// doesn't change go on.
    ///
    /// # Errors
    /// What can't be changed while it runs, or contradicts itself; nothing has changed.
    pub async fn reload(&self, _config: FabricConfig) -> Result<(), FabricError> {
        todo!("H6")
    }

    /// This cluster signs by a new key, made now, from now on; the one before counts for the overlap.
    ///
    /// # Errors
    /// The key can't be written.
    pub async fn rotate(&self, _overlap: Duration) -> Result<String, FabricError> {
        todo!("H6")
    }

    /// Parts from all neighbours, and ends.
    pub async fn end(&self, _parting: Parting) {
        todo!("H6")
    }
}
