//! One end of a session as a conversation: frames in, frames out, and never silent for too long.
//!
//! Both ends use it. What it adds to the two streams: the hello that must come first, keepalives,
//! and the end. An end is somebody's goodbye, a stream that breaks, or silence: three of the other
//! end's own intervals without a frame. A process that is stopped keeps its sockets open and its
//! kernel acknowledging, so only words of its own show that it lives.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::wire::{REVISION, SOFTWARE, frame, v1};

/// How often an end says something, at least. [`SILENCES`] of them without a word end a session.
pub const KEEPALIVE: Duration = Duration::from_secs(5);

/// See [`KEEPALIVE`].
pub const SILENCES: u32 = 3;

/// The interval that an end may ask the other to believe in.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(300);

/// How many frames wait to be sent.
pub(crate) const QUEUE: usize = 8;

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The other end said so: its code, and why.
    Bye { code: String, why: String },
    /// It said nothing for so long.
    Silent(Duration),
    /// It doesn't keep to the protocol.
    Protocol(String),
    /// The stream ended.
    Broken(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bye { why, .. } => f.write_str(why),
            Self::Silent(after) => write!(f, "nothing was heard for {after:?}"),
            Self::Protocol(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

/// The frames of one session.
pub(crate) struct Talk<S> {
    heard: S,
    said: mpsc::Sender<v1::Frame>,
    keepalive: Duration,
    next_keepalive: Instant,
    patience: Duration,
    last_heard: Instant,
}

impl<S: Stream<Item = Result<v1::Frame, Status>> + Unpin> Talk<S> {
    /// A conversation that nobody has begun.
    pub(crate) fn new(heard: S, said: mpsc::Sender<v1::Frame>, keepalive: Duration) -> Self {
        let now = Instant::now();
        Self {
            heard,
            said,
            keepalive,
            next_keepalive: now + keepalive,
            // Until the other end's hello tells its own interval.
            patience: keepalive * SILENCES,
            last_heard: now,
        }
    }

    /// A hello with what every end says in it.
    pub(crate) fn hello(&self, name: &str) -> v1::Hello {
        v1::Hello {
            software: SOFTWARE.to_owned(),
            revision: REVISION,
            name: name.to_owned(),
            keepalive_ms: u32::try_from(self.keepalive.as_millis()).unwrap_or(u32::MAX),
            ..v1::Hello::default()
        }
    }

    /// The other end's first frame.
    pub(crate) async fn greeted(&mut self) -> Result<v1::Hello, Ended> {
        let hello = match self.frame().await? {
            v1::frame::Body::Hello(hello) => hello,
            v1::frame::Body::Bye(bye) => return Err(Ended::Bye { code: bye.code, why: bye.why }),
            _ => return Err(Ended::Protocol("the first frame isn't a hello".into())),
        };
        let told = Duration::from_millis(hello.keepalive_ms.into());
        self.patience = told.clamp(*INTERVALS.start(), *INTERVALS.end()) * SILENCES;
        Ok(hello)
    }

    /// The next frame that says something. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Result<v1::frame::Body, Ended> {
        match self.frame().await? {
            v1::frame::Body::Bye(bye) => Err(Ended::Bye { code: bye.code, why: bye.why }),
            v1::frame::Body::Hello(_) => Err(Ended::Protocol("a second hello".into())),
            body => Ok(body),
        }
    }

    async fn frame(&mut self) -> Result<v1::frame::Body, Ended> {
        loop {
            let deadline = self.last_heard + self.patience;
            tokio::select! {
                frame = self.heard.next() => {
                    self.last_heard = Instant::now();
                    match frame {
                        // A body of a later revision is none that we know.
                        Some(Ok(v1::Frame { body: None })) => {}
                        Some(Ok(v1::Frame { body: Some(v1::frame::Body::Keepalive(_)) })) => {}
                        Some(Ok(v1::Frame { body: Some(body) })) => return Ok(body),
                        Some(Err(status)) => return Err(Ended::Broken(said_by(&status))),
                        None => return Err(Ended::Broken("the stream ended".into())),
                    }
                }
                () = sleep_until(deadline) => return Err(Ended::Silent(self.patience)),
                () = sleep_until(self.next_keepalive) => {
                    self.next_keepalive = Instant::now() + self.keepalive;
                    // A full queue holds words enough.
                    let _full = self.said.try_send(frame(v1::frame::Body::Keepalive(v1::Keepalive {})));
                }
            }
        }
    }

    /// Says something, and waits for room as long as the other end may be silent.
    pub(crate) async fn say(&self, body: v1::frame::Body) -> Result<(), Ended> {
        match tokio::time::timeout(self.patience, self.said.send(frame(body))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Broken("the stream ended".into())),
            Err(_) => Err(Ended::Silent(self.patience)),
        }
    }

    /// Says goodbye and waits for the other end to close: a stream that is dropped with words on
    /// their way takes them along.
    pub(crate) async fn part(mut self, bye: v1::Bye) {
        if self.say(v1::frame::Body::Bye(bye)).await.is_err() {
            return;
        }
        let (said, deadline) = (self.said, Instant::now() + self.patience);
        drop(said);
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(deadline, self.heard.next()).await {}
    }

    /// The way out for others of this end.
    pub(crate) fn way_out(&self) -> mpsc::Sender<v1::Frame> {
        self.said.clone()
    }
}

/// What a status says, for people.
pub(crate) fn said_by(status: &Status) -> String {
    match status.message() {
        "" => status.code().description().to_owned(),
        message => message.chars().filter(|c| !c.is_control()).take(300).collect(),
    }
}
