//! Datagrams between hosts: what is asked, answered, and never arrives.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::namespace::Host;

/// How long an answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long is waited for one answer before it is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// A socket at an address of a host; `None`: of this thread's namespace.
pub(crate) fn socket(host: Option<&Host>, address: &str) -> UdpSocket {
    let address: IpAddr = address.parse().unwrap();
    let bind = move || UdpSocket::bind((address, 0)).unwrap();
    let socket = host.map_or_else(bind, |host| host.run(bind));
    socket.set_read_timeout(Some(AGAIN)).unwrap();
    socket
}

/// Asks until it is answered.
pub(crate) fn is_answered(from: &UdpSocket, to: SocketAddr) {
    let began = Instant::now();
    let mut answer = [0; 16];
    loop {
        from.send_to(b"there?", to).unwrap();
        match from.recv_from(&mut answer) {
            Ok((n, by)) if by == to => {
                assert_eq!(&answer[..n], b"there?");
                return;
            }
            Ok(_) => {}
            Err(why) => assert!(began.elapsed() < PATIENCE, "{to} doesn't answer: {why}"),
        }
    }
}

/// Sends back what comes, until it is dropped.
pub(crate) struct Echo {
    pub(crate) at: SocketAddr,
    received: Arc<AtomicUsize>,
    last_from: Arc<Mutex<Option<IpAddr>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn at(host: &Host, address: &str) -> Self {
        let socket = socket(Some(host), address);
        let at = socket.local_addr().unwrap();
        let received = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let last_from = Arc::new(Mutex::new(None));
        let (counts, stops) = (Arc::clone(&received), Arc::clone(&stop));
        let sees = Arc::clone(&last_from);
        let thread = std::thread::spawn(move || {
            let mut datagram = [0; 16];
            while !stops.load(Ordering::Relaxed) {
                if let Ok((n, from)) = socket.recv_from(&mut datagram) {
                    counts.fetch_add(1, Ordering::Relaxed);
                    *sees.lock().unwrap() = Some(from.ip());
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&datagram[..n], from);
                }
            }
        });
        Self { at, received, last_from, stop, thread: Some(thread) }
    }

    /// From whom the last one seemed to come.
    pub(crate) fn last_from(&self) -> Option<IpAddr> {
        *self.last_from.lock().unwrap()
    }

    pub(crate) fn n_received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
