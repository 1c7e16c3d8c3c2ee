//! Requests that come at their own pace, whether those before them are answered or not.
//!
//! A client that waits for an answer before it asks again asks less when the gateway is slow, and so
//! hides just what is looked for. Here one request begins every millisecond. Connections are kept
//! and used in turn; one that the gateway has said it closes isn't used again. Nothing is ever sent
//! twice, so whatever goes wrong is counted.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::support::PATIENCE;
use crate::until;

/// One begins in each of these: a thousand a second.
const EVERY: Duration = Duration::from_millis(1);
/// A machine that falls behind further than this many requests is only waited for: each may need a
/// connection of its own to the origin, in whose queue 1,024 find room. Were there more, the kernel
/// would drop the rest, and the gateway would rightly say that nobody answers.
const MOST_UNDER_WAY: usize = 800;

type Connection = SendRequest<Empty<Bytes>>;

/// See the module's head.
pub(crate) struct OpenLoop {
    shared: Arc<Shared>,
    driver: JoinHandle<()>,
    begun: Instant,
}

struct Shared {
    host: &'static str,
    target: Mutex<SocketAddr>,
    kept: Mutex<HashMap<SocketAddr, VecDeque<Connection>>>,
    n_good: AtomicUsize,
    failed: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl OpenLoop {
    pub(crate) fn start(target: SocketAddr, host: &'static str) -> Self {
        let shared = Arc::new(Shared {
            host,
            target: Mutex::new(target),
            kept: Mutex::default(),
            n_good: AtomicUsize::new(0),
            failed: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let driver = tokio::spawn(drive(shared.clone()));
        Self { shared, driver, begun: Instant::now() }
    }

    /// Requests that begin from now on go there.
    pub(crate) fn aim(&self, at: SocketAddr) {
        *self.shared.target.lock().unwrap() = at;
    }

    /// Waits until that many more were answered.
    pub(crate) async fn answered(&self, more: usize) {
        let n = self.shared.n_good.load(Ordering::Relaxed) + more;
        let there = || {
            self.shared.n_good.load(Ordering::Relaxed) >= n
                || !self.shared.failed.lock().unwrap().is_empty()
        };
        until("answers", there).await;
    }

    /// Ends it when all are answered; none may have failed.
    pub(crate) async fn end(self, what: &str) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.driver.await.unwrap();
        let failed = self.shared.failed.lock().unwrap();
        let n_good = self.shared.n_good.load(Ordering::Relaxed);
        let rate = n_good as f64 / self.begun.elapsed().as_secs_f64();
        println!("{what}: {n_good} answered, {rate:.0} a second, {} failed", failed.len());
        assert!(failed.is_empty(), "{what}: {} of {n_good} failed: {failed:?}", failed.len());
    }
}

async fn drive(shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(MOST_UNDER_WAY));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !shared.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let place = room.clone().acquire_owned().await.unwrap();
        let shared = shared.clone();
        tokio::spawn(async move {
            let asked = timeout(PATIENCE, shared.ask());
            match asked.await.unwrap_or_else(|_| Err("no answer".to_owned())) {
                Ok(()) => drop(shared.n_good.fetch_add(1, Ordering::Relaxed)),
                Err(why) => shared.failed.lock().unwrap().push(why),
            }
            drop(place);
        });
    }
    drop(room.acquire_many(MOST_UNDER_WAY as u32).await.unwrap());
}

impl Shared {
    async fn ask(&self) -> Result<(), String> {
        let target = *self.target.lock().unwrap();
        let mut connection = self.connected(target).await?;
        let request =
            Request::get("/").header("host", self.host).body(Empty::new()).expect("a request");
        let answer = connection.send_request(request).await.map_err(|e| format!("sent: {e:?}"))?;
        let (status, closes) = (answer.status(), answer.headers().contains_key("connection"));
        let code = answer.headers().get("x-rutter-error").cloned();
        answer.into_body().collect().await.map_err(|e| format!("its body: {e:?}"))?;
        if status != 200 {
            return Err(format!("{status} {code:?}"));
        }
        if !closes {
            self.kept.lock().unwrap().entry(target).or_default().push_back(connection);
        }
        Ok(())
    }

    /// The kept connection that has rested longest, else a new one.
    async fn connected(&self, target: SocketAddr) -> Result<Connection, String> {
        loop {
            let kept = self.kept.lock().unwrap().get_mut(&target).and_then(VecDeque::pop_front);
            let Some(mut kept) = kept else { break };
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let stream = TcpStream::connect(target).await.map_err(|e| format!("connect: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| format!("{e:?}"))?;
        // Its end is told to who sends.
        tokio::spawn(connection);
        Ok(sender)
    }
}
