//! Connections to neighbours: `rutter.v1` over TLS 1.3 in which both ends show a key of their cluster.
//!
//! ```text
//!   dial, one task an address ─┐
//!                              ├─▶ session ─▶ carry: frames in and out, questions, answers
//!   listener, for those who dial ┘                │
//!                                             inputs of the speaker
//! ```
//!
//! Both ends may dial, so a pair may have two connections; each address is one more. What that means
//! is the speaker's affair: here a connection is up, carries, and is down.
//!
//! Frames are read as far as the speaker gave credit. An end that doesn't read goes on speaking, so
//! that it isn't taken for dead, and judges no silence itself.

mod dial;
mod listen;

use std::sync::{Arc, PoisonError};

use rutter_book::BookHandle;
use rutter_link::{LinkError, NeighbourSaid, NeighbourSender, NeighbourSession, Pulse};
use rutter_protocol::link::Sample;
use rutter_protocol::speaker::{ConnectionId, Input};
use rutter_route::ClusterId;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Liveness;
use crate::ports::{Ends, Ports, ROOM};
use crate::probe::Probe;
use crate::station::Told;

pub(crate) use dial::{Dial, dial};
pub(crate) use listen::Door;

/// What all connections need.
#[derive(Debug, Clone)]
pub(crate) struct Wires {
    pub(crate) ports: Arc<Ports>,
    pub(crate) inputs: mpsc::Sender<Told>,
    pub(crate) book: BookHandle,
    pub(crate) liveness: watch::Receiver<Liveness>,
}

impl Wires {
    /// How an end shows that it lives, and how long it waits.
    pub(crate) fn pulse(&self) -> Pulse {
        let Liveness { interval, multiplier } = *self.liveness.borrow();
        Pulse { keepalive: interval, dead: Some(interval * multiplier) }
    }

    /// Tells the speaker of something.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) async fn tell(&self, input: Input) -> Result<(), Over> {
        self.inputs.send(Told::Input(input)).await.map_err(|_| Over)?;
        self.book.wake();
        Ok(())
    }
}

/// The speaker has ended.
#[derive(Debug)]
pub(crate) struct Over;

/// How a connection ended.
enum End {
    /// The speaker has had enough of it.
    Closed,
    /// It is lost.
    Lost(String),
    /// The speaker has ended.
    Over,
}

/// Carries a session until it ends. `stop`: its address isn't one of the neighbour's any more.
pub(crate) async fn carry(
    wires: &Wires,
    neighbour: &ClusterId,
    session: NeighbourSession,
    stop: &CancellationToken,
) {
    let mut nonce = [0; 16];
    if let Err(error) = getrandom::fill(&mut nonce) {
        tracing::error!(%error, "no random bytes for a session");
        return;
    }
    let Some(ends) = wires.ports.open(neighbour) else {
        tracing::warn!(%neighbour, remote = session.remote(), "it has as many connections as it may have");
        return;
    };
    let id = ends.id;
    tracing::debug!(%neighbour, remote = session.remote(), connection = id.0, "connected");
    let up = Input::Up { neighbour: neighbour.clone(), connection: id, nonce };
    let why = match wires.tell(up).await {
        Ok(()) => carry_until(wires, neighbour, session, ends, stop).await,
        Err(Over) => End::Over,
    };
    wires.ports.leave(id);
    match why {
        End::Lost(why) => {
            tracing::debug!(%neighbour, connection = id.0, %why, "disconnected");
            let _over = wires.tell(Input::Down { connection: id, why }).await;
        }
        // It has forgotten the connection already.
        End::Closed | End::Over => {}
    }
}

async fn carry_until(
    wires: &Wires,
    neighbour: &ClusterId,
    mut session: NeighbourSession,
    ends: Ends,
    stop: &CancellationToken,
) -> End {
    let Ends { id, mut frames, credit, why } = ends;
    let sender = session.sender();
    let ended = {
        let hears = hear(wires, neighbour, id, &mut session, &sender, &credit);
        let says = say(wires, id, &mut frames, &sender);
        tokio::select! {
            // What was said before the end is sent before it.
            biased;
            end = says => end,
            end = hears => end,
            () = stop.cancelled() => End::Lost("its address isn't configured any more".into()),
        }
    };
    drop(sender);
    if matches!(ended, End::Closed) {
        let why = why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        session.part(&why).await;
    }
    ended
}

/// Sends what the speaker says, and tells it of the room that comes of it.
async fn say(
    wires: &Wires,
    id: ConnectionId,
    frames: &mut mpsc::Receiver<bytes::Bytes>,
    sender: &NeighbourSender,
) -> End {
    let mut room = ROOM;
    loop {
        if wires.tell(Input::Room { connection: id, frames: room }).await.is_err() {
            return End::Over;
        }
        let Some(frame) = frames.recv().await else { return End::Closed };
        if sender.frame(frame).await.is_err() {
            // The other half knows why.
            return std::future::pending().await;
        }
        room = 1;
    }
}

/// Takes what the neighbour says to the speaker, and asks it now and then whether it is there.
async fn hear(
    wires: &Wires,
    neighbour: &ClusterId,
    id: ConnectionId,
    session: &mut NeighbourSession,
    sender: &NeighbourSender,
    credit: &Semaphore,
) -> End {
    let Liveness { interval: every, multiplier } = *wires.liveness.borrow();
    let mut probe = Probe::new(every * multiplier);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What waits for room among the inputs; nothing is read meanwhile.
    let mut waits: Vec<Input> = Vec::new();
    loop {
        tokio::select! {
            // A question is due now and then, however much is heard.
            biased;
            _ = ticks.tick() => ask(&mut probe, sender, neighbour, wires),
            slot = wires.inputs.reserve(), if !waits.is_empty() => match (slot, waits.pop()) {
                (Ok(slot), Some(input)) => {
                    slot.send(Told::Input(input));
                    wires.book.wake();
                }
                _ => return End::Over,
            },
            said = next(session, credit), if waits.is_empty() => match said {
                Ok(NeighbourSaid::Frame(frame)) => waits.push(Input::Heard { connection: id, frame }),
                Ok(NeighbourSaid::Ping(number)) => {
                    let _without_room = sender.pong(number);
                }
                Ok(NeighbourSaid::Pong(number)) => {
                    if let Some(sample) = probe.answered(number, Instant::now()) {
                        measured(wires, neighbour, sample);
                    }
                }
                Err(error) => return End::Lost(error.to_string()),
            },
        }
    }
}

/// The next word, if a frame may come. Dropped before it is there, nothing is lost.
async fn next(
    session: &mut NeighbourSession,
    credit: &Semaphore,
) -> Result<NeighbourSaid, LinkError> {
    let Ok(permit) = credit.acquire().await else {
        // It is never closed.
        return std::future::pending().await;
    };
    let said = session.next().await?;
    if matches!(said, NeighbourSaid::Frame(_)) {
        permit.forget();
    }
    Ok(said)
}

fn ask(probe: &mut Probe, sender: &NeighbourSender, neighbour: &ClusterId, wires: &Wires) {
    let now = Instant::now();
    for _ in 0..probe.lost(now) {
        measured(wires, neighbour, Sample::Lost);
    }
    if let Some(number) = probe.next()
        && sender.ping(number)
    {
        probe.asked(number, now);
    }
}

/// A measurement is one of many: where there is no room for it, it is left out.
fn measured(wires: &Wires, neighbour: &ClusterId, sample: Sample) {
    let measured = Input::Measured { neighbour: neighbour.clone(), sample };
    if wires.inputs.try_send(Told::Input(measured)).is_ok() {
        wires.book.wake();
    }
}
