//! Figures of nodes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rutter_nodes::fleet::{Fleet, FleetError};
use rutter_route::Standing;

use super::whole;
use crate::v1::{STATES, state};

/// Nodes that are looked at while nothing else of them is.
const PAGE: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StandingLabel {
    standing: String,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct NodesMetrics {
    nodes: Family<StateLabel, Gauge>,
    pending: Gauge,
    routes: Family<StandingLabel, Gauge>,
    primaries: Gauge,
    moves: Counter,
    maps: Counter,
}

impl NodesMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Nodes by state; those online and draining have a session";
        registry.register("rutter_nodes", help, self.nodes.clone());
        let help = "Nodes that wait for a person's word";
        registry.register("rutter_nodes_pending", help, self.pending.clone());
        let help = "Routes that nodes advertise, by standing";
        registry.register("rutter_node_routes", help, self.routes.clone());
        let help = "Prefixes that have a primary";
        registry.register("rutter_node_primaries", help, self.primaries.clone());
        let help = "Moves of primaries since the start";
        registry.register("rutter_node_moves", help, self.moves.clone());
        let help = "Snapshots and changes of maps told to nodes since the start, by their parts";
        registry.register("rutter_node_maps_told", help, self.maps.clone());
    }

    /// Looks at all nodes.
    ///
    /// # Errors
    /// The program is stopping: the last figures stand.
    pub(super) async fn look(&self, fleet: &Fleet) -> Result<(), FleetError> {
        let mut states: BTreeMap<&'static str, usize> = STATES.map(|state| (state, 0)).into();
        let mut standings: BTreeMap<Standing, usize> =
            Standing::ALL.iter().map(|standing| (*standing, 0)).collect();
        let mut n_primaries = 0;
        let mut after = None;
        loop {
            let page = fleet.nodes(after, PAGE).await?;
            for view in &page {
                *states.entry(state(view)).or_default() += 1;
                n_primaries += view.rows.iter().filter(|row| row.is_primary).count();
                for standing in view.rows.iter().filter_map(|row| row.standing) {
                    *standings.entry(standing).or_default() += 1;
                }
            }
            match page.last().filter(|_| page.len() == PAGE) {
                Some(last) => after = Some(last.node.id),
                None => break,
            }
        }
        for (state, n) in states {
            self.nodes.get_or_create_owned(&StateLabel { state }).set(whole(n));
        }
        for (standing, n) in standings {
            let label = StandingLabel { standing: standing.to_string() };
            self.routes.get_or_create_owned(&label).set(whole(n));
        }
        self.primaries.set(whole(n_primaries));
        self.pending.set(whole(fleet.pending().len()));
        // The fleet counts; this only shows, and a count never falls.
        self.moves.inner().store(fleet.n_moves(), Ordering::Relaxed);
        self.maps.inner().store(fleet.n_maps_told(), Ordering::Relaxed);
        Ok(())
    }
}
