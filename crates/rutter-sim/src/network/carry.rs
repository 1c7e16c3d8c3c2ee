//! Frames under way: into a pipe, over the link, out of it, and the room that is given back.

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rutter_protocol::speaker::Input;
use rutter_protocol::wire::{Close, Frame, MAX_FRAME};

use super::{Event, Network, id};
use crate::faults::Meddling;
use crate::middle;
use crate::node;
use crate::pipe::{Item, Side, other};

/// A lost packet costs that long, in ms: TCP's least retransmission timeout.
const RETRANSMISSION: u64 = 200;

/// Frames that a meddler remembers of a link.
const MEMORY: usize = 64;

/// In one of so many times a meddler may say again what another connection carried.
const OTHERS: u32 = 8;

impl Network {
    /// A cluster sends a frame.
    pub(super) fn send(&mut self, node: usize, connection: u64, frame: Bytes) {
        self.totals.frames += 1;
        if frame.len() > MAX_FRAME {
            let what = format!("a frame of {} bytes", frame.len());
            self.break_rule(Some(node), "frames_are_bounded", what);
        }
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let Some(side) = open.side_of(node).filter(|side| open.is_alive(*side)) else { return };
        let Some(pipe) = open.pipe_mut(side) else { return };
        pipe.room -= 1;
        // A last frame that says why the connection ends may go without room.
        if pipe.room < -1 {
            self.break_rule(Some(node), "room_is_kept", "it sends more than there is room".into());
            return;
        }
        for frame in self.lie(node, connection, side, frame) {
            self.put_in(connection, side, frame);
        }
    }

    /// What a liar makes of a frame; of everybody else's, the frame.
    fn lie(&mut self, node: usize, connection: u64, side: Side, frame: Bytes) -> Vec<Bytes> {
        let Some(open) = self.connections.get_mut(&connection) else { return vec![frame] };
        let ends = open.ends;
        let is_liars = |at: &usize| self.nodes.get(*at).is_some_and(|one| !one.is_honest());
        if !ends.iter().any(is_liars) {
            return vec![frame];
        }
        if let Ok(Frame::Open(said)) = Frame::decode(frame.clone())
            && let Some(slot) = open.opens.get_mut(side)
        {
            *slot = Some(said);
        }
        let now = self.at;
        let opens = open.opens.clone();
        let Some(one) = self.nodes.get_mut(node) else { return vec![frame] };
        let clock = one.clock.at(now);
        let twisted = one.liar.twist(clock, &one.name, &one.pairs, &opens, side, frame);
        self.ghosts.extend(one.liar.ghosts());
        twisted
    }

    /// A frame goes into the pipe, perhaps by a meddler's hands.
    fn put_in(&mut self, connection: u64, from: Side, frame: Bytes) {
        let Some(open) = self.connections.get(&connection) else { return };
        let at = self.at;
        let ends = open.ends;
        let Some(link) = self.links.get_mut(open.link) else { return };
        let Some((how, _)) = link.meddler.filter(|(_, until)| at < *until) else {
            self.under_way(connection, from, Item::Frame(frame));
            return;
        };
        let heard = recalled(&mut link.rng, &link.heard, connection, from);
        let by = ends.get(from).and_then(|node| self.nodes.get(*node));
        let by = by.and_then(|node| Some((node.name.clone(), node.primary()?.id)));
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let link = open.link;
        let Some(pipe) = open.pipe_mut(from) else { return };
        let Some(link) = self.links.get_mut(link) else { return };
        let frames = middle::meddle(
            how,
            &mut link.rng,
            &frame,
            &heard,
            &mut pipe.kept_back,
            by,
            &mut self.ghosts,
        );
        if link.heard.len() >= MEMORY {
            link.heard.remove(0);
        }
        link.heard.push((connection, from, frame));
        if matches!(how, Meddling::Drop) && frames.is_empty() {
            self.totals.meddled += 1;
        }
        for frame in frames {
            self.under_way(connection, from, Item::Frame(frame));
        }
    }

    /// Something begins its way over the link.
    pub(super) fn under_way(&mut self, connection: u64, from: Side, item: Item) {
        let at = self.at;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let Some(link) = self.links.get_mut(open.link) else { return };
        let mut takes = link.delay(at);
        if link.spec.jitter.0 > 0 {
            takes += link.rng.random_range(0..=link.spec.jitter.0);
        }
        let lost = link.lossy.filter(|(_, until)| at < *until);
        if lost.is_some_and(|(percent, _)| link.rng.random_range(0..100) < percent) {
            takes += RETRANSMISSION;
        }
        let Some(pipe) = open.pipe_mut(from) else { return };
        let arrives = (at + takes).max(pipe.last);
        pipe.last = arrives;
        pipe.flight.push_back(item);
        self.agenda.put(arrives, Event::Arrive { connection, from });
    }

