//! What goes through the proxies, and the servers at the other end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::contender::{Contender, Running};

/// Connections, and clients of datagrams.
const CLIENTS: usize = 16;

/// Datagrams of a client that are under way at once.
const WINDOW: usize = 16;

/// Bytes that are written at once.
const BLOCK: usize = 64 * 1024;

/// How long a client waits for a datagram before it counts those under way as lost.
const LOST: Duration = Duration::from_millis(200);

/// What goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bench::services) enum Load {
    /// A server that sends all it can.
    Download,
    /// Blocks that come back.
    Echo,
    /// Datagrams of so many bytes that come back.
    Datagrams(usize),
}

/// The servers behind the proxies.
pub(super) struct Targets {
    pub(super) tcp: SocketAddr,
    pub(super) udp: SocketAddr,
}

impl Targets {
    /// They live as long as the process.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let tcp = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away ends its thread and nothing else.
                thread::spawn(move || serve(stream).ok());
            }
        });
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let udp = socket.local_addr()?;
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            loop {
                // An error is of the client that a former answer went to.
                if let Ok((n, from)) = socket.recv_from(&mut datagram) {
                    socket.send_to(datagram.get(..n).unwrap_or_default(), from).ok();
                }
            }
        });
        Ok(Self { tcp, udp })
    }
}

/// The first byte says what is wanted.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut block = vec![b'x'; BLOCK];
    stream.read_exact(block.get_mut(..1).unwrap_or_default())?;
    let echoes = block.first() == Some(&b'e');
    loop {
        let n = if echoes { stream.read(&mut block)? } else { BLOCK };
        if n == 0 {
            return Ok(());
        }
        stream.write_all(block.get(..n).unwrap_or_default())?;
    }
}

impl Load {
    pub(super) const ALL: [Self; 4] =
        [Self::Download, Self::Echo, Self::Datagrams(64), Self::Datagrams(1200)];

    pub(in crate::bench::services) fn name(self) -> String {
        match self {
            Self::Download => "TCP, download".to_owned(),
            Self::Echo => "TCP, echo of 64 KiB".to_owned(),
            Self::Datagrams(bytes) => format!("UDP, echo of {bytes} bytes"),
        }
    }

    /// What is counted in: KiB, or datagrams.
    pub(in crate::bench::services) fn unit(self) -> f64 {
        match self {
            Self::Download | Self::Echo => 1024.0,
            Self::Datagrams(_) => 1.0,
        }
    }

    /// HAProxy passes no datagrams on.
    pub(super) fn is_for(self, contender: Contender) -> bool {
        !matches!((self, contender), (Self::Datagrams(_), Contender::Haproxy))
    }

    /// How many bytes, or datagrams, came back to the clients.
    pub(super) fn run(self, proxy: &Running, time: Duration) -> Result<u64> {
        let moved = Arc::new(AtomicU64::new(0));
        let until = Instant::now() + time;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (moved, tcp, udp) = (moved.clone(), proxy.tcp, proxy.udp);
                thread::spawn(move || match self {
                    Self::Download => download(tcp, until, &moved),
                    Self::Echo => echo(tcp, until, &moved),
                    Self::Datagrams(bytes) => datagrams(udp, bytes, until, &moved),
                })
            })
            .collect();
        for client in clients {
            let ended = client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?;
            ended.with_context(|| format!("{} by {}", self.name(), proxy.contender.name()))?;
        }
        let moved = moved.load(Ordering::Relaxed);
        ensure!(moved > 0, "nothing came back by {}", proxy.contender.name());
        Ok(moved)
    }
}

fn download(to: SocketAddr, until: Instant, moved: &AtomicU64) -> Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(b"d")?;
    let mut block = vec![0; 4 * BLOCK];
    while Instant::now() < until {
        let n = stream.read(&mut block)?;
        ensure!(n > 0, "the connection ended");
        moved.fetch_add(n as u64, Ordering::Relaxed);
    }
    Ok(stream.shutdown(Shutdown::Both)?)
}

fn echo(to: SocketAddr, until: Instant, moved: &AtomicU64) -> Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.write_all(b"e")?;
    let mut block = vec![b'x'; BLOCK];
    while Instant::now() < until {
        stream.write_all(&block)?;
        stream.read_exact(&mut block)?;
        moved.fetch_add(BLOCK as u64, Ordering::Relaxed);
    }
    Ok(stream.shutdown(Shutdown::Both)?)
}

/// Those that are lost are sent again; what comes back counts.
fn datagrams(to: SocketAddr, bytes: usize, until: Instant, moved: &AtomicU64) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(LOST))?;
    let (sent, mut got) = (vec![b'x'; bytes], [0; 2048]);
    let mut under_way = 0;
    while Instant::now() < until {
        for _ in under_way..WINDOW {
            socket.send(&sent)?;
        }
        under_way = match socket.recv(&mut got) {
            Ok(n) => {
                ensure!(n == bytes, "a datagram of {n} bytes came back");
                moved.fetch_add(1, Ordering::Relaxed);
                WINDOW - 1
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(())
}
