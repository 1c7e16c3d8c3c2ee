//! Next hops that can't be used, told once for all their prefixes.
//!
//! What can't be used is told with its reason, so that selection takes another. From then on nobody
//! may want it any more, so that it can be used again is found out here: with each look its object
//! is offered to the kernel, which takes it or not, and no route hangs on the answer.
//!
//! A router that is in no network of a link that is up isn't offered; it is when it is in one.

use rustix::io::Errno;
use rutter_route::Prefix;

use super::{Fib, MAX_REMEMBERED, Target};
use crate::error::Said;
use crate::hop::{Hop, HopSet};

impl Fib {
    /// What is to be told of next hops: why they can't be used, or `None`: they can again.
    pub(crate) fn hop_verdicts(&mut self) -> Vec<(Hop, Option<String>)> {
        std::mem::take(&mut self.hop_verdicts).into_iter().collect()
    }

    /// The next hops that were told to be unusable.
    pub(crate) fn unusable_hops(&self) -> impl Iterator<Item = &Hop> {
        self.unusable_hops.iter()
    }

    /// A prefix is refused. Where that is by the sole next hop that it wants, the hop is told.
    pub(super) fn blame_hop(&mut self, prefix: Prefix, why: &str) {
        let target = self.entries.get(&prefix).and_then(|entry| entry.wanted.as_ref());
        let Some(Target::Via(hops)) = target.map(|wanted| &wanted.target) else { return };
        let mut hops = hops.iter();
        let (Some(hop), None) = (hops.next(), hops.next()) else { return };
        // Of the wrong family for this prefix, and perhaps of the right one for others.
        let is_wrong = !prefix.is_v4() && hop.via.is_some_and(|via| via.is_ipv4());
        if is_wrong || self.unusable_hops.len() >= MAX_REMEMBERED {
            return;
        }
        if self.unusable_hops.insert(hop.clone()) {
            self.hop_verdicts.insert(hop.clone(), Some(why.to_owned()));
        }
    }

    /// The kernel refused a route for where it leads, and not for itself.
    pub(super) fn is_for_its_hop(said: &Said) -> bool {
        matches!(said.errno, Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::NODEV)
    }

    /// It was looked: unusable hops are tried.
    pub(super) fn try_hops(&mut self) {
        self.trying = self.unusable_hops.iter().cloned().collect();
        for hop in &self.trying {
            // By the families that it may be of; a router has one.
            for v4 in [true, false] {
                if let Ok(hops) = self.links.resolve(&HopSet::of(hop.clone()), v4) {
                    self.unusable.remove(&hops);
                }
            }
        }
    }

    /// Asks for the objects of hops that are tried, or says what came of it.
    pub(super) fn next_try(&mut self) {
        for hop in std::mem::take(&mut self.trying) {
            let v4 = hop.via.is_none_or(|via| via.is_ipv4());
            let resolved = self.links.resolve(&HopSet::of(hop.clone()), v4);
            let Ok(hops) = resolved else { continue };
            let is_on_link = |link: Option<u32>| link.is_some_and(|link| self.links.is_up(link));
            let on_links = hops.iter().all(|hop| is_on_link(hop.link));
            if !on_links || self.unusable.contains_key(&hops) {
                continue;
            }
            // Without objects, or without a number for one, being on a link that is up must do: it
            // is all that the kernel asks of a plain route.
            let has_no_object = self.objects.is_on()
                && self.objects.id_of(&hops).is_none()
                && self.objects.room() > 0;
            if has_no_object {
                self.needed.push(hops);
                self.trying.push(hop);
                continue;
            }
            if self.unusable_hops.remove(&hop) {
                self.try_prefixes_of(&hop);
                self.hop_verdicts.insert(hop, None);
            }
        }
    }

    /// Those that still want the hop needn't wait until they are told again.
    fn try_prefixes_of(&mut self, hop: &Hop) {
        for (prefix, entry) in &mut self.entries {
            let target = entry.wanted.as_ref().map(|wanted| &wanted.target);
            let wants = matches!(target, Some(Target::Via(hops)) if hops.iter().any(|h| h == hop));
            if wants
                && std::mem::take(&mut entry.given_up)
                && !std::mem::replace(&mut entry.queued, true)
            {
                self.queue.push_back(*prefix);
            }
        }
    }
}
