//! Reading what a client says first in TLS, before it is decided who answers.
//!
//! The name in it (SNI, RFC 6066 3) decides three things that a handshake can't take back: whether
//! the bytes are passed on as they are to a service that ends TLS itself, whether TLS ends here and a
//! stream lies in it, and which client certificates are asked for. So the hello is read, and what was
//! read is kept: whoever it is passed on to gets every byte of it.
//!
//! None of this happens where nothing depends on it: without such services and profiles the
//! handshake begins at once, as it always did.
//!
//! **Bounds.** [`MAX_HELLO`] bytes, and [`PATIENCE`], or `limits.handshake_timeout` where that is less.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most that a client may say before it is understood. Hellos of today's browsers take two
/// kilobytes, most of it keys of post-quantum algorithms.
const MAX_HELLO: usize = 32 * 1024;

/// How long it may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a client said first.
pub(super) struct Hello {
    /// For whoever ends TLS here.
    pub(super) accepted: Accepted,
    /// Every byte that was read, for whoever gets them as they are.
    pub(super) read: Bytes,
}

/// Why there is no hello.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHello {
    /// The connection ended or broke.
    #[error("it ended before its hello did: {0}")]
    Ended(#[from] std::io::Error),
    /// It isn't one.
    #[error("{0}")]
    Bad(#[from] rustls::Error),
    /// It is longer than any.
    #[error("its hello is longer than {MAX_HELLO} bytes")]
    TooLong,
}

impl Hello {
    /// The name that is asked for, as the index knows it: lower case, without a final dot.
    pub(super) fn name(&self) -> Option<String> {
        let hello = self.accepted.client_hello();
        let name = hello.server_name()?.to_ascii_lowercase();
        Some(name.strip_suffix('.').map(str::to_owned).unwrap_or(name))
    }

    /// Whether this protocol and no other is offered.
    pub(super) fn offers_only(&self, protocol: &[u8]) -> bool {
        let hello = self.accepted.client_hello();
        let mut offered = hello.alpn().into_iter().flatten();
        offered.next() == Some(protocol) && offered.next().is_none()
    }
}

/// Reads a hello. Of one that can't be read the client is told by an alert.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Hello, NoHello> {
    let mut acceptor = Acceptor::default();
    let mut read = BytesMut::with_capacity(2048);
    loop {
        let before = read.len();
        if before >= MAX_HELLO {
            return Err(NoHello::TooLong);
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        let mut new = read.get(before..).unwrap_or_default();
        while !new.is_empty() {
            // It takes some each time, or says that it has no more room.
            if acceptor.read_tls(&mut new)? == 0 {
                return Err(NoHello::TooLong);
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) if new.is_empty() => {
                    return Ok(Hello { accepted, read: read.freeze() });
                }
                // Whoever says more before it was answered isn't understood here.
                Ok(Some(_)) => return Err(NoHello::TooLong),
                Err((error, mut alert)) => {
                    let mut last_words = Vec::new();
                    alert.write_all(&mut last_words)?;
                    stream.write_all(&last_words).await?;
                    return Err(error.into());
                }
            }
        }
    }
}
