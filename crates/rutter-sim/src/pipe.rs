//! One connection, as TCP is to those who use it: what is put in at one end comes out at the other, in
//! order and once, until it breaks; and nobody reads or writes further ahead than was granted.

use std::collections::VecDeque;

use bytes::Bytes;
use rutter_protocol::wire::Open;

/// How many frames an end may have under way.
pub(crate) const WINDOW: u32 = 32;

/// An end of a connection: 0 or 1, in the order of the link's ends.
pub(crate) type Side = usize;

/// What is under way.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// A frame.
    Frame(Bytes),
    /// The other end closed.
    End,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// What is under way, by when it arrives.
    pub(crate) flight: VecDeque<Item>,
    /// When the last of it arrives.
    pub(crate) last: u64,
    /// What has arrived and wait to be read.
    pub(crate) inbox: VecDeque<Item>,
    /// How many frames may be read.
    pub(crate) credit: u32,
    /// How many frames the sender may put in; below zero it broke its word.
    pub(crate) room: i64,
    /// Frames that were read and not told to the sender.
    pub(crate) read: u32,
    pub(crate) is_telling: bool,
    /// A frame that a meddler keeps for after the next.
    pub(crate) kept_back: Option<Bytes>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Of which link.
    pub(crate) link: usize,
    /// The nodes at its ends.
    pub(crate) ends: [usize; 2],
    /// Whether each end takes it for alive.
    pub(crate) alive: [bool; 2],
    /// From each end to the other.
    pub(crate) pipes: [Pipe; 2],
    /// What each end said first; a liar signs with it.
    pub(crate) opens: [Option<Open>; 2],
}

impl Connection {
    pub(crate) fn new(link: usize, ends: [usize; 2]) -> Self {
        // The first frame each way is the opening, before anything is granted.
        let pipe = || Pipe { credit: 1, room: i64::from(WINDOW) + 1, ..Pipe::default() };
        Self { link, ends, alive: [true; 2], pipes: [pipe(), pipe()], opens: [None, None] }
    }

    /// Which end a node is.
    pub(crate) fn side_of(&self, node: usize) -> Option<Side> {
        self.ends.iter().position(|end| *end == node)
    }

    pub(crate) fn pipe_mut(&mut self, from: Side) -> Option<&mut Pipe> {
        self.pipes.get_mut(from)
    }

    pub(crate) fn is_alive(&self, side: Side) -> bool {
        self.alive.get(side).copied().unwrap_or(false)
    }

    pub(crate) fn end(&self, side: Side) -> Option<usize> {
        self.ends.get(side).copied()
    }
}

/// The other end.
pub(crate) fn other(side: Side) -> Side {
    1 - side.min(1)
}
