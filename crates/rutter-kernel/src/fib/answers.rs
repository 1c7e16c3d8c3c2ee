//! What the kernel said to what it was asked.

use rustix::io::Errno;
use rutter_route::Prefix;

use super::plan::in_the_way_of;
use super::{Fib, Foreign, Held, MAX_REMEMBERED, Request, To};
use crate::error::Said;
use crate::wire::{How, Object};

impl Fib {
    /// What was asked last, and what of it was refused, by place and in order. All else is done.
    pub(crate) fn answered(&mut self, requests: Vec<Request>, refused: Vec<(usize, Said)>) {
        let mut refused = refused.into_iter().peekable();
        for (place, request) in requests.into_iter().enumerate() {
            match refused.next_if(|(refused, _)| *refused == place) {
                Some((_, said)) => self.is_refused(request, &said),
                None => self.is_done_by_kernel(request),
            }
        }
    }

    fn is_done_by_kernel(&mut self, request: Request) {
        match request {
            Request::PutObject { id, object, .. } => self.objects.is_put(id, &object),
            Request::DeleteObject { id } => {
                self.objects.forget(id);
                self.seen.remove(&id);
            }
            Request::PutRoute { prefix, priority, to, .. } => self.is_put(prefix, priority, to),
            Request::DeleteRoute { prefix, priority } => self.is_gone(prefix, priority),
            Request::TakeOver { prefix, to, other } => {
                if let Some(entry) = self.entries.get_mut(&prefix) {
                    entry.foreign.retain(|foreign| foreign.priority != other.priority);
                    entry.displaced.retain(|before| before.priority != other.priority);
                    entry.displaced.push(other.clone());
                }
                self.is_put(prefix, other.priority, to);
            }
            Request::GiveBack { prefix, other, .. } => {
                self.is_back(prefix, &other);
                if let Some(entry) = self.entries.get_mut(&prefix) {
                    entry.foreign.push(other.clone());
                }
                self.is_gone(prefix, other.priority);
            }
        }
    }

