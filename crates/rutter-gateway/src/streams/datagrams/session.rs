//! One client of UDP and its upstream.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rutter_route::Mono;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{BATCH, BUFFER, WAITING};
use crate::balance::UnderWay;
use crate::clock;
use crate::metrics::Held;
use crate::proxy::Worker;
use crate::routes::{Route, Routes};
use crate::server::ClientPlace;
use crate::streams::Place;
use crate::upstream::Target;

/// What a session holds a place in, given back with it.
pub(super) type Places = (OwnedSemaphorePermit, ClientPlace, Held);

/// A session. Dropping it ends its task.
#[derive(Debug)]
pub(super) struct Session {
    state: Arc<State>,
    _ends: DropGuard,
}

/// What a session and its task know of each other.
#[derive(Debug)]
struct State {
    /// The socket towards the upstream; unset until one was found.
    upstream: OnceLock<UdpSocket>,
    /// What came before that.
    waiting: Mutex<Vec<Box<[u8]>>>,
    /// When something last moved, either way, by the gateway's clock.
    moved: AtomicU64,
    is_answered: AtomicBool,
    is_over: AtomicBool,
    _places: Places,
}

impl Session {
    /// Sends a datagram on, or keeps it until it is known where to; `false`: it is lost.
    pub(super) fn send(&self, datagram: &[u8]) -> bool {
        self.state.touch();
        match self.state.upstream.get() {
            Some(upstream) => upstream.try_send(datagram).is_ok(),
            None => self.state.keep(datagram),
        }
    }

    /// Whether the upstream is gone.
    pub(super) fn is_over(&self) -> bool {
        self.state.is_over.load(Ordering::Relaxed)
    }

    /// Whether the session goes on, that may be silent for `idle`, or `unanswered` if no answer
    /// ever came.
    pub(super) fn stays(&self, idle: Duration, unanswered: Duration) -> bool {
        let longest = match self.state.is_answered.load(Ordering::Relaxed) {
            true => idle,
            false => idle.min(unanswered),
        };
        let moved = Mono(self.state.moved.load(Ordering::Relaxed));
        !self.is_over() && clock::now().since(moved) < longest
    }
}

impl State {
    fn touch(&self) {
        self.moved.store(clock::now().0, Ordering::Relaxed);
    }

    fn keep(&self, datagram: &[u8]) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = waiting.len() < WAITING;
        if has_room {
            waiting.push(datagram.into());
        }
        has_room
    }

    /// From now on datagrams go there, those that waited first. Nobody comes in between: all of it
    /// is one thread's, and nothing here waits.
    fn found(&self, upstream: UdpSocket) -> Option<&UdpSocket> {
        self.upstream.set(upstream).ok()?;
        let upstream = self.upstream.get()?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for datagram in waiting.drain(..) {
            if let Err(error) = upstream.try_send(&datagram) {
                tracing::debug!(%error, "a datagram that waited is lost");
            }
        }
        Some(upstream)
    }
}

/// A session that is about to begin.
pub(super) struct Opening {
    pub(super) client: SocketAddr,
    /// What the client is answered by.
    pub(super) listener: Arc<UdpSocket>,
    pub(super) at: Arc<Place>,
    pub(super) routes: Arc<Routes>,
    pub(super) worker: Arc<Worker>,
}

impl Opening {
    /// Begins it on this thread's runtime.
    pub(super) fn begin(self, places: Places) -> Arc<Session> {
        let ends = CancellationToken::new();
        let state = Arc::new(State {
            upstream: OnceLock::new(),
            waiting: Mutex::default(),
            moved: AtomicU64::new(clock::now().0),
            is_answered: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            _places: places,
        });
        let (session, ended) = (state.clone(), ends.clone());
        self.worker.tasks.clone().spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = self.run(&session) => session.is_over.store(true, Ordering::Relaxed),
            }
        });
        Arc::new(Session { state, _ends: ends.drop_guard() })
    }

    /// Finds an upstream and passes on its answers, until it refuses.
    async fn run(&self, session: &State) {
        let Some((route, upstream)) = self.connect().await else {
            self.worker.shared.metrics.streams_without_route.add(1);
            return tracing::debug!(client = %self.client, "no upstream for a client of UDP");
        };
        let Some(upstream) = session.found(upstream) else { return };
        let _load = UnderWay::of(route);
        let error = loop {
            // A refusal makes a socket erroneous and not readable, and is told once: to this task,
            // or to whoever sends meanwhile.
            let ready = match upstream.ready(Interest::READABLE | Interest::ERROR).await {
                Ok(ready) => ready,
                Err(error) => break error,
            };
            if ready.is_error() {
                break refusal(upstream);
            }
            match self.answer(session, upstream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break error,
                // There may be more, when others had their turn.
                Ok(()) => tokio::task::yield_now().await,
            }
        };
        tracing::debug!(route = %route.id, %error, "a server of UDP is not there");
        self.at.picker.refuses(route);
    }

    /// Passes on what lies in the upstream's socket, up to a bound.
    fn answer(&self, session: &State, upstream: &UdpSocket) -> io::Result<()> {
        let metrics = &self.worker.shared.metrics;
        BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..BATCH {
                let n = upstream.try_recv(buffer)?;
                session.touch();
                session.is_answered.store(true, Ordering::Relaxed);
                let answer = buffer.get(..n).unwrap_or_default();
                match self.listener.try_send_to(answer, self.client) {
                    Ok(_) => metrics.datagrams_out.add(1),
                    Err(_) => metrics.datagrams_dropped.add(1),
                }
            }
            Ok(())
        })
    }

    async fn connect(&self) -> Option<(&Arc<Route>, UdpSocket)> {
        let shared = &self.worker.shared;
        let service = &self.routes.service.name;
        let slow_start = shared.settings.load().slow_start;
        for route in self.at.picker.order(&self.routes, self.client.ip(), slow_start) {
            let Some(endpoint) = route.endpoint() else { continue };
            let target = Target::new(endpoint, service.as_str(), service);
            match shared.connector.connect_udp(&target).await {
                // The runtime knows a new socket as writable only when it has looked at it.
                Ok(socket) if socket.writable().await.is_ok() => return Some((route, socket)),
                Ok(_) => {}
                Err(error) => tracing::debug!(route = %route.id, %error, "not there"),
            }
        }
        None
    }
}

/// What a server that is not there said, or its host.
fn refusal(upstream: &UdpSocket) -> io::Error {
    match upstream.take_error() {
        Ok(Some(error)) | Err(error) => error,
        Ok(None) => io::ErrorKind::ConnectionRefused.into(),
    }
}
