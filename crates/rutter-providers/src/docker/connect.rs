//! Connections to an engine: over a Unix socket, TCP, or TLS that is always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rutter_route::HostName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::tls;

use super::{DockerError, Endpoint, TlsFiles};

/// A connection, whatever it goes over.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> Connection for C {}

/// What connections to one engine are made with.
pub(super) struct Dialer {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    /// Reads the files that TLS needs, as they are now.
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, DockerError> {
        let Endpoint::Https { host, files, .. } = &endpoint else {
            return Ok(Self { endpoint, tls: None });
        };
        let name = match host {
            HostName::Address(address) => ServerName::IpAddress((*address).into()),
            HostName::Name(name) => ServerName::try_from(name.as_str().to_owned())
                .map_err(|error| DockerError::Tls(error.to_string()))?,
        };
        let files = files.clone();
        let reading = tokio::task::spawn_blocking(move || config(&files));
        let config = reading.await.map_err(|error| DockerError::Tls(error.to_string()))??;
        Ok(Self { endpoint, tls: Some((TlsConnector::from(Arc::new(config)), name)) })
    }

    /// What stands in the `Host` of a request.
    pub(super) fn authority(&self) -> String {
        match &self.endpoint {
            Endpoint::Unix(_) => "localhost".to_owned(),
            Endpoint::Http { host, port } | Endpoint::Https { host, port, .. } => {
                format!("{host}:{port}")
            }
        }
    }

    /// A new connection.
    pub(super) async fn dial(&self) -> std::io::Result<Box<dyn Connection>> {
        let (host, port) = match &self.endpoint {
            Endpoint::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Endpoint::Http { host, port } | Endpoint::Https { host, port, .. } => (host, *port),
        };
        let stream = match host {
            HostName::Address(address) => TcpStream::connect((*address, port)).await?,
            HostName::Name(name) => TcpStream::connect((name.as_str(), port)).await?,
        };
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
        }
    }
}

fn config(files: &TlsFiles) -> Result<ClientConfig, DockerError> {
    let roots = match &files.ca {
        None => tls::system_roots(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for certificate in tls::certificates(ca).map_err(|error| unusable(ca, error))? {
                roots.add(certificate).map_err(|error| unusable(ca, error))?;
            }
            roots
        }
    };
    let refused = |error: rustls::Error| DockerError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_root_certificates(roots);
    match &files.own {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let its_key = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, e))?;
            let chain = tls::certificates(chain).map_err(|error| unusable(chain, error))?;
            builder.with_client_auth_cert(chain, its_key).map_err(|error| unusable(key, error))
        }
    }
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> DockerError {
    DockerError::File { path: path.to_owned(), why: why.to_string() }
}
