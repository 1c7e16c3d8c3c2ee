//! The service, and those who ask for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::STILL;
use crate::demo::wait;

/// How often each of them asks.
const EACH: Duration = Duration::from_millis(10);
/// How many there are.
const PEOPLE: usize = 3;
/// How long one waits; beyond that the request has failed.
const WAITS: Duration = Duration::from_secs(20);
/// Requests in a row that show that it goes on.
const SOME: usize = 100;

/// A small service that answers with the head of what it was asked. It ends with the process.
pub(super) struct Service(SocketAddr);

impl Service {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // An asker that goes away is no fault of the service's.
                std::thread::spawn(move || drop(answer(&stream)));
            }
        });
        Ok(Self(address))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0
    }
}

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(head) = read_head(&mut reader)? else { return Ok(()) };
        let body = format!("hello from a\n{}\n", head.join("\n"));
        let length = body.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")?;
    }
}

/// The lines of a head; `None`: the connection has ended before it.
fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<String>>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => return Ok(Some(head)),
            line => head.push(line.to_owned()),
        }
    }
}

/// One request: the status and the body.
///
/// # Errors
/// There was no answer.
pub(super) fn ask(gateway: SocketAddr, host: &str) -> anyhow::Result<(u16, String)> {
    ask_with(gateway, host, "")
}

/// The same with further lines in its head.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_with(
    gateway: SocketAddr,
    host: &str,
    more: &str,
) -> anyhow::Result<(u16, String)> {
    let stream = TcpStream::connect(gateway)?;
    exchange(&stream, host, more)
}

fn exchange(mut stream: &TcpStream, host: &str, more: &str) -> anyhow::Result<(u16, String)> {
    stream.set_read_timeout(Some(WAITS))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")?;
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader)?.context("the connection ended before an answer")?;
    let status = head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.context("an answer without a length")?];
    reader.read_exact(&mut body)?;
    let status = status.context("an answer without a status")?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[derive(Default)]
struct Shared {
    /// When each was asked, and how long its answer took.
    answered: Mutex<Vec<(Instant, Duration)>>,
    failed: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// Those who ask, each over a connection that is kept.
pub(super) struct People {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl People {
    pub(super) fn start(gateway: SocketAddr, host: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        let person = |_| {
            let shared = shared.clone();
            std::thread::spawn(move || person(gateway, host, &shared))
        };
        let threads = (0..PEOPLE).map(person).collect();
        Self { shared, threads }
    }

    pub(super) fn n_answered(&self) -> usize {
        lock(&self.shared.answered).len()
    }

    /// Waits for requests more, and fails if one has failed; the slowest of those asked since then.
    ///
    /// # Errors
    /// A request has failed.
    pub(super) fn goes_on(&self, since: Instant) -> anyhow::Result<Duration> {
        let (begun, before) = (Instant::now(), self.n_answered());
        wait("requests are answered", || {
            Ok(self.n_answered() >= before + SOME && begun.elapsed() >= STILL)
        })?;
        let failed = lock(&self.shared.failed);
        ensure!(failed.is_empty(), "requests have failed: {failed:?}");
        let answered = lock(&self.shared.answered);
        let took = answered.iter().filter(|(asked, took)| *asked + *took >= since);
        Ok(took.map(|(_, took)| *took).max().unwrap_or_default())
    }

    /// Ends them: how many requests there were, and what was wrong with those that failed.
    pub(super) fn end(mut self) -> (usize, Vec<String>) {
        self.stop();
        let failed = lock(&self.shared.failed).clone();
        (self.n_answered() + failed.len(), failed)
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Its panic was told already.
            drop(thread.join());
        }
    }
}

impl Drop for People {
    fn drop(&mut self) {
        self.stop();
    }
}

fn person(gateway: SocketAddr, host: &str, shared: &Shared) {
    let mut kept: Option<TcpStream> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let stream = match kept.take() {
            Some(stream) => Ok(stream),
            None => TcpStream::connect(gateway).map_err(anyhow::Error::from),
        };
        let exchanged = stream.and_then(|stream| Ok((exchange(&stream, host, "")?, stream)));
        match exchanged {
            Ok(((200, _), stream)) => {
                lock(&shared.answered).push((asked, asked.elapsed()));
                kept = Some(stream);
            }
            Ok(((status, body), _)) => lock(&shared.failed).push(format!("{status}: {body}")),
            Err(error) => lock(&shared.failed).push(error.to_string()),
        }
        std::thread::sleep(EACH.saturating_sub(asked.elapsed()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
