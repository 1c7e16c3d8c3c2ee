//! The access log: one line for each request, whoever answered it.
//!
//! A request leaves a [`Record`] when its answer is out, or when its client has gone away; a
//! request that hyper's parser refused leaves one too, with what is known of it. The record says
//! whether anything of the request was sent to an upstream, so that the log can be held against
//! what origins saw.
//!
//! **Off the hot path.** A worker makes the line at once, into a stripe of text of its own; the
//! stripe's lock is waited for only while the writer takes the text, and nobody is woken. One thread
//! takes all stripes every [`PERIOD`] and writes them, so lines are in order within a worker and
//! within a period of it among all. Rejected: a channel, which wakes its reader for each line, at the
//! price of a context switch a request; and to keep the records until the writer makes their lines:
//! each holds on to the buffer that its request was read into, so that every request is read into
//! fresh memory, which another thread frees.
//!
//! **Bounds.** A stripe holds [`CAPACITY`] bytes. With a disk that hangs or a pipe that nobody
//! reads, further lines are dropped, counted (`access_log_dropped`) and told in the log when writing
//! goes on; no request waits for its line.
//!
//! **Rotation.** [`AccessLog::reopen`] opens the file by its name again before the next lines.

mod clock;
mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, StatusCode, Uri, Version};
use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::metrics::GatewayMetrics;
use crate::routes::Route;
use crate::upstream::Meter;

use clock::Clock;

/// How often lines are written.
const PERIOD: Duration = Duration::from_millis(100);

/// How many bytes of each worker's lines wait for the writer; the last line may exceed it.
const CAPACITY: usize = 8 * 1024 * 1024;

/// Where the access log goes, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// The file, made if it isn't there; `None`: standard output.
    pub file: Option<PathBuf>,
    /// What a line looks like.
    pub format: AccessLogFormat,
}

/// What a line of the access log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// The Combined Log Format of Apache and nginx.
    Common,
    /// One JSON object.
    Json,
}

/// The words for the sources of the routes that were tried, in order; most requests try one.
pub(crate) type Tried = SmallVec<[SmolStr; 2]>;

/// One request, as the log tells it.
#[derive(Debug)]
pub(crate) struct Record {
    /// When its head was there.
    pub(crate) at: SystemTime,
    /// Who asked, behind trusted proxies.
    pub(crate) client: IpAddr,
    /// The host asked for, if it was let in.
    pub(crate) host: Option<SmolStr>,
    /// What was asked; `None` where hyper could not tell.
    pub(crate) asked: Option<(Method, Uri, Version)>,
    /// The answer's status; [`gone`] where the client didn't wait for one.
    pub(crate) status: StatusCode,
    /// Bytes of the request's body that were read.
    pub(crate) bytes_in: u64,
    /// Bytes of the answer's body that were taken to be sent.
    pub(crate) bytes_out: u64,
    /// From the head of the request to the end of the answer.
    pub(crate) took: Duration,
    /// From the head of the request to the head of the upstream's answer.
    pub(crate) upstream: Option<Duration>,
    /// The words for the sources of the routes tried.
    pub(crate) tried: Tried,
    /// The route that answered.
    pub(crate) served: Option<Arc<Route>>,
    /// Whether a byte of the request was sent to an upstream.
    pub(crate) sent: bool,
    /// Whether the answer was taken to its end.
    pub(crate) whole: bool,
    /// The request's id.
    pub(crate) id: Option<HeaderValue>,
    /// The code of the gateway's own answer, or of why it cut a request whose answer had begun.
    pub(crate) error: Option<&'static str>,
    /// The version of TLS.
    pub(crate) tls: Option<&'static str>,
    /// The name in the TLS handshake.
    pub(crate) tls_server_name: Option<Arc<str>>,
    /// `Referer`.
    pub(crate) referer: Option<HeaderValue>,
    /// `User-Agent`.
    pub(crate) agent: Option<HeaderValue>,
}

