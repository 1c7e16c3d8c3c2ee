//! The overlay's numbers as metrics, under our own names.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use rutter_api::KernelState;

use super::Shared;

type Labels = Vec<(&'static str, String)>;

/// A number of a table's, its name and what it says.
type Figure<T> = (&'static str, &'static str, fn(&KernelState) -> T);

/// See the module's head. Holds what it shows.
pub(super) struct Figures(pub(super) Arc<Shared>);

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures(..)")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let totals = self.0.speaker.get().map(|speaker| speaker.totals()).unwrap_or_default();
        let counters = [
            ("claims_taken", "Routes of peers that were taken, renewals too", totals.taken),
            ("claims_withdrawn", "Routes that peers took back", totals.withdrawn),
        ];
        for (name, help, n) in counters {
            let counter = ConstCounter::new(n);
            let name = format!("rutter_overlay_{name}");
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(&name, help, None, kind)?)?;
        }
        let refused = Family::<Labels, Counter>::default();
        for (reason, n) in totals.refused {
            refused.get_or_create(&vec![("reason", reason.to_owned())]).inc_by(n);
        }
        let help = "Routes of peers that were refused, by reason";
        let kind = EncodeMetric::metric_type(&refused);
        let name = "rutter_overlay_claims_refused";
        refused.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        self.kernel(&mut encoder)
    }
}

impl Figures {
    fn kernel(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let states: Vec<KernelState> =
            self.0.kernel.borrow().iter().map(super::kernel::Shown::state).collect();
        let gauges: [Figure<usize>; 4] = [
            ("routes", "Routes of ours in a table of the kernel", |state| state.routes),
            ("objects", "Next-hop objects of ours", |state| state.objects),
            ("refused", "Networks that the kernel refuses", |state| state.refused),
            ("failed", "Whether the kernel can't be asked", |state| {
                usize::from(state.failed.is_some())
            }),
        ];
        for (name, help, of) in gauges {
            let family = Family::<Labels, Gauge>::default();
            for state in &states {
                let value = i64::try_from(of(state)).unwrap_or(i64::MAX);
                family.get_or_create(&vec![("table", state.table.to_string())]).set(value);
            }
            let name = format!("rutter_kernel_{name}");
            let kind = EncodeMetric::metric_type(&family);
            family.encode(encoder.encode_descriptor(&name, help, None, kind)?)?;
        }
        let counters: [Figure<u64>; 3] = [
            ("drift", "Routes and rules that someone else removed or changed", |state| state.drift),
            ("requests", "What the kernel was asked to change", |state| state.requests),
            ("looks", "How often a table of the kernel was compared", |state| state.looks),
        ];
        for (name, help, of) in counters {
            let family = Family::<Labels, Counter>::default();
            for state in &states {
                family.get_or_create(&vec![("table", state.table.to_string())]).inc_by(of(state));
            }
            let name = format!("rutter_kernel_{name}");
            let kind = EncodeMetric::metric_type(&family);
            family.encode(encoder.encode_descriptor(&name, help, None, kind)?)?;
        }
        Ok(())
    }
}
