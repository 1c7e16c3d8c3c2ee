//! n-netman's metrics, by its names.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::overlay::{LinksState, OverlayState, OverlayStatus, PeerLife};

/// What was asked for last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures(Arc<Mutex<Option<OverlayStatus>>>);

impl Figures {
    pub(super) fn set(&self, status: OverlayStatus) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Nobody has asked on the metrics listener yet.
        let Some(status) = status else { return Ok(()) };
        let kernels = || status.overlays.iter().filter_map(|overlay| overlay.kernel.as_ref());
        let links = |of: fn(&LinksState) -> usize| status.links.as_ref().map_or(0, of);
        let sum = |of: fn(&OverlayState) -> usize| status.overlays.iter().map(of).sum::<usize>();
        let there = status.peers.iter().filter(|peer| peer.life == PeerLife::There).count();
        let counters = [
            (
                "nnetman_reconciliations",
                "Comparisons of what is wanted with the kernel",
                kernels().map(|kernel| kernel.looks).sum::<u64>(),
            ),
            (
                "nnetman_reconciliation_errors",
                "How often the kernel couldn't be asked",
                kernels().map(|kernel| kernel.failures).sum(),
            ),
        ];
        for (name, help, n) in counters {
            let counter = ConstCounter::new(n);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let last = kernels().filter_map(|kernel| kernel.looked_ms).max().unwrap_or_default();
        let gauges: [(&str, &str, usize); 9] = [
            (
                "last_reconcile_timestamp_seconds",
                "When the kernel was compared last, since the Unix epoch",
                usize::try_from(last / 1000).unwrap_or(usize::MAX),
            ),
            ("vxlans_active", "VXLAN links that are there", links(|links| links.vxlans)),
            ("bridges_active", "Bridges that are there", links(|links| links.bridges)),
            (
                "fdb_entries_total",
                "Peers that get a copy of what is for everybody",
                links(|links| links.flooded_to),
            ),
            ("peers_configured", "Peers of the file", status.peers.len()),
            ("peers_connected", "Peers that are connected", there),
            ("peers_healthy", "Peers that are there", there),
            ("routes_exported", "Networks that peers are told", sum(|overlay| overlay.announced)),
            (
                "routes_imported",
                "Routes of peers in the kernel",
                kernels().map(|kernel| kernel.routes).sum(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("nnetman_{name}");
            let described = encoder.encode_descriptor(&name, help, None, gauge.metric_type())?;
            gauge.encode(described)?;
        }
        Ok(())
    }
}
