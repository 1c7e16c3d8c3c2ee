//! An origin that is a process of its own, so that SIGKILL can end it.
//!
//! The process is this test binary, run again for the one test that sees to it that such an origin does
//! what others count on; with a role it is that origin itself. It says on its output what
//! reaches it, a line each, *before* it does anything with it; what a process has written to a pipe
//! is there even if it is killed the next moment. So the counts miss nothing that was done.
//!
//! It answers a request with its body, and every WebSocket message with the same message, after a
//! first one that is its name. Told `hold METHOD`, it leaves the next request with that method
//! unanswered.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::PATIENCE;

/// Carries the name and the port of the origin that a process is to be.
const ROLE: &str = "RUTTER_TEST_ORIGIN";
/// What begins a line that is the origin's, not the test runner's.
const MARK: &str = "@ ";

/// What reached origins, over all their lives.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Where each request came, by its id.
    requests: Mutex<HashMap<String, Vec<&'static str>>>,
    /// How many came to each origin.
    n_requests: Mutex<HashMap<&'static str, usize>>,
    /// The WebSocket messages, by their numbers, in order of arrival.
    messages: Mutex<Vec<u64>>,
    /// The request that is held.
    held: Mutex<Option<String>>,
}

impl Record {
    pub(crate) fn n_requests(&self, origin: &str) -> usize {
        self.n_requests.lock().unwrap().get(origin).copied().unwrap_or_default()
    }

    /// The origins that a request reached.
    pub(crate) fn reached(&self, id: &str) -> Vec<&'static str> {
        self.requests.lock().unwrap().get(id).cloned().unwrap_or_default()
    }

    pub(crate) fn messages(&self) -> Vec<u64> {
        self.messages.lock().unwrap().clone()
    }

    /// The id of the request that is held, which is told once.
    pub(crate) fn take_held(&self) -> Option<String> {
        self.held.lock().unwrap().take()
    }

    fn note(&self, origin: &'static str, line: &str) {
        match line.split_once(' ') {
            Some(("request", id)) => {
                self.requests.lock().unwrap().entry(id.to_owned()).or_default().push(origin);
                *self.n_requests.lock().unwrap().entry(origin).or_default() += 1;
            }
            Some(("message", number)) => {
                self.messages.lock().unwrap().push(number.parse().unwrap());
            }
            Some(("held", id)) => *self.held.lock().unwrap() = Some(id.to_owned()),
            _ => panic!("{origin} says `{line}`"),
        }
    }
}

/// A living origin.
pub(crate) struct Mortal {
    pub(crate) address: SocketAddr,
    process: Child,
    hearer: Option<JoinHandle<()>>,
}

impl Mortal {
    /// A new life on that port; 0: any free one.
    pub(crate) fn start(name: &'static str, port: u16, record: &Arc<Record>) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "mortal::an_origin_tells_what_reached_it_until_it_is_killed"])
            .arg("--nocapture")
            .env(ROLE, format!("{name} {port}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (ready, is_ready) = channel();
        let record = record.clone();
        let hearer = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some(line) = line.strip_prefix(MARK) else { continue };
                match line.strip_prefix("ready ") {
                    Some(address) => ready.send(address.parse().unwrap()).unwrap(),
                    None => record.note(name, line),
                }
            }
        });
        let address = is_ready.recv_timeout(PATIENCE).expect("the origin lives");
        Self { address, process, hearer: Some(hearer) }
    }

    /// Leaves the next request with that method unanswered.
    pub(crate) fn hold(&mut self, method: &str) {
        let mut stdin = self.process.stdin.as_ref().unwrap();
        writeln!(stdin, "hold {method}").unwrap();
    }

    /// SIGKILL. When it returns, all that it has seen is in the record.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// SIGSTOP: the kernel goes on accepting for it, and nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        if let Some(hearer) = self.hearer.take() {
            hearer.join().expect("it was understood");
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if self.hearer.is_some() && !std::thread::panicking() {
            self.end();
        } else {
            // The test has failed already, or it is dead.
            let _gone = self.process.kill();
            let _ended = self.process.wait();
        }
    }
}

#[test]
fn an_origin_tells_what_reached_it_until_it_is_killed() {
    if let Ok(role) = std::env::var(ROLE) {
        return life(&role);
    }
    let record = Arc::new(Record::default());
    let origin = Mortal::start("origin", 0, &record);
    let ask = |id: &str| {
        let mut stream = std::net::TcpStream::connect(origin.address)?;
        let body = format!("body of {id}");
        let n = body.len();
        let head = format!("POST / HTTP/1.1\r\nx-id: {id}\r\nconnection: close\r\n");
        write!(stream, "{head}content-length: {n}\r\n\r\n{body}")?;
        std::io::read_to_string(stream)
    };
    for id in ["one", "two", "two"] {
        let answer = ask(id).unwrap();
        let expected = format!("body of {id}");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&expected), "{answer}");
    }
    let address = origin.address;
    origin.kill();
    assert_eq!(record.reached("one"), ["origin"]);
    assert_eq!(record.reached("two"), ["origin"; 2]);
    assert_eq!(record.n_requests("origin"), 3);
    std::net::TcpStream::connect(address).expect_err("it is dead");
}

/// The life of an origin: its name and port.
fn life(role: &str) {
    let (name, port) = role.split_once(' ').unwrap();
    let hold = Arc::new(Mutex::new(None));
    std::thread::spawn({
        let hold = hold.clone();
        move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                *hold.lock().unwrap() = line.strip_prefix("hold ").map(str::to_owned);
            }
            // Whoever started it is gone.
            std::process::exit(0);
        }
    });
    let origin = Arc::new(Origin { name: name.to_owned(), hold });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(origin, port.parse().unwrap()));
}

struct Origin {
    name: String,
    /// The method of which the next request is left unanswered.
    hold: Arc<Mutex<Option<String>>>,
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{MARK}{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn serve(origin: Arc<Origin>, port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    // The test runner has begun a line of its own.
    std::io::stdout().write_all(b"\n").unwrap();
    say(&format!("ready {}", listener.local_addr().unwrap()));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let origin = origin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let origin = origin.clone();
                async move { Ok::<_, Infallible>(answer(&origin, request).await) }
            });
            // A gateway may drop an idle connection at any time.
            let _ended = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(origin: &Origin, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() == "/healthz" {
        return Response::default();
    }
    if request.headers().contains_key(header::UPGRADE) {
        return upgrade(origin, request);
    }
    let id = request.headers()["x-id"].to_str().unwrap().to_owned();
    say(&format!("request {id}"));
    let is_held = {
        let mut hold = origin.hold.lock().unwrap();
        hold.take_if(|method| *method == request.method().as_str()).is_some()
    };
    let body = request.into_body().collect().await;
    if is_held {
        say(&format!("held {id}"));
        std::future::pending::<()>().await;
    }
    match body {
        Ok(body) => Response::new(Full::new(body.to_bytes())),
        Err(_) => Response::builder().status(400).body(Full::default()).unwrap(),
    }
}

fn upgrade(origin: &Origin, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let accept = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    let (upgraded, name) = (hyper::upgrade::on(&mut request), origin.name.clone());
    tokio::spawn(async move {
        let stream = TokioIo::new(upgraded.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        if socket.send(Message::text(name)).await.is_err() {
            return;
        }
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(number) = message else { continue };
            say(&format!("message {number}"));
            if socket.send(Message::Text(number)).await.is_err() {
                return;
            }
        }
    });
    Response::builder()
        .status(101)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Full::default())
        .unwrap()
}
