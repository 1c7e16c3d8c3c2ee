//! What the tests run against: a gateway over real sockets, origins that count, and a client that
//! sends any bytes.

mod authority;
mod h2_origin;
mod message;
mod origin;

use std::net::SocketAddr;
use std::time::Duration;

use rutter_route::{HealthCheck, RouteKey, ServiceName, SourceId, Standing};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::{GatewayConfig, ListenerConfig};
use crate::feed::{Feed, RouteSpec};
use crate::health::HealthConfig;
use crate::metrics::GatewayMetrics;
use crate::server::{Server, TableEnd};

pub(crate) use authority::{Authority, Identity};
pub(crate) use h2_origin::{H2Origin, read as read_h2, say as say_h2};
pub(crate) use message::{Message, read_message};
pub(crate) use origin::{Act, Origin};

/// How long anything that should happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway of one worker on a free port.
pub(crate) struct TestGateway {
    pub(crate) server: Server,
    pub(crate) feed: Feed,
    pub(crate) verdicts: std::sync::Arc<crate::health::verdicts::VerdictBoard>,
}

/// A configuration for tests: one worker, one plain listener, the domain `nsl.sh`. A route in use isn't
/// probed: that comes at a random moment, and origins count their connections.
pub(crate) fn config() -> GatewayConfig {
    let health = HealthConfig { check_interval: Duration::ZERO, ..HealthConfig::default() };
    GatewayConfig {
        health,
        listeners: vec![ListenerConfig::plain(any_port())],
        domains: vec![name("nsl.sh")],
        workers: 1,
        ..GatewayConfig::default()
    }
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

/// A route of `agent/ID` or the like to an address, by plain HTTP.
pub(crate) fn route(source: &str, to: SocketAddr) -> RouteSpec {
    spec(source, &format!("http://{to}"))
}

/// A route to an endpoint.
pub(crate) fn spec(source: &str, endpoint: &str) -> RouteSpec {
    let source: SourceId = source.parse().unwrap();
    RouteSpec {
        label: source.kind().as_str().into(),
        key: RouteKey { source, path: endpoint.parse().unwrap() },
        hop: crate::routes::Hop::Endpoint(endpoint.parse().unwrap()),
        delivery: std::sync::Arc::default(),
        group: None,
        weight: 1,
        equal: true,
        health_check: None,
        standing: Standing::Eligible,
    }
}

/// A route to an endpoint with options of its own.
pub(crate) fn spec_with(
    source: &str,
    endpoint: &str,
    upstream: rutter_route::UpstreamOptions,
) -> RouteSpec {
    let delivery = rutter_route::Delivery { upstream, ..Default::default() };
    RouteSpec { delivery: delivery.into(), ..spec(source, endpoint) }
}

/// The same route with a health check.
pub(crate) fn checked(mut route: RouteSpec, path: &str) -> RouteSpec {
    route.health_check = Some(HealthCheck { path: path.to_owned(), host: None });
    route
}

/// An address at which nobody listens, nor will: it is this process's to its end. One that was given
/// back may be another test's a moment later, who then gets requests that aren't its own.
pub(crate) async fn refused() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(any_port()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

/// An address that may be listened at: one that was just given back.
pub(crate) async fn free() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    listener.local_addr().unwrap()
}

impl TestGateway {
    pub(crate) async fn start(config: GatewayConfig) -> Self {
        let (mut server, end) = Server::bind(&config, Vec::new()).await.unwrap();
        let TableEnd { feed, verdicts, told, .. } = end;
        // Its routes are set by hand, and there is nobody to wait for.
        told.store(true, std::sync::atomic::Ordering::Relaxed);
        server.open();
        Self { server, feed, verdicts }
    }

    /// A gateway that knows `alice.nsl.sh` by these routes.
    pub(crate) async fn alice(routes: Vec<RouteSpec>) -> Self {
        let mut gateway = Self::start(config()).await;
        gateway.set("alice.nsl.sh", routes).await;
        gateway
    }

    pub(crate) async fn set(&mut self, service: &str, routes: Vec<RouteSpec>) {
        self.feed.apply(vec![(service.parse().unwrap(), Some(routes))]).await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    pub(crate) fn metrics(&self) -> std::sync::Arc<GatewayMetrics> {
        self.server.metrics()
    }

    pub(crate) async fn client(&self) -> RawClient<TcpStream> {
        RawClient::new(TcpStream::connect(self.address()).await.unwrap())
    }

    /// One request over a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Message {
        self.client().await.ask(request).await
    }
}

/// A client that sends bytes as they are given.
pub(crate) struct RawClient<S> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawClient<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The same, where the connection may be closed already.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// The next answer; `None`: the connection ended before one began.
    pub(crate) async fn answer(&mut self) -> Option<Message> {
        let read = read_message(&mut self.stream, &mut self.buffer, true);
        tokio::time::timeout(PATIENCE, read).await.expect("an answer in time")
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Message {
        self.send(request).await;
        self.answer().await.expect("an answer")
    }
}

/// Waits until the condition holds, which some other task brings about.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// A `GET` of a path at `alice.nsl.sh`.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n")
}

/// A request with a body.
pub(crate) fn with_body(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Answers `slow` when the gate opens.
pub(crate) async fn slow_origin(mut gate: tokio::sync::watch::Receiver<bool>) -> SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        gate.wait_for(|open| *open).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").await.unwrap();
    });
    address
}
