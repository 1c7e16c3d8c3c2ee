//! Two books, a gateway between them, and ways to ask all three.

use std::net::SocketAddr;

use rutter_book::{BookHandle, Clock, SystemClock, spawn};
use rutter_rib::{Book, Policy, TableSpec, ViewId};
use rutter_route::{
    Advertisement, Attributes, DestinationKind, HealthCheck, Incarnation, Priority, RouteKey,
    Service, Session, SourceInfo, SourceState, Standing, TableName,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::HealthConfig;
use crate::gateway::{Gateway, GatewayHandle};
use crate::table::{ControllerAt, Sources, TableRef};
use crate::testing::{Message, PATIENCE, RawClient, get};

pub(super) struct Bench {
    pub(super) sources: Sources,
    pub(super) controller: TableRef,
    shutdown: CancellationToken,
}

/// A gateway that runs.
pub(super) struct Running {
    pub(super) handle: GatewayHandle,
}

fn book(table: &str, shutdown: &CancellationToken) -> TableRef {
    let table: TableName = table.parse().unwrap();
    let kind = DestinationKind::Service;
    let spec = TableSpec { name: table.clone(), kind, policy: Policy::default() };
    let now = SystemClock.now();
    let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
    let (book, _task) = spawn(book, SystemClock, 1, shutdown.clone());
    TableRef { book, table }
}

fn session(source: &str) -> Session {
    Session { source: source.parse().unwrap(), incarnation: Incarnation(1) }
}

impl Bench {
    pub(super) async fn tables() -> Self {
        let shutdown = CancellationToken::new();
        let controller = book("services", &shutdown);
        let own = book("gateway/services", &shutdown);
        let sources = Sources { controller: ControllerAt::Here(controller.clone()), own };
        Self { sources, controller, shutdown }
    }

    pub(super) async fn start(&self, health: HealthConfig) -> Running {
        let mut config = crate::testing::config();
        config.health = health;
        let handle = Gateway::start(config, self.sources.clone()).await.unwrap();
        Running { handle }
    }

    fn controller(&self) -> &BookHandle {
        &self.controller.book
    }

    pub(super) async fn advertise(
        &self,
        source: &str,
        service: &str,
        to: SocketAddr,
        priority: i32,
        check: Option<&str>,
    ) {
        let session = session(source);
        let mut attributes = Attributes::via(format!("http://{to}").parse().unwrap());
        attributes.priority = Priority::whole(priority);
        attributes.health_check =
            check.map(|path| HealthCheck { path: path.to_owned(), host: None });
        let mut route = Advertisement::new(service.parse::<Service>().unwrap(), attributes);
        route.path = format!("http {to}").parse().unwrap();
        let told = self.controller().apply(move |book, now| {
            let table = book.services("services").unwrap();
            let up = SourceState::Up(SourceInfo::default());
            table.source(now, &session, up).unwrap();
            table.advertise(now, &session, route)
        });
        told.await.unwrap();
    }

    pub(super) async fn offline(&self, source: &str) {
        let session = session(source);
        let told = self.controller().apply(move |book, now| {
            let table = book.services("services").unwrap();
            table.source(now, &session, SourceState::Offline { why: "gone quiet".into() }).unwrap();
        });
        told.await.unwrap();
    }

    /// The best route to `alice.nsl.sh` in a table.
    pub(super) async fn best(&self, of: &TableRef) -> (RouteKey, Standing) {
        let name = of.table.clone();
        let read = of.book.read(move |book, _| {
            let alice: Service = "alice.nsl.sh".parse().unwrap();
            let selected = book.table::<Service>(&name).unwrap().selected(&alice, ViewId::DEFAULT);
            let best = selected.best().unwrap();
            (best.key(), best.standing)
        });
        read.await.unwrap()
    }

    /// What a table explains of `alice.nsl.sh`, as soon as that text is in it.
    pub(super) async fn explained_until(&self, of: &TableRef, text: &str) -> String {
        let wait = async {
            loop {
                let alice: Service = "alice.nsl.sh".parse().unwrap();
                let told = of.book.explain(of.table.clone(), alice).await.unwrap();
                let told = format!("{told:?}");
                if told.contains(text) {
                    return told;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {text}"))
    }

    /// Ends both books.
    pub(super) async fn close(&self) {
        self.shutdown.cancel();
        let closed = async { while self.controller().read(|_, _| ()).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, closed).await.unwrap();
    }
}

impl Running {
    pub(super) async fn client(&self) -> RawClient<TcpStream> {
        RawClient::new(TcpStream::connect(self.handle.addresses()[0]).await.unwrap())
    }

    pub(super) async fn ask(&self, request: &str) -> Message {
        self.client().await.ask(request).await
    }

    /// Waits until a `GET` at `alice.nsl.sh` is answered with that text.
    pub(super) async fn answers(&self, text: &str) {
        let wait = async { while !self.ask(&get("/")).await.text().contains(text) {} };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {text}"));
    }
}
