//! A small service that can be killed with requests on it, and brought back on its port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A service, alive or dead.
#[derive(Clone)]
pub(super) struct Upstream(Arc<Inner>);

struct Inner {
    name: &'static str,
    address: SocketAddr,
    life: Mutex<Option<JoinHandle<()>>>,
    /// Somebody waits for an answer on `/slow`.
    waiting: Notify,
    /// What was asked of it by its own paths: to die or to live.
    wishes: watch::Sender<bool>,
}

impl Upstream {
    /// Starts one on a free port.
    pub(super) async fn start(name: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = Self(Arc::new(Inner {
            name,
            address: listener.local_addr()?,
            life: Mutex::new(None),
            waiting: Notify::new(),
            wishes: watch::Sender::new(true),
        }));
        upstream.live(listener);
        Ok(upstream)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Returns when a request waits on it.
    pub(super) async fn somebody_waits(&self) {
        self.0.waiting.notified().await;
    }

    /// What is wished by its own paths.
    pub(super) fn wishes(&self) -> watch::Receiver<bool> {
        self.0.wishes.subscribe()
    }

    /// Ends it as a crash would: no answer to what is on it, no connection left, a closed port.
    pub(super) async fn kill(&self) {
        let life = self.0.life.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(life) = life {
            life.abort();
            // Its end by the abort is no error; when it has ended its sockets are closed.
            let _cancelled = life.await;
        }
    }

    /// Brings it back where it was.
    pub(super) async fn revive(&self) -> anyhow::Result<()> {
        self.kill().await;
        self.live(TcpListener::bind(self.0.address).await?);
        Ok(())
    }

    fn live(&self, listener: TcpListener) {
        let life = tokio::spawn(serve(self.clone(), listener));
        *self.0.life.lock().unwrap_or_else(PoisonError::into_inner) = Some(life);
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let text = |status, text: String| {
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = status;
            response
        };
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/die") => {
                self.0.wishes.send_replace(false);
                text(StatusCode::OK, "the direct way dies\n".to_owned())
            }
            (&Method::POST, "/live") => {
                self.0.wishes.send_replace(true);
                text(StatusCode::OK, "the direct way is back\n".to_owned())
            }
            (_, "/slow") if self.0.name == super::story::DIRECT => {
                self.0.waiting.notify_one();
                std::future::pending().await
            }
            _ => text(StatusCode::OK, format!("hello from alice's machine, by {}", self.0.name)),
        }
    }
}

/// Dropped with the task, the set ends every connection.
async fn serve(upstream: Upstream, listener: TcpListener) {
    let mut connections = JoinSet::new();
    // The listener of a demonstration that can't accept has nothing more to show.
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(upstream.clone(), stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(upstream: Upstream, stream: TcpStream) {
    let service = service_fn(move |request| {
        let upstream = upstream.clone();
        async move { Ok::<_, Infallible>(upstream.answer(&request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the demonstration");
    }
}
