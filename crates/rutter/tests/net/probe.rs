//! A packet each 10 ms from one network to another: what doesn't arrive was lost; of a ping, what
//! isn't answered.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::namespace::Namespace;
use super::until;

/// How often.
pub(crate) const EACH: Duration = Duration::from_millis(10);

/// How long a packet may be on its way; a busy machine has its threads wait.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// A probe that runs. Dropping it ends it.
pub(crate) struct Probe {
    sent: Arc<AtomicU64>,
    arrived: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What came of it since a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Of packets one after the other.
    pub(crate) longest: u64,
}

impl Lost {
    /// The longest time in which nothing arrived.
    pub(crate) fn outage(&self) -> Duration {
        EACH * u32::try_from(self.longest).unwrap()
    }
}

impl Probe {
    /// From one namespace to an address that any of the others may have.
    pub(crate) fn start(from: &Namespace, to: &[&Namespace], address: &str) -> Self {
        let address: SocketAddr = format!("{address}:7777").parse().unwrap();
        let (sent, arrived) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for namespace in to {
            let socket = namespace.enter(move || UdpSocket::bind(address).unwrap());
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let (arrived, stop) = (arrived.clone(), stop.clone());
            threads.push(std::thread::spawn(move || receive(&socket, &arrived, &stop)));
        }
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = from.enter(move || UdpSocket::bind(any).unwrap());
        let (count, ended) = (sent.clone(), stop.clone());
        threads.push(std::thread::spawn(move || send(&socket, address, &count, &ended)));
        Self { sent, arrived, stop, threads }
    }

    /// From one namespace to an address of another, which answers: what comes back has arrived.
    pub(crate) fn pings(from: &Namespace, to: &Namespace, address: &str) -> Self {
        let address: SocketAddr = format!("{address}:7777").parse().unwrap();
        let (sent, arrived) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let stop = Arc::new(AtomicBool::new(false));
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let answers = to.enter(move || UdpSocket::bind(address).unwrap());
        let asks = from.enter(move || UdpSocket::bind(any).unwrap());
        for socket in [&answers, &asks] {
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        }
        let hears = asks.try_clone().unwrap();
        let (ended, heard, all) = (stop.clone(), stop.clone(), arrived.clone());
        let (count, stops) = (sent.clone(), stop.clone());
        let threads = vec![
            std::thread::spawn(move || answer(&answers, &ended)),
            std::thread::spawn(move || receive(&hears, &all, &heard)),
            std::thread::spawn(move || send(&asks, address, &count, &stops)),
        ];
        Self { sent, arrived, stop, threads }
    }

    /// Waits until packets arrive one after the other.
    pub(crate) fn flows(&self) {
        let from = self.sent.load(Ordering::Relaxed);
        let five = |arrived: &Vec<u64>| {
            let mut new: Vec<u64> = arrived.iter().copied().filter(|n| *n >= from).collect();
            new.sort_unstable();
            new.windows(5).any(|five| five[4] == five[0] + 4)
        };
        let arrived = || self.arrived.lock().unwrap().clone();
        until("the probe arrives", arrived, |seen| five(seen));
    }

    /// The number of the next packet.
    pub(crate) fn now(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Lets so many packets more be sent.
    pub(crate) fn sends(&self, n: u64) {
        let then = self.now() + n;
        until("packets are sent", || self.now(), |sent| *sent >= then);
    }

    /// What was lost of the packets from `since` until now.
    pub(crate) fn lost(&self, since: u64) -> Lost {
        let until = self.now();
        let deadline = Instant::now() + ON_ITS_WAY;
        // The last ones may be on their way.
        while Instant::now() < deadline && !self.arrived.lock().unwrap().contains(&(until - 1)) {
            std::thread::sleep(EACH);
        }
        let arrived: std::collections::HashSet<u64> =
            self.arrived.lock().unwrap().iter().copied().collect();
        let (mut lost, mut longest, mut row) = (0, 0, 0);
        for n in since..until {
            match arrived.contains(&n) {
                true => row = 0,
                false => {
                    lost += 1;
                    row += 1;
                    longest = longest.max(row);
                }
            }
        }
        Lost { sent: until - since, lost, longest }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of it was told already.
            drop(thread.join());
        }
    }
}

fn answer(socket: &UdpSocket, stop: &AtomicBool) {
    let mut packet = [0; 8];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((8, from)) = socket.recv_from(&mut packet) {
            // It may have gone meanwhile, or there may be no way back.
            drop(socket.send_to(&packet, from));
        }
    }
}

fn receive(socket: &UdpSocket, arrived: &Mutex<Vec<u64>>, stop: &AtomicBool) {
    let mut packet = [0; 8];
    while !stop.load(Ordering::Relaxed) {
        if let Ok(8) = socket.recv(&mut packet) {
            arrived.lock().unwrap().push(u64::from_be_bytes(packet));
        }
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, sent: &AtomicU64, stop: &AtomicBool) {
    let began = Instant::now();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        // An error is a packet that doesn't arrive: there may be no route for a while.
        drop(socket.send_to(&u64::to_be_bytes(n), to));
        n += 1;
        sent.store(n, Ordering::Relaxed);
        let next = began + EACH * u32::try_from(n).unwrap();
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
