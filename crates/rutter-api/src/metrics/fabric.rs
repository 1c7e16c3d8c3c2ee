//! Figures of the fabric, under the seed's names behind `rutter_fabric_`.
//!
//! The speaker counts; this shows what it was asked last. Labels are neighbours of the configuration
//! and reasons of a fixed list, so what a stranger says makes no label.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rutter_fabric::{FabricError, FabricHandle, FabricStatus};
use rutter_protocol::stats::{Convergence, NeighbourStats, Stats};
use rutter_route::ClusterId;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NeighbourLabel {
    neighbour: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectLabels {
    neighbour: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLabel {
    by: &'static str,
}

/// What was asked for last; nothing without a fabric. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct FabricFigures(Arc<Mutex<Option<Figures>>>);

#[derive(Debug, Clone)]
struct Figures {
    status: FabricStatus,
    stats: Stats,
    routes: BTreeMap<ClusterId, usize>,
}

impl FabricFigures {
    /// Asks the fabric.
    ///
    /// # Errors
    /// The program is stopping: the last figures stand.
    pub(super) async fn look(&self, fabric: &FabricHandle) -> Result<(), FabricError> {
        let figures = Figures {
            status: fabric.status().await?,
            stats: fabric.stats().await?,
            routes: fabric.routes().await?,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(figures);
        Ok(())
    }
}

impl Collector for FabricFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Figures { status, stats, routes }) = figures else { return Ok(()) };
        sessions(&mut encoder, &status)?;
        counters(&mut encoder, &stats)?;
        rejects(&mut encoder, &stats)?;
        suppressed(&mut encoder, &stats)?;
        let gauges = [
            (
                "rutter_fabric_routes_active",
                "Routes to clusters that aren't barred",
                routes.values().sum(),
            ),
            ("rutter_fabric_destinations", "Clusters with a route that isn't barred", routes.len()),
            ("rutter_fabric_claims", "Claims of originators that are held", status.claims),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(whole(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let purged = ConstCounter::new(stats.routes_purged);
        let help = "Routes that ended by time";
        let kind = purged.metric_type();
        purged.encode(encoder.encode_descriptor(
            "rutter_fabric_routes_purged",
            help,
            None,
            kind,
        )?)?;
        convergence(&mut encoder, &stats.convergence)
    }
}

/// How the sessions and their links are.
fn sessions(encoder: &mut DescriptorEncoder<'_>, status: &FabricStatus) -> fmt::Result {
    let help = "Whether a neighbour's session is up";
    let mut family =
        encoder.encode_descriptor("rutter_fabric_neighbour_up", help, None, MetricType::Gauge)?;
    for neighbour in &status.neighbours {
        let label = NeighbourLabel { neighbour: neighbour.cluster.to_string() };
        ConstGauge::new(i64::from(neighbour.connected)).encode(family.encode_family(&label)?)?;
    }
    let help = "What a link counts as, one way, in seconds";
    let name = "rutter_fabric_link_latency_seconds";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for neighbour in &status.neighbours {
        let label = NeighbourLabel { neighbour: neighbour.cluster.to_string() };
        let latency = f64::from(neighbour.link.latency_us) / 1_000_000.0;
        ConstGauge::new(latency).encode(family.encode_family(&label)?)?;
    }
    let help = "What share of what is sent over a link arrives";
    let name = "rutter_fabric_link_reliability_ratio";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for neighbour in &status.neighbours {
        let label = NeighbourLabel { neighbour: neighbour.cluster.to_string() };
        let reliability = f64::from(neighbour.link.reliability_ppm) / 1_000_000.0;
        ConstGauge::new(reliability).encode(family.encode_family(&label)?)?;
    }
    Ok(())
}

/// A counter of each neighbour.
type Of = fn(&NeighbourStats) -> u64;

/// What is counted of each neighbour alone.
const COUNTERS: [(&str, &str, Of); 8] = [
    (
        "rutter_fabric_announcements_accepted",
        "Routes of a neighbour that were taken in, renewals aside",
        |n| n.announcements_accepted,
    ),
    ("rutter_fabric_withdrawals_received", "Withdrawals that a neighbour said", |n| {
        n.withdrawals_received
    }),
    ("rutter_fabric_routes_withdrawn", "Routes of a neighbour that it has taken back", |n| {
        n.withdrawals_applied
    }),
    ("rutter_fabric_announcements_sent", "Routes that a neighbour was told", |n| {
        n.announcements_sent
    }),
    ("rutter_fabric_withdrawals_sent", "Withdrawals that a neighbour was told", |n| {
        n.withdrawals_sent
    }),
    ("rutter_fabric_renewals_sent", "Renewed claims that a neighbour was told", |n| {
        n.renewals_sent
    }),
    ("rutter_fabric_batches_received", "Batches that a neighbour sent", |n| n.batches_received),
    ("rutter_fabric_neighbour_losses", "How often a neighbour was lost", |n| n.losses),
];

fn counters(encoder: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    for (name, help, of) in COUNTERS {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (cluster, neighbour) in &stats.neighbours {
            let label = NeighbourLabel { neighbour: cluster.to_string() };
            ConstCounter::new(of(neighbour)).encode(family.encode_family(&label)?)?;
        }
    }
    Ok(())
}

fn rejects(encoder: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let name = "rutter_fabric_announcement_rejects";
    let help = "What a neighbour said and was refused, by reason";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (cluster, neighbour) in &stats.neighbours {
        for (reason, n) in &neighbour.rejection_reasons {
            let reason = reason.as_str();
            let labels = RejectLabels { neighbour: cluster.to_string(), reason };
            ConstCounter::new(*n).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn suppressed(encoder: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let name = "rutter_fabric_routes_suppressed";
    let help = "Announcements that came to stand held";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    let both = [("hold_down", stats.hold_down_rejects), ("damping", stats.suppression_rejects)];
    for (by, n) in both {
        ConstCounter::new(n).encode(family.encode_family(&ByLabel { by })?)?;
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "sums of ms are far below 2^53")]
fn convergence(encoder: &mut DescriptorEncoder<'_>, convergence: &Convergence) -> fmt::Result {
    let name = "rutter_fabric_convergence_seconds";
    let help = "From what set a change off to the last that followed of it, a destination";
    let mut histogram = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let bounds = Convergence::BOUNDS_MS.iter().map(|ms| *ms as f64 / 1000.0);
    // The encoder sums buckets up itself; the speaker has done so already.
    let mut below = 0;
    let mut buckets: Vec<(f64, u64)> = bounds
        .zip(&convergence.buckets)
        .map(|(bound, n)| (bound, n.saturating_sub(std::mem::replace(&mut below, *n))))
        .collect();
    buckets.push((f64::MAX, convergence.n.saturating_sub(below)));
    let sum = convergence.sum_ms as f64 / 1000.0;
    histogram.encode_histogram::<NoLabelSet>(sum, convergence.n, &buckets, None)
}

fn whole(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
