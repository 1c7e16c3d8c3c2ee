//! TLS with a client: whose it is, by the name in its hello, and what lies in it.
//!
//! ```text
//!             nothing depends on the name
//!  new ───────────────────────────────────────────────▶ handshake ─▶ HTTP
//!   └─▶ hello ─▶ a stream's name ─┬─ TLS ends there ─▶ passed on, hello first
//!          │                     └─ TLS ends here ──▶ handshake ─▶ passed on
//!          └─▶ any other name ─▶ handshake, with a certificate if its routes ask for one ─▶ HTTP
//! ```
//!
//! A name is a stream's if a service of TCP without a port has it by the rules by which hosts are
//! found; it then comes before services of HTTP. A CA that validates a name by TLS-ALPN-01 is
//! answered here first, if it is our order that it validates.

use std::sync::Arc;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::accept::{Admitted, Front};
use super::certificates::Certificates;
use super::connection::{H2, Serving, Waiting};
use super::hello::{self, Hello};
use super::proxied::as_connected;
use super::tls::Configs;
use crate::acme::ACME_TLS;
use crate::clusters;
use crate::index::Found;
use crate::mtls::{Asked, Shown, ShownTo};
use crate::places::ConnectedAt;
use crate::proxy::Client;
use crate::proxy_protocol::Told;
use crate::routes::Routes;
use crate::streams::{Place, Stranger, pass_on};
use crate::upstream::Stream;

/// How far a handshake has come.
enum Begun {
    /// Nothing was read.
    Not(TcpStream),
    /// The client has said hello.
    Hello(TcpStream, Box<Hello>),
}

impl Serving {
    /// Serves a connection of TLS that has its first byte; the rest is as of any, or nothing.
    pub(super) async fn secure(
        &self,
        mut stream: TcpStream,
        front: &Front,
        by: Instant,
        client: &mut Client,
        told: Option<Told>,
        admitted: &Arc<Admitted>,
    ) -> Option<Waiting> {
        let shared = &self.worker.shared;
        let configs = front.tls.as_ref()?.configs();
        let mut is_validation = false;
        let (begun, shown) = if self.name_matters() {
            let hello = self.hello(&mut stream, by).await?;
            let name = hello.name();
            is_validation = self.is_validation(&hello);
            let by_name = name.as_deref().filter(|_| !is_validation);
            if let Some(routes) = by_name.and_then(|name| self.stream_of(name)) {
                let told = told.or_else(|| as_connected(&stream, client.peer).ok())?;
                self.stream_in_tls(stream, hello, &configs, &routes, by, told).await;
                return None;
            }
            (
                Begun::Hello(stream, Box::new(hello)),
                by_name.and_then(|name| self.asked_by(client.at, name)),
            )
        } else {
            (Begun::Not(stream), None)
        };
        // What the whole listener asks for is asked of everybody, but for a CA, which gets a proof and
        // no more.
        let of_listener =
            |profile: &_| Shown { profile: Clone::clone(profile), to: ShownTo::Listener };
        let shown = front.profile.as_ref().map(of_listener).or(shown).filter(|_| !is_validation);
        let config = match &shown {
            None => configs.http.clone(),
            Some(shown) => match configs.of_profile(&shown.profile) {
                Some(config) => config,
                None => {
                    let profile = &shown.profile;
                    self.no_handshake(&format!("there is no inbound mTLS profile {profile}"));
                    return None;
                }
            },
        };
        let stream = self.handshake(begun, config, by).await?;
        client.shown = shown.map(Arc::new);
        let session = stream.get_ref().1;
        client.tls_version = session.protocol_version().and_then(version_name);
        // Once a connection, and only for the log.
        if shared.access.is_some() {
            client.tls_server_name = session.server_name().map(Arc::from);
        }
        if session.alpn_protocol() == Some(ACME_TLS) {
            // The handshake was the answer (RFC 8737 3).
            self.idle(Stream::Tls(Box::new(stream)), Bytes::new()).close().await;
            return None;
        }
        let http2 = session.alpn_protocol() == Some(H2);
        let stream = Stream::Tls(Box::new(stream));
        if http2 {
            self.http2(stream, Bytes::new(), client.clone(), admitted).await;
            return None;
        }
        // The first head has its own time, from here.
        Some(self.idle(stream, Bytes::new()))
    }

    /// Serves a connection at the neighbours' listener.
    pub(super) async fn neighbour(
        &self,
        stream: TcpStream,
        front: &Front,
        by: Instant,
        client: &mut Client,
        admitted: &Arc<Admitted>,
    ) -> Option<Waiting> {
        let config = front.neighbours.clone()?;
        let clusters = self.worker.shared.clusters.as_ref()?;
        let stream = self.handshake(Begun::Not(stream), config, by).await?;
        let session = stream.get_ref().1;
        let key = clusters::tls::shown(session.peer_certificates());
        let named = key.and_then(|key| Some((clusters.neighbour_of(&key)?, key)));
        let Some(named) = named else {
            // Between its handshake and now the key has ended.
            self.no_handshake("it shows no key of a neighbour");
            return None;
        };
        client.neighbour = Some(Arc::new(named));
        client.tls_version = session.protocol_version().and_then(version_name);
        let http2 = session.alpn_protocol() == Some(H2);
        let stream = Stream::Tls(Box::new(stream));
        if http2 {
            self.http2(stream, Bytes::new(), client.clone(), admitted).await;
            return None;
        }
        Some(self.idle(stream, Bytes::new()))
    }