    /// The foremost of what is under way has arrived, unless the link is cut.
    pub(super) fn arrive(&mut self, connection: u64, from: Side) {
        let at = self.at;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let Some(link) = self.links.get(open.link) else { return };
        if link.is_cut(at) {
            // Retransmitted once it is whole again, if the connection lives that long.
            let again = link.cut_until + 1;
            self.agenda.put(again, Event::Arrive { connection, from });
            return;
        }
        let Some(pipe) = open.pipe_mut(from) else { return };
        let Some(item) = pipe.flight.pop_front() else { return };
        pipe.inbox.push_back(item);
        self.read(connection, from);
    }

    /// The end that hears may read on.
    pub(super) fn credit(&mut self, node: usize, connection: u64, frames: u32) {
        let at = self.at;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let Some(from) = open.side_of(node).map(other) else { return };
        let Some(pipe) = open.pipe_mut(from) else { return };
        pipe.credit = pipe.credit.saturating_add(frames);
        if !pipe.inbox.is_empty() {
            self.agenda.put(at, Event::Read { connection, from });
        }
    }

    /// The end that hears takes in what has arrived, as far as it may.
    pub(super) fn read(&mut self, connection: u64, from: Side) {
        loop {
            let Some(open) = self.connections.get_mut(&connection) else { return };
            let to = other(from);
            if !open.is_alive(to) {
                return;
            }
            let (Some(node), Some(peer)) = (open.end(to), open.end(from)) else { return };
            let Some(pipe) = open.pipe_mut(from) else { return };
            match pipe.inbox.front() {
                Some(Item::End) => {
                    self.lose(connection, to, "closed by the other end");
                    return;
                }
                Some(Item::Frame(_)) if pipe.credit > 0 => {}
                _ => return,
            }
            let Some(Item::Frame(frame)) = pipe.inbox.pop_front() else { return };
            pipe.credit -= 1;
            pipe.read += 1;
            if !pipe.is_telling {
                pipe.is_telling = true;
                let delay = self.links.get(open.link).map_or(0, |link| link.delay(self.at));
                self.agenda.put(self.at + delay, Event::Told { connection, from });
            }
            self.hear_restart(node, peer, &frame);
            self.input(node, Input::Heard { connection: id(connection), frame });
        }
    }

    /// What is heard of a restart is kept for the rules. It isn't signed, so who meddles may say it too,
    /// or say another's again much later: what was heard bounds the wait, not what befell the neighbour.
    fn hear_restart(&mut self, node: usize, peer: usize, frame: &Bytes) {
        let Ok(Frame::Close(Close::Restart(named))) = Frame::decode(frame.clone()) else { return };
        let Some(by) = self.nodes.get(peer).map(|peer| peer.name.clone()) else { return };
        let Some(one) = self.nodes.get_mut(node) else { return };
        let most = node::MAX_RESTART.duration().min(named);
        let back_by = self.at + u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        let known = one.back_by.entry(by).or_default();
        *known = back_by.max(*known);
    }

    /// The end that sends learns what was read.
    pub(super) fn tell_room(&mut self, connection: u64, from: Side) {
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let alive = open.is_alive(from);
        let Some(node) = open.end(from) else { return };
        let Some(pipe) = open.pipe_mut(from) else { return };
        pipe.is_telling = false;
        let frames = std::mem::take(&mut pipe.read);
        pipe.room += i64::from(frames);
        if alive && frames > 0 {
            self.input(node, Input::Room { connection: id(connection), frames });
        }
    }
}

/// What a meddler may say again: mostly frames of this connection and direction, which alone are signed
/// for it. Those of others end the connection, and the refresh that follows mends whatever a replay
/// had done: a network in which only they came would never show a check of the order that is missing.
fn recalled(
    rng: &mut ChaCha8Rng,
    heard: &[(u64, Side, Bytes)],
    connection: u64,
    from: Side,
) -> Vec<Bytes> {
    let any = rng.random_ratio(1, OTHERS);
    let fits = |(of, side, _): &&(u64, Side, Bytes)| any || (*of == connection && *side == from);
    heard.iter().filter(fits).map(|(_, _, frame)| frame.clone()).collect()
}
