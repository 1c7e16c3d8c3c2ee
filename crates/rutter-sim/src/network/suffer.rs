//! Faults, as they befall links, clocks and clusters; and the end of all of them.

use rand::RngExt;
use rutter_protocol::link::Sample;
use rutter_protocol::speaker::{Input, Parting};
use rutter_route::{AnyDestination, ClusterId};

use super::{Event, Network, PATIENCE, PATIENCE_MORE};
use crate::faults::{Between, Fault, Lie, Meddling};
use crate::node;
use crate::pipe::Item;
use crate::signer::KeyPair;
use crate::span::Span;

/// How long a speaker that parts has for its last frames, in ms.
const LAST_WORDS: u64 = 50;

/// How many samples a changed link's ends take, one a second.
const SAMPLES: u8 = 12;

impl Network {
    /// A fault comes.
    pub(crate) fn suffer(&mut self, fault: &Fault) {
        self.totals.faults += 1;
        self.nodes.iter_mut().for_each(|node| node.liar.calm(None));
        if let Some(tape) = &mut self.tape {
            tape.fault(self.at, fault);
        }
        match fault {
            Fault::Cut { link, lasts } => self.cut(link, *lasts),
            Fault::Reset { link, one } => self.reset(link, *one),
            Fault::Lossy { link, percent, lasts } => {
                let until = self.at + lasts.0;
                self.on_link(link, |one| one.lossy = Some(((*percent).min(90), until)));
            }
            Fault::Slow { link, delay, lasts } => self.slow(link, *delay, *lasts),
            Fault::Partition { side, lasts } => self.partition(side, *lasts),
            Fault::Kill { cluster, away, lose_state } => self.kill(cluster, *away, *lose_state),
            Fault::Restart { cluster, away, named } => {
                self.part(cluster, Parting::Restart(named.duration()), *away);
            }
            Fault::Leave { cluster, away } => self.part(cluster, Parting::Goodbye, *away),
            Fault::WallJump { cluster, by_ms, lasts } => self.jump(cluster, *by_ms, *lasts),
            Fault::Meddle { link, how, lasts } => self.meddle(link, *how, *lasts),
            Fault::SignerFails { cluster, lasts } => {
                let until = self.at + lasts.0;
                if let Some(node) = self.place(cluster).and_then(|at| self.nodes.get_mut(at)) {
                    node.signer_fails_until = until;
                }
            }
            Fault::Rotate { cluster } => self.rotate(cluster),
            Fault::Originate { cluster, destination } => self.originate(cluster, destination),
            Fault::Withdraw { cluster, destination } => self.take_back(cluster, destination),
            Fault::Policy { cluster, policy } => {
                let Some(node) = self.place(cluster) else { return };
                if let Some(one) = self.nodes.get_mut(node) {
                    one.spec.policy = (**policy).clone();
                }
                self.input(node, Input::Policy(policy.clone()));
            }
            Fault::Lie { cluster, how } => self.lie_from_now(cluster, how),
        }
    }

    pub(crate) fn place(&self, cluster: &ClusterId) -> Option<usize> {
        self.places.get(cluster).copied()
    }

    pub(crate) fn link_place(&self, (a, b): &Between) -> Option<usize> {
        let (a, b) = (self.place(a)?, self.place(b)?);
        self.link_places.get(&(a.min(b), a.max(b))).copied()
    }

    fn on_link(&mut self, link: &Between, what: impl FnOnce(&mut super::Link)) {
        if let Some(one) = self.link_place(link).and_then(|at| self.links.get_mut(at)) {
            what(one);
        }
    }

    fn cut(&mut self, link: &Between, lasts: Span) {
        if let Some(at) = self.link_place(link) {
            self.cut_link(at, lasts);
        }
    }

    fn cut_link(&mut self, link: usize, lasts: Span) {
        let at = self.at;
        let Some(one) = self.links.get_mut(link) else { return };
        one.cut_until = one.cut_until.max(at + lasts.0);
        if one.cut_until >= at + PATIENCE {
            self.break_link(link, at + PATIENCE, PATIENCE_MORE, "it doesn't answer");
        }
    }

    fn reset(&mut self, link: &Between, only_first: bool) {
        let Some(link) = self.link_place(link) else { return };
        let there: Vec<u64> =
            self.connections.iter().filter(|(_, c)| c.link == link).map(|(id, _)| *id).collect();
        let some = if only_first { 1 } else { there.len() };
        for connection in there.into_iter().take(some) {
            if let Some(open) = self.connections.get_mut(&connection) {
                open.pipes.iter_mut().for_each(|pipe| pipe.flight.clear());
            }
            self.break_connection(connection, self.at, 40, "reset");
        }
    }