/// The status that stands for a client that went away before its answer began: nginx's, which log
/// readers know. No client ever sees it.
pub(crate) fn gone() -> StatusCode {
    // A valid number of three digits.
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// What happens to a request while nobody knows yet how it ends.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    bytes_in: AtomicU64,
    sent: AtomicBool,
    /// Why the gateway cut the request's body, by the code of the page for that.
    cut: OnceLock<&'static str>,
    /// The connection that is at work for it, and what its meter showed before.
    current: Mutex<Option<(Arc<Meter>, u64)>>,
}

impl Tally {
    pub(crate) fn add_read(&self, n: usize) {
        self.bytes_in.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn n_read(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// The request's body was cut; the first reason counts.
    pub(crate) fn cut(&self, code: &'static str) {
        self.cut.get_or_init(|| code);
    }

    pub(crate) fn was_cut(&self) -> Option<&'static str> {
        self.cut.get().copied()
    }

    fn current(&self) -> MutexGuard<'_, Option<(Arc<Meter>, u64)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request is about to be sent over a connection with that meter.
    pub(crate) fn sending(&self, meter: Arc<Meter>) {
        let before = meter.written();
        *self.current() = Some((meter, before));
    }

    /// That came to its end, and bytes were sent or not.
    pub(crate) fn sent(&self, sent: bool) {
        *self.current() = None;
        self.sent.fetch_or(sent, Ordering::Relaxed);
    }

    /// Whether a byte of the request was sent.
    pub(crate) fn was_sent(&self) -> bool {
        let now = self.current().as_ref().is_some_and(|(meter, before)| meter.written() > *before);
        now || self.sent.load(Ordering::Relaxed)
    }
}

/// Lines that wait for the writer.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    n: u64,
}

/// One worker's lines, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(Mutex<(Lines, Clock)>);

impl Stripe {
    fn lock(&self) -> MutexGuard<'_, (Lines, Clock)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What workers and the writer share.
#[derive(Debug)]
struct Queue {
    stripes: Box<[Stripe]>,
    format: AccessLogFormat,
    reopen: AtomicBool,
    stop: AtomicBool,
    metrics: Arc<GatewayMetrics>,
}

/// The log, open.
#[derive(Debug)]
pub(crate) struct AccessLog {
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AccessLog {
    /// Opens the log and starts its writer.
    pub(crate) fn open(
        config: AccessLogConfig,
        n_workers: usize,
        metrics: Arc<GatewayMetrics>,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            stripes: (0..n_workers.max(1)).map(|_| Stripe::default()).collect(),
            format: config.format,
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            metrics,
        });
        let sink = writer::Sink::open(config.file.as_deref())?;
        let writer = writer::Writer::new(sink, config.file, queue.clone());
        let thread =
            std::thread::Builder::new().name("access-log".to_owned()).spawn(|| writer.run())?;
        Ok(Self { queue, writer: Mutex::new(Some(thread)) })
    }

    /// Makes a record of that worker a line, or drops it where there is no room.
    pub(crate) fn push(&self, worker: usize, record: &Record) {
        let stripes = &self.queue.stripes;
        let Some(stripe) = stripes.get(worker % stripes.len()) else { return };
        let (lines, clock) = &mut *stripe.lock();
        if lines.text.len() < CAPACITY {
            line::write(&mut lines.text, self.queue.format, record, clock);
            lines.n += 1;
        } else {
            self.queue.metrics.access_log_dropped.add(1);
        }
    }

    /// Opens the file by its name again, before the next lines.
    pub(crate) fn reopen(&self) {
        self.queue.reopen.store(true, Ordering::Release);
    }

    /// Writes what is there and ends.
    pub(crate) fn close(&self) {
        self.queue.stop.store(true, Ordering::Release);
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the access log's writer ended by a fault of its own");
            }
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}
