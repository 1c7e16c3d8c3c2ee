use std::time::Duration;

use rutter_rib::{Book, BookChanges, OutletSpec, Policy, Progress, TableSpec, Tell, ViewId};
use rutter_route::*;
use tokio_util::sync::CancellationToken;

use super::*;

fn services() -> TableName {
    "services".parse().unwrap()
}

fn start() -> (BookHandle, CancellationToken) {
    let spec =
        TableSpec { name: services(), kind: DestinationKind::Service, policy: Policy::default() };
    let now = SystemClock.now();
    let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
    let shutdown = CancellationToken::new();
    let (handle, _task) = spawn(book, SystemClock, 1, shutdown.clone());
    (handle, shutdown)
}

fn session() -> Session {
    Session { source: "agent/a".parse().unwrap(), incarnation: Incarnation(1) }
}

fn service(n: usize) -> Service {
    Service::http(format!("s{n}.localhost").parse().unwrap())
}

async fn advertise(handle: &BookHandle, range: std::ops::Range<usize>, lease: Option<Duration>) {
    handle
        .apply(move |book, now| {
            let table = book.services("services").unwrap();
            let info = SourceInfo { lease, ..Default::default() };
            table.source(now, &session(), SourceState::Up(info)).unwrap();
            for n in range {
                let hop = "http://10.0.0.1:80".parse().unwrap();
                let route = Advertisement::new(service(n), Attributes::via(hop));
                table.advertise(now, &session(), route);
            }
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn who_advertises_and_then_asks_sees_it() {
    let (handle, _shutdown) = start();
    advertise(&handle, 0..10_000, None).await;
    let told = handle.explain(services(), service(9_999)).await.unwrap().unwrap();
    assert_eq!(told.views[0].best.as_ref().unwrap().source.to_string(), "agent/a");
    let page = handle.page(services(), None, 3, |_, _: &Service| true).await.unwrap().unwrap();
    let names: Vec<_> = page.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["s0.localhost", "s1.localhost", "s10.localhost"]);
}

#[tokio::test]
async fn a_slow_sink_ends_equal_to_the_table() {
    let (handle, _shutdown) = start();
    advertise(&handle, 0..5_000, None).await;
    let mut sink =
        handle.subscribe::<Service>(services(), OutletSpec::all("test")).await.unwrap().unwrap();
    // Half of them go while the sink has not taken a single batch.
    handle
        .apply(|book, now| {
            let table = book.services("services").unwrap();
            for n in 0..2_500 {
                table.withdraw(now, &session(), &service(n), &PathId::default());
            }
        })
        .await
        .unwrap();
    let mut held = std::collections::BTreeSet::new();
    let mut ended = false;
    while !(ended && held.len() == 2_500) {
        let batch = sink.next().await.unwrap();
        assert!(batch.tells.len() <= ROOM);
        ended |= batch.end_of_snapshot;
        for tell in batch.tells {
            match tell {
                Tell::Advertise { destination, .. } => held.insert(destination),
                Tell::Withdraw { destination, .. } => held.remove(&destination),
            };
        }
    }
    assert!((2_500..5_000).all(|n| held.contains(&service(n))));
}

#[tokio::test]
async fn leases_end_without_anybody_calling() {
    let (handle, _shutdown) = start();
    advertise(&handle, 0..1, Some(Duration::from_millis(200))).await;
    let mut sink =
        handle.subscribe::<Service>(services(), OutletSpec::all("test")).await.unwrap().unwrap();
    let mut tells = Vec::new();
    while tells.len() < 2 {
        tells.extend(sink.next().await.unwrap().tells);
    }
    assert!(matches!(tells[1], Tell::Withdraw { .. }), "{tells:?}");
}

#[tokio::test]
async fn a_closed_book_says_so() {
    let (handle, shutdown) = start();
    let mut sink =
        handle.subscribe::<Service>(services(), OutletSpec::all("test")).await.unwrap().unwrap();
    shutdown.cancel();
    while sink.next().await.is_some() {}
    assert_eq!(handle.read(|_, _| ()).await, Err(BookClosed));
}

#[tokio::test]
async fn what_changed_is_told_once_however_often_it_did() {
    let (handle, shutdown) = start();
    assert!(handle.touched::<Prefix>(services()).await.unwrap().is_none());
    advertise(&handle, 0..10, None).await;
    let mut touched = handle.touched::<Service>(services()).await.unwrap().unwrap();
    assert!(touched.take().is_empty());
    // Ten more, of which half go again before anybody asks.
    advertise(&handle, 10..20, None).await;
    handle
        .apply(|book, now| {
            let table = book.services("services").unwrap();
            for n in 10..15 {
                table.withdraw(now, &session(), &service(n), &PathId::default());
            }
        })
        .await
        .unwrap();
    let expected: std::collections::BTreeSet<_> = (10..20).map(service).collect();
    assert_eq!(touched.next().await.unwrap(), expected);
    // What was taken at once isn't told again, and what comes at the end is.
    advertise(&handle, 20..21, None).await;
    assert_eq!(touched.take().len(), 1);
    advertise(&handle, 21..22, None).await;
    shutdown.cancel();
    assert_eq!(touched.next().await.unwrap(), [service(21)].into());
    assert_eq!(touched.next().await, None);
}

/// What an [`Echo`] says of what befell it.
#[derive(Debug, PartialEq, Eq)]
enum Befell {
    /// A route that it gave was selected.
    Selected(Service),
    /// Its deadline came.
    Due,
}

/// Advertises what it is given, and says what came of it.
struct Echo {
    given: std::sync::mpsc::Receiver<usize>,
    says: tokio::sync::mpsc::UnboundedSender<Befell>,
    due: Option<Deadline>,
}

impl Attached for Echo {
    fn work(&mut self, book: &mut Book, now: Now) -> Progress {
        if self.due.take_if(|due| due.is_due(now)).is_some() {
            self.says.send(Befell::Due).unwrap();
        }
        let table = book.services("services").unwrap();
        for n in self.given.try_iter() {
            table.source(now, &session(), SourceState::Up(SourceInfo::default())).unwrap();
            let hop = "http://10.0.0.1:80".parse().unwrap();
            table.advertise(now, &session(), Advertisement::new(service(n), Attributes::via(hop)));
        }
        Progress::Done
    }

    fn note(&mut self, book: &Book, changes: &BookChanges, _: Now) {
        let Some(changes) = changes.of::<Service>(&services()) else { return };
        let table = book.table::<Service>(&services()).unwrap();
        for change in &changes.changes {
            assert!(table.selected(&change.destination, ViewId::DEFAULT).best().is_some());
            self.says.send(Befell::Selected(change.destination.clone())).unwrap();
        }
    }

    fn pump(&mut self, _: &Book, _: Now) -> Progress {
        Progress::Done
    }

    fn next_deadline(&self, _: Now) -> Option<Deadline> {
        self.due
    }

    fn sinks(&self, _: &TableName, destination: &AnyDestination) -> Vec<SinkExplanation> {
        let sink = format!("echo of {destination}");
        vec![SinkExplanation { sink, told: None, behind: false, refused: None }]
    }
}

#[tokio::test]
async fn what_is_attached_hears_of_what_it_said_and_is_woken_at_its_deadline() {
    let (handle, _shutdown) = start();
    let (give, given) = std::sync::mpsc::channel();
    let (says, mut said) = tokio::sync::mpsc::unbounded_channel();
    let due = Some(SystemClock.now().deadline(Duration::from_millis(20)));
    handle.attach(Box::new(Echo { given, says, due })).await.unwrap();
    assert_eq!(said.recv().await, Some(Befell::Due));
    give.send(1).unwrap();
    handle.wake();
    assert_eq!(said.recv().await, Some(Befell::Selected(service(1))));
    let told = handle.explain(services(), service(1)).await.unwrap().unwrap();
    assert!(told.sinks.iter().any(|sink| sink.sink.starts_with("echo of ")));
}
