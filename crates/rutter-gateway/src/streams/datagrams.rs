//! UDP: datagrams between clients and upstreams.
//!
//! ```text
//!  client ──▶ the place's socket ──▶ session (by the client's address) ──▶ its own socket ──▶ upstream
//!  client ◀── the place's socket ◀──────────────────────────────────────── its own socket ◀── upstream
//! ```
//!
//! UDP has no connections, so a client is whoever sends from one address and port, and what belongs
//! together is what comes within [`StreamConfig::udp_idle_timeout`]: a *session*, with one upstream and
//! one socket towards it, by which answers find their way back. A session without an answer ends after
//! [`UNANSWERED`], so that senders with forged addresses, which are cheap, don't hold it for long.
//!
//! A place's datagrams all run on one worker: a session's state is then one thread's, and the order
//! of its datagrams stays. Both directions go through one buffer of the worker's.
//!
//! **Failover.** Whether a server of UDP works can't be asked. A refusal (the host says that nobody
//! has the port) ends the session and has other routes come first for a while, so the client's next
//! try finds another.
//!
//! **Bounds.** `max_udp_sessions` over all places, `max_connections_per_client` sessions a client, as
//! many datagrams as [`WAITING`] while an upstream's name is looked up. Beyond them, and where a socket
//! has no room, datagrams are dropped and counted, which is what UDP lets one do.
//!
//! Known limit: with a wildcard address and several addresses on this machine an answer leaves from the
//! one that the kernel chooses. Clients that insist on the one they asked need a service that says it.
//!
//! [`StreamConfig::udp_idle_timeout`]: super::StreamConfig::udp_idle_timeout

mod session;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::Place;
use crate::proxy::Worker;
use crate::server::Gate;
use session::{Opening, Session};

/// How long a session lasts to which no answer came.
const UNANSWERED: Duration = Duration::from_secs(10);

/// How often sessions are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// How many datagrams of a session wait for its upstream to be found.
const WAITING: usize = 16;

/// How many datagrams are taken before others have their turn.
const BATCH: usize = 64;

/// The largest datagram.
const LARGEST: usize = 64 * 1024;

thread_local! {
    static BUFFER: std::cell::RefCell<Box<[u8]>> = std::cell::RefCell::new(vec![0; LARGEST].into());
}

/// Passes on the datagrams of one place.
#[derive(Debug)]
pub(crate) struct Datagrams {
    place: Arc<Place>,
    socket: std::net::UdpSocket,
    gate: std::sync::Weak<Gate>,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
    /// Says that the socket is closed, by its drop.
    _ended: oneshot::Sender<()>,
}

impl Datagrams {
    /// Until `stop`; the receiver hears of the end.
    pub(super) fn new(
        place: Arc<Place>,
        socket: std::net::UdpSocket,
        gate: &Arc<Gate>,
        stop: CancellationToken,
    ) -> (Self, oneshot::Receiver<()>) {
        let (ended, hears) = oneshot::channel();
        // Held weakly: the gate holds the workers' inboxes, in one of which this may lie for ever.
        let permits = gate.shared.streams.sessions();
        let gate = Arc::downgrade(gate);
        (Self { place, socket, gate, permits, stop, _ended: ended }, hears)
    }

    /// Passes on datagrams until told to stop; on the worker that it was given to.
    pub(crate) async fn run(self, worker: Arc<Worker>) {
        let socket = match UdpSocket::from_std(self.socket) {
            Ok(socket) => Arc::new(socket),
            Err(error) => {
                return tracing::error!(place = %self.place.address, %error, "no datagrams");
            }
        };
        // The runtime knows a new socket as writable only when it has looked at it.
        if let Err(error) = socket.writable().await {
            return tracing::error!(place = %self.place.address, %error, "no datagrams");
        }
        let idle = worker.shared.streams.config().udp_idle_timeout;
        let mut sessions = Sessions {
            place: self.place,
            socket: socket.clone(),
            gate: self.gate,
            permits: self.permits,
            by_client: HashMap::default(),
            worker,
        };
        let mut sweep = tokio::time::interval(SWEEP.min(idle / 4).max(Duration::from_millis(1)));
        let mut stopped = std::pin::pin!(self.stop.cancelled());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                _ = sweep.tick() => sessions.sweep(idle),
                ready = socket.readable() => match ready {
                    Ok(()) => sessions.take_batch(),
                    Err(error) => return tracing::error!(%error, "no more datagrams"),
                },
            }
        }
    }
}

/// The sessions of one place.
struct Sessions {
    place: Arc<Place>,
    socket: Arc<UdpSocket>,
    gate: std::sync::Weak<Gate>,
    permits: Arc<Semaphore>,
    /// Seeded at random: clients choose their ports.
    by_client: HashMap<SocketAddr, Arc<Session>, RandomState>,
    worker: Arc<Worker>,
}

impl Sessions {
    /// Takes what lies in the socket, up to a bound; the rest when others had their turn.
    fn take_batch(&mut self) {
        BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..BATCH {
                match self.socket.try_recv_from(buffer) {
                    Ok((n, client)) => self.take(client, buffer.get(..n).unwrap_or_default()),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                    // An answer was refused by a client that is gone.
                    Err(error) => tracing::debug!(%error, "a datagram couldn't be taken"),
                }
            }
        });
    }

    fn take(&mut self, client: SocketAddr, datagram: &[u8]) {
        let metrics = &self.worker.shared.metrics;
        metrics.datagrams_in.add(1);
        if let Some(session) = self.by_client.get(&client).filter(|s| !s.is_over()) {
            if !session.send(datagram) {
                metrics.datagrams_dropped.add(1);
            }
            return;
        }
        // Whatever is over gives its places back before a new one is asked for.
        self.by_client.remove(&client);
        match self.open(client) {
            Some(session) => {
                if !session.send(datagram) {
                    metrics.datagrams_dropped.add(1);
                }
                self.by_client.insert(client, session);
            }
            None => metrics.datagrams_dropped.add(1),
        }
    }

    /// A session for a client that has none; `None`: it isn't let in, or there is no room or way.
    fn open(&self, client: SocketAddr) -> Option<Arc<Session>> {
        let shared = &self.worker.shared;
        let routes = self.place.routes()?;
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        let place = self.gate.upgrade()?.enter_udp(client)?;
        let opening = Opening {
            client,
            listener: self.socket.clone(),
            at: self.place.clone(),
            routes,
            worker: self.worker.clone(),
        };
        shared.metrics.udp_sessions.add(1);
        let held = (permit, place, shared.metrics.active_udp_sessions.hold());
        Some(opening.begin(held))
    }

    fn sweep(&mut self, idle: Duration) {
        self.by_client.retain(|_, session| session.stays(idle, UNANSWERED));
    }
}
