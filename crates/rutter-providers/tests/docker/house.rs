//! A catalogue over a real book, and a provider of containers that tells it.

use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock, spawn};
use rutter_providers::catalogue::{Catalogue, ProviderInfo, Watching};
use rutter_providers::docker::{DockerProvider, Endpoint};
use rutter_providers::godoxy::Settings;
use rutter_providers::monitor::{HealthStatus, MonitorSettings, Monitors};
use rutter_providers::registry::{Happened, ProviderState, What};
use rutter_providers::{ProviderId, ProviderKind, Target};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{DestinationKind, Service, TableName};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) stop: CancellationToken,
    pub(crate) catalogue: Catalogue,
    book: BookHandle,
    monitors: Monitors,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn services() -> TableName {
    "services".parse().unwrap()
}

fn id() -> ProviderId {
    ProviderId::new(ProviderKind::Docker, "local").unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        let stop = CancellationToken::new();
        let kind = DestinationKind::Service;
        let spec = TableSpec { name: services(), kind, policy: Policy::default() };
        let now = SystemClock.now();
        let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
        let (book, _task) = spawn(book, SystemClock, 1, stop.clone());
        let settings = MonitorSettings { at_once: 16, ..MonitorSettings::default() };
        let (monitors, turned) = Monitors::start(settings, stop.clone());
        let watching = Some(Watching { monitors: monitors.clone(), turned });
        let started = Catalogue::start(book.clone(), services(), watching, stop.clone());
        let catalogue = started.await.unwrap();
        Self { folder: TempDir::new().unwrap(), stop, catalogue, book, monitors }
    }

    /// Follows an engine.
    pub(crate) async fn follow(&self, endpoint: Endpoint) {
        self.catalogue.begin(ProviderInfo { id: id(), order: 0 }).await.unwrap();
        let settings = Settings::default();
        let provider = DockerProvider { id: id(), endpoint, is_explicit_only: false, settings };
        let (catalogue, monitors) = (self.catalogue.clone(), self.monitors.clone());
        tokio::spawn(provider.run(catalogue, monitors, self.stop.clone()));
    }

    /// Waits until something holds, by what the registry says happened; ten seconds at most.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let (_, mut events) = self.catalogue.registry().follow_events();
        let waiting = async {
            while !holds(self) {
                // Not everything that is waited for is an event: a provider's state isn't.
                let _ = tokio::time::timeout(Duration::from_millis(20), events.recv()).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), waiting).await.is_err() {
            panic!("{:?} {:?}", self.state(), self.all());
        }
    }

    /// All entries, a line each, in order.
    pub(crate) fn all(&self) -> Vec<String> {
        let all = self.catalogue.registry().iter_all();
        let line = |entry: std::sync::Arc<rutter_providers::registry::Entry>| {
            let name = &entry.key.name;
            match &entry.what {
                What::Route(route) => match &route.target {
                    Target::Http { host, port, .. } => format!("{name} http://{host}:{port}"),
                    other => format!("{name} {other:?}"),
                },
                What::Excluded(excluded) => format!("{name} excluded: {}", excluded.reason),
                What::Refused(_) => format!("{name} refused"),
                What::Link(_) => format!("{name} link"),
            }
        };
        let mut all: Vec<String> = all.map(line).collect();
        all.sort();
        all
    }

    pub(crate) fn status(&self, alias: &str) -> Option<HealthStatus> {
        self.health(alias).map(|(status, _)| status)
    }

    pub(crate) fn health(&self, alias: &str) -> Option<(HealthStatus, String)> {
        let seen = self.catalogue.registry().get(alias)?.seen();
        Some((seen.status, seen.detail.clone()))
    }

    pub(crate) fn state(&self) -> ProviderState {
        let providers = self.catalogue.registry().providers();
        providers.iter().find(|one| *one.id == id()).unwrap().state.clone()
    }

    /// The standing of a service's first route.
    pub(crate) async fn standing(&self, service: &str) -> String {
        let service: Service = service.parse().unwrap();
        let explained = self.book.explain(services(), service).await;
        let explained = explained.unwrap().unwrap();
        let standing = &explained.candidates.first().unwrap().standing;
        format!("{standing:?}").split([' ', '{', '(']).next().unwrap().to_lowercase()
    }

    /// What was noted of containers, GoDoxy's words.
    pub(crate) fn noted(&self) -> Vec<String> {
        let events = self.catalogue.registry().recent_events();
        let noted = events.iter().filter_map(|event| match &event.what {
            Happened::Provider { action, .. } => Some(action.to_string()),
            _ => None,
        });
        noted.collect()
    }
}
