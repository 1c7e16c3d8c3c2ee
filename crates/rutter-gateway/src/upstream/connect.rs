//! From an endpoint to a byte stream.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rutter_route::{Endpoint, HostName, Prefix, Scheme, ServiceName};
use smol_str::SmolStr;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::Connection;
use super::resolver::Resolver;
use super::stream::Stream;
use super::tls::{Roots, TlsClients};
use crate::error::GatewayError;
use crate::health::Failure;

/// A stream to an upstream.
pub(super) type Upstream = Stream<TlsStream<TcpStream>>;

/// Where to connect to, and as whom it must prove itself: also what a pool tells connections apart
/// by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    host: HostName,
    port: u16,
    tls: Option<TlsName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TlsName {
    /// The name to ask for in SNI, and to verify against public roots.
    asked: SmolStr,
    /// The name to verify against the controller's CA.
    service: ServiceName,
}

impl Target {
    /// An endpoint of `service`, for a request that asked for `host` (normalised).
    pub(crate) fn new(endpoint: &Endpoint, host: &str, service: &ServiceName) -> Self {
        let tls = (endpoint.scheme == Scheme::Https).then(|| TlsName {
            asked: endpoint.tls_name.as_ref().map_or(host, ServiceName::as_str).into(),
            service: service.clone(),
        });
        Self { host: endpoint.host.clone(), port: endpoint.port, tls }
    }
}

/// Why no connection came about. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name leads nowhere.
    #[error("the name `{name}` can't be looked up: {source}")]
    LookUp {
        /// Which name.
        name: ServiceName,
        /// What the resolver said.
        source: io::Error,
    },
    /// Policy says that no upstream is there.
    #[error("the address {0} may not be an upstream")]
    Forbidden(IpAddr),
    /// TCP failed.
    #[error("{to}: {source}")]
    Tcp {
        /// Where to.
        to: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A socket of UDP can't be had.
    #[error("{to}, by UDP: {source}")]
    Udp {
        /// Where to.
        to: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// TLS failed: the handshake, or the certificate.
    #[error("TLS with {name}: {source}")]
    Tls {
        /// The name asked for.
        name: SmolStr,
        /// What TLS said.
        source: io::Error,
    },
    /// The name to ask for is none.
    #[error("`{0}` can't be a TLS server name")]
    TlsName(SmolStr),
    /// The HTTP state could not be made.
    #[error("no HTTP connection: {0}")]
    Http(hyper::Error),
    /// It took too long.
    #[error("no connection within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

impl ConnectError {
    /// How it counts against the route.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Tls { .. } | Self::TlsName(_) | Self::Http(_) => Failure::Exchange,
            _ => Failure::Connect,
        }
    }
}

/// Opens connections to upstreams. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tls: TlsClients,
    resolver: Resolver,
    forbidden: Vec<Prefix>,
    timeout: Duration,
}

impl Connector {
    pub(crate) fn new(
        roots: &Roots,
        controller_ca: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
        forbidden: Vec<Prefix>,
        timeout: Duration,
    ) -> Result<Self, GatewayError> {
        let tls = TlsClients::new(roots, controller_ca, provider)?;
        let resolver = Resolver::default();
        Ok(Self { shared: Arc::new(Shared { tls, resolver, forbidden, timeout }) })
    }

    /// Trusts these as the controller's CA from now on, for services' own names.
    ///
    /// # Errors
    /// A certificate is none; nothing has changed then.
    pub(crate) fn set_controller_ca(
        &self,
        controller_ca: &[CertificateDer<'static>],
    ) -> Result<(), GatewayError> {
        self.shared.tls.set_controller_ca(controller_ca)
    }

    /// A new HTTP connection.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Connection, ConnectError> {
        let limit = self.shared.timeout;
        let deadline = Instant::now() + limit;
        let tcp = self.tcp(target, deadline).await?;
        let stream = match &target.tls {
            None => Stream::Plain(tcp),
            Some(tls) => timeout_at(deadline, self.tls(tcp, tls))
                .await
                .map_err(|_| ConnectError::TimedOut(limit))??,
        };
        Connection::open(stream).await.map_err(ConnectError::Http)
    }

