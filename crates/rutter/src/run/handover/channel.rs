//! Messages with descriptors between two processes.
//!
//! A pair of `SOCK_SEQPACKET` sockets: a message arrives whole or not at all, with the descriptors
//! that were sent with it, so there is nothing to frame. JSON, since both ends may be of different
//! versions and people may have to read along.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The longest message.
const MAX_MESSAGE: usize = 64 * 1024;
/// The most descriptors of one message; the kernel's bound is 253.
pub(super) const MAX_DESCRIPTORS: usize = 32;

/// One end.
///
/// The type says `Stream` for want of one for packets; only its readiness is used.
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Two ends: ours, and one to give away. To be called inside a runtime.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::of(ours)?, theirs))
    }

    /// An end that was given.
    pub(super) fn of(end: OwnedFd) -> io::Result<Self> {
        let end = std::os::unix::net::UnixStream::from(end);
        end.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(end)?))
    }

    /// Sends a message and copies of descriptors.
    pub(super) async fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        self.0
            .async_io(Interest::WRITABLE, || {
                let mut space =
                    [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
                let mut with = SendAncillaryBuffer::new(&mut space);
                if !descriptors.is_empty()
                    && !with.push(SendAncillaryMessage::ScmRights(descriptors))
                {
                    return Err(io::Error::other("too many sockets for one message"));
                }
                sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut with, SendFlags::NOSIGNAL)?;
                Ok(())
            })
            .await
    }

    /// The next message; `None` when the other end is gone.
    pub(super) async fn receive<T: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let (n, descriptors) = self
            .0
            .async_io(Interest::READABLE, || {
                let mut space =
                    [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
                let mut with = RecvAncillaryBuffer::new(&mut space);
                let into = &mut [IoSliceMut::new(&mut bytes)];
                let got = match recvmsg(&self.0, into, &mut with, RecvFlags::CMSG_CLOEXEC) {
                    Ok(got) => got,
                    // The other process died with something of ours unread.
                    Err(rustix::io::Errno::CONNRESET) => return Ok((0, Vec::new())),
                    Err(error) => return Err(error.into()),
                };
                let mut descriptors = Vec::new();
                for message in with.drain() {
                    if let RecvAncillaryMessage::ScmRights(some) = message {
                        descriptors.extend(some);
                    }
                }
                Ok((got.bytes, descriptors))
            })
            .await?;
        if n == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(bytes.get(..n).unwrap_or_default())?;
        Ok(Some((message, descriptors)))
    }
}
