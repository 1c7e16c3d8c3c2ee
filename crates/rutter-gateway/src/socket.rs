//! What every socket of the gateway is told, on either side.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How long nothing may be heard before the other end is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);

/// How long between two such questions.
const BETWEEN: Duration = Duration::from_secs(10);

/// How many stay unanswered before the connection is given up.
const QUESTIONS: u32 = 3;

/// How many bytes that are not yet on their way the kernel keeps of one connection. Beyond that a
/// write waits. So a client that takes an answer slowly shows it in steps of this size, and not in
/// the megabytes that the kernel would else take; what is on its way isn't bounded by it, so
/// neither is the throughput.
const UNSENT: u32 = 128 * 1024;

/// How many connections may wait to be accepted. With fewer a burst of clients overflows the queue,
/// and the kernel, which by then hands out cookies, resets some that believe themselves connected.
const BACKLOG: u32 = 4096;

/// A listener on an address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port that was closed a moment ago can be listened on again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// No delay for small messages. And keepalive: an end that vanished without a word is noticed
/// within a minute also where nothing is sent, as under an idle WebSocket, which would otherwise
/// hold its place among the connections for ever.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)?;
    let keepalive =
        TcpKeepalive::new().with_time(QUIET).with_interval(BETWEEN).with_retries(QUESTIONS);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
