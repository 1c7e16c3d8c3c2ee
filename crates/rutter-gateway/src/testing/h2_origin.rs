//! An origin that speaks HTTP/2 and nothing else, with h2's own server.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::any_port;

/// What to do with a request; the number counts requests from 0.
type Script = Arc<
    dyn Fn(
            usize,
            Request<RecvStream>,
            SendResponse<Bytes>,
        ) -> Pin<Box<dyn Future<Output = ()> + Send>>
        + Send
        + Sync,
>;

/// The heads that came, and how many connections.
#[derive(Default)]
struct Seen {
    heads: Vec<Request<()>>,
    n_connections: usize,
}

/// An origin on a free port; it ends when dropped.
pub(crate) struct H2Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl H2Origin {
    pub(crate) async fn start<F>(
        tls: Option<TlsAcceptor>,
        act: impl Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let act: Script = Arc::new(move |n, request, answer| Box::pin(act(n, request, answer)));
        let task = tokio::spawn(serve(listener, tls, act, seen.clone()));
        Self { address, seen, task }
    }

    /// One that answers each request with this text, when it has read its body.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::start(None, move |_, request, answer| say(request, answer, name)).await
    }

    /// The heads that came.
    pub(crate) fn heads(&self) -> Vec<Request<()>> {
        let seen = self.seen.lock().unwrap();
        let copy = |head: &Request<()>| {
            let mut copy = Request::new(());
            (*copy.uri_mut(), *copy.method_mut()) = (head.uri().clone(), head.method().clone());
            *copy.headers_mut() = head.headers().clone();
            copy
        };
        seen.heads.iter().map(copy).collect()
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.seen.lock().unwrap().n_connections
    }

    /// Closes everything, as the end of a process does.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        self.task.abort();
        let _aborted = (&mut self.task).await;
        self.address
    }
}

impl Drop for H2Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers with a text when the body is read.
pub(crate) async fn say(
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
    text: &'static str,
) {
    read(request.into_body()).await;
    let mut body = answer.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from(text), true).unwrap();
}

/// A body and its trailers.
pub(crate) async fn read(mut body: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        body.flow_control().release_capacity(chunk.len()).unwrap();
        all.extend_from_slice(&chunk);
    }
    (all, body.trailers().await.ok().flatten())
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    act: Script,
    seen: Arc<Mutex<Seen>>,
) {
    // Dropped with this task, and its connections with it.
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.lock().unwrap().n_connections += 1;
        let (act, seen, tls) = (act.clone(), seen.clone(), tls.clone());
        open.spawn(async move {
            match tls {
                None => converse(stream, act, seen).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, act, seen).await;
                    }
                }
            }
        });
        while open.try_join_next().is_some() {}
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    act: Script,
    seen: Arc<Mutex<Seen>>,
) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut streams = JoinSet::new();
    while let Some(Ok((request, answer))) = connection.accept().await {
        let n = {
            let mut seen = seen.lock().unwrap();
            let mut head = Request::new(());
            (*head.uri_mut(), *head.method_mut()) =
                (request.uri().clone(), request.method().clone());
            *head.headers_mut() = request.headers().clone();
            seen.heads.push(head);
            seen.heads.len() - 1
        };
        streams.spawn(act(n, request, answer));
    }
}
