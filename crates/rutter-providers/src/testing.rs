//! What this crate's tests share: a book with a table, and routes as files and containers say them.

use rutter_book::Clock;
use rutter_book::{BookHandle, SystemClock, spawn};
use rutter_rib::{Book, Counts, Policy, TableSpec};
use rutter_route::{
    CandidateExplanation, DestinationKind, Explanation, Service, Standing, TableName,
};
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Catalogue, ProviderInfo, Said, Watching};
use crate::godoxy::{Container, Engine, Port, Protocol, Settings, read_container, read_file};
use crate::{ContainerId, ProviderId, ProviderKind, Reading};

/// A catalogue over a book of its own, which ends when this is dropped.
pub(crate) struct House {
    pub(crate) book: BookHandle,
    pub(crate) catalogue: Catalogue,
    stop: CancellationToken,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn services() -> TableName {
    "services".parse().unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Policy::default(), None).await
    }

    pub(crate) async fn with(policy: Policy, watching: Option<Watching>) -> Self {
        let stop = CancellationToken::new();
        let spec = TableSpec { name: services(), kind: DestinationKind::Service, policy };
        let now = SystemClock.now();
        let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
        let (book, _task) = spawn(book, SystemClock, 1, stop.clone());
        let catalogue =
            Catalogue::start(book.clone(), services(), watching, stop.clone()).await.unwrap();
        Self { book, catalogue, stop }
    }

    /// Ends the catalogue and the book.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Begins a provider.
    pub(crate) async fn begin(&self, id: &ProviderId, order: u32) {
        self.catalogue.begin(ProviderInfo { id: id.clone(), order }).await.unwrap();
    }

    pub(crate) async fn explain(&self, service: &str) -> Explanation<Service> {
        let service = service.parse().unwrap();
        self.book.explain(services(), service).await.unwrap().unwrap()
    }

    /// Why the first route of that standing has it.
    pub(crate) async fn why(&self, service: &str, standing: Standing) -> String {
        let candidates = self.explain(service).await.candidates;
        let of = candidates.into_iter().find(|c| c.standing == standing).unwrap();
        of.facts.into_iter().next().unwrap().reason
    }

    /// Where one route at a destination leads.
    pub(crate) async fn hop(&self, service: &str, route: &str) -> String {
        let candidates = self.explain(service).await.candidates;
        let of = candidates.into_iter().find(|c| c.route.to_string() == route).unwrap();
        of.attributes.next_hop.to_string()
    }

    /// What a provider has, as the registry shows it.
    pub(crate) fn said(&self, of: &ProviderId) -> Said {
        let providers = self.catalogue.registry().providers();
        providers.iter().find(|status| *status.id == *of).unwrap().said
    }

    pub(crate) async fn counts(&self) -> Counts {
        let counts = |book: &Book, _| book.table::<Service>(&services()).unwrap().counts();
        self.book.read(counts).await.unwrap()
    }

    /// Who is at a destination: each route's source and path with its standing.
    pub(crate) async fn at(&self, service: &str) -> Vec<(String, Standing)> {
        let of = |c: CandidateExplanation| (c.route.to_string(), c.standing);
        let mut at: Vec<_> = self.explain(service).await.candidates.into_iter().map(of).collect();
        at.sort();
        at
    }
}

pub(crate) fn file_id(name: &str) -> ProviderId {
    ProviderId::new(ProviderKind::File, name).unwrap()
}

pub(crate) fn docker_id(name: &str) -> ProviderId {
    ProviderId::new(ProviderKind::Docker, name).unwrap()
}

pub(crate) fn file(text: &str) -> Reading {
    read_file("routes.yml", text, &|_| None, &Settings::default()).unwrap()
}

/// A container's routes; its id begins with its name.
pub(crate) fn container(name: &str, address: &str, labels: &[(&str, &str)]) -> Reading {
    let container = Container {
        id: ContainerId::new(format!("{name:0<8}-0123456789")),
        name: name.to_owned(),
        image: "app".to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ports: vec![Port { private: 80, public: None, protocol: Protocol::Tcp }],
        networks: [("bridge".to_owned(), address.parse().unwrap())].into(),
        is_on_host_network: false,
        mounts: Vec::new(),
    };
    read_container(&container, &Engine::named("local", None), &Settings::default())
}

/// All routes of several containers.
pub(crate) fn containers(readings: impl IntoIterator<Item = Reading>) -> Reading {
    let mut all = Reading::default();
    for reading in readings {
        all.routes.extend(reading.routes);
        all.excluded.extend(reading.excluded);
        all.refused.extend(reading.refused);
    }
    all
}