    /// Passes on a connection to a place of a stream's own.
    pub(super) async fn pass_on(
        &self,
        stream: TcpStream,
        peer: std::net::SocketAddr,
        told: Option<Told>,
        place: Arc<Place>,
        certificates: Option<Arc<Certificates>>,
    ) {
        let Some(routes) = place.routes() else { return };
        let Some(told) = told.or_else(|| as_connected(&stream, peer).ok()) else { return };
        if !ends_tls(&routes) {
            let stranger = Stranger { stream: Stream::Plain(stream), told, read: Bytes::new() };
            return pass_on(&self.worker, stranger, &routes).await;
        }
        let Some(certificates) = certificates else {
            let service = &routes.service;
            return tracing::warn!(%service, "the gateway has no certificate to end its TLS with");
        };
        let by = Instant::now() + self.limits.handshake_timeout;
        let config = certificates.configs().stream.clone();
        if let Some(stream) = self.handshake(Begun::Not(stream), config, by).await {
            let stream = Stream::Tls(Box::new(stream));
            pass_on(&self.worker, Stranger { stream, told, read: Bytes::new() }, &routes).await;
        }
    }

    /// Whether it matters which name a client asks for before its handshake.
    fn name_matters(&self) -> bool {
        let shared = &self.worker.shared;
        shared.streams.has_names() || shared.has_profiles.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn hello(&self, stream: &mut TcpStream, by: Instant) -> Option<Hello> {
        let by = by.min(Instant::now() + hello::PATIENCE);
        match tokio::time::timeout_at(by, hello::read(stream)).await {
            Ok(Ok(hello)) => return Some(hello),
            Ok(Err(error)) => self.no_handshake(&error.to_string()),
            Err(_) => self.no_handshake("its hello took too long"),
        }
        None
    }

    /// Whether a CA looks for the proof that a name is ours.
    fn is_validation(&self, hello: &Hello) -> bool {
        let proves = |name: String| self.worker.shared.acme.proof_of(&name).is_some();
        hello.offers_only(ACME_TLS) && hello.name().is_some_and(proves)
    }

    fn stream_of(&self, name: &str) -> Option<Found> {
        let streams = &self.worker.shared.streams;
        streams.has_names().then(|| streams.by_name(name)).flatten()
    }

    /// What the services of that name ask of clients, whatever the path.
    fn asked_by(&self, at: ConnectedAt, name: &str) -> Option<Shown> {
        let found = self.worker.shared.find_map(at, name, Some)?;
        match found.asked_of_any_path() {
            Asked::Of(profile) => {
                let to = ShownTo::Service(found.service.name.clone());
                Some(Shown { profile: profile.clone(), to })
            }
            Asked::Nothing | Asked::Several => None,
        }
    }

    async fn stream_in_tls(
        &self,
        stream: TcpStream,
        hello: Hello,
        configs: &Configs,
        routes: &Routes,
        by: Instant,
        told: Told,
    ) {
        let stranger = if ends_tls(routes) {
            let begun = Begun::Hello(stream, Box::new(hello));
            let stream = self.handshake(begun, configs.stream.clone(), by).await;
            let Some(stream) = stream else { return };
            Stranger { stream: Stream::Tls(Box::new(stream)), told, read: Bytes::new() }
        } else {
            Stranger { stream: Stream::Plain(stream), told, read: hello.read }
        };
        pass_on(&self.worker, stranger, routes).await;
    }

    async fn handshake(
        &self,
        begun: Begun,
        tls: Arc<ServerConfig>,
        by: Instant,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = match begun {
            Begun::Not(stream) => TlsAcceptor::from(tls).accept(stream),
            Begun::Hello(stream, hello) => {
                StartHandshake::from_parts(hello.accepted, stream).into_stream(tls)
            }
        };
        match tokio::time::timeout_at(by, handshake).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => self.no_handshake(&error.to_string()),
            Err(_) => self.no_handshake("it took too long"),
        }
        None
    }

    fn no_handshake(&self, error: &str) {
        self.worker.shared.metrics.tls_handshake_failures.add(1);
        tracing::debug!(error, "no TLS handshake with a client");
    }
}

/// Whether TLS ends here on its way to a service. Its first route says so; others that say
/// otherwise aren't tried.
fn ends_tls(routes: &Routes) -> bool {
    routes.ranked.first().is_some_and(|route| route.delivery.stream.terminates_tls)
}

/// As OpenSSL and everybody's logs write it.
fn version_name(version: rustls::ProtocolVersion) -> Option<&'static str> {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        rustls::ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        _ => None,
    }
}
