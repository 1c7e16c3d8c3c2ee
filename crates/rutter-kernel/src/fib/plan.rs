//! What is to be asked of the kernel next.

use rutter_route::Prefix;

use super::{Desired, Entry, Fib, Foreign, Held, Request, To};
use crate::wire::How;

/// What became of a queued prefix.
enum Step {
    /// It is asked for, or there is nothing to ask.
    Done,
    /// It needs an object that isn't there.
    Waits,
}

impl Fib {
    /// What to ask, at most `room` requests; the answers are to be told to [`Fib::answered`]
    /// before the next call. Nothing: it is settled.
    pub(crate) fn next(&mut self, room: usize) -> Vec<Request> {
        let room = room.max(1);
        // Whoever waited since an earlier call may be wanted otherwise by now.
        let waited = !self.moves.is_empty();
        self.survey();
        loop {
            let mut requests = Vec::new();
            while requests.len() < room
                && let Some(prefix) = self.queue.pop_front()
            {
                match self.route(prefix, &mut requests) {
                    Step::Done => self.is_done(&prefix),
                    Step::Waits => self.waiting.push(prefix),
                }
            }
            if !requests.is_empty() {
                return requests;
            }
            self.next_try();
            if !self.queue.is_empty() {
                continue;
            }
            let requests = self.put_objects(room);
            if !requests.is_empty() {
                return requests;
            }
            // Each was made or refused; either way the prefixes know more now.
            self.queue.extend(self.waiting.drain(..));
            if !self.queue.is_empty() {
                continue;
            }
            let requests = self.next_move(room, waited);
            if !requests.is_empty() {
                return requests;
            }
            // A move that was given up leaves its prefixes in the queue.
            if self.queue.is_empty() {
                return self.remove_objects(room);
            }
        }
    }

    fn is_done(&mut self, prefix: &Prefix) {
        if let Some(entry) = self.entries.get_mut(prefix) {
            entry.queued = false;
            if entry.is_empty() {
                self.entries.remove(prefix);
            }
        }
    }

    /// What makes one prefix as it is wanted.
    fn route(&mut self, prefix: Prefix, requests: &mut Vec<Request>) -> Step {
        let Some(entry) = self.entries.get(&prefix) else { return Step::Done };
        let Some(wanted) = entry.wanted.clone() else {
            if !entry.left_over || (self.sweeping && !self.keeps_left_over) {
                remove(prefix, entry, |_| true, requests);
                if entry.held.is_empty() {
                    self.accept(prefix);
                }
            }
            return Step::Done;
        };
        let in_the_way = entry.foreign.iter().find(|foreign| foreign.priority == wanted.priority);
        if let Some(foreign) = in_the_way
            && !(self.replaces && foreign.again.is_some())
        {
            let why = in_the_way_of(wanted.priority, Some(foreign.protocol));
            return self.give_up(prefix, why, requests);
        }
        let desired = match self.desired(&wanted.target, prefix.is_v4()) {
            Ok(desired) => desired,
            Err(why) => {
                self.blame_hop(prefix, &why);
                return self.give_up(prefix, why, requests);
            }
        };
        let Some(entry) = self.entries.get(&prefix) else { return Step::Done };
        let is_met = |held: &Held| self.is_met(held, wanted.priority, &desired);
        if entry.held.iter().any(is_met) {
            remove(prefix, entry, |priority| priority != wanted.priority, requests);
            self.accept(prefix);
            return Step::Done;
        }
        if entry.given_up {
            remove(prefix, entry, |_| true, requests);
            return Step::Done;
        }
        let to = match desired {
            Desired::Route(to) => to,
            Desired::Object(hops) => match self.objects.id_of(&hops) {
                Some(id) => To::Object(id),
                None => {
                    self.needed.push(hops);
                    return Step::Waits;
                }
            },
        };
        let priority = wanted.priority;
        if let Some(other) = entry.foreign.iter().find(|foreign| foreign.priority == priority) {
            requests.push(Request::TakeOver { prefix, to, other: other.clone() });
            return Step::Done;
        }
        let there = entry.held.iter().any(|held| held.priority == priority);
        let how = if there { How::Replace } else { How::Add };
        requests.push(Request::PutRoute { prefix, priority, to, how });
        Step::Done
    }

