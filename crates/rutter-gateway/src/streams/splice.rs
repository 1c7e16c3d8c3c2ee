//! One way of a stream between two sockets: copied while it is little, spliced while it is much.
//!
//! **Copied.** What a socket has is read into one buffer, which all streams of a worker share, and
//! written to the other socket at once, in the same poll; only what that doesn't take is kept. So a
//! stream at rest holds nothing, and a message costs two system calls and a wake-up.
//!
//! **Spliced.** Once a read brings [`MUCH`], bytes go through a pipe by `splice(2)`: the kernel passes
//! on the pages that they lie in, and copies none. Pipes are the worker's as well, and taken only
//! while there is something to move. A stream that brings little a few times goes back to copying,
//! since for a small message a pipe is a detour.
//!
//! A pipe that isn't empty is never given back: it goes with the stream that broke.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use socket2::SockRef;
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

/// How much is copied at once.
const COPIED: usize = 64 * 1024;

/// How much a read must bring for the stream to be spliced.
const MUCH: usize = 32 * 1024;

/// How much is little for a splice.
const LITTLE: usize = 8 * 1024;

/// How many times in a row little comes until a stream is copied again.
const FEW: u32 = 8;

/// How much a pipe holds, if the system lets it.
const PIPE: usize = 256 * 1024;

/// How many pipes a worker keeps that nobody uses now.
const PIPES: usize = 32;

/// How many times a stream is spliced before others have their turn.
const TURNS: u32 = 32;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; COPIED].into());
    static FREE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// What became of bytes that were read.
enum Step {
    /// There are no more.
    End,
    /// They were written.
    Written(usize),
    /// So many were; these are left.
    Partly(usize, Vec<u8>),
}

/// Moves bytes until there are no more, and then says so to the other side. `note` is told of each
/// piece.
pub(super) async fn one_way(
    mut from: ReadHalf<'_>,
    to: &TcpStream,
    note: impl Fn(usize),
) -> io::Result<()> {
    loop {
        let n = match poll_fn(|cx| copy_some(&mut from, to, cx)).await? {
            Step::End => break,
            Step::Written(n) => n,
            Step::Partly(n, rest) => {
                write_all(to, &rest).await?;
                n + rest.len()
            }
        };
        note(n);
        if n >= MUCH && splice_on(from.as_ref(), to, &note).await? {
            break;
        }
    }
    SockRef::from(to).shutdown(Shutdown::Write)
}

fn copy_some(
    from: &mut ReadHalf<'_>,
    to: &TcpStream,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Step>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(from).poll_read(cx, &mut read))?;
        let read = read.filled();
        if read.is_empty() {
            return Poll::Ready(Ok(Step::End));
        }
        let written = match to.try_write(read) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let rest = read.get(written..).unwrap_or_default();
        Poll::Ready(Ok(match rest.is_empty() {
            true => Step::Written(written),
            false => Step::Partly(written, rest.to_vec()),
        }))
    })
}

/// Writes all of it, waiting for room.
pub(super) async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Splices until there are no more bytes (`true`), or few.
async fn splice_on(from: &TcpStream, to: &TcpStream, note: &impl Fn(usize)) -> io::Result<bool> {
    let (mut n_little, mut n_turns) = (0, 0);
    // A client that takes an answer slowly is to show it (`crate::socket`); of a stream nobody asks,
    // and each time that the kernel has taken so little costs a wake-up.
    SockRef::from(to).set_tcp_notsent_lowat(u32::MAX)?;
    loop {
        // Without one, such as when no more files may be open, it is copied as before.
        let Some(pipe) = Pipe::take() else { return Ok(false) };
        loop {
            let n = match from.try_io(Interest::READABLE, || pipe.fill(from)) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            pipe.empty(to, n).await?;
            note(n);
            n_little = if n < LITTLE { n_little + 1 } else { 0 };
            if n == 0 || n_little == FEW {
                pipe.give_back();
                return Ok(n == 0);
            }
            n_turns += 1;
            if n_turns % TURNS == 0 {
                tokio::task::yield_now().await;
            }
        }
        pipe.give_back();
        from.readable().await?;
    }
}

/// A pipe that is empty while nobody uses it.
struct Pipe {
    reads: OwnedFd,
    writes: OwnedFd,
}

impl Pipe {
    fn take() -> Option<Self> {
        FREE.with_borrow_mut(Vec::pop).or_else(|| Self::new().ok())
    }

    fn new() -> io::Result<Self> {
        let (reads, writes) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user may have so many pages in pipes; with fewer it works too.
        let _size = fcntl_setpipe_size(&writes, PIPE);
        Ok(Self { reads, writes })
    }

    fn give_back(self) {
        FREE.with_borrow_mut(|free| {
            if free.len() < PIPES {
                free.push(self);
            }
        });
    }

    fn fill(&self, from: &TcpStream) -> io::Result<usize> {
        Ok(splice(from, None, &self.writes, None, PIPE, flags())?)
    }

    async fn empty(&self, to: &TcpStream, n: usize) -> io::Result<()> {
        let mut left = n;
        while left > 0 {
            let empty = || Ok(splice(&self.reads, None, to, None, left, flags())?);
            match to.try_io(Interest::WRITABLE, empty) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => left -= n.min(left),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::NONBLOCK | SpliceFlags::MOVE
}
