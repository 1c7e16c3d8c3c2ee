//! Files of routes are edited a thousand times under load, in place and by a rename.
//!
//! Each edit moves one route to another origin and changes others around it. Nobody who asks for
//! the route that moves may see an error, wherever it leads at the moment; who asks for a route
//! beside it, in the same file, keeps the connection to its origin, and a stream that is open
//! through a third stays open from the first edit to the last.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::open_loop::OpenLoop;
use crate::support::visit::visitor;
use crate::support::{PATIENCE, Up};
use crate::told;

const EDITS: usize = 1000;
/// Requests before the first edit.
const WARM: usize = 1000;
/// Connections to an origin that is asked one by one.
const FEW: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_edits_fail_no_request_and_cut_nothing_that_they_dont_touch() {
    let [a, b, steady] =
        [Counted::start("a").await, Counted::start("b").await, Counted::start("s").await];
    let (echo, port) = (echo().await, free_port().await);
    let text = |edit: usize| {
        let to = if edit.is_multiple_of(2) { &a } else { &b };
        let mut text = String::new();
        let mut route = |name: &str, port: u16| {
            let disable = "healthcheck: {disable: true}";
            write!(text, "{name}:\n  host: 127.0.0.1\n  port: {port}\n  {disable}\n").unwrap();
        };
        route("moved", to.address.port());
        route("steady", steady.address.port());
        route(&format!("noise-{edit}"), to.address.port());
        let stream =
            format!("tcp:\n  scheme: tcp\n  host: 127.0.0.1\n  port: {port}:{}\n", echo.port());
        text + &stream
    };
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("config.yml"), "providers: {include: [a.yml]}\n").unwrap();
    std::fs::write(config.join("a.yml"), text(0)).unwrap();
    std::fs::write(dir.path().join(".env"), "GODOXY_HTTP_ADDR=127.0.0.1:0\nGODOXY_HTTPS_ADDR=\n")
        .unwrap();
    let up = Up::godoxy(dir, &[]);
    let gateway = up.gateway();
    served_by(gateway, "a").await;
    let mut stream = connected(port).await;
    let moved = OpenLoop::start(gateway, "moved.example.test");
    let still = OneByOne::start(gateway, "steady.example.test").await;
    moved.answered(WARM).await;
    let mut times = Vec::new();
    for edit in 1..=EDITS {
        let since = Instant::now();
        match edit % 4 < 2 {
            true => std::fs::write(config.join("a.yml"), text(edit)).unwrap(),
            false => {
                std::fs::write(config.join(".a.yml.new"), text(edit)).unwrap();
                std::fs::rename(config.join(".a.yml.new"), config.join("a.yml")).unwrap();
            }
        }
        served_by(gateway, if edit.is_multiple_of(2) { "a" } else { "b" }).await;
        times.push(since.elapsed());
        echoes(&mut stream).await;
    }
    moved.end("a route that moved a thousand times").await;
    let n_steady = still.end().await;
    println!("an edit was served after {}", told(&times));
    let n_connections = steady.connections();
    println!("a route beside it: {n_steady} answered one by one, {n_connections} connections");
    assert!(n_steady > EDITS, "{n_steady}");
    // A client may ask again before the connection of its last answer is back in the pool, so there
    // may be a few; were they closed by edits there would be a thousand.
    assert!(n_connections <= FEW, "{n_connections} connections to a route that nobody touched");
}

/// Somebody who asks for one route again and again, over one connection.
struct OneByOne {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<usize>,
}

impl OneByOne {
    async fn start(gateway: SocketAddr, host: &'static str) -> Self {
        let stream = TcpStream::connect(gateway).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        // Its end is told to who sends.
        tokio::spawn(connection);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let asking = tokio::spawn(async move {
            let mut n_answered = 0;
            while !stopped.load(Ordering::Relaxed) {
                let request = Request::get("/").header("host", host).body(Empty::<Bytes>::new());
                sender.ready().await.unwrap();
                let answer = sender.send_request(request.unwrap()).await.unwrap();
                assert_eq!(answer.status(), 200, "request {n_answered}");
                answer.into_body().collect().await.unwrap();
                n_answered += 1;
            }
            n_answered
        });
        Self { stop, asking }
    }

    /// How many were answered.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.await.unwrap()
    }
}

/// Waits until that origin answers for the route that moves.
async fn served_by(gateway: SocketAddr, origin: &str) {
    let deadline = Instant::now() + PATIENCE;
    let visitor = visitor(None);
    loop {
        let request =
            visitor.get(format!("http://{gateway}/")).header("host", "moved.example.test");
        if request.send().await.unwrap().text().await.unwrap() == origin {
            return;
        }
        assert!(Instant::now() < deadline, "not served by {origin}");
    }
}

/// An origin that says its name and counts who connects.
struct Counted {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Counted {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let service = service_fn(move |_| async move {
                    let body = Full::new(Bytes::from_static(name.as_bytes()));
                    Ok::<_, std::convert::Infallible>(http::Response::new(body))
                });
                let http = hyper::server::conn::http1::Builder::new();
                // A gateway may drop an idle connection at any time.
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// A port that nobody has now: a stream's is named by its route.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A connection by the stream's route, once it listens.
async fn connected(port: u16) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "no stream: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn echoes(stream: &mut TcpStream) {
    let mut got = [0; 4];
    stream.write_all(b"ping").await.unwrap();
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got, b"ping");
}
