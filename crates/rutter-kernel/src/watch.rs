//! What happens in the kernel: "look again".
//!
//! Events are taken as hints, never as facts. The kernel removes routes without one (a link that
//! goes down takes its 10,000 routes along, silently), drops events when it is asked for too many,
//! and says of a replacement only what is new. So whatever concerns us ends in one look, and the
//! look finds what happened. What concerns whom is said by who watches ([`Hearing`]).
//!
//! Our own doing is not heard: the kernel names who caused an event, and a filter in the kernel
//! drops those that name us, so that installing 100,000 routes doesn't wake the watch as often.
//!
//! Bounds: events wait in [`RECEIVE_BUFFER`]; when it overflows, that itself is a reason to look.
//! Events that come within [`SETTLE`] are one.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use crate::error::KernelError;
use crate::wire::{Answer, answer};

/// Room for events that weren't read yet.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long is waited for more of the same: a flush is thousands of events.
const SETTLE: Duration = Duration::from_millis(25);

const DATAGRAM: usize = 64 << 10;

/// Multicast groups (`linux/rtnetlink.h`, `linux/netfilter/nfnetlink.h`).
pub(crate) mod group {
    pub(crate) const LINKS: &[u32] = &[1];
    pub(crate) const NEIGHBOURS: &[u32] = &[3];
    pub(crate) const ADDRESSES: &[u32] = &[5, 9];
    pub(crate) const ROUTES: &[u32] = &[7, 11];
    pub(crate) const RULES: &[u32] = &[8, 19];
    pub(crate) const OBJECTS: &[u32] = &[32];
    /// Of the protocol `NETLINK_NETFILTER`.
    pub(crate) const NFTABLES: &[u32] = &[7];
}

/// Whether an event concerns who watches.
pub(crate) type Concerns = Box<dyn Fn(&Answer<'_>) -> bool + Send + Sync>;

/// What is listened to.
pub(crate) struct Hearing {
    /// Netlink's protocol.
    pub(crate) protocol: isize,
    /// The groups of events; a group that the kernel doesn't know is passed over.
    pub(crate) groups: &'static [&'static [u32]],
    /// Which of them concern us.
    pub(crate) concerns: Concerns,
}

/// Hears what others do to what is ours.
pub(crate) struct Watch {
    socket: AsyncFd<netlink_sys::Socket>,
    concerns: Concerns,
    datagram: Vec<u8>,
    /// Something concerns us, and it is time then to say so.
    due: Option<Instant>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("due", &self.due).finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches the network namespace of the calling thread for what isn't caused by the socket of
    /// that port.
    pub(crate) fn open(hearing: Hearing, but_not: u32) -> Result<Self, KernelError> {
        let failed = |what| move |source| KernelError::Open { what, source };
        let mut socket = netlink_sys::Socket::new(hearing.protocol).map_err(failed("socket"))?;
        socket.set_non_blocking(true).map_err(failed("O_NONBLOCK"))?;
        set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .or_else(|_| set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER))
            .map_err(|e| failed("SO_RCVBUF")(e.into()))?;
        SockRef::from(&socket)
            .attach_filter(&not_caused_by(but_not))
            .map_err(failed("SO_ATTACH_FILTER"))?;
        socket.bind_auto().map_err(failed("bind"))?;
        for group in hearing.groups.iter().copied().flatten() {
            match socket.add_membership(*group) {
                // Next-hop objects are younger than the rest.
                Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                    tracing::debug!(group, "this kernel has no such events");
                }
                joined => joined.map_err(failed("NETLINK_ADD_MEMBERSHIP"))?,
            }
        }
        #[expect(
            deprecated,
            reason = "its successor is unsafe because a type may change or close its descriptor; \
                      this one owns it and does neither"
        )]
        let socket = AsyncFd::new(socket).map_err(failed("epoll"))?;
        Ok(Self { socket, concerns: hearing.concerns, datagram: vec![0; DATAGRAM], due: None })
    }

    /// Waits until there is a reason to look again, and then until no further comes for a while.
    /// May be dropped and called again: nothing is forgotten.
    pub(crate) async fn changed(&mut self) -> Result<(), KernelError> {
        let due = loop {
            if let Some(due) = self.due {
                break due;
            }
            self.readable().await?;
            if self.drain()? {
                self.due = Some(Instant::now() + SETTLE);
            }
        };
        sleep_until(due).await;
        // What came meanwhile is seen by the same look.
        self.drain()?;
        self.due = None;
        Ok(())
    }

    async fn readable(&mut self) -> Result<(), KernelError> {
        let ready = self.socket.readable().await;
        let mut ready = ready.map_err(|source| KernelError::Talk { what: "watch", source })?;
        ready.clear_ready();
        Ok(())
    }

    /// Reads all that is there; says whether anything of it concerns us.
    fn drain(&mut self) -> Result<bool, KernelError> {
        let mut concerns = false;
        loop {
            let received = rustix::net::recv(
                self.socket.get_ref(),
                self.datagram.as_mut_slice(),
                RecvFlags::empty(),
            );
            let length = match received {
                Ok((_, length)) => length,
                Err(Errno::AGAIN) => return Ok(concerns),
                Err(Errno::INTR) => continue,
                // Some were dropped: anything may have happened.
                Err(Errno::NOBUFS) => {
                    concerns = true;
                    continue;
                }
                Err(errno) => {
                    let source = io::Error::from(errno);
                    return Err(KernelError::Talk { what: "watch", source });
                }
            };
            let mut rest = self.datagram.get(..length).unwrap_or_default();
            while let Some((event, more)) = answer(rest) {
                concerns |= (self.concerns)(&event);
                rest = more;
            }
        }
    }
}

/// A program for the kernel: drop what the socket of this port caused, pass all else.
fn not_caused_by(port: u32) -> [SockFilter; 4] {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // Where the port stands in a message's header. The kernel loads it as if it were big-endian.
    const PORT_AT: u32 = 12;
    [
        SockFilter::new(LOAD_WORD, 0, 0, PORT_AT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, port.to_be()),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
