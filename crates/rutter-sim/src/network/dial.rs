//! Connections: made, opened, closed, lost.

use rand::RngExt;
use rutter_protocol::speaker::Input;

use super::{BACKOFF, Event, Network, id};
use crate::pipe::{Connection, Item, Side, WINDOW, other};

impl Network {
    /// Dials a link after a short while.
    pub(crate) fn dial_soon(&mut self, link: usize) {
        let Some(one) = self.links.get_mut(link) else { return };
        let after = BACKOFF + one.rng.random_range(0..BACKOFF);
        self.agenda.put(self.at + after, Event::Dial { link });
    }

    fn can_connect(&self, link: usize) -> bool {
        let Some(one) = self.links.get(link) else { return false };
        let up = |node: &usize| self.nodes.get(*node).is_some_and(|n| n.is_up());
        !one.is_cut(self.at) && one.ends.iter().all(up)
    }

    /// Begins as many handshakes as connections are missing.
    pub(super) fn dial(&mut self, link: usize) {
        let at = self.at;
        let Some(one) = self.links.get(link) else { return };
        let up = |node: &usize| self.nodes.get(*node).is_some_and(|n| n.is_up());
        if !one.ends.iter().all(up) {
            // Who boots dials.
            return;
        }
        if one.is_cut(at) {
            let again = one.cut_until.min(at + 10 * BACKOFF).max(at + BACKOFF);
            self.agenda.put(again, Event::Dial { link });
            return;
        }
        // One that an end has given up doesn't count, although the other may not know yet.
        let whole = |c: &&Connection| c.link == link && c.alive == [true; 2];
        let there = self.connections.values().filter(whole).count();
        let Some(one) = self.links.get_mut(link) else { return };
        let missing =
            usize::from(one.spec.connections).saturating_sub(there + usize::from(one.dialling));
        for number in 0..missing {
            one.dialling += 1;
            let takes = 2 * one.delay(at) + 1 + number as u64 * one.rng.random_range(1..20);
            self.agenda.put(at + takes, Event::Connected { link });
        }
    }

    /// A handshake is done.
    pub(super) fn connected(&mut self, link: usize) {
        let can = self.can_connect(link);
        let Some(one) = self.links.get_mut(link) else { return };
        one.dialling = one.dialling.saturating_sub(1);
        if !can {
            self.dial_soon(link);
            return;
        }
        self.last_connection += 1;
        let connection = self.last_connection;
        let (ends, delay) = (one.ends, one.delay(self.at));
        let first = usize::from(one.rng.random_bool(0.5));
        let nonces: [[u8; 16]; 2] = [one.rng.random(), one.rng.random()];
        self.connections.insert(connection, Connection::new(link, ends));
        self.totals.connections += 1;
        for (side, nonce) in nonces.into_iter().enumerate() {
            let at = if side == first { self.at } else { self.at + delay };
            self.agenda.put(at, Event::UpAt { connection, side, nonce });
        }
    }

    pub(super) fn up(&mut self, connection: u64, side: Side, nonce: [u8; 16]) {
        let Some(open) = self.connections.get(&connection) else { return };
        let (Some(node), Some(peer)) = (open.end(side), open.end(other(side))) else { return };
        if !open.is_alive(side) {
            return;
        }
        let Some(neighbour) = self.nodes.get(peer).map(|n| n.name.clone()) else { return };
        let connection = id(connection);
        self.input(node, Input::Up { neighbour, connection, nonce });
        self.input(node, Input::Room { connection, frames: WINDOW });
    }

    /// A cluster closes a connection: the other end hears of it behind what was sent.
    pub(super) fn close(&mut self, node: usize, connection: u64) {
        let Some(open) = self.connections.get(&connection) else { return };
        let Some(side) = open.side_of(node).filter(|side| open.is_alive(*side)) else { return };
        self.totals.closed += 1;
        self.under_way(connection, side, Item::End);
        self.agenda.put(self.at, Event::Lost { connection, side, why: "closed" });
    }

    /// An end takes a connection for dead.
    pub(crate) fn lose(&mut self, connection: u64, side: Side, why: &'static str) {
        let Some(open) = self.connections.get_mut(&connection) else { return };
        if !open.is_alive(side) {
            return;
        }
        if let Some(alive) = open.alive.get_mut(side) {
            *alive = false;
        }
        let (node, link) = (open.end(side), open.link);
        self.forget_dead(connection);
        self.dial_soon(link);
        if let Some(node) = node {
            self.input(node, Input::Down { connection: id(connection), why: why.to_owned() });
        }
    }

    /// A connection that neither end takes for alive is forgotten.
    pub(crate) fn forget_dead(&mut self, connection: u64) {
        if self.connections.get(&connection).is_some_and(|c| c.alive == [false; 2]) {
            self.connections.remove(&connection);
        }
    }

    /// Both ends of a link's connections lose them, each at its own time within `within` ms.
    pub(crate) fn break_link(&mut self, link: usize, from: u64, within: u64, why: &'static str) {
        let there: Vec<u64> =
            self.connections.iter().filter(|(_, c)| c.link == link).map(|(id, _)| *id).collect();
        for connection in there {
            self.break_connection(connection, from, within, why);
        }
    }

    pub(crate) fn break_connection(
        &mut self,
        connection: u64,
        from: u64,
        within: u64,
        why: &'static str,
    ) {
        let Some(link) = self.connections.get(&connection).map(|c| c.link) else { return };
        let Some(one) = self.links.get_mut(link) else { return };
        for side in [0, 1] {
            let at = from + one.rng.random_range(0..=within);
            self.agenda.put(at, Event::Lost { connection, side, why });
        }
    }
}
