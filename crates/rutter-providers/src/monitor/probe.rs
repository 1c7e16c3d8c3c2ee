//! One probe: what a route's endpoint answers now.
//!
//! Each makes a connection of its own, as one that is kept would prove only that the endpoint was
//! well when it was opened.
//!
//! | target | well | not well | could not be asked | says nothing |
//! | --- | --- | --- | --- | --- |
//! | HTTP | any status but 5xx | 5xx, no connection, no answer | the path or a certificate of ours is wrong | |
//! | folder | it is there | it isn't | it can't be looked at | |
//! | TCP | connected | refused, reset | any other error, no answer | |
//! | UDP | an answer | refused (by ICMP) | the name isn't found | silence |
//!
//! What is wrong here and not there, such as having no free descriptor, says nothing of any of
//! them. An endpoint's own certificate is never wrong: the original takes a bad one for well, and
//! whoever forwards requests looks at it again.

mod http;
mod names;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_route::HostName;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use crate::{Route, Target};

use super::state::{Answer, Found};
use names::Names;
use tls::TlsConfigs;

/// How long silence of UDP is listened to: who answers by rule does it at once, and who never does
/// shouldn't keep others waiting.
const UDP_PATIENCE: Duration = Duration::from_secs(1);

/// What probes share.
#[derive(Debug, Default)]
pub(super) struct Prober {
    names: Names,
    tls: Arc<TlsConfigs>,
}

/// What was seen, in words.
type Said = (Found, String);

impl Prober {
    /// Asks a route's endpoint, within the timeout of its settings.
    pub(super) async fn probe(&self, route: &Route) -> Answer {
        let begun = Instant::now();
        let limit = route.health.timeout;
        let asked = async {
            match &route.target {
                Target::Http { scheme, host, port, upstream } => {
                    let asked = http::Asked { scheme: *scheme, host, port: *port, upstream };
                    self.ask_http(asked, &route.health).await
                }
                Target::Files { root, .. } => folder(root).await,
                Target::Tcp { host, port, .. } => self.ask_tcp(host, *port).await,
                Target::Udp { host, port } => self.ask_udp(host, *port, limit).await,
            }
        };
        let (found, detail) = timeout(limit, asked).await.unwrap_or_else(|_| {
            let found = match &route.target {
                Target::Http { .. } => Found::Ill,
                Target::Files { .. } | Target::Tcp { .. } | Target::Udp { .. } => Found::Failed,
            };
            (found, format!("no answer within {} ms", limit.as_millis()))
        });
        Answer { found, detail, latency: begun.elapsed() }
    }

    async fn ask_tcp(&self, host: &HostName, port: u16) -> Said {
        match self.connect(host, port).await {
            Ok(_) => (Found::Well, "connected".to_owned()),
            Err(error) => stream_error(&error),
        }
    }

    /// An empty datagram is asked: there is nothing in it that a service could take for something
    /// else, and an address where nobody listens refuses it like any other.
    async fn ask_udp(&self, host: &HostName, port: u16, limit: Duration) -> Said {
        let asked = async {
            let to = self.addresses(host, port).await?.into_iter().next();
            let to = to.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            let from: SocketAddr = match to {
                SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
                SocketAddr::V6(_) => ([0u16; 8], 0).into(),
            };
            let socket = UdpSocket::bind(from).await?;
            socket.connect(to).await?;
            socket.send(&[]).await?;
            let mut one = [0; 1];
            // That it is too long for one byte doesn't matter.
            Ok::<_, io::Error>(timeout(limit.min(UDP_PATIENCE), socket.recv(&mut one)).await)
        };
        match asked.await {
            Ok(Ok(Ok(_))) => (Found::Well, "answered".to_owned()),
            Ok(Ok(Err(error))) | Err(error) => stream_error(&error),
            Ok(Err(_)) => (Found::Silence, "no answer, which says nothing of UDP".to_owned()),
        }
    }

    /// Connects to the first of the host's addresses that takes it.
    async fn connect(&self, host: &HostName, port: u16) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
        for address in self.addresses(host, port).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn addresses(&self, host: &HostName, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses = match host {
            HostName::Address(address) => return Ok(vec![(*address, port).into()]),
            HostName::Name(name) => self.names.find(name).await?,
        };
        Ok(addresses.iter().map(|address| (*address, port).into()).collect())
    }
}

async fn folder(root: &str) -> Said {
    match tokio::fs::metadata(root).await {
        Ok(is) if is.is_dir() => (Found::Well, "the folder is there".to_owned()),
        Ok(_) => (Found::Ill, format!("{root} is no folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Found::Ill, format!("{root} isn't there"))
        }
        Err(error) if is_our_own(&error) => (Found::Silence, error.to_string()),
        Err(error) => (Found::Failed, format!("{root}: {error}")),
    }
}

fn stream_error(error: &io::Error) -> Said {
    let found = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Found::Ill,
        _ if is_our_own(error) => Found::Silence,
        _ => Found::Failed,
    };
    (found, error.to_string())
}

/// Whether an error is of this host and not of whom it asked: no descriptor, port or room is left.
fn is_our_own(error: &io::Error) -> bool {
    let ours = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS];
    let is_ours = |errno: i32| ours.iter().any(|our| our.raw_os_error() == errno);
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error().is_some_and(is_ours)
}
