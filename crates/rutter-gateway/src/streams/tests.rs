//! Streams over real sockets.

mod balanced;
mod sni;
mod tcp;
pub(crate) mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

use rutter_route::{Delivery, ProxyHeader, Service, StreamOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::feed::RouteSpec;
use crate::testing::{PATIENCE, TestGateway, any_port, free, spec};

/// A place that nobody listens at, as a service of the kind.
pub(crate) async fn place(kind: &str) -> (Service, SocketAddr) {
    let address = free().await;
    (format!("{kind}:db@{address}").parse().unwrap(), address)
}

/// A route of TCP.
pub(crate) fn tcp(source: &str, to: SocketAddr) -> RouteSpec {
    spec(source, &format!("tcp://{to}"))
}

fn with(mut route: RouteSpec, stream: StreamOptions) -> RouteSpec {
    route.delivery = Arc::new(Delivery { stream, ..Delivery::default() });
    route
}

fn with_header(route: RouteSpec, version: ProxyHeader) -> RouteSpec {
    with(route, StreamOptions { proxy_header: Some(version), ..StreamOptions::default() })
}

impl TestGateway {
    pub(crate) async fn set_stream(&mut self, service: &Service, routes: Vec<RouteSpec>) {
        self.feed.apply(vec![(service.clone(), Some(routes))]).await;
    }

    async fn unset(&mut self, service: &Service) {
        self.feed.apply(vec![(service.clone(), None)]).await;
    }
}

/// A server that says its name and then whatever it is told, until that ends; then it says bye.
pub(crate) async fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                to.write_all(name.as_bytes()).await?;
                tokio::io::copy(&mut from, &mut to).await?;
                to.write_all(b"bye").await
            });
        }
    });
    address
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// Reads as many bytes as the text has, and compares.
async fn hears(stream: &mut (impl AsyncReadExt + Unpin), text: &str) {
    let mut heard = vec![0; text.len()];
    within(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

/// Everything that still comes.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

async fn connect(to: SocketAddr) -> TcpStream {
    within(TcpStream::connect(to)).await.unwrap()
}
