//! A gateway with its books, started as a program starts it, and services that lead to origins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock, spawn};
use rutter_gateway::{
    ControllerAt, Gateway, GatewayConfig, GatewayHandle, GatewayMetrics, ListenerConfig, Sources,
    TableRef,
};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{
    Advertisement, Attributes, DestinationKind, Incarnation, Service, Session, SourceInfo,
    SourceState, TableName,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long anything that should happen may take: a guard against hanging, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Two books whose gateway isn't started yet.
pub(crate) struct Scene {
    sources: Sources,
    controller: TableRef,
    shutdown: CancellationToken,
}

/// A gateway that runs.
pub(crate) struct Running {
    pub(crate) handle: GatewayHandle,
    pub(crate) address: SocketAddr,
    _books: tokio_util::sync::DropGuard,
}

/// A configuration of one worker with one plain listener, whose times are short.
pub(crate) fn config() -> GatewayConfig {
    let mut config = GatewayConfig {
        listeners: vec![ListenerConfig::plain(([127, 0, 0, 1], 0).into())],
        domains: vec!["nsl.sh".parse().unwrap()],
        workers: 1,
        ..GatewayConfig::default()
    };
    config.limits.header_timeout = Duration::from_secs(2);
    config.limits.body_timeout = Duration::from_secs(2);
    config
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

impl Scene {
    pub(crate) fn new() -> Self {
        let shutdown = CancellationToken::new();
        let controller = book("services", &shutdown);
        let own = book("gateway/services", &shutdown);
        let sources = Sources { controller: ControllerAt::Here(controller.clone()), own };
        Self { sources, controller, shutdown }
    }

    /// Says that these names are served at these addresses.
    pub(crate) async fn advertise(&self, services: Vec<(String, SocketAddr)>) {
        let book: &BookHandle = &self.controller.book;
        let told = book.apply(move |book, now| {
            let table = book.services("services").unwrap();
            let session =
                Session { source: "agent/alice".parse().unwrap(), incarnation: Incarnation(1) };
            table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
            for (name, to) in services {
                let attributes = Attributes::via(format!("http://{to}").parse().unwrap());
                let mut route = Advertisement::new(name.parse::<Service>().unwrap(), attributes);
                route.path = format!("http {to}").parse().unwrap();
                table.advertise(now, &session, route);
            }
        });
        told.await.unwrap();
    }

    pub(crate) async fn start(self, config: GatewayConfig) -> Running {
        let handle = Gateway::start(config, self.sources).await.unwrap();
        let address = handle.addresses()[0];
        Running { handle, address, _books: self.shutdown.drop_guard() }
    }
}

impl Running {
    pub(crate) fn metrics(&self) -> Arc<GatewayMetrics> {
        self.handle.metrics()
    }

    /// Ends the gateway and with it every connection that it had.
    pub(crate) async fn end(self) {
        tokio::time::timeout(PATIENCE, self.handle.shutdown()).await.expect("the gateway's end");
    }
}

/// Sends bytes over a connection of their own and returns all that comes back until its end.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let all = async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut back = Vec::new();
        let read = async {
            let mut buffer = [0; 16 * 1024];
            // A reset behind the last byte is an end like another.
            while let Ok(n @ 1..) = reader.read(&mut buffer).await {
                back.extend_from_slice(&buffer[..n]);
            }
        };
        // The gateway may close before it has taken all.
        let write = async { if writer.write_all(bytes).await.is_err() {} };
        tokio::join!(read, write);
        back
    };
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("never ended: {shown:?}"))
}
