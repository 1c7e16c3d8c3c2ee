//! The score of a fabric's path: a weighing in integers, so that every machine gets the same.

use rutter_route::Attributes;
use serde::{Deserialize, Serialize};

/// What each unit weighs; the score is the sum, lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreWeights {
    /// Points a millisecond of latency.
    pub latency_ms: u32,
    /// Points a hop.
    pub hops: u32,
    /// Points a unit of cost.
    pub cost: u32,
    /// Points for a path of no reliability; a fully reliable one gets none.
    pub unreliability: u32,
    /// Points for 1 Mbit/s of bandwidth; ten times as much gets a tenth. Unknown gets none.
    pub bandwidth: u32,
}

impl Default for ScoreWeights {
    fn default() -> Self {
        Self { latency_ms: 1, hops: 10, cost: 1, unreliability: 1000, bandwidth: 0 }
    }
}

impl ScoreWeights {
    /// The score in thousandths of a point; saturates.
    pub fn score(&self, of: &Attributes) -> u64 {
        let lack = 1_000_000u64.saturating_sub(u64::from(of.reliability_ppm));
        let bandwidth = match of.bandwidth_kbps {
            0 => 0,
            kbps => u64::from(self.bandwidth) * 1_000_000 / u64::from(kbps),
        };
        [
            u64::from(self.latency_ms) * u64::from(of.latency_us),
            u64::from(self.hops) * u64::from(of.hops) * 1000,
            (u64::from(self.cost) * u64::from(of.cost)).saturating_mul(1000),
            u64::from(self.unreliability) * lack / 1000,
            bandwidth,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}
