//! One question to the backend, over the gateway's own connector: verified, timed, bounded.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rutter_route::HostName;

use super::cache::Answer;
use super::config::{BackendUrl, CaPin};
use super::error::MeshRouterError;
use super::map::{self, Name};
use super::wire;
use crate::failover::replay::RequestBody;
use crate::upstream::{Connector, Target};

/// How often a question is asked before the backend counts as silent.
pub(super) const TRIES: usize = 3;
/// Between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(150);
/// How long one try may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// The backend.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    connector: Connector,
    url: BackendUrl,
    target: Target,
}

/// An answer, read whole.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Backend {
    pub(super) fn new(connector: Connector, url: BackendUrl) -> Self {
        let host = url.endpoint.host.to_string();
        let target = Target::new(&url.endpoint, &host, &url.name);
        Self { connector, url, target }
    }

    /// What the backend says of a name.
    ///
    /// # Errors
    /// It is silent, or says what can't be understood; for the cache both are silence.
    pub(super) async fn resolve(&self, name: &Name) -> Result<Answer, MeshRouterError> {
        let path = format!("/resolve/v2/{}", name.label);
        let reply = self.ask(&path).await?;
        let routes = match reply.status {
            StatusCode::OK => parse::<wire::Resolved>(&path, &reply)?.routes,
            // Its own 404 is JSON; without it the path is what isn't known.
            StatusCode::NOT_FOUND if is_said(&reply) => return Ok(Answer::Unknown),
            StatusCode::NOT_FOUND => return self.resolve_legacy(name).await,
            status => return Err(MeshRouterError::Status { path, status: status.as_u16() }),
        };
        Ok(self.known(name, &routes))
    }

    async fn resolve_legacy(&self, name: &Name) -> Result<Answer, MeshRouterError> {
        let path = format!("/resolve/{}", name.label);
        let reply = self.ask(&path).await?;
        match reply.status {
            StatusCode::OK => {
                let legacy = map::legacy(parse(&path, &reply)?);
                Ok(self.known(name, &[legacy]))
            }
            StatusCode::NOT_FOUND => Ok(Answer::Unknown),
            status => Err(MeshRouterError::Status { path, status: status.as_u16() }),
        }
    }

    fn known(&self, name: &Name, routes: &[wire::Route]) -> Answer {
        let (told, n_bad) = map::routes(name, routes);
        if n_bad > 0 {
            let service = &name.service;
            tracing::warn!(%service, n_bad, "the backend has routes that lead nowhere");
        }
        Answer::Known(told)
    }

    /// The backend's CA.
    ///
    /// # Errors
    /// It is silent, has none, or not the pinned one.
    pub(super) async fn ca(
        &self,
        pin: Option<CaPin>,
    ) -> Result<CertificateDer<'static>, MeshRouterError> {
        let path = "/ca-cert".to_owned();
        let reply = self.ask(&path).await?;
        if reply.status != StatusCode::OK {
            return Err(MeshRouterError::Status { path, status: reply.status.as_u16() });
        }
        let certificate = CertificateDer::from_pem_slice(&reply.body)
            .map_err(|e| MeshRouterError::Answer { path, why: e.to_string() })?;
        let found = CaPin::of(&certificate);
        if pin.is_some_and(|pin| pin != found) {
            return Err(MeshRouterError::NotPinned(found.to_string()));
        }
        Ok(certificate)
    }

    /// Asks until there is an answer, [`TRIES`] times at most.
    async fn ask(&self, path: &str) -> Result<Reply, MeshRouterError> {
        let mut last = None;
        for n in 0..TRIES {
            if n > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match tokio::time::timeout(TIMEOUT, self.get(path)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(why)) => last = Some(why),
                Err(_) => last = Some(format!("no answer within {} s", TIMEOUT.as_secs())),
            }
        }
        Err(MeshRouterError::Transport(last.unwrap_or_default()))
    }

    async fn get(&self, path: &str) -> Result<Reply, String> {
        let mut connection =
            self.connector.connect(&self.target).await.map_err(|e| e.to_string())?;
        let endpoint = &self.url.endpoint;
        let request = Request::get(format!("{}{path}", self.url.path))
            .header(HOST, format!("{}:{}", bracketed(&endpoint.host), endpoint.port))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("rutter-gateway/", env!("CARGO_PKG_VERSION")))
            .body(RequestBody::Empty)
            .map_err(|e| e.to_string())?;
        let response = connection.send(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        Ok(Reply { status, body: body.map_err(|e| e.to_string())?.to_bytes() })
    }
}

fn bracketed(host: &HostName) -> String {
    match host {
        HostName::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        other => other.to_string(),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &str, reply: &Reply) -> Result<T, MeshRouterError> {
    serde_json::from_slice(&reply.body)
        .map_err(|e| MeshRouterError::Answer { path: path.to_owned(), why: e.to_string() })
}

fn is_said(reply: &Reply) -> bool {
    serde_json::from_slice::<wire::Error>(&reply.body).is_ok()
}
