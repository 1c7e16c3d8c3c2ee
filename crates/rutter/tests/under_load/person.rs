//! Somebody who asks one thing after another over a kept connection, and sends nothing twice.
//!
//! Not a client library with a pool: those send a request again on their own when a kept connection
//! turns out to be closed, and here every repetition has to be the gateway's.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::scene::HOST;
use crate::support::PATIENCE;

/// What was answered to a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) method: &'static str,
    pub(crate) status: u16,
    pub(crate) at: Instant,
    /// From the first byte to the last.
    pub(crate) took: Duration,
}

/// See the module's head.
pub(crate) struct Person {
    number: usize,
    gateway: SocketAddr,
    tls: Option<TlsConnector>,
    connection: Option<SendRequest<Full<Bytes>>>,
    answers: Vec<Answer>,
    /// What is asked, in turn.
    mix: &'static [&'static str],
    /// Between two requests.
    breath: Duration,
}

/// Requests over one TLS connection.
const TLS_REQUESTS: usize = 20;
/// The mix: what may be repeated and what may not, with a body and without.
const MIX: [&str; 5] = ["GET", "POST", "PUT", "POST", "DELETE"];

impl Person {
    /// Who comes over TLS connects anew now and then, so that there are handshakes as well.
    pub(crate) fn new(number: usize, gateway: SocketAddr, tls: Option<TlsConnector>) -> Self {
        // People take a breath; without it the machine would only be busy with this.
        let (mix, breath) = (&MIX, Duration::from_millis(1));
        Self { number, gateway, tls, connection: None, answers: Vec::new(), mix, breath }
    }

    /// Who asks for that, without a breath.
    pub(crate) fn hasty(number: usize, gateway: SocketAddr, mix: &'static [&'static str]) -> Self {
        Self { mix, breath: Duration::ZERO, ..Self::new(number, gateway, None) }
    }

    /// Asks while `more` says so, and returns what was answered.
    pub(crate) async fn ask_while(mut self, more: impl Fn() -> bool) -> Vec<Answer> {
        while more() {
            self.ask().await;
            if !self.breath.is_zero() {
                tokio::time::sleep(self.breath).await;
            }
        }
        self.answers
    }

    /// One request of the mix, which has to be answered wholly and, if by an origin, with its body.
    async fn ask(&mut self) {
        let method = self.mix[self.answers.len() % self.mix.len()];
        let id = format!("{}-{}", self.number, self.answers.len());
        let body = match method {
            "POST" => format!("{id} ").repeat(200),
            "PUT" => format!("{id} is small"),
            _ => String::new(),
        };
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", HOST)
            .header("x-id", &id)
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        let mut connection = self.connected().await;
        let began = Instant::now();
        let exchange = async {
            let answer = connection.send_request(request).await?;
            let status = answer.status().as_u16();
            Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
        };
        let (status, answered) = timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("{method} {id} has no answer"))
            .unwrap_or_else(|error| panic!("{method} {id} is not answered: {error}"));
        if status == 200 {
            assert_eq!(answered, body, "{method} {id}");
        }
        self.connection = Some(connection);
        let at = Instant::now();
        self.answers.push(Answer { id, method, status, at, took: at.duration_since(began) });
    }

    /// The connection before, unless the gateway has said that it closes it.
    async fn connected(&mut self) -> SendRequest<Full<Bytes>> {
        let anew = self.tls.is_some() && self.answers.len().is_multiple_of(TLS_REQUESTS);
        if let Some(mut kept) = self.connection.take_if(|_| !anew)
            && kept.ready().await.is_ok()
        {
            return kept;
        }
        let stream = TcpStream::connect(self.gateway).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match &self.tls {
            None => speak(stream).await,
            Some(tls) => speak(shake_hands(tls, stream).await).await,
        }
    }
}

/// A handshake, which has to succeed.
pub(crate) async fn shake_hands(tls: &TlsConnector, stream: TcpStream) -> TlsStream<TcpStream> {
    tls.connect(ServerName::try_from(HOST).unwrap(), stream).await.expect("a TLS handshake")
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> SendRequest<Full<Bytes>> {
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    // Its end is told to who sends.
    tokio::spawn(connection);
    sender
}
