//! One end of a session as a conversation: frames in, frames out, and never silent for too long.
//!
//! Both ends use it. What it adds to the two streams: the hello that must come first, keepalives,
//! and the end. An end is somebody's goodbye, a stream that breaks, or silence: three of the other
//! end's own intervals without a frame. A process that is stopped keeps its sockets open and its
//! kernel acknowledging, so only words of its own show that it lives.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::wire::{REVISION, SOFTWARE, frame, v1};

/// How often an end says something, at least, unless it is told otherwise.
pub const KEEPALIVE: Duration = Duration::from_secs(5);

/// So many of the other end's intervals without a word end a session, unless a [`Pulse`] says
/// otherwise.
pub const SILENCES: u32 = 3;

/// The fewest intervals of the other end that are waited for, whatever a [`Pulse`] says: one word
/// that is late is no silence.
const FEWEST_SILENCES: u32 = 2;

/// An end that notices a silence later than this part of its patience wasn't listening.
const LATE: u32 = 8;

/// The interval that an end may ask the other to believe in.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(300);

/// How an end shows that it lives, and how long it waits for the other to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// It says something this often.
    pub keepalive: Duration,
    /// How long the other end may be silent; `None`: three of the other's own intervals. Less than
    /// two of those is not believed.
    pub dead: Option<Duration>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::every(KEEPALIVE)
    }
}

impl Pulse {
    /// Something is said this often.
    pub fn every(keepalive: Duration) -> Self {
        Self { keepalive, dead: None }
    }

    /// How long the other end may be silent, which says something each `told`.
    fn patience(&self, told: Duration) -> Duration {
        let told = told.clamp(*INTERVALS.start(), *INTERVALS.end());
        match self.dead {
            Some(dead) => dead.max(told * FEWEST_SILENCES),
            None => told * SILENCES,
        }
    }
}

/// When the other end was heard last. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct LastHeard(Arc<Mutex<Option<Instant>>>);

impl LastHeard {
    /// It is heard now.
    pub fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When it was heard; `None`: never.
    pub fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many frames wait to be sent.
pub(crate) const QUEUE: usize = 8;

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The other end said so: its code, why, and in what time it means to be back.
    Bye { code: String, why: String, back_within: Option<Duration> },
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

impl From<v1::Bye> for Ended {
    fn from(bye: v1::Bye) -> Self {
        let back_within = (bye.code == RESTART).then(|| Duration::from_millis(bye.back_within_ms));
        Self::Bye { code: bye.code, why: bye.why, back_within }
    }
}

/// The word of a goodbye that isn't for long.
pub(crate) const RESTART: &str = "restart";

/// The frames of one session.
pub(crate) struct Talk<S> {
    heard: S,
    said: mpsc::Sender<v1::Frame>,
    pulse: Pulse,
    next_keepalive: Instant,
    /// How often the other end says something, as it told.
    told: Duration,
    last_heard: Instant,
    shown: LastHeard,
}

impl<S: Stream<Item = Result<v1::Frame, Status>> + Unpin> Talk<S> {
    /// A conversation that nobody has begun.
    pub(crate) fn new(heard: S, said: mpsc::Sender<v1::Frame>, pulse: Pulse) -> Self {
        let now = Instant::now();
        Self {
            heard,
            said,
            pulse,
            next_keepalive: now + pulse.keepalive,
            // Until the other end's hello tells its own interval.
            told: pulse.keepalive,
            last_heard: now,
            shown: LastHeard::default(),
        }
    }

    /// Another pulse than it began with, before the hello says which.
    pub(crate) fn set_pulse(&mut self, pulse: Pulse) {
        self.pulse = pulse;
        self.next_keepalive = self.next_keepalive.min(Instant::now() + pulse.keepalive);
    }

    /// The other end is asked to say something this often, and does.
    pub(crate) fn expect_every(&mut self, interval: Duration) {
        self.told = self.told.min(interval);
    }

    /// From now on shows when the other end was heard.
    pub(crate) fn show_heard(&mut self, shown: LastHeard) {
        shown.now();
        self.shown = shown;
    }

    fn patience(&self) -> Duration {
        self.pulse.patience(self.told)
    }

    /// A hello with what every end says in it.
    pub(crate) fn hello(&self, name: &str) -> v1::Hello {
        v1::Hello {
            software: SOFTWARE.to_owned(),
            revision: REVISION,
            name: name.to_owned(),
            keepalive_ms: u32::try_from(self.pulse.keepalive.as_millis()).unwrap_or(u32::MAX),
            ..v1::Hello::default()
        }
    }

