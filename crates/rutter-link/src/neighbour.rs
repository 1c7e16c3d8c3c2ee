//! Sessions between neighbours of a fabric: both are equals, whoever dialled.
//!
//! A session carries frames of the fabric's protocol in that protocol's own bytes, and pings. What
//! the frames say is none of the link's business; it knows who is at the other end (a key, proved in
//! the handshake by both), whether it lives, and how soon it answers.
//!
//! ```text
//!   dial ─▶ TLS, both show a key ─▶ hello ◀─▶ hello ─▶ frames, pings ─▶ bye, silence or a break
//!                                                          │
//!                                                NeighbourSession::next, NeighbourSender
//! ```
//!
//! - Silence is judged as RFC 5880 does it (asynchronous mode): each end says something once an
//!   interval and is lost when nothing of it was heard for so long as the other's patience. An end
//!   that doesn't read for a while, since what it read isn't done yet, judges nothing meanwhile.
//! - What isn't read isn't sent: a sender waits, and its outlets keep what is out of date.

mod accept;
mod dial;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::talk::{Ended, Talk};
use crate::wire::v1::frame::Body;
use crate::wire::{frame, v1};
use crate::{LinkError, Pulse};

pub use accept::{NeighbourService, TakesNeighbours, serve_neighbours};
pub use dial::NeighbourDialer;

/// The longest message of such a session, in bytes: a frame and what is around it.
pub(crate) const MAX_NEIGHBOUR_MESSAGE: usize = (1 << 20) + 1024;

/// What a neighbour said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeighbourSaid {
    /// A frame of the fabric's protocol.
    Frame(Bytes),
    /// It wants to be answered by this number.
    Ping(u64),
    /// It answers.
    Pong(u64),
}

/// Which neighbour is asked for, as it travels; the words are the caller's and not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextHopAsk {
    /// The cluster.
    pub destination: String,
    /// Clusters that the path must not lead through.
    pub avoid: Vec<String>,
    /// Clusters that have had the request.
    pub visited: Vec<String>,
    /// How many links it may still go over.
    pub hop_budget: u32,
}

/// The answer, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextHopAnswer {
    /// The neighbour; empty: there is none.
    pub next_hop: String,
    /// The path from the one who answers.
    pub path: Vec<String>,
    /// Why, or why not.
    pub reason: String,
}

/// The frames that a session hears, of either end.
type Heard = Streaming<v1::Frame>;

/// A session that has begun.
pub struct NeighbourSession {
    talk: Talk<Heard>,
    remote: String,
    theirs: String,
}

impl std::fmt::Debug for NeighbourSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeighbourSession").field("remote", &self.remote).finish_non_exhaustive()
    }
}

impl NeighbourSession {
    /// Says hello, as `name`, and hears the other end's.
    async fn begin(
        heard: Heard,
        said: mpsc::Sender<v1::Frame>,
        (remote, name): (String, &str),
        pulse: Pulse,
    ) -> Result<Self, LinkError> {
        let mut talk = Talk::new(heard, said, pulse);
        let hello = talk.hello(name);
        let begun = async {
            talk.say(Body::Hello(hello)).await?;
            talk.greeted().await
        };
        match begun.await {
            Ok(hello) => Ok(Self { talk, remote, theirs: hello.name }),
            Err(ended) => Err(lost(remote, ended)),
        }
    }

    /// Where the other end is, or comes from.
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// What the other end calls itself. Nothing proves it.
    pub fn their_name(&self) -> &str {
        &self.theirs
    }

    /// What it says next. Dropped before it is there, it has lost nothing. While nobody asks,
    /// nothing is read, and the other end's silence isn't judged.
    ///
    /// # Errors
    /// The session has ended: by a word, by silence, or it broke.
    pub async fn next(&mut self) -> Result<NeighbourSaid, LinkError> {
        loop {
            match self.talk.next().await {
                Ok(Body::Fabric(bytes)) => return Ok(NeighbourSaid::Frame(bytes)),
                Ok(Body::Ping(ping)) => return Ok(NeighbourSaid::Ping(ping.number)),
                Ok(Body::Pong(pong)) => return Ok(NeighbourSaid::Pong(pong.number)),
                // What is said in sessions of another kind means nothing here.
                Ok(_) => {}
                Err(ended) => return Err(lost(self.remote.clone(), ended)),
            }
        }
    }

    /// The way out.
    pub fn sender(&self) -> NeighbourSender {
        NeighbourSender(self.talk.way_out())
    }

    /// Ends it, once what was said is out and the other end has seen it, or after a while. Every
    /// [`NeighbourSender`] must be gone.
    pub async fn part(self, why: &str) {
        let bye = v1::Bye { code: "shutdown".into(), why: why.to_owned(), back_within_ms: 0 };
        self.talk.part(bye).await;
    }
}

/// The way out of a session. Clones are the same.
#[derive(Debug, Clone)]
pub struct NeighbourSender(mpsc::Sender<v1::Frame>);

/// The session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct SessionOver;

impl NeighbourSender {
    /// Says a frame; waits until there is room.
    ///
    /// # Errors
    /// The session is over; the frame is lost.
    pub async fn frame(&self, bytes: Bytes) -> Result<(), SessionOver> {
        self.0.send(frame(Body::Fabric(bytes))).await.map_err(|_| SessionOver)
    }

    /// Asks to be answered by a number. Says whether it is on its way: where frames wait, it isn't,
    /// and they show as well that this end lives.
    pub fn ping(&self, number: u64) -> bool {
        self.0.try_send(frame(Body::Ping(v1::Ping { number }))).is_ok()
    }

    /// Answers, unless there is no room.
    pub fn pong(&self, number: u64) -> bool {
        self.0.try_send(frame(Body::Pong(v1::Pong { number }))).is_ok()
    }
}

/// The end of a session as an error.
fn lost(remote: String, ended: Ended) -> LinkError {
    match ended {
        Ended::Bye { code, why, .. } => LinkError::Refused { remote, code, why },
        Ended::Protocol(why) => LinkError::Protocol { remote, why },
        Ended::Silent(_) | Ended::Broken(_) => {
            LinkError::Unreachable { remote, why: ended.to_string() }
        }
    }
}
