//! The talk with one peer: by `rutter.v1` if it speaks that, else as with an original.
//!
//! ```text
//!              there               lost: out of use, or stale for a while
//!   dial ─────────────▶ told ──────────────────────────────────────────▶ dial
//!    │ ▲                                                                  
//!    │ │ away
//!    ▼ │ it doesn't know rutter.v1
//!   an original: called (compat::nnetman)
//! ```
//!
//! Between Rutter hosts each dials the other as a sink: it subscribes to the other's tables of the
//! overlays that both have, and hears a snapshot, then what changes. So what a peer says reaches us
//! over our own session to it, in order, and a session that comes back goes on where it was. The
//! session that the peer dials is its own affair ([`crate::host`]).
//!
//! What becomes of a lost peer's routes: they are out of use at once if it said goodbye, or if
//! `flush_on_peer_down` says so; else, or if it said that it will be back, they are used last for a
//! while. Coming back is no withdrawal and is held by nothing.
//!
//! One task a peer, so one that hangs delays no other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::BookClosed;
use rutter_link::{Backoff, Dialer, Heard, LinkError, RefusalCode, SinkSpec, Uplink};
use rutter_rib::{Batch, Depth};
use rutter_route::{Prefix, TableName};
use tokio_util::sync::CancellationToken;

use crate::board::Protocol;
use crate::compat::nnetman::{Original, Told};
use crate::feed::Lost;
use crate::host::{Handle, Host};
use crate::way::Way;
use crate::{Identity, OverlayError, Peer, Vni};

/// The longest that a peer is waited for which says that it will be back.
const RESTART: Duration = Duration::from_secs(120);

/// The least time for a connection to come about.
const CONNECT: Duration = Duration::from_secs(1);

/// The longest wait between two attempts: so much later at most a peer is found that comes back and
/// doesn't dial us itself.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// See the module's head.
pub(crate) struct Talk {
    host: Host,
    peer: Peer,
    way: Way,
    handle: Handle,
    stop: CancellationToken,
    /// What an original may hold of ours.
    told: Told,
}

/// Why one way of talking ends.
enum Left {
    /// The other is to be tried.
    Other,
    /// All of it ends.
    Stopped,
}

impl Talk {
    /// A talk with the peer at an address, until `stop`.
    ///
    /// # Errors
    /// Certificates that can't be used. Nothing was begun.
    pub(crate) fn new(
        host: &Host,
        peer: Peer,
        at: SocketAddr,
        stop: CancellationToken,
    ) -> Result<Self, OverlayError> {
        let way = Way::to(&peer, at, &host.config().exchange)?;
        host.board().add(&peer.name);
        let handle = host.handle(&peer.name);
        Ok(Self { host: host.clone(), peer, way, handle, stop, told: Told::default() })
    }

    pub(crate) async fn run(mut self) {
        if self.host.config().exchange.identity == Identity::Unproven {
            let why = "nothing would prove who answers: there are no certificates";
            self.host.board().down(&self.peer.name, why);
            return self.stop.cancelled().await;
        }
        loop {
            if let Left::Stopped = self.by_rutter().await {
                return;
            }
            tracing::info!(peer = %self.peer.name, "the peer speaks nnetman.v1 only");
            if let Left::Stopped = self.as_an_original().await {
                return;
            }
        }
    }

    async fn by_rutter(&mut self) -> Left {
        let mut uplink = self.dial();
        loop {
            let heard = tokio::select! {
                () = self.stop.cancelled() => return Left::Stopped,
                () = self.handle.called.notified() => {
                    uplink.hurry();
                    continue;
                }
                heard = uplink.next() => heard,
            };
            let done = match heard {
                Some(Heard::Up { accepter, .. }) if accepter == self.peer.name.as_str() => {
                    self.is_there(&uplink);
                    Ok(())
                }
                Some(Heard::Up { accepter, .. }) => {
                    let why = format!("it is {accepter:?}, not the peer");
                    self.host.board().down(&self.peer.name, &why);
                    drop(uplink);
                    tokio::select! {
                        () = self.stop.cancelled() => return Left::Stopped,
                        () = tokio::time::sleep(LONGEST_WAIT) => {}
                    }
                    uplink = self.dial();
                    Ok(())
                }
                Some(Heard::Batch { table, batch }) => self.hear(&table, batch).await,
                Some(Heard::Lost(LinkError::NotSpoken { .. })) => return Left::Other,
                Some(Heard::Lost(why)) => match self.is_lost(&why).await {
                    // What is kept for a while may be gone when the session goes on.
                    Ok(true) => {
                        uplink = self.dial();
                        Ok(())
                    }
                    Ok(false) => Ok(()),
                    Err(closed) => Err(closed),
                },
                // Never: it tells as long as it lives.
                None => return Left::Stopped,
            };
            if let Err(closed) = done {
                tracing::debug!(peer = %self.peer.name, %closed, "a peer is heard no more");
                return Left::Stopped;
            }
        }
    }

