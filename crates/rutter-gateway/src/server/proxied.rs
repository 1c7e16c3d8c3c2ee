//! Reading the PROXY header that a trusted peer sends before anything else.
//!
//! Invariant: not a byte is taken from the socket that isn't the header's. What follows is TLS, HTTP
//! or a stream, whose readers want the socket as if nothing had been before, and a stream may then be
//! spliced. So bytes are looked at first and taken when it is known whose they are.
//!
//! Where a few bytes leave that open (`P`, which may become `PROXY` or `POST`) the next look is a
//! moment later: the socket says no second time that it can be read as long as nothing is taken.
//! Whoever sends its first bytes one by one waits for us then, and nobody else.

use std::net::SocketAddr;
use std::time::Duration;

use rutter_route::ProxyHeader;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::proxy_protocol::{Begins, MAX_V1, TELLING, Told, V2_FIXED, begins, parse, v2_rest};

/// How long until a socket is looked at again whose first bytes didn't say enough.
const AGAIN: Duration = Duration::from_millis(5);

/// Why a connection is cut before anything was served.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHeader {
    /// There is none where there must be one.
    #[error("it begins without a PROXY header")]
    Missing,
    /// It isn't one, or longer than any.
    #[error("its PROXY header can't be read")]
    Bad,
    /// It didn't come in time.
    #[error("its PROXY header took too long")]
    TooSlow,
    /// The connection broke.
    #[error("it ended before its PROXY header did: {0}")]
    Broken(#[from] std::io::Error),
}

/// Reads the header, if there is one; `None`: there is none, or it names no address.
pub(super) async fn read(
    stream: &mut TcpStream,
    required: bool,
    by: Instant,
) -> Result<Option<Told>, NoHeader> {
    let read = async {
        let version = match first(stream).await? {
            Some(version) => version,
            None if required => return Err(NoHeader::Missing),
            None => return Ok(None),
        };
        let header = match version {
            ProxyHeader::V1 => line(stream).await?,
            ProxyHeader::V2 => binary(stream).await?,
        };
        parse(&header, version).map_err(|_| NoHeader::Bad)
    };
    tokio::time::timeout_at(by, read).await.unwrap_or(Err(NoHeader::TooSlow))
}

/// Which kind of header the connection begins with.
async fn first(stream: &TcpStream) -> Result<Option<ProxyHeader>, NoHeader> {
    let mut bytes = [0; TELLING];
    loop {
        let n = stream.peek(&mut bytes).await?;
        if n == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        match begins(bytes.get(..n).unwrap_or_default()) {
            Begins::With(version) => return Ok(Some(version)),
            Begins::Otherwise => return Ok(None),
            Begins::Unclear => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// A header of version 1: up to the end of the line.
async fn line(stream: &mut TcpStream) -> Result<Vec<u8>, NoHeader> {
    let mut line = Vec::with_capacity(MAX_V1);
    while line.last() != Some(&b'\n') {
        let mut ahead = [0; MAX_V1];
        let room = MAX_V1 - line.len();
        let seen = stream.peek(ahead.get_mut(..room).unwrap_or_default()).await?;
        let seen = ahead.get(..seen).unwrap_or_default();
        let n = seen.iter().position(|b| *b == b'\n').map_or(seen.len(), |end| end + 1);
        if n == 0 {
            return Err(NoHeader::Bad);
        }
        // They lie there, so this doesn't wait.
        let mut taken = [0; MAX_V1];
        let taken = taken.get_mut(..n).unwrap_or_default();
        stream.read_exact(taken).await?;
        line.extend_from_slice(taken);
    }
    Ok(line)
}

/// A header of version 2: the fixed part says how long the rest is.
async fn binary(stream: &mut TcpStream) -> Result<Vec<u8>, NoHeader> {
    let mut header = vec![0; V2_FIXED];
    stream.read_exact(&mut header).await?;
    let rest = v2_rest(&header).map_err(|_| NoHeader::Bad)?;
    header.resize(V2_FIXED + rest, 0);
    stream.read_exact(header.get_mut(V2_FIXED..).unwrap_or_default()).await?;
    Ok(header)
}

/// The two ends of a connection without a header.
pub(super) fn as_connected(stream: &TcpStream, peer: SocketAddr) -> std::io::Result<Told> {
    Ok(Told { client: peer, to: stream.local_addr()? })
}
