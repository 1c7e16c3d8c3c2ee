//! A book with one table of prefixes, and a sink's task on it.

use std::time::{Duration, Instant};

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_kernel::{AtEnd, ByAddress, Map, ObjectIds, SinkSpec, Status, Task, TaskSpec, start};
use rutter_rib::{Book, Depth, OutletSpec, Policy, TableSpec};
use rutter_route::*;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up. Nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn overlay() -> TableName {
    "overlay/100".parse().unwrap()
}

pub(crate) fn spec(objects: bool) -> TaskSpec {
    let ids = ObjectIds { first: 70_000, count: 1000 };
    TaskSpec {
        sink: SinkSpec::new(100, objects.then_some(ids)),
        table: overlay(),
        outlet: OutletSpec { depth: Depth::Equals, ..OutletSpec::all("kernel") },
        whole: None,
        at_end: AtEnd::Adopt,
        // Tests that events suffice; the audit's own test has another.
        audit: Duration::from_secs(3600),
    }
}

/// See the module's head.
pub(crate) struct Scene {
    pub(crate) book: BookHandle,
    pub(crate) task: Task,
    stop: CancellationToken,
    /// What ends the book.
    _shutdown: tokio_util::sync::DropGuard,
}

impl Scene {
    pub(crate) async fn start(spec: TaskSpec, advertised: &[(Prefix, Attributes)]) -> Self {
        Self::start_by(spec, advertised, ByAddress).await
    }

    /// By another map than that of addresses.
    pub(crate) async fn start_by(
        spec: TaskSpec,
        advertised: &[(Prefix, Attributes)],
        map: impl Map,
    ) -> Self {
        let kind = DestinationKind::Prefix;
        let table = TableSpec { name: overlay(), kind, policy: Policy::default() };
        let now = SystemClock.now();
        let book = Book::new("home".parse().unwrap(), vec![table], vec![], vec![], now, 1);
        let shutdown = CancellationToken::new();
        let (book, _) = rutter_book::spawn(book.unwrap(), SystemClock, 1, shutdown.clone());
        let stop = CancellationToken::new();
        advertise(&book, "a", advertised.to_vec()).await;
        let task = start(spec, &book, map, stop.clone()).await.unwrap();
        Self { book, task, stop, _shutdown: shutdown.drop_guard() }
    }

    /// Peer `a` says so.
    pub(crate) async fn advertise(&self, routes: &[(Prefix, Attributes)]) {
        self.advertise_of("a", routes).await;
    }

    pub(crate) async fn advertise_of(&self, peer: &'static str, routes: &[(Prefix, Attributes)]) {
        advertise(&self.book, peer, routes.to_vec()).await;
    }

    pub(crate) async fn withdraw(&self, prefixes: &[Prefix]) {
        let prefixes = prefixes.to_vec();
        let withdrawn = self.book.apply(move |book, now| {
            let table = book.prefixes(overlay().as_str()).unwrap();
            for prefix in prefixes {
                table.withdraw(now, &session("a"), &prefix, &PathId::default());
            }
        });
        withdrawn.await.unwrap();
    }

    /// Waits until the status is as wanted; says how long it took.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Duration {
        let began = Instant::now();
        let mut status = self.task.status.clone();
        let waited = tokio::time::timeout(PATIENCE, status.wait_for(|status| wanted(status)));
        match waited.await {
            Ok(status) => drop(status.unwrap()),
            Err(_) => panic!("{what} didn't come: {:?}", self.status()),
        }
        began.elapsed()
    }

    pub(crate) fn status(&self) -> Status {
        self.task.status.borrow().clone()
    }

    /// Why the kernel has refused a prefix, as `explain` shows it.
    pub(crate) async fn refusal(&self, prefix: Prefix) -> Option<String> {
        let told = self.book.explain(overlay(), prefix).await.unwrap().unwrap();
        told.sinks.into_iter().find_map(|sink| sink.refused)
    }

    /// Why a next hop can't be used, as `explain` of a prefix shows it.
    pub(crate) async fn unresolved(&self, prefix: Prefix) -> Vec<String> {
        let told = self.book.explain(overlay(), prefix).await.unwrap().unwrap();
        let all = told.candidates.into_iter().map(|candidate| format!("{:?}", candidate.standing));
        all.filter(|standing| standing.starts_with("Unresolved")).collect()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.ended.await.unwrap().unwrap();
    }
}

fn session(peer: &str) -> Session {
    Session { source: format!("peer/{peer}").parse().unwrap(), incarnation: Incarnation(1) }
}

async fn advertise(book: &BookHandle, peer: &'static str, routes: Vec<(Prefix, Attributes)>) {
    let advertised = book.apply(move |book, now| {
        let table = book.prefixes(overlay().as_str()).unwrap();
        let session = session(peer);
        table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
        for (prefix, attributes) in routes {
            table.advertise(now, &session, Advertisement::new(prefix, attributes));
        }
    });
    advertised.await.unwrap();
}
