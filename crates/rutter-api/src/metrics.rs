//! Metrics, as OpenMetrics text.
//!
//! What belongs to others is asked for when somebody looks: how full tables are, what was refused.
//! What happens here is counted as it happens. Labels come from fixed sets (paths of the route
//! table, status codes, reasons), never from what a request says, so nobody can fill memory by
//! asking for odd things.

mod fabric;
mod nodes;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rutter_fabric::FabricHandle;

use self::fabric::FabricFigures;
use self::nodes::NodesMetrics;
use crate::tables::Tables;
use crate::v1::Owner;

/// The content type of [`Metrics::encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    listener: &'static str,
    method: String,
    path: String,
    status: u16,
}

/// The metrics of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    destinations: Family<TableLabel, Gauge>,
    routes: Family<TableLabel, Gauge>,
    sources: Family<TableLabel, Gauge>,
    attribute_sets: Family<TableLabel, Gauge>,
    refusals: Family<ReasonLabel, Counter>,
    users: Gauge,
    leases: Gauge,
    nodes: NodesMetrics,
    fabric: FabricFigures,
}

impl Metrics {
    /// The metrics of the APIs and of the tables that they look at.
    pub fn new() -> Self {
        let metrics = Self::default();
        let inner = &metrics.0;
        let mut registry = inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = inner.requests.clone();
        registry.register("rutter_http_requests", "Requests answered by the APIs", requests);
        let tables = [
            ("rutter_table_destinations", "Destinations in a table", &inner.destinations),
            ("rutter_table_routes", "Routes in a table, barred ones too", &inner.routes),
            ("rutter_table_sources", "Sources in a table", &inner.sources),
            ("rutter_table_attribute_sets", "Distinct attribute sets", &inner.attribute_sets),
        ];
        for (name, help, family) in tables {
            registry.register(name, help, family.clone());
        }
        drop(registry);
        metrics
    }

    /// The same, and what only a controller has.
    pub fn of_controller() -> Self {
        let metrics = Self::new();
        let inner = &metrics.0;
        let mut registry = inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "Routes that were not taken, by reason";
        registry.register("rutter_refusals", help, inner.refusals.clone());
        registry.register("rutter_users", "Users that are known", inner.users.clone());
        registry.register("rutter_leases", "Sets of routes that are leased", inner.leases.clone());
        inner.nodes.register(&mut registry);
        registry.register_collector(Box::new(inner.fabric.clone()));
        drop(registry);
        metrics
    }

    /// Adds metrics of another part of the program, such as a gateway.
    pub fn add(&self, collector: Box<dyn Collector>) {
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(collector);
    }

    /// All of it as text.
    pub(crate) async fn encode(
        &self,
        owner: Option<&Owner>,
        tables: &Tables,
        fabric: Option<&FabricHandle>,
    ) -> String {
        for table in tables.iter() {
            // A book that is closed is one whose program is stopping: its last figures stand.
            let Ok(counts) = table.counts().await else { continue };
            let label = TableLabel { table: table.shown.to_string() };
            set(&self.0.destinations, &label, counts.destinations);
            set(&self.0.routes, &label, counts.routes);
            set(&self.0.sources, &label, counts.sources);
            set(&self.0.attribute_sets, &label, counts.attribute_sets);
        }
        if let Some(fleet) = owner.and_then(Owner::fleet)
            && let Err(error) = self.0.nodes.look(fleet).await
        {
            tracing::debug!(%error, "the figures of nodes");
        }
        if let Some(fabric) = fabric
            && let Err(error) = self.0.fabric.look(fabric).await
        {
            tracing::debug!(%error, "the figures of the fabric");
        }
        if let Some(controller) = owner.and_then(Owner::controller) {
            for (reason, n_refused) in controller.refusals() {
                let counter = self.0.refusals.get_or_create_owned(&ReasonLabel { reason });
                // The controller counts; this only shows, and a count never falls.
                counter.inner().store(n_refused as u64, Ordering::Relaxed);
            }
            let (n_users, n_leases) = controller.counts();
            self.0.users.set(whole(n_users));
            self.0.leases.set(whole(n_leases));
        }
        let mut encoded = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a `String` fails only where a collector says so.
        if let Err(error) = text::encode(&mut encoded, &registry) {
            tracing::error!(%error, "metrics can't be written");
        }
        encoded
    }
}

fn set<L>(family: &Family<L, Gauge>, label: &L, value: usize)
where
    L: Clone + std::hash::Hash + Eq,
{
    family.get_or_create(label).set(whole(value));
}

fn whole(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Middleware: counts a request. The state names the listener.
pub(crate) async fn count(
    State((metrics, listener)): State<(Metrics, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("unknown", |path| path.as_str()).to_owned();
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => method,
        _ => "other",
    };
    let method = method.to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let labels = RequestLabels { listener, method, path, status };
    metrics.0.requests.get_or_create(&labels).inc();
    response
}
