//! The socket by which the kernel is asked.
//!
//! It blocks: the kernel does what it is asked inside the send, so the answers lie there when the
//! send returns. Who mustn't block calls it from a thread that may ([`crate::task`]).
//!
//! Bounds: a send is as large as its [`Batch`]; answers may take [`RECEIVE_BUFFER`], and when the
//! kernel has more to say, that is [`KernelError::Overrun`] and whoever asked looks again.

use std::io;
use std::time::Duration;

use netlink_packet_core::NLM_F_DUMP_INTR;
use netlink_sys::protocols::NETLINK_ROUTE;
use rustix::io::Errno;
use rustix::net::sockopt::{
    self, Timeout, set_socket_recv_buffer_size, set_socket_recv_buffer_size_force,
    set_socket_send_buffer_size, set_socket_send_buffer_size_force,
};
use rustix::net::{RecvFlags, SendFlags};

use crate::error::{KernelError, Said};
use crate::wire::{Answer, Batch, answer, dump_end, error};

/// Room for the answers to one send: an error with its words takes about 1 KiB of it.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Room for one send. A thousand requests are some 100 KiB, a group of many hops more.
const SEND_BUFFER: usize = 2 << 20;

/// A listing comes in datagrams of at most 32 KiB.
const DATAGRAM: usize = 64 << 10;

/// The kernel answers at once; when it hasn't by then, the answer is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a listing that changes meanwhile is begun anew.
const ATTEMPTS: u32 = 10;