    fn is_back(&mut self, prefix: Prefix, other: &Foreign) {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.displaced.retain(|displaced| displaced.priority != other.priority);
        }
    }

    fn is_put(&mut self, prefix: Prefix, priority: u32, to: To) {
        if let To::Object(id) = to {
            self.objects.name(id);
        }
        let Some(entry) = self.entries.get_mut(&prefix) else { return };
        let mut before = None;
        match entry.held.iter_mut().find(|held| held.priority == priority) {
            Some(held) => before = Some(std::mem::replace(&mut held.to, to)),
            None => {
                entry.held.push(Held { priority, to });
                self.n_held += 1;
            }
        }
        let others =
            entry.held.len() > 1 || entry.displaced.iter().any(|other| other.priority != priority);
        if let Some(To::Object(id)) = before {
            self.objects.unname(id);
        }
        self.accept(prefix);
        if others {
            // Now that it stands, those of other priorities can go.
            self.queue_again(prefix);
        }
    }

    fn is_gone(&mut self, prefix: Prefix, priority: u32) {
        let Some(entry) = self.entries.get_mut(&prefix) else { return };
        let at = entry.held.iter().position(|held| held.priority == priority);
        if let Some(at) = at {
            self.n_held -= 1;
            if let To::Object(id) = entry.held.remove(at).to {
                self.objects.unname(id);
            }
        }
        let Some(entry) = self.entries.get(&prefix) else { return };
        if entry.wanted.is_none() && entry.held.is_empty() {
            self.accept(prefix);
        }
        if self.entries.get(&prefix).is_some_and(|entry| entry.is_empty() && !entry.queued) {
            self.entries.remove(&prefix);
        }
    }

    fn is_refused(&mut self, request: Request, said: &Said) {
        match request {
            Request::PutObject { id, object, replace } => {
                self.object_is_refused(id, &object, replace, said);
            }
            Request::DeleteObject { id } => match said.errno {
                Errno::NOENT => self.objects.forget(id),
                _ => tracing::debug!(id, %said, "a next-hop object isn't removed"),
            },
            Request::PutRoute { ref to, .. } | Request::TakeOver { ref to, .. }
                if self.lacks_object(to, said) => {}
            Request::PutRoute { prefix, priority, how, .. } => {
                self.route_is_refused(prefix, priority, how, said);
            }
            Request::TakeOver { prefix, other, .. } => match said.errno {
                // Another's went since it was looked: ours is put where there is none.
                Errno::NOENT => {
                    if let Some(entry) = self.entries.get_mut(&prefix) {
                        entry.foreign.retain(|foreign| foreign.priority != other.priority);
                    }
                    self.queue_again(prefix);
                }
                _ => self.refuse_by_kernel(prefix, said),
            },
            Request::GiveBack { prefix, other, how } => {
                match (said.errno, how) {
                    // Someone has put another in the meantime, and meant it.
                    (Errno::EXIST, How::Add) => {
                        self.is_back(prefix, &other);
                        self.look_again = true;
                    }
                    // Ours went since it was looked: the other's is put where there is none.
                    (Errno::NOENT, How::Replace) => self.is_gone(prefix, other.priority),
                    _ => {
                        tracing::warn!(%prefix, %said, "another's route can't be put back; it is kept");
                        if let Some(entry) = self.entries.get_mut(&prefix) {
                            entry.stuck = true;
                        }
                    }
                }
                self.queue_again(prefix);
            }
            Request::DeleteRoute { prefix, priority } => match said.errno {
                // It went by itself.
                Errno::SRCH | Errno::NOENT | Errno::NODEV => self.is_gone(prefix, priority),
                _ => {
                    self.look_again = true;
                    self.refuse(prefix, format!("the kernel doesn't remove its route: {said}"));
                }
            },
        }
    }

    fn object_is_refused(&mut self, id: u32, object: &Object, replace: bool, said: &Said) {
        if !replace {
            self.objects.forget(id);
        }
        match (said.errno, replace) {
            // The number was given to another since it was looked.
            (Errno::EXIST, false) => self.objects.is_taken(id),
            // It went since it was looked, and all its routes with it.
            (Errno::NOENT, true) => self.look_again = true,
            // A kernel of before 5.3.
            (Errno::OPNOTSUPP, false) => {
                tracing::warn!("this kernel has no next-hop objects; routes are plain");
                self.objects.switch_off();
            }
            _ => {
                let hops = self.objects.hops_of_object(object);
                if self.unusable.len() >= MAX_REMEMBERED {
                    self.unusable.clear();
                }
                if let Some(hops) = hops {
                    self.unusable.insert(hops, said.to_string());
                }
            }
        }
    }

    /// Whether a route is refused because its object went since it was looked, as far as is known:
    /// then nothing is said of the prefix, and what stands for it stays, until it is looked again.
    /// Where that finds the object, the kernel means the route.
    fn lacks_object(&mut self, to: &To, said: &Said) -> bool {
        let To::Object(id) = to else { return false };
        if said.errno != Errno::INVAL || self.seen.contains(id) {
            return false;
        }
        self.doubted.insert(*id);
        self.look_again = true;
        true
    }

    fn route_is_refused(&mut self, prefix: Prefix, priority: u32, how: How, said: &Said) {
        match (said.errno, how) {
            // Ours went since it was looked: it is put anew.
            (Errno::NOENT, How::Replace) => {
                self.is_gone(prefix, priority);
                self.queue_again(prefix);
            }
            // Someone was faster.
            (Errno::EXIST, _) => {
                self.look_again = true;
                self.refuse(prefix, in_the_way_of(priority, None));
            }
            _ => self.refuse_by_kernel(prefix, said),
        }
    }

    fn refuse_by_kernel(&mut self, prefix: Prefix, said: &Said) {
        if Self::is_for_its_hop(said) {
            self.blame_hop(prefix, &said.to_string());
        }
        self.refuse(prefix, said.to_string());
        // What stands leads where it isn't wanted any more.
        let entry = self.entries.get(&prefix);
        let stale = entry.is_some_and(|entry| !entry.held.is_empty());
        if stale && !said.is_transient() {
            self.queue_again(prefix);
        }
    }

    fn queue_again(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.queue.push_back(prefix);
        }
    }
}
