//! What a session has for a node alone: its network map, and the question whether it is there.

use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::map::EncodedMap;
use crate::wire::v1::{self, frame::Body};

/// The questions of one session that wait for their answers.
pub const MAX_PINGS: usize = 4;

/// Tells one node its network map, for as long as its session lasts.
#[async_trait]
pub trait TellsMap: Send + Sync {
    /// The next thing to tell; `None`: there is nobody any more who would. Dropped before it is
    /// done, it has told nothing, and the next call tells the same.
    async fn next(&mut self) -> Option<EncodedMap>;

    /// The node uses the map up to this number.
    fn applied(&mut self, number: u64);
}

/// A question whether the other end's program is there: answered when it has answered, dropped when
/// its session ends before or too many later ones wait.
#[derive(Debug)]
pub struct Pinged {
    /// Answer here.
    pub answer: oneshot::Sender<()>,
}

/// The two, of one session.
pub(super) struct ForNode {
    map: Option<Box<dyn TellsMap>>,
    pings: Option<mpsc::Receiver<Pinged>>,
    /// Those that are out, by number, the oldest first.
    asked: VecDeque<(u64, Pinged)>,
    last_ping: u64,
}

impl ForNode {
    pub(super) fn new(
        map: Option<Box<dyn TellsMap>>,
        pings: Option<mpsc::Receiver<Pinged>>,
    ) -> Self {
        Self { map, pings, asked: VecDeque::new(), last_ping: 0 }
    }

    /// The next thing to say to the node. Cancelled, it has taken nothing.
    pub(super) async fn next(&mut self) -> Body {
        tokio::select! {
            told = next_map(&mut self.map) => {
                let EncodedMap { number, snapshot, change, more } = told;
                Body::Map(v1::Map { number, snapshot, change, more })
            }
            ping = next_ping(&mut self.pings) => {
                self.last_ping += 1;
                if self.asked.len() >= MAX_PINGS {
                    self.asked.pop_front();
                }
                self.asked.push_back((self.last_ping, ping));
                Body::Ping(v1::Ping { number: self.last_ping })
            }
        }
    }

    pub(super) fn applied(&mut self, number: u64) {
        if let Some(map) = &mut self.map {
            map.applied(number);
        }
    }

    pub(super) fn answered(&mut self, number: u64) {
        let Some(at) = self.asked.iter().position(|(asked, _)| *asked == number) else { return };
        if let Some((_, Pinged { answer })) = self.asked.remove(at) {
            // Who asked may have given up.
            let _late = answer.send(());
        }
    }
}

async fn next_map(map: &mut Option<Box<dyn TellsMap>>) -> EncodedMap {
    if let Some(tells) = map {
        if let Some(told) = tells.next().await {
            return told;
        }
        *map = None;
    }
    std::future::pending().await
}

async fn next_ping(pings: &mut Option<mpsc::Receiver<Pinged>>) -> Pinged {
    if let Some(asked) = pings {
        if let Some(ping) = asked.recv().await {
            return ping;
        }
        *pings = None;
    }
    std::future::pending().await
}
