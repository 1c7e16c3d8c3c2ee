//! A small service: answers every request with its name, over HTTP or TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::serve(name, None).await
    }

    pub(crate) async fn over_tls(name: &'static str, tls: Arc<rustls::ServerConfig>) -> Self {
        Self::serve(name, Some(TlsAcceptor::from(tls))).await
    }

    async fn serve(name: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => answer(name, stream).await,
                        // A client that dislikes the certificate hangs up.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(name, stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, task }
    }
}

async fn answer(name: &'static str, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(move |_| async move {
        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(name.as_bytes()))))
    });
    // A gateway may drop an idle connection at any time.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
