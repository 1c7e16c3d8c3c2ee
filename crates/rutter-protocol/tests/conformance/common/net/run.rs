//! What happens to clusters: time passes, frames arrive, what they want done is done.

use bytes::Bytes;
use rutter_protocol::keys::KeyId;
use rutter_protocol::speaker::{ConnectionId, Ticket};
use rutter_protocol::wire::{Frame, Message};
use rutter_protocol::{Input, Output};

use super::{Event, Net, Node, Said, Signs, at, is_good, key_id, signature};

/// How long a frame is on its way, in milliseconds.
const DELAY: u64 = 5;

impl Net {
    /// Something happens to a cluster.
    pub(crate) fn input(&mut self, node: &str, input: Input) {
        let now = at(self.now);
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            let Some(n) = self.nodes.get_mut(node) else { return };
            n.engine.step(now, input, &mut out);
            let answers: Vec<Input> =
                out.into_iter().filter_map(|o| self.output(node, o)).collect();
            inputs.extend(answers.into_iter().rev());
        }
    }

    /// Does what a cluster wants done; an answer is given at once.
    fn output(&mut self, node: &str, output: Output) -> Option<Input> {
        match output {
            Output::Send { connection, frame } => {
                self.send(node, connection, frame);
                None
            }
            Output::Credit { connection, frames } => {
                let other = self.other(node, connection)?;
                self.input(&other, Input::Room { connection, frames });
                None
            }
            Output::Close { connection, .. } => {
                let other = self.other(node, connection)?;
                self.post(&other, connection, Event::Down);
                None
            }
            Output::Sign { ticket, key, bytes } => self.sign(node, ticket, key, bytes),
            Output::Verify { ticket, checks } => {
                Some(Input::Verified { ticket, good: checks.iter().map(is_good).collect() })
            }
            Output::KeepKeys => None,
            Output::Log(event) => {
                self.nodes.get_mut(node)?.log.push(event);
                None
            }
        }
    }

    fn sign(&mut self, node: &str, ticket: Ticket, id: KeyId, bytes: Vec<u8>) -> Option<Input> {
        let node = self.nodes.get_mut(node)?;
        let signature = match node.signs {
            Signs::Well => {
                let key = node.keys.iter().find(|key| key_id(key) == id);
                key.map(|key| signature(key, &bytes)).ok_or("no such key".into())
            }
            Signs::Fails => Err("the signer is broken".to_owned()),
            Signs::Late => {
                node.late.push((ticket, id, bytes));
                return None;
            }
        };
        Some(Input::Signed { ticket, signature })
    }

    /// What a late signer was asked is signed now.
    pub(crate) fn sign_late(&mut self, name: &str) {
        let node = self.nodes.get_mut(name).unwrap();
        node.signs = Signs::Well;
        for (ticket, id, bytes) in std::mem::take(&mut node.late) {
            let answer = self.sign(name, ticket, id, bytes).unwrap();
            self.input(name, answer);
        }
    }

    fn other(&self, node: &str, connection: ConnectionId) -> Option<String> {
        let (a, b) = self.connections.get(&connection)?;
        Some(if a == node { b.clone() } else { a.clone() })
    }

    fn send(&mut self, by: &str, connection: ConnectionId, frame: Bytes) {
        let Some(to) = self.other(by, connection) else { return };
        if let Ok(Frame::Batch(batch)) = Frame::decode(frame.clone()) {
            for bytes in &batch.messages {
                let message = Message::decode(bytes).unwrap();
                self.said.push(Said { at: self.now, by: by.into(), to: to.clone(), message });
            }
        }
        self.post(&to, connection, Event::Deliver(frame));
    }

    fn post(&mut self, to: &str, connection: ConnectionId, event: Event) {
        self.n_events += 1;
        let at = (self.now + DELAY, self.n_events);
        self.queue.insert(at, (to.into(), connection, event));
    }

    /// When something happens next by itself.
    fn next(&self) -> Option<u64> {
        let frames = self.queue.first_key_value().map(|((at, _), _)| *at);
        let now = at(self.now);
        let ticks = self.nodes.values().filter_map(|node| node.engine.next_deadline(now));
        let ticks = ticks.map(|d| self.now + d.0.since(now.mono).as_millis() as u64);
        frames.into_iter().chain(ticks).min()
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.now + ms;
        let mut n_ticks_at = (0, 0);
        while let Some(next) = self.next().filter(|next| *next <= until) {
            n_ticks_at = if n_ticks_at.0 == next { (next, n_ticks_at.1 + 1) } else { (next, 0) };
            assert!(n_ticks_at.1 < 10_000, "time stands still at {next}");
            self.now = next;
            if let Some(first) = self.queue.first_entry().filter(|e| e.key().0 <= next) {
                let (to, connection, event) = first.remove();
                self.arrive(&to, connection, event);
                continue;
            }
            let now = at(next);
            let is_due =
                |node: &Node| node.engine.next_deadline(now).is_some_and(|d| d.is_due(now));
            let due = self.nodes.iter().filter(|(_, node)| is_due(node));
            let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
            for name in due {
                self.input(&name, Input::Tick);
            }
        }
        self.now = until;
    }

    fn arrive(&mut self, to: &str, connection: ConnectionId, event: Event) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        let input = match event {
            Event::Deliver(frame) => Input::Heard { connection, frame },
            Event::Down => {
                self.connections.remove(&connection);
                Input::Down { connection, why: "closed".into() }
            }
        };
        self.input(to, input);
    }

    /// Lets a second pass, in which all that is under way has long arrived.
    pub(crate) fn settle(&mut self) {
        self.run(1000);
        let last: Vec<_> = self.said.iter().rev().take(6).collect();
        assert!(self.queue.is_empty(), "something is under way for ever: {last:#?}");
    }
}