    /// The other end's first frame.
    pub(crate) async fn greeted(&mut self) -> Result<v1::Hello, Ended> {
        let hello = match self.frame().await? {
            v1::frame::Body::Hello(hello) => hello,
            v1::frame::Body::Bye(bye) => return Err(bye.into()),
            _ => return Err(Ended::Protocol("the first frame isn't a hello".into())),
        };
        self.told = Duration::from_millis(hello.keepalive_ms.into());
        if hello.your_keepalive_ms > 0 {
            let asked = Duration::from_millis(hello.your_keepalive_ms.into());
            let keepalive = asked.clamp(*INTERVALS.start(), *INTERVALS.end());
            let keepalive = keepalive.min(self.pulse.keepalive);
            self.set_pulse(Pulse { keepalive, ..self.pulse });
        }
        Ok(hello)
    }

    /// The next frame that says something. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Result<v1::frame::Body, Ended> {
        match self.frame().await? {
            v1::frame::Body::Bye(bye) => Err(bye.into()),
            v1::frame::Body::Hello(_) => Err(Ended::Protocol("a second hello".into())),
            body => Ok(body),
        }
    }

    async fn frame(&mut self) -> Result<v1::frame::Body, Ended> {
        loop {
            let patience = self.patience();
            let deadline = self.last_heard + patience;
            tokio::select! {
                // In this order: a keepalive is due now and then, however much is heard; and what
                // was said while this end was busy was no silence.
                biased;
                () = sleep_until(self.next_keepalive) => {
                    self.next_keepalive = Instant::now() + self.pulse.keepalive;
                    // A full queue holds words enough.
                    let _full = self.said.try_send(frame(v1::frame::Body::Keepalive(v1::Keepalive {})));
                }
                frame = self.heard.next() => {
                    self.last_heard = Instant::now();
                    self.shown.now();
                    match frame {
                        // A body of a later revision is none that we know.
                        Some(Ok(v1::Frame { body: None })) => {}
                        Some(Ok(v1::Frame { body: Some(v1::frame::Body::Keepalive(_)) })) => {}
                        Some(Ok(v1::Frame { body: Some(body) })) => return Ok(body),
                        Some(Err(status)) => return Err(Ended::Broken(said_by(&status))),
                        None => return Err(Ended::Broken("the stream ended".into())),
                    }
                }
                () = sleep_until(deadline) => match unheard(patience, deadline.elapsed()) {
                    Some(late) => self.last_heard += late,
                    None => return Err(Ended::Silent(patience)),
                },
            }
        }
    }

    /// Says something, and waits for room as long as the other end may be silent.
    pub(crate) async fn say(&self, body: v1::frame::Body) -> Result<(), Ended> {
        let patience = self.patience();
        match tokio::time::timeout(patience, self.said.send(frame(body))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Broken("the stream ended".into())),
            Err(_) => Err(Ended::Silent(patience)),
        }
    }

    /// Says goodbye and waits for the other end to close: a stream that is dropped with words on
    /// their way takes them along.
    pub(crate) async fn part(mut self, bye: v1::Bye) {
        if self.say(v1::frame::Body::Bye(bye)).await.is_err() {
            return;
        }
        let deadline = Instant::now() + self.patience();
        let said = self.said;
        drop(said);
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(deadline, self.heard.next()).await {}
    }

    /// The way out for others of this end.
    pub(crate) fn way_out(&self) -> mpsc::Sender<v1::Frame> {
        self.said.clone()
    }
}

/// Nothing was heard for so long, and this end has noticed so late: how long it couldn't listen, if
/// that is why. A machine whose processors others take would else end every session that it has, and
/// have them all come back at once.
fn unheard(patience: Duration, late: Duration) -> Option<Duration> {
    (late >= patience / LATE).then_some(late)
}

/// What a status says, for people.
pub(crate) fn said_by(status: &Status) -> String {
    match status.message() {
        "" => status.code().description().to_owned(),
        message => message.chars().filter(|c| !c.is_control()).take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_by_the_other_ends_own_interval_and_by_what_is_configured() {
        let ms = Duration::from_millis;
        let written = |dead| Pulse { keepalive: ms(300), dead: Some(ms(dead)) };
        assert_eq!(Pulse::every(ms(300)).patience(ms(300)), ms(900));
        assert_eq!(Pulse::every(ms(300)).patience(ms(0)), ms(150), "it is told what can be");
        assert_eq!(written(900).patience(ms(300)), ms(900));
        assert_eq!(written(6000).patience(ms(300)), ms(6000), "what is written is obeyed");
        assert_eq!(written(900).patience(ms(1500)), ms(3000), "one late word is no silence");
    }

    #[test]
    fn an_end_that_could_not_listen_does_not_take_it_for_the_others_silence() {
        let ms = Duration::from_millis;
        assert_eq!(unheard(ms(3000), ms(2)), None, "it listened");
        assert_eq!(unheard(ms(3000), ms(374)), None);
        assert_eq!(unheard(ms(3000), ms(375)), Some(ms(375)), "it gets that time to listen");
        assert_eq!(unheard(ms(3000), ms(90_000)), Some(ms(90_000)), "it was stopped");
    }
}
