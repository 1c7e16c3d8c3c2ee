//! Connections and sessions: opening, streams, order, what waits for signatures, loss.

use std::collections::VecDeque;

use bytes::Bytes;
use rutter_rib::Book;
use rutter_route::{ClusterId, Now};

use super::{ConnectionId, Output, Speaker, Ticket};
use crate::wire::sign::SessionId;
use crate::wire::{Batch, Open};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) neighbour: ClusterId,
    /// What this end said.
    pub(crate) ours: Open,
    /// What the other end said; `None`: nothing yet.
    pub(crate) theirs: Option<Open>,
    pub(crate) session: Option<SessionId>,
    /// Frames that it takes now.
    pub(crate) room: u32,
    /// The last batch that was sent, and that was heard.
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    /// Batches that wait for their signatures, in order.
    pub(crate) waiting: VecDeque<Waiting>,
}

/// A batch that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) batch: Batch,
    pub(crate) good: Option<Vec<bool>>,
}

impl Speaker {
    pub(crate) fn up(
        &mut self,
        _now: Now,
        _neighbour: ClusterId,
        _connection: ConnectionId,
        _nonce: [u8; 16],
        _out: &mut Vec<Output>,
    ) {
        todo!("H3")
    }

    pub(crate) fn heard(
        &mut self,
        _now: Now,
        _book: &mut Book,
        _connection: ConnectionId,
        _frame: Bytes,
        _out: &mut Vec<Output>,
    ) {
        todo!("H3")
    }

    pub(crate) fn down(
        &mut self,
        _now: Now,
        _book: &mut Book,
        _connection: ConnectionId,
        _why: &str,
        _out: &mut Vec<Output>,
    ) {
        todo!("H3")
    }

    /// How the neighbours are.
    pub fn neighbours(&self, _book: &Book) -> Vec<super::NeighbourStatus> {
        todo!("H3")
    }
}
