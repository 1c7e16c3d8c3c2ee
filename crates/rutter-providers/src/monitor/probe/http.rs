//! A probe by HTTP: `HEAD` or `GET`, of which only the status counts.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::Empty;
use hyper::header::{CACHE_CONTROL, CONNECTION, HOST, USER_AGENT};
use hyper::{Method, Request, Response, Uri, body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rutter_route::{HostName, TlsServerName, UpstreamOptions};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::{HealthSettings, HttpScheme};

use super::super::state::Found;
use super::{Prober, Said, is_our_own};

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) scheme: HttpScheme,
    pub(super) host: &'a HostName,
    pub(super) port: u16,
    pub(super) upstream: &'a UpstreamOptions,
}

impl Prober {
    pub(super) async fn ask_http(&self, asked: Asked<'_>, health: &HealthSettings) -> Said {
        let request = match request(asked, health) {
            Ok(request) => request,
            Err(why) => return (Found::Failed, why),
        };
        let connected = match self.connect(asked.host, asked.port).await {
            Ok(connected) => connected,
            Err(error) if is_our_own(&error) => return (Found::Silence, error.to_string()),
            Err(error) => return (Found::Ill, error.to_string()),
        };
        let answer = match asked.scheme {
            HttpScheme::Http => http1(connected, request).await,
            HttpScheme::H2c => h2c(connected, request).await,
            HttpScheme::Https => {
                let (config, name) = match self.tls_of(asked).await {
                    Ok(tls) => tls,
                    Err(why) => return (Found::Failed, why),
                };
                match TlsConnector::from(config).connect(name, connected).await {
                    Ok(connected) => http1(connected, request).await,
                    Err(error) => return (Found::Ill, format!("TLS: {error}")),
                }
            }
        };
        match answer {
            Err(error) => (Found::Ill, whole_chain(&error)),
            Ok(answer) if answer.status().is_server_error() => {
                (Found::Ill, answer.status().to_string())
            }
            Ok(answer) => (Found::Well, answer.status().to_string()),
        }
    }

    async fn tls_of(
        &self,
        asked: Asked<'_>,
    ) -> Result<(Arc<rustls::ClientConfig>, ServerName<'static>), String> {
        let name = match &asked.upstream.server_name {
            TlsServerName::Named(name) => name.to_string(),
            // What stands for it in a handshake without a name is not sent.
            TlsServerName::Endpoint | TlsServerName::Host | TlsServerName::Off => {
                match asked.host {
                    HostName::Address(address) => address.to_string(),
                    HostName::Name(name) => name.to_string(),
                }
            }
        };
        let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        Ok((self.tls.get(asked.upstream).await?, name))
    }
}

fn request(asked: Asked<'_>, health: &HealthSettings) -> Result<Request<Empty<Bytes>>, String> {
    let (host, port) = (asked.host, asked.port);
    let usual = if asked.scheme == HttpScheme::Https { 443 } else { 80 };
    let authority = if port == usual { host.to_string() } else { format!("{host}:{port}") };
    let method = if health.use_get { Method::GET } else { Method::HEAD };
    let request = Request::builder()
        .method(method)
        .header(USER_AGENT, "rutter-health-check")
        .header(CACHE_CONTROL, "no-cache");
    let request = match asked.scheme {
        HttpScheme::H2c => request.uri(format!("http://{authority}{}", health.path)),
        HttpScheme::Http | HttpScheme::Https => {
            let path = health.path.parse::<Uri>();
            let path = path.map_err(|e| format!("the health check's path: {e}"))?;
            request.uri(path).header(HOST, authority).header(CONNECTION, "close")
        }
    };
    request.body(Empty::new()).map_err(|e| format!("the health check's path: {e}"))
}

async fn http1<IO>(
    connected: IO,
    request: Request<Empty<Bytes>>,
) -> hyper::Result<Response<Incoming>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut made = conn::http1::Builder::new();
    made.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = made.handshake(TokioIo::new(connected)).await?;
    drive(sender.send_request(request), connection).await
}

async fn h2c<IO>(connected: IO, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut made = conn::http2::Builder::new(TokioExecutor::new());
    made.max_header_list_size(16 << 10);
    let (mut sender, connection) = made.handshake(TokioIo::new(connected)).await?;
    drive(sender.send_request(request), connection).await
}

/// Waits for the answer while the connection is driven in the same task, so that it ends with it.
async fn drive<T>(
    answer: impl Future<Output = hyper::Result<T>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> hyper::Result<T> {
    let (answer, connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    match select(answer, connection).await {
        Either::Left((answer, _)) => answer,
        // The connection is over: the answer came with it, or the reason why there is none.
        Either::Right((_, answer)) => answer.await,
    }
}

/// An error with what caused it: hyper's own words alone say little.
fn whole_chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
