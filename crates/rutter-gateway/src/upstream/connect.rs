//! From an endpoint to a byte stream.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rutter_route::{ClusterId, HostName, Prefix, ServiceName};
use smol_str::SmolStr;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::{Connection, Speaks};
use super::resolver::Resolver;
use super::slots::{Busy, Slot, Slots};
use super::stream::Stream;
use super::target::{Target, TlsName, Wire};
use super::tls::{Roots, TlsClients, TlsSetUpError};
use crate::clusters::Clusters;
use crate::clusters::tls::Dialling;
use crate::error::GatewayError;
use crate::health::Failure;

/// A stream to an upstream.
pub(super) type Upstream = Stream<TlsStream<TcpStream>>;

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
    #[error("TLS with {name}: {source}{}", hint(source))]
    Tls {
        /// The name asked for.
        name: SmolStr,
        /// What TLS said.
        source: io::Error,
    },
    /// TLS can't be begun as the route wants it.
    #[error("TLS with {name}: {source}")]
    TlsSetUp {
        /// The name asked for.
        name: SmolStr,
        /// Why not: a file, by name, or the versions.
        source: TlsSetUpError,
    },
    /// TLS with a neighbour can't be begun.
    #[error("TLS with the cluster {0}: this gateway knows no clusters")]
    NoClusters(ClusterId),
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
            Self::Tls { .. } | Self::TlsSetUp { .. } | Self::TlsName(_) | Self::Http(_) => {
                Failure::Exchange
            }
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
    /// `None`: no cluster is reached.
    neighbours: Option<Dialling>,
    resolver: Resolver,
    slots: Slots,
    forbidden: Vec<Prefix>,
    timeout: Duration,
}

/// What a target's connections over TLS are made with now: those made with anything else are not
/// to be used again.
pub(super) type MadeWith = Option<Arc<ClientConfig>>;

impl Connector {
    pub(crate) fn new(
        roots: &Roots,
        controller_ca: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
        clusters: Option<Arc<dyn Clusters>>,
        forbidden: Vec<Prefix>,
        timeout: Duration,
    ) -> Result<Self, GatewayError> {
        let tls = TlsClients::new(roots, controller_ca, provider)?;
        let (resolver, slots) = (Resolver::default(), Slots::default());
        let neighbours = clusters.map(Dialling::new);
        let shared = Shared { tls, neighbours, resolver, slots, forbidden, timeout };
        Ok(Self { shared: Arc::new(shared) })
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

    /// One of the target's connections, where their number is bounded; taken before any of its
    /// connections is, idle or new.
    pub(crate) async fn slot(&self, target: &Target) -> Result<Option<Slot>, Busy> {
        self.shared.slots.take(target, self.shared.timeout).await
    }

    /// Whether a connection was made with what its route's files say now.
    pub(crate) async fn is_current(&self, target: &Target, connection: &Connection) -> bool {
        let tls = match &target.wire {
            Wire::Plain | Wire::H2c => return true,
            Wire::Neighbour { cluster, http1_only } => {
                let now = self.with_neighbour(cluster, *http1_only).ok();
                let same = now.zip(connection.made_with());
                return same.is_some_and(|(now, then)| Arc::ptr_eq(&now, then));
            }
            Wire::Tls(tls) => tls,
        };
        if tls.profile.as_ref().is_none_or(|profile| !profile.has_files()) {
            return true;
        }
        // In a box, as all that few requests wait for.
        match (Box::pin(self.shared.tls.config(tls)).await, connection.made_with()) {
            (Ok(now), Some(then)) => Arc::ptr_eq(&now, then),
            _ => false,
        }
    }

    /// A new HTTP connection.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Connection, ConnectError> {
        let limit = self.shared.timeout;
        let deadline = Instant::now() + limit;
        let tcp = self.tcp(target, deadline).await?;
        let (stream, speaks, made_with) = match &target.wire {
            Wire::Plain => (Stream::Plain(tcp), Speaks::Http1, None),
            Wire::H2c => (Stream::Plain(tcp), Speaks::Http2, None),
            Wire::Tls(tls) => timeout_at(deadline, self.tls(tcp, tls))
                .await
                .map_err(|_| ConnectError::TimedOut(limit))??,
            Wire::Neighbour { cluster, http1_only } => {
                let stream = self.neighbour(tcp, cluster, *http1_only);
                timeout_at(deadline, stream).await.map_err(|_| ConnectError::TimedOut(limit))??
            }
        };
        Connection::open(stream, speaks, made_with).await.map_err(ConnectError::Http)
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

    async fn tls(
        &self,
        tcp: TcpStream,
        tls: &TlsName,
    ) -> Result<(Upstream, Speaks, MadeWith), ConnectError> {
        let asked = || tls.asked.clone();
        let name = ServerName::try_from(tls.asked.to_string())
            .map_err(|_| ConnectError::TlsName(asked()))?;
        let config = self.shared.tls.config(tls).await;
        let config = config.map_err(|source| ConnectError::TlsSetUp { name: asked(), source })?;
        shake_hands(tcp, name, &tls.asked, config).await
    }

    async fn neighbour(
        &self,
        tcp: TcpStream,
        cluster: &ClusterId,
        http1_only: bool,
    ) -> Result<(Upstream, Speaks, MadeWith), ConnectError> {
        let asked: SmolStr = cluster.as_str().into();
        let config = self.with_neighbour(cluster, http1_only)?;
        let name = Dialling::name().ok_or_else(|| ConnectError::TlsName(asked.clone()))?;
        shake_hands(tcp, name, &asked, config).await
    }

    /// What connections to a neighbour are made with now.
    fn with_neighbour(
        &self,
        cluster: &ClusterId,
        http1_only: bool,
    ) -> Result<Arc<ClientConfig>, ConnectError> {
        let dialling = self.shared.neighbours.as_ref();
        let dialling = dialling.ok_or_else(|| ConnectError::NoClusters(cluster.clone()))?;
        dialling.config(cluster, http1_only).map_err(|error| ConnectError::TlsSetUp {
            name: cluster.as_str().into(),
            source: error.into(),
        })
    }
}

async fn shake_hands(
    tcp: TcpStream,
    name: ServerName<'static>,
    asked: &SmolStr,
    config: Arc<ClientConfig>,
) -> Result<(Upstream, Speaks, MadeWith), ConnectError> {
    let stream = TlsConnector::from(config.clone()).connect(name, tcp).await;
    let stream = stream.map_err(|source| ConnectError::Tls { name: asked.clone(), source })?;
    let speaks = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Speaks::Http2,
        _ => Speaks::Http1,
    };
    Ok((Stream::Tls(Box::new(stream)), speaks, Some(config)))
}

/// What an operator does about a handshake that failed since the other side doesn't speak TLS.
/// (Not done by itself: a request whose route says `https` never goes out in the clear.)
fn hint(error: &io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => {
            "; it seems to speak no TLS: if so, its scheme is http"
        }
        _ => "",
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
