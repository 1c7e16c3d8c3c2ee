//! A packet each 10 ms, and what became of it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::namespace::Namespace;

const EACH: Duration = Duration::from_millis(10);
/// Packets that one arrived of lately mean that they arrive.
const LATELY: u64 = 3;

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    /// Numbers of packets: a minute has six thousand.
    arrived: Mutex<Vec<u64>>,
    /// Who the last one came from, as it was seen where it arrived.
    last_from: Mutex<Option<IpAddr>>,
    stop: AtomicBool,
}

/// See the module's head. It ends by itself when it is dropped.
pub(super) struct Walker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Walker {
    /// From one machine to an address that these machines have.
    pub(super) fn start(
        from: &Namespace,
        to: SocketAddr,
        machines: &[&Namespace],
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut walker = Self { shared, threads: Vec::new() };
        for machine in machines {
            let socket = machine.enter(|| UdpSocket::bind(to))??;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            let shared = walker.shared.clone();
            walker.threads.push(std::thread::spawn(move || receive(&socket, &shared)));
        }
        let socket = from.enter(|| UdpSocket::bind("0.0.0.0:0"))??;
        let shared = walker.shared.clone();
        walker.threads.push(std::thread::spawn(move || send(&socket, to, &shared)));
        Ok(walker)
    }

    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    fn arrived(&self) -> Vec<u64> {
        self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether one of the last packets has arrived.
    pub(super) fn arrives(&self) -> bool {
        let sent = self.sent();
        self.arrived().last().is_some_and(|last| *last + LATELY >= sent)
    }

    /// Whose the last packet was that arrived, as it was seen there.
    pub(super) fn last_from(&self) -> Option<IpAddr> {
        *self.shared.last_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were sent since, and how many of them didn't arrive.
    pub(super) fn lost_since(&self, first: u64) -> (u64, u64) {
        // The last ones are on their way.
        let last = self.sent().saturating_sub(LATELY);
        let arrived = self.arrived();
        let n_arrived = (first..last).filter(|n| arrived.contains(n)).count();
        let sent = last.saturating_sub(first);
        (sent, sent.saturating_sub(n_arrived as u64))
    }

    pub(super) fn end(self) {}
}

impl Drop for Walker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Its panic was told already.
            drop(thread.join());
        }
    }
}

fn receive(socket: &UdpSocket, shared: &Shared) {
    let mut packet = [0; 8];
    while !shared.stop.load(Ordering::Relaxed) {
        if let Ok((8, from)) = socket.recv_from(&mut packet) {
            *shared.last_from.lock().unwrap_or_else(PoisonError::into_inner) = Some(from.ip());
            let mut arrived = shared.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.push(u64::from_be_bytes(packet));
        }
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, shared: &Shared) {
    let mut next = Instant::now();
    let mut n: u64 = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        // An error is a packet that doesn't arrive: there may be no route for a while.
        drop(socket.send_to(&n.to_be_bytes(), to));
        n += 1;
        shared.sent.store(n, Ordering::Relaxed);
        next += EACH;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
