//! A real HTTP server on loopback that records what it is asked and answers by a function.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a test waits for an event before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    /// `METHOD /path?query`.
    pub(crate) line: String,
    /// The bearer token, if one came.
    pub(crate) bearer: Option<String>,
    /// The body; null if it is no JSON.
    pub(crate) body: Value,
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Recorded>,
    task: JoinHandle<()>,
}

/// What to answer: status and text.
pub(crate) type Reply = (u16, String);

/// A JSON answer.
pub(crate) fn json(status: u16, body: Value) -> Reply {
    (status, body.to_string())
}

impl TestServer {
    pub(crate) async fn start(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address, answer)
    }

    pub(crate) async fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(TlsListener { listener, acceptor: tls.into() }, address, answer)
    }

    fn serve<L: axum::serve::Listener<Addr: std::fmt::Debug>>(
        listener: L,
        address: SocketAddr,
        answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (tell, requests) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let app = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
                let recorded = record(&method, &uri, &headers, &body);
                let (status, text) = answer(&recorded);
                // The test may have ended.
                let _ = tell.send(recorded);
                respond(status, text)
            },
        );
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request, waited for.
    pub(crate) async fn next(&mut self) -> Recorded {
        let next = tokio::time::timeout(PATIENCE, self.requests.recv()).await;
        next.expect("a request comes in time").expect("the server runs")
    }

    /// The lines of the requests that came and were not taken yet.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).map(|r| r.line).collect()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn record(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Recorded {
    let bearer = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
    Recorded {
        line: format!("{method} {uri}"),
        bearer: bearer.map(|b| b.strip_prefix("Bearer ").unwrap().to_owned()),
        body: serde_json::from_slice(body).unwrap_or_default(),
    }
}

fn respond(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    // Asked for by a redirect's and a busy server's tests; elsewhere without effect.
    let headers = [("location", "/elsewhere"), ("retry-after", "7")];
    match status.as_u16() {
        302 | 503 => (status, headers, text).into_response(),
        _ => (status, text).into_response(),
    }
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, from) = self.listener.accept().await.unwrap();
            // A client that refuses our certificate is what some tests are about.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