    /// A TCP connection and nothing else: what a connect probe makes.
    pub(crate) async fn connect_tcp(&self, target: &Target) -> Result<TcpStream, ConnectError> {
        self.tcp(target, Instant::now() + self.shared.timeout).await
    }

    /// A socket of UDP towards the target: nothing is sent, so nobody is known to be there.
    pub(crate) async fn connect_udp(&self, target: &Target) -> Result<UdpSocket, ConnectError> {
        let deadline = Instant::now() + self.shared.timeout;
        let mut last = ConnectError::TimedOut(self.shared.timeout);
        for ip in self.addresses(target, deadline).await?.into_iter().map(|ip| ip.to_canonical()) {
            if !may_be_upstream(&target.host, ip, &self.shared.forbidden) {
                last = ConnectError::Forbidden(ip);
                continue;
            }
            let to = SocketAddr::new(ip, target.port);
            match udp(to).await {
                Ok(socket) => return Ok(socket),
                Err(source) => last = ConnectError::Udp { to, source },
            }
        }
        Err(last)
    }

    /// Tries the addresses in turn; the last one's error is told.
    async fn tcp(&self, target: &Target, deadline: Instant) -> Result<TcpStream, ConnectError> {
        let mut last = ConnectError::TimedOut(self.shared.timeout);
        for ip in self.addresses(target, deadline).await?.into_iter().map(|ip| ip.to_canonical()) {
            if !may_be_upstream(&target.host, ip, &self.shared.forbidden) {
                last = ConnectError::Forbidden(ip);
                continue;
            }
            let to = SocketAddr::new(ip, target.port);
            match timeout_at(deadline, TcpStream::connect(to)).await {
                Ok(Ok(stream)) => {
                    crate::socket::prepare(&stream)
                        .map_err(|source| ConnectError::Tcp { to, source })?;
                    return Ok(stream);
                }
                Ok(Err(source)) => last = ConnectError::Tcp { to, source },
                Err(_) => return Err(ConnectError::TimedOut(self.shared.timeout)),
            }
        }
        Err(last)
    }

    async fn addresses(
        &self,
        target: &Target,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, ConnectError> {
        match &target.host {
            HostName::Address(address) => Ok(vec![*address]),
            HostName::Name(name) => timeout_at(deadline, self.shared.resolver.look_up(name))
                .await
                .map_err(|_| ConnectError::TimedOut(self.shared.timeout))?
                .map_err(|source| ConnectError::LookUp { name: name.clone(), source }),
        }
    }

    async fn tls(&self, tcp: TcpStream, tls: &TlsName) -> Result<Upstream, ConnectError> {
        let failed = |source| ConnectError::Tls { name: tls.asked.clone(), source };
        let name = ServerName::try_from(tls.asked.to_string())
            .map_err(|_| ConnectError::TlsName(tls.asked.clone()))?;
        let config = self.shared.tls.for_service(&tls.service);
        let config = config.map_err(|e| failed(io::Error::other(e)))?;
        let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(failed)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

async fn udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    Ok(socket)
}

/// Whether an upstream may be at an address. A name that its owner points at this machine's
/// loopback would make the gateway an open door to what listens here; only names under `localhost`
/// mean that (RFC 6761 6.3). An address given as such was allowed or refused when it was registered.
pub(super) fn may_be_upstream(host: &HostName, ip: IpAddr, forbidden: &[Prefix]) -> bool {
    let stranger = match host {
        HostName::Address(_) => false,
        HostName::Name(name) => !name.is_under("localhost"),
    };
    if stranger && ip.is_loopback() {
        return false;
    }
    !forbidden.iter().any(|p| p.contains_address(ip))
}