    /// It can't be as it is wanted: ours is removed, and whoever wants it is told.
    fn give_up(&mut self, prefix: Prefix, why: String, requests: &mut Vec<Request>) -> Step {
        if let Some(entry) = self.entries.get(&prefix) {
            remove(prefix, entry, |_| true, requests);
        }
        self.refuse(prefix, why);
        Step::Done
    }

    pub(super) fn refuse(&mut self, prefix: Prefix, why: String) {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            // Said once a try: what is looked at again for another reason isn't refused again.
            if !std::mem::replace(&mut entry.given_up, true) {
                self.n_refused += usize::from(!std::mem::replace(&mut entry.refused, true));
                self.verdicts.insert(prefix, Some(why));
            }
        }
    }

    pub(super) fn accept(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.given_up = false;
            if std::mem::take(&mut entry.refused) {
                self.n_refused -= 1;
                self.verdicts.insert(prefix, None);
            }
        }
    }

    /// Asks for the objects that are needed: single hops first, then groups of them. What there is
    /// no room for is left out: its routes will be plain.
    fn put_objects(&mut self, room: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        let mut asked = hashbrown::HashSet::<_, foldhash::fast::RandomState>::default();
        let mut later = Vec::new();
        // Groups whose members are asked for now have their own numbers kept.
        let mut n_kept = 0;
        for hops in std::mem::take(&mut self.needed) {
            if requests.len() >= room {
                later.push(hops);
                continue;
            }
            let there = self.objects.id_of(&hops).is_some();
            let usable = self.usable(hops.clone()).as_ref() == Ok(&hops);
            let has_room = self.objects.n_missing(&hops) + n_kept <= self.objects.room();
            if there || !usable || !has_room || asked.contains(&hops) {
                continue;
            }
            let parts = match self.objects.object_of(&hops) {
                Ok(_) => vec![hops],
                Err(missing) => {
                    n_kept += 1;
                    later.push(hops);
                    missing
                }
            };
            for part in parts {
                if !asked.insert(part.clone()) {
                    continue;
                }
                if let Ok(object) = self.objects.object_of(&part)
                    && let Some(id) = self.objects.reserve()
                {
                    requests.push(Request::PutObject { id, object, replace: false });
                }
            }
        }
        self.needed = if requests.is_empty() { Vec::new() } else { later };
        requests
    }

    fn remove_objects(&mut self, room: usize) -> Vec<Request> {
        if !self.sweeping {
            return Vec::new();
        }
        let idle = self.objects.take_idle(room);
        idle.into_iter().map(|id| Request::DeleteObject { id }).collect()
    }
}

impl Entry {
    /// Whether there is nothing to know of the prefix.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_none()
            && self.held.is_empty()
            && self.foreign.is_empty()
            && self.displaced.is_empty()
            && !self.refused
    }
}

/// Removes ours of certain priorities; where it stands in the place of another's, that is put again
/// in its place, and where ours is gone already, it is put again too.
fn remove(prefix: Prefix, entry: &Entry, which: impl Fn(u32) -> bool, requests: &mut Vec<Request>) {
    let displaced: Vec<&Foreign> = if entry.stuck {
        Vec::new()
    } else {
        entry.displaced.iter().filter(|other| which(other.priority)).collect()
    };
    for held in entry.held.iter().filter(|held| which(held.priority)) {
        if displaced.iter().all(|other| other.priority != held.priority) {
            requests.push(Request::DeleteRoute { prefix, priority: held.priority });
        }
    }
    for other in displaced {
        let there = entry.held.iter().any(|held| held.priority == other.priority);
        let how = if there { How::Replace } else { How::Add };
        requests.push(Request::GiveBack { prefix, other: other.clone(), how });
    }
}

/// Why a route can't be put. `None`: it isn't known whose is in its way.
pub(super) fn in_the_way_of(priority: u32, protocol: Option<u8>) -> String {
    let whose = match protocol {
        Some(protocol) => format!(" of protocol {protocol}"),
        None => String::new(),
    };
    format!(
        "a route{whose} with the same prefix and metric {priority} is in the table; it is left alone"
    )
}