    fn dial(&self) -> Uplink<Prefix> {
        let sink =
            |vni: &Vni| SinkSpec { table: vni.table(), depth: Depth::Best, unreachable: false };
        let sinks = self.peer.overlays.iter().map(sink).collect();
        let timers = self.peer.timers;
        let remote = format!("{} at {}", self.peer.name, self.way.at());
        let (way, node) = (Arc::new(self.way.clone()), self.host.config().node.clone());
        let dialer = Dialer::over(&remote, way, node.as_str())
            .with_pulse(timers.into())
            .with_patience(timers.dead.max(CONNECT));
        let first = timers.keepalive.min(LONGEST_WAIT);
        let backoff = Backoff { first, longest: LONGEST_WAIT };
        Uplink::start_all(Arc::new(dialer), sinks, backoff)
    }

    fn is_there(&self, uplink: &Uplink<Prefix>) {
        let heard = uplink.last_heard();
        if self.host.board().up(&self.peer.name, Protocol::Rutter, heard) {
            tracing::info!(peer = %self.peer.name, "the peer is there");
        }
    }

    async fn hear(&self, table: &TableName, batch: Batch<Prefix>) -> Result<(), BookClosed> {
        let Some(vni) = self.peer.overlays.iter().find(|vni| vni.table() == *table) else {
            return Ok(());
        };
        let report = self.host.feed().told(&self.peer.name, *vni, batch).await?;
        if report.n_refused() > 0 {
            let (n, why) = (report.n_refused(), report.refusals());
            tracing::debug!(peer = %self.peer.name, n, why, "routes of a peer are refused");
        }
        Ok(())
    }

    /// Whether its routes are kept for a while only.
    async fn is_lost(&self, why: &LinkError) -> Result<bool, BookClosed> {
        if !self.host.board().down(&self.peer.name, &why.to_string()) {
            tracing::debug!(peer = %self.peer.name, %why, "the peer stays away");
            return Ok(false);
        }
        tracing::warn!(peer = %self.peer.name, %why, "the peer is lost");
        let mut kept = false;
        let fates = fates(&self.host, &self.peer, |flushes| how(why, flushes));
        for (vni, how) in fates {
            kept |= matches!(how, Lost::Keep(_));
            self.host.feed().lost(&self.peer.name, vni, how, &why.to_string()).await?;
        }
        Ok(kept)
    }

    async fn as_an_original(&mut self) -> Left {
        // It may have been a Rutter host before: what it said so is no more.
        for vni in &self.peer.overlays {
            if let Err(closed) = self.host.feed().sweep(&self.peer.name, *vni).await {
                tracing::debug!(%closed, "an original came too late");
                return Left::Stopped;
            }
        }
        let original = Original::new(&self.host, &self.peer, &self.way, &self.handle);
        match original.talk(&mut self.told, &self.stop).await {
            true => Left::Other,
            false => Left::Stopped,
        }
    }
}

/// How a lost peer's routes fare in each of its overlays. `how` is asked with whether the overlay
/// flushes.
pub(crate) fn fates(
    host: &Host,
    peer: &Peer,
    how: impl Fn(Option<Duration>) -> Lost,
) -> BTreeMap<Vni, Lost> {
    let config = host.config();
    let overlays = config.overlays.iter().filter(|(vni, _)| peer.overlays.contains(vni));
    let fate = |(vni, overlay): (&Vni, &crate::Overlay)| {
        let keep = (!overlay.install.flush_on_peer_down).then_some(overlay.install.lease);
        (*vni, how(keep))
    };
    overlays.map(fate).collect()
}

/// `keep` is how long an overlay keeps what a lost peer said, if it does.
fn how(why: &LinkError, keep: Option<Duration>) -> Lost {
    match (why, keep) {
        (LinkError::Restarts { back_within, .. }, _) => Lost::Keep((*back_within).min(RESTART)),
        (why, _) if why.refusal() == Some(RefusalCode::Shutdown) => Lost::Flush,
        (_, Some(lease)) => Lost::Keep(lease),
        (_, None) => Lost::Flush,
    }
}
