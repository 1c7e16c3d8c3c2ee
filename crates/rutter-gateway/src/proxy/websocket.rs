//! WebSocket, and whatever else begins with `Upgrade`: after the 101 the gateway moves bytes.
//!
//! It doesn't look into frames, so it can neither break nor repeat a message: what was read from
//! one side is written once to the other, in order, or lost with the connection. When the upstream
//! dies the client's connection is closed at once and cleanly (the client sees 1006 and connects
//! again); half-open tunnels are not kept, since WebSocket has no use for them.

use std::io;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, Request, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::headers::names;

/// Protocols that may be upgraded to. Not `h2c`: a request smuggled into it would pass unseen.
const PROTOCOLS: [&str; 3] = ["websocket", "wss", "mqtt"];

/// How long the rest may take once one side has ended.
const GRACE: Duration = Duration::from_millis(500);

/// How long hyper may take to hand over both connections after the 101.
const HAND_OVER: Duration = Duration::from_secs(10);

/// What a client asks to upgrade to.
pub(super) struct Upgrade {
    pub(super) protocol: HeaderValue,
    pub(super) client: OnUpgrade,
}

impl Upgrade {
    /// The upgrade that a request asks for, if it is one that the gateway passes on: `GET`,
    /// HTTP/1.1, no body, `Connection: upgrade` and one known protocol. Else it goes on without.
    pub(super) fn wanted(request: &mut Request<Incoming>) -> Option<Self> {
        use http_body::Body;
        let plain = *request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.body().is_end_stream();
        if !plain || !names(request.headers(), &CONNECTION, b"upgrade") {
            return None;
        }
        let mut protocols = request.headers().get_all(UPGRADE).iter();
        let (Some(protocol), None) = (protocols.next().cloned(), protocols.next()) else {
            return None;
        };
        let known =
            PROTOCOLS.iter().any(|p| protocol.as_bytes().eq_ignore_ascii_case(p.as_bytes()));
        known.then(|| Self { protocol, client: hyper::upgrade::on(request) })
    }
}

/// Moves bytes both ways until one side ends or `stop` says so.
pub(super) async fn tunnel(client: OnUpgrade, upstream: OnUpgrade, stop: CancellationToken) {
    let both = async { tokio::try_join!(client, upstream) };
    let (client, upstream) = match timeout(HAND_OVER, both).await {
        Ok(Ok((client, upstream))) => (TokioIo::new(client), TokioIo::new(upstream)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "an upgrade came to nothing");
            return;
        }
        Err(_) => {
            tracing::debug!("an upgrade was not handed over in time");
            return;
        }
    };
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    {
        let mut up = std::pin::pin!(tokio::io::copy(&mut from_client, &mut to_upstream));
        let mut down = std::pin::pin!(tokio::io::copy(&mut from_upstream, &mut to_client));
        tokio::select! {
            ended = &mut down => log("upstream", &ended),
            ended = &mut up => {
                log("client", &ended);
                // What the upstream had still to say, such as its half of the closing handshake.
                let _late = timeout(GRACE, down).await;
            }
            () = stop.cancelled() => {}
        }
    }
    close(&mut to_upstream).await;
    close(&mut to_client).await;
    drain(from_client).await;
}

async fn close(side: &mut (impl AsyncWriteExt + Unpin)) {
    // The other end may be gone already, or not read any more; either way it is over.
    let _gone = timeout(GRACE, side.shutdown()).await;
}

/// Reads until the client has closed: a socket closed with bytes unread in it resets the
/// connection, and a reset can overtake what was sent before.
async fn drain(mut from: ReadHalf<TokioIo<Upgraded>>) {
    let mut rest = [0_u8; 1024];
    let read_all = async { while let Ok(1..) = read(&mut from, &mut rest).await {} };
    let _late = timeout(GRACE, read_all).await;
}

async fn read(from: &mut (impl AsyncRead + Unpin), into: &mut [u8]) -> io::Result<usize> {
    from.read(into).await
}

fn log(side: &str, ended: &io::Result<u64>) {
    match ended {
        Ok(bytes) => tracing::debug!(side, bytes, "a tunnel ended"),
        Err(error) => tracing::debug!(side, %error, "a tunnel broke"),
    }
}
