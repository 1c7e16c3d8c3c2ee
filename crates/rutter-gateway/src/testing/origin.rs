//! An origin that records what it gets and does what it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::message::{Message, read_message};
use super::{any_port, until};

/// What to do with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// 200 with this body, and keep the connection.
    Ok(String),
    /// These bytes, and keep the connection.
    Raw(Vec<u8>),
    /// These bytes, and close.
    RawThenClose(Vec<u8>),
    /// Close without a word.
    Close,
    /// Nothing, for ever.
    Hang,
}

/// An origin on a free port; it ends when dropped.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Message>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

type Script = Arc<dyn Fn(&Message) -> Act + Send + Sync>;

impl Origin {
    pub(crate) async fn start(act: impl Fn(&Message) -> Act + Send + Sync + 'static) -> Self {
        Self::at(any_port(), None, act).await
    }

    /// One that answers 200 with its name.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::start(move |_| Act::Ok(name.to_owned())).await
    }

    /// One that answers as soon as it has a head, whatever body is still to come, and remembers
    /// nothing.
    pub(crate) async fn early(body: &'static str) -> SocketAddr {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_heads(stream, body));
            }
        });
        address
    }

    pub(crate) async fn at(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        act: impl Fn(&Message) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
        let task = tokio::spawn(serve(
            listener,
            tls,
            Arc::new(act),
            seen.clone(),
            Arc::clone(&connections),
        ));
        Self { address, seen, connections, task }
    }

    /// Everything it got, but for health checks.
    pub(crate) fn seen(&self) -> Vec<Message> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|m| m.header("x-health-check").is_none()).cloned().collect()
    }

    /// Forgets what it got.
    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// The health checks it got.
    pub(crate) fn checks(&self) -> Vec<Message> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|m| m.header("x-health-check").is_some()).cloned().collect()
    }

    pub(crate) fn n_connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn got(&self, n: usize) {
        until("requests at the origin", || self.seen().len() >= n).await;
    }

    /// Closes the listener and every connection, as the end of a process does.
    pub(crate) async fn kill(self) -> SocketAddr {
        let address = self.address;
        self.task.abort();
        let mut task = self.task;
        let _aborted = (&mut task).await;
        address
    }
}

async fn answer_heads(mut stream: TcpStream, body: &'static str) {
    use tokio::io::AsyncReadExt;
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut head = Vec::new();
    // Until the gateway goes away.
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    act: Script,
    seen: Arc<Mutex<Vec<Message>>>,
    connections: Arc<Mutex<usize>>,
) {
    // Dropped with this task, and its connections with it.
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        *connections.lock().unwrap() += 1;
        let (act, seen, tls) = (act.clone(), seen.clone(), tls.clone());
        open.spawn(async move {
            match tls {
                None => converse(stream, act, seen).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse::<tokio_rustls::server::TlsStream<TcpStream>>(stream, act, seen)
                            .await;
                    }
                }
            }
        });
        while open.try_join_next().is_some() {}
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    act: Script,
    seen: Arc<Mutex<Vec<Message>>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_message(&mut stream, &mut buffer, false).await {
        let head_only = request.start_line().starts_with("HEAD ");
        let todo = act(&request);
        seen.lock().unwrap().push(request);
        let (bytes, close) = match todo {
            Act::Ok(body) => {
                let shown = if head_only { "" } else { &body };
                let length = body.len();
                (
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{shown}").into(),
                    false,
                )
            }
            Act::Raw(bytes) => (bytes, false),
            Act::RawThenClose(bytes) => (bytes, true),
            Act::Close => (Vec::new(), true),
            Act::Hang => std::future::pending().await,
        };
        let sent = stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok();
        if close || !sent {
            let _gone = stream.shutdown().await;
            return;
        }
    }
}
