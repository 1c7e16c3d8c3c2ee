//! A service behind a cluster, and people who ask for it all the time.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::namespace::Namespace;

/// How often each of them asks.
const EACH: Duration = Duration::from_millis(10);

/// How many there are.
const PEOPLE: usize = 4;

/// How long one waits for an answer; beyond that the request has failed.
const WAITS: Duration = Duration::from_secs(20);

/// A service that answers with its name and the headers that it was asked by. It ends with the test.
pub(crate) fn serve(at: &Namespace, address: &'static str, name: &'static str) {
    let listener = at.enter(move || std::net::TcpListener::bind(address).unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let service =
                        service_fn(move |request: http::Request<_>| answer(name, request));
                    // A gateway may drop an idle connection at any time.
                    let _ended = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
    });
}

async fn answer<B>(
    name: &'static str,
    request: http::Request<B>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let mut text = format!("{name}\n");
    for (header, value) in request.headers() {
        text.push_str(&format!("{header}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    Ok(http::Response::new(Full::new(text.into())))
}

/// One request over a connection of its own: the status and the body.
pub(crate) fn ask(from: &Namespace, gateway: SocketAddr, host: &str, more: &str) -> (u16, String) {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
    from.enter(move || {
        let asked = TcpStream::connect(gateway).and_then(|stream| exchange(&stream, &request));
        asked.expect("an answer")
    })
}

fn exchange(mut stream: &TcpStream, request: &str) -> std::io::Result<(u16, String)> {
    stream.set_read_timeout(Some(WAITS))?;
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("the connection ended before an answer"));
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    let status = head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status: {head:?}")))?;
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = Vec::new();
    match length.and_then(|length| length.parse().ok()) {
        Some(length) => reader.take(length).read_to_end(&mut body)?,
        None => reader.read_to_end(&mut body)?,
    };
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// People who ask, each over a connection that is kept or not. Dropping it ends them.
pub(crate) struct Load {
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: Arc<AtomicBool>,
    people: Vec<JoinHandle<()>>,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) asked: Instant,
    pub(crate) took: Duration,
    /// What was wrong with it.
    pub(crate) failed: Option<String>,
}

impl Load {
    /// Ask a gateway for a host, from a namespace.
    pub(crate) fn start(from: &Namespace, gateway: SocketAddr, host: &'static str) -> Self {
        Self::of_people(from, gateway, host, true)
    }

    /// The same by people who connect for each request.
    pub(crate) fn start_anew(from: &Namespace, gateway: SocketAddr, host: &'static str) -> Self {
        Self::of_people(from, gateway, host, false)
    }

    fn of_people(from: &Namespace, gateway: SocketAddr, host: &'static str, keep: bool) -> Self {
        let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let person = |_| {
            let (answers, stop) = (answers.clone(), stop.clone());
            // A thread is in the namespace of the one that starts it.
            from.enter(move || {
                std::thread::spawn(move || person((gateway, host, keep), &answers, &stop))
            })
        };
        let people = (0..PEOPLE).map(person).collect();
        Self { answers, stop, people }
    }

    /// Waits until so many more requests were answered.
    pub(crate) fn goes_on(&self, n: usize) {
        let before = self.answers.lock().unwrap().len();
        let now = || self.answers.lock().unwrap().len();
        crate::until("requests go on", now, |now| *now >= before + n);
    }

    /// Those that were asked since then.
    pub(crate) fn since(&self, then: Instant) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap();
        answers.iter().filter(|answer| answer.asked >= then).cloned().collect()
    }

    /// None has failed since then; the longest that one took.
    pub(crate) fn none_failed(&self, what: &str, then: Instant) -> Duration {
        let answers = self.since(then);
        let failed: Vec<_> = answers.iter().filter_map(|answer| answer.failed.as_ref()).collect();
        assert!(
            failed.is_empty(),
            "{what}: {} of {} failed: {failed:#?}",
            failed.len(),
            answers.len()
        );
        let longest = answers.iter().map(|answer| answer.took).max().unwrap_or_default();
        println!("{what}: 0 of {} requests failed; the longest took {longest:?}", answers.len());
        longest
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for person in self.people.drain(..) {
            // What went wrong there was told there.
            let _ended = person.join();
        }
    }
}

fn person(
    (gateway, host, keep): (SocketAddr, &str, bool),
    answers: &Mutex<Vec<Answer>>,
    stop: &AtomicBool,
) {
    let close = if keep { "" } else { "Connection: close\r\n" };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{close}\r\n");
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let stream = kept.take().map_or_else(|| TcpStream::connect(gateway), Ok);
        let exchanged = stream.and_then(|stream| {
            let answer = exchange(&stream, &request)?;
            Ok((stream, answer))
        });
        let failed = match exchanged {
            Ok((stream, (200, body))) => {
                kept = keep.then_some(stream);
                (!body.starts_with("a\n")).then(|| format!("not A's answer: {body}"))
            }
            Ok((_, (status, body))) => Some(format!("{status}: {body}")),
            Err(error) => Some(error.to_string()),
        };
        let took = asked.elapsed();
        answers.lock().unwrap().push(Answer { asked, took, failed });
        std::thread::sleep(EACH.saturating_sub(asked.elapsed()));
    }
}
