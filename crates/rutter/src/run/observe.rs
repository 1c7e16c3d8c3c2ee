//! A sink that observes: what it would do is logged and counted, and not done.
//!
//! [`rutter_rib::Onlooker`] knows what differs; here it is fed by a subscription and told to people:
//! one line a difference with the target `rutter::observe`, and two numbers a sink. The first
//! snapshot is one line, whatever its size: it is what there is, not what changed. Any sink's table
//! may be given; the gateway's is the one there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rutter_book::Subscription;
use rutter_rib::{Kind, Onlooker, ToldRoute};

/// Ways of one destination that a line shows.
const SHOWN: usize = 4;

/// What an observing sink has counted.
#[derive(Debug)]
pub(super) struct Observed {
    sink: String,
    n_differences: AtomicU64,
    n_destinations: AtomicU64,
}

impl Observed {
    pub(super) fn new(sink: String) -> Arc<Self> {
        Arc::new(Self { sink, n_differences: AtomicU64::new(0), n_destinations: AtomicU64::new(0) })
    }

    /// Looks until the book is closed.
    pub(super) async fn watch<D: Kind + Send + Sync>(self: Arc<Self>, mut from: Subscription<D>) {
        let mut onlooker = Onlooker::default();
        let mut begins = true;
        while let Some(batch) = from.next().await {
            let complete = batch.end_of_snapshot;
            let differences = onlooker.take(batch);
            self.n_destinations.store(onlooker.len() as u64, Ordering::Relaxed);
            if begins {
                if complete {
                    begins = false;
                    let n_destinations = onlooker.len();
                    tracing::info!(target: "rutter::observe", sink = self.sink, n_destinations, "observes");
                }
                continue;
            }
            self.n_differences.fetch_add(differences.len() as u64, Ordering::Relaxed);
            for difference in differences {
                tracing::info!(
                    target: "rutter::observe",
                    sink = self.sink,
                    destination = %difference.destination,
                    before = shown(difference.before.as_deref()),
                    after = shown(difference.after.as_deref()),
                    "would change"
                );
            }
        }
    }
}

/// The ways to a destination, best first: whose, where to, and how it stands unless it is well.
fn shown(routes: Option<&[ToldRoute]>) -> String {
    let Some(routes) = routes else { return "nothing".to_owned() };
    if routes.is_empty() {
        return "unreachable".to_owned();
    }
    let way = |told: &ToldRoute| {
        let standing = match told.standing {
            rutter_route::Standing::Eligible => String::new(),
            other => format!(" ({other})"),
        };
        // In a gateway's own table all routes are its controller's: who said it first is in the path.
        let claim = rutter_gateway::claim_of(&told.route.path);
        let source = claim.as_ref().map_or(&told.route.source, |claim| &claim.source);
        format!("{source} via {}{standing}", told.attributes.next_hop)
    };
    let mut text = routes.iter().take(SHOWN).map(way).collect::<Vec<_>>().join(", then ");
    if routes.len() > SHOWN {
        text.push_str(&format!(", then {} more", routes.len() - SHOWN));
    }
    text
}

/// Its numbers as metrics.
#[derive(Debug)]
pub(super) struct Exported(pub(super) Arc<Observed>);

impl Collector for Exported {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let differences = ConstCounter::new(self.0.n_differences.load(Ordering::Relaxed));
        let help = "What an observing sink would have been told since it began";
        let kind = differences.metric_type();
        let described =
            encoder.encode_descriptor("rutter_observed_differences", help, None, kind)?;
        differences.encode(described)?;
        let destinations = self.0.n_destinations.load(Ordering::Relaxed);
        let destinations = ConstGauge::new(i64::try_from(destinations).unwrap_or(i64::MAX));
        let help = "Destinations that an observing sink would hold";
        let kind = destinations.metric_type();
        let described =
            encoder.encode_descriptor("rutter_observed_destinations", help, None, kind)?;
        destinations.encode(described)
    }
}