/// See the module's head.
pub(crate) struct Socket {
    socket: netlink_sys::Socket,
    port: u32,
    sequence: u32,
    datagram: Vec<u8>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Socket {
    /// Opens one for routes, links and all that belongs to them, in the network namespace of the
    /// calling thread.
    pub(crate) fn open() -> Result<Self, KernelError> {
        Self::open_for(NETLINK_ROUTE)
    }

    /// Opens one for a protocol of netlink, in the network namespace of the calling thread.
    pub(crate) fn open_for(protocol: isize) -> Result<Self, KernelError> {
        let failed = |what| move |source| KernelError::Open { what, source };
        let mut socket = netlink_sys::Socket::new(protocol).map_err(failed("socket"))?;
        let address = socket.bind_auto().map_err(failed("bind"))?;
        let kernel = netlink_sys::SocketAddr::new(0, 0);
        socket.connect(&kernel).map_err(failed("connect"))?;
        socket.set_cap_ack(true).map_err(failed("NETLINK_CAP_ACK"))?;
        socket.set_ext_ack(true).map_err(failed("NETLINK_EXT_ACK"))?;
        socket.set_netlink_get_strict_chk(true).map_err(failed("NETLINK_GET_STRICT_CHK"))?;
        let failed = |what| move |e: Errno| KernelError::Open { what, source: e.into() };
        // Without the right to force it the system's limit holds, and is enough for small tables.
        set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .or_else(|_| set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER))
            .map_err(failed("SO_RCVBUF"))?;
        set_socket_send_buffer_size_force(&socket, SEND_BUFFER)
            .or_else(|_| set_socket_send_buffer_size(&socket, SEND_BUFFER))
            .map_err(failed("SO_SNDBUF"))?;
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))
            .map_err(failed("SO_RCVTIMEO"))?;
        let datagram = vec![0; DATAGRAM];
        Ok(Self { socket, port: address.port_number(), sequence: 0, datagram })
    }

    /// By which the kernel names us in the events that we cause.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Has the kernel do what is asked, in order. Says which it refused, by their place in the
    /// batch, in order; all others are done.
    pub(crate) fn ask(&mut self, batch: &mut Batch) -> Result<Vec<(usize, Said)>, KernelError> {
        self.send_and_hear(batch, false)
    }

    /// Has the kernel do all that is asked or nothing of it: a transaction, whose first message
    /// begins it and whose last ends it. Says what it refused first, and why, if it did nothing.
    pub(crate) fn ask_whole(
        &mut self,
        batch: &mut Batch,
    ) -> Result<Option<(usize, Said)>, KernelError> {
        Ok(self.send_and_hear(batch, true)?.into_iter().next())
    }

    fn send_and_hear(
        &mut self,
        batch: &mut Batch,
        whole: bool,
    ) -> Result<Vec<(usize, Said)>, KernelError> {
        let n = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let last = u32::try_from(batch.last()).unwrap_or(u32::MAX);
        let mut refused = Vec::new();
        if n == 0 {
            return Ok(refused);
        }
        let first = self.send(batch, n)?;
        let mut done = false;
        while !done {
            self.receive(|answer| {
                let place = answer.sequence.wrapping_sub(first);
                // An answer to an older send, which was given up.
                if place >= n || !answer.is_error() {
                    return;
                }
                let error = error(&answer);
                // A transaction that can't begin or take effect is refused as a whole.
                done |= place == last || (whole && place == 0 && error.is_some());
                if let Some(said) = error {
                    refused.push((usize::try_from(place).unwrap_or(usize::MAX), said));
                }
            })?;
        }
        refused.dedup_by_key(|(place, _)| *place);
        Ok(refused)
    }

    /// Lists: calls `each` with the payload of every row. A listing that was interrupted by a
    /// change is begun anew, which `begin` hears.
    pub(crate) fn list<T>(
        &mut self,
        what: &'static str,
        request: impl Fn(&mut Batch),
        begin: impl Fn() -> T,
        mut each: impl FnMut(&mut T, &[u8]),
    ) -> Result<T, KernelError> {
        for _ in 0..ATTEMPTS {
            let mut listed = begin();
            if self.list_once(what, &request, |row| each(&mut listed, row))? {
                return Ok(listed);
            }
        }
        Err(KernelError::Unsteady { what })
    }

    /// `false`: it was interrupted.
    fn list_once(
        &mut self,
        what: &'static str,
        request: impl Fn(&mut Batch),
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, KernelError> {
        let mut batch = Batch::default();
        request(&mut batch);
        let first = self.send(&mut batch, 1)?;
        let mut end = None;
        let mut steady = true;
        while end.is_none() {
            self.receive(|answer| {
                if answer.sequence != first {
                    return;
                }
                steady &= answer.flags & NLM_F_DUMP_INTR == 0;
                if answer.is_error() {
                    // Without an error it is the acknowledgement, and rows follow.
                    end = end.take().or(error(&answer).map(Err));
                } else if answer.is_done() {
                    end = Some(dump_end(&answer).map_or(Ok(()), Err));
                } else {
                    each(answer.payload);
                }
            })?;
        }
        match end {
            // There is no such table, so there is nothing in it.
            Some(Err(said)) if said.errno == Errno::NOENT => Ok(true),
            Some(Err(said)) if said.errno == Errno::INTR => Ok(false),
            Some(Err(said)) => Err(KernelError::Dump { what, said }),
            _ => Ok(steady),
        }
    }

    /// Returns the first sequence number.
    fn send(&mut self, batch: &mut Batch, n: u32) -> Result<u32, KernelError> {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(n);
        let bytes = batch.seal(first);
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::send(&self.socket, bytes, SendFlags::empty())
        });
        sent.map_err(|e| KernelError::Talk { what: "send", source: e.into() })?;
        Ok(first)
    }

    /// Reads one datagram.
    fn receive(&mut self, mut each: impl FnMut(Answer<'_>)) -> Result<(), KernelError> {
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&self.socket, self.datagram.as_mut_slice(), RecvFlags::empty())
        });
        let (_, length) = received.map_err(|errno| match errno {
            Errno::NOBUFS => KernelError::Overrun,
            errno => KernelError::Talk { what: "receive", source: io::Error::from(errno) },
        })?;
        let mut rest = self.datagram.get(..length).unwrap_or_default();
        while let Some((one, more)) = answer(rest) {
            each(one);
            rest = more;
        }
        Ok(())
    }
}