    fn slow(&mut self, link: &Between, delay: Span, lasts: Span) {
        let until = self.at + lasts.0;
        self.on_link(link, |one| one.slow = Some((delay.0, until)));
        if let Some(link) = self.link_place(link) {
            for from in [self.at + 1, until + 1] {
                self.agenda.put(from, Event::Measure { link, left: SAMPLES });
            }
        }
    }

    /// Both ends measure a link.
    pub(super) fn measure(&mut self, link: usize, left: u8) {
        let at = self.at;
        let Some(one) = self.links.get(link) else { return };
        let (ends, cut) = (one.ends, one.is_cut(at));
        let round_trip = Span(2 * one.delay(at)).duration();
        for (node, peer) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let Some(neighbour) = self.nodes.get(peer).map(|n| n.name.clone()) else { continue };
            let sample = if cut { Sample::Lost } else { Sample::Answered(round_trip) };
            self.input(node, Input::Measured { neighbour, sample });
        }
        if left > 1 {
            self.agenda.put(at + 1000, Event::Measure { link, left: left - 1 });
        }
    }

    fn partition(&mut self, side: &[ClusterId], lasts: Span) {
        let inside: Vec<usize> = side.iter().filter_map(|name| self.place(name)).collect();
        for link in 0..self.links.len() {
            let Some(one) = self.links.get(link) else { continue };
            let n_inside = one.ends.iter().filter(|end| inside.contains(end)).count();
            if n_inside == 1 {
                self.cut_link(link, lasts);
            }
        }
    }

    fn kill(&mut self, cluster: &ClusterId, away: Span, lose_state: bool) {
        let Some(node) = self.place(cluster) else { return };
        let Some(one) = self.nodes.get_mut(node) else { return };
        if lose_state {
            one.incarnation = None;
            one.kept_keys = None;
        }
        self.stop(node, away.0);
    }

    fn part(&mut self, cluster: &ClusterId, how: Parting, away: Span) {
        let Some(node) = self.place(cluster) else { return };
        if !self.nodes.get(node).is_some_and(|one| one.is_up()) {
            return;
        }
        self.input(node, Input::Leave(how));
        self.stop(node, away.0.max(LAST_WORDS));
    }

    /// A cluster's process ends, and is back after a time. What it sent stays under way.
    fn stop(&mut self, node: usize, away: u64) {
        let at = self.at;
        let Some(one) = self.nodes.get_mut(node) else { return };
        one.away_until = one.away_until.max(at + away);
        self.agenda.put(one.away_until, Event::Boot { node });
        if one.engine.take().is_none() {
            return;
        }
        one.boot += 1;
        if let Some(tape) = &mut self.tape {
            tape.stopped(&one.name);
        }
        let mine: Vec<(u64, usize)> = self
            .connections
            .iter()
            .filter_map(|(id, c)| Some((*id, c.side_of(node)?)))
            .filter(|(id, side)| self.connections.get(id).is_some_and(|c| c.is_alive(*side)))
            .collect();
        for (connection, side) in mine {
            let Some(open) = self.connections.get_mut(&connection) else { continue };
            if let Some(alive) = open.alive.get_mut(side) {
                *alive = false;
            }
            let Some(link) = self.links.get_mut(open.link) else { continue };
            // Mostly the machine lives and says so; else the other end has to notice.
            if link.rng.random_bool(0.7) {
                self.under_way(connection, side, Item::End);
            }
            let silent = at + PATIENCE + link_chance(self, connection);
            let (side, why) = (crate::pipe::other(side), "it doesn't answer");
            self.agenda.put(silent, Event::Lost { connection, side, why });
            self.forget_dead(connection);
        }
    }

    fn jump(&mut self, cluster: &ClusterId, by_ms: i64, lasts: Span) {
        let Some(node) = self.place(cluster) else { return };
        let Some(one) = self.nodes.get(node) else { return };
        let right = one.spec.wall_ahead_ms;
        self.set_wall(node, right + by_ms);
        self.agenda.put(self.at + lasts.0, Event::SetWall { node, ahead: right });
    }

    pub(super) fn set_wall(&mut self, node: usize, ahead: i64) {
        if let Some(one) = self.nodes.get_mut(node) {
            one.wall_ahead = ahead;
            one.clock.set_wall(ahead);
        }
        // A real one's clock is looked at with the next thing that happens; here that is now.
        self.input(node, Input::Tick);
    }

    fn meddle(&mut self, link: &Between, how: Meddling, lasts: Span) {
        let until = self.at + lasts.0;
        let Some(link) = self.link_place(link) else { return };
        // Who takes another's place on a link doesn't make whole what that one tore.
        self.end_meddling(link);
        if let Some(one) = self.links.get_mut(link) {
            one.meddler = Some((how, until));
            self.agenda.put(until, Event::EndMeddling { link });
        }
    }

    /// A stream in which something is missing or changed doesn't stay whole below, and TLS notices: so
    /// even what no later frame betrays, such as a last one that was taken out, ends by then. What was
    /// only put in twice has to be passed over by the protocol, and nothing mends it afterwards.
    pub(super) fn end_meddling(&mut self, link: usize) {
        let Some(one) = self.links.get_mut(link) else { return };
        let Some((how, _)) = one.meddler.take() else { return };
        if !matches!(how, Meddling::Duplicate | Meddling::Replay) {
            self.break_link(link, self.at, PATIENCE_MORE, "what came isn't what was sent");
        }
    }

    fn rotate(&mut self, cluster: &ClusterId) {
        let Some(node) = self.place(cluster) else { return };
        let overlap = self.scenario.security.key_overlap.duration();
        let seed = self.scenario.seed;
        let Some(one) = self.nodes.get_mut(node).filter(|one| one.is_up()) else { return };
        let number = u32::try_from(one.pairs.len()).unwrap_or(u32::MAX);
        let pair = KeyPair::derive(seed, cluster.as_str(), number);
        let to = pair.public;
        self.ring.add(&pair);
        one.pairs.push(pair);
        self.input(node, Input::Rotate { to, overlap });
    }

    fn originate(&mut self, cluster: &ClusterId, destination: &AnyDestination) {
        let Some(node) = self.place(cluster) else { return };
        let at = self.at;
        self.ever.insert(destination.clone());
        let Some(one) = self.nodes.get_mut(node) else { return };
        one.own.insert(destination.clone());
        let (boot, now) = (one.boot, one.clock.at(at));
        if let Some(engine) = &mut one.engine {
            node::originate(engine, boot, now, destination);
            if let Some(tape) = &mut self.tape {
                tape.own(cluster, now, destination, false);
            }
        }
        self.input(node, Input::Tick);
    }

    fn take_back(&mut self, cluster: &ClusterId, destination: &AnyDestination) {
        let Some(node) = self.place(cluster) else { return };
        let at = self.at;
        let Some(one) = self.nodes.get_mut(node) else { return };
        one.own.remove(destination);
        let (boot, now) = (one.boot, one.clock.at(at));
        if let Some(engine) = &mut one.engine {
            node::withdraw(engine, boot, now, destination);
            if let Some(tape) = &mut self.tape {
                tape.own(cluster, now, destination, true);
            }
        }
        self.input(node, Input::Tick);
    }

    fn lie_from_now(&mut self, cluster: &ClusterId, how: &[Lie]) {
        if let Some(node) = self.place(cluster).and_then(|at| self.nodes.get_mut(at)) {
            node.liar.lie(how.to_vec());
        }
    }

    /// Each provider gives the keys that are good now.
    pub(super) fn provide_all(&mut self) {
        let provided = self.provided();
        for node in 0..self.nodes.len() {
            let Some(one) = self.nodes.get(node) else { continue };
            let Some(engine) = &one.engine else { continue };
            let now = one.clock.at(self.at);
            let unknown: Vec<_> = provided
                .iter()
                .filter(|(cluster, keys)| {
                    let known = engine.speaker.keys().active(now, cluster);
                    **cluster != one.name
                        && !keys.iter().all(|k| known.iter().any(|a| a.key == k.key))
                })
                .map(|(cluster, keys)| (cluster.clone(), keys.clone()))
                .collect();
            for (cluster, keys) in unknown {
                self.input(node, Input::Keys { cluster, keys });
            }
        }
    }

    /// All that is broken is mended: links are whole, clusters are back, walls' clocks are right,
    /// providers have said all they know. Liars go on lying, and policies stay.
    pub fn mend(&mut self) {
        let at = self.at;
        for link in 0..self.links.len() {
            let Some(one) = self.links.get_mut(link) else { continue };
            one.cut_until = one.cut_until.min(at);
            one.lossy = None;
            if one.slow.take().is_some() {
                self.agenda.put(at + 1, Event::Measure { link, left: SAMPLES });
            }
            if self.links.get(link).is_some_and(|one| one.meddler.is_some()) {
                self.end_meddling(link);
            }
            self.dial_soon(link);
        }
        for node in 0..self.nodes.len() {
            let Some(one) = self.nodes.get_mut(node) else { continue };
            one.signer_fails_until = 0;
            one.liar.calm(Some(at));
            one.away_until = at;
            let right = one.spec.wall_ahead_ms;
            if one.wall_ahead != right {
                self.set_wall(node, right);
            }
            self.agenda.put(at, Event::Boot { node });
        }
        self.agenda.put(at, Event::Provide);
    }
}

fn link_chance(network: &mut Network, connection: u64) -> u64 {
    let link = network.connections.get(&connection).map(|open| open.link);
    let link = link.and_then(|link| network.links.get_mut(link));
    link.map_or(0, |link| link.rng.random_range(0..=PATIENCE_MORE))
}
