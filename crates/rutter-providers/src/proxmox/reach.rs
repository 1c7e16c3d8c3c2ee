//! Which of a guest's addresses answers on a port. Pure: somebody else dials.
//!
//! A guest with one address is reached by it, whether it answers or not: that it doesn't is for
//! its monitor to see. Of several the first that takes a connection is used until the guest has
//! it no more.

use std::collections::HashMap;
use std::net::IpAddr;

/// How many doors are kept; nobody behind another one is reached.
pub(super) const MAX_DOORS: usize = 4096;

/// A port of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Door {
    pub(super) cluster: usize,
    pub(super) vmid: u32,
    pub(super) port: u16,
}

/// What is known of a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has not been tried yet.
    NotYet,
    /// This address answers there.
    At(IpAddr),
    /// None does.
    Nobody,
    /// It isn't tried: there are too many.
    TooMany,
}

/// The doors that routes lead to.
#[derive(Debug, Default)]
pub(super) struct Reach {
    doors: HashMap<Door, State>,
}

#[derive(Debug)]
struct State {
    addresses: Vec<IpAddr>,
    answer: Answer,
    /// The change after which it was asked for last.
    asked: u64,
}

impl Reach {
    /// What is known of a door of a guest with those addresses, two or more. It will be tried if
    /// it has not been.
    pub(super) fn ask(&mut self, door: Door, addresses: &[IpAddr], change: u64) -> Answer {
        if self.doors.len() >= MAX_DOORS && !self.doors.contains_key(&door) {
            return Answer::TooMany;
        }
        let state = self.doors.entry(door).or_insert_with(|| State {
            addresses: addresses.to_vec(),
            answer: Answer::NotYet,
            asked: change,
        });
        state.asked = change;
        if state.addresses != addresses {
            state.addresses = addresses.to_vec();
            // The one that answered does so still, unless it is gone.
            if !matches!(state.answer, Answer::At(address) if addresses.contains(&address)) {
                state.answer = Answer::NotYet;
            }
        }
        state.answer
    }

    /// The doors to try, with the addresses in their order; `again`: those too at which nobody
    /// answered.
    pub(super) fn to_try(&self, again: bool) -> Vec<(Door, Vec<IpAddr>)> {
        let is_to_try = |state: &State| match state.answer {
            Answer::NotYet => true,
            Answer::Nobody => again,
            Answer::At(_) | Answer::TooMany => false,
        };
        let doors = self.doors.iter().filter(|(_, state)| is_to_try(state));
        doors.map(|(door, state)| (*door, state.addresses.clone())).collect()
    }

    /// A door was tried: whether that is news.
    pub(super) fn tried(
        &mut self,
        door: Door,
        addresses: &[IpAddr],
        answers: Option<IpAddr>,
    ) -> bool {
        let Some(state) = self.doors.get_mut(&door).filter(|state| state.addresses == addresses)
        else {
            return false;
        };
        let answer = answers.map_or(Answer::Nobody, Answer::At);
        std::mem::replace(&mut state.answer, answer) != answer
    }

    /// Forgets the doors that nobody asked for since a change.
    pub(super) fn forget_before(&mut self, change: u64) {
        self.doors.retain(|_, state| state.asked >= change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOOR: Door = Door { cluster: 0, vmid: 101, port: 80 };

    fn addresses(last: &[u8]) -> Vec<IpAddr> {
        last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect()
    }

    #[test]
    fn the_address_that_answers_is_kept_until_it_is_gone() {
        let mut reach = Reach::default();
        let (both, [first, second]) = (addresses(&[1, 2]), [[10, 0, 0, 1], [10, 0, 0, 2]]);
        assert_eq!(reach.ask(DOOR, &both, 0), Answer::NotYet);
        assert_eq!(reach.to_try(false), [(DOOR, both.clone())]);
        assert!(reach.tried(DOOR, &both, None));
        assert_eq!(reach.to_try(false), []);
        assert_eq!(reach.to_try(true), [(DOOR, both.clone())]);
        assert!(!reach.tried(DOOR, &both, None));
        assert_eq!(reach.ask(DOOR, &both, 0), Answer::Nobody);
        assert!(reach.tried(DOOR, &both, Some(second.into())));
        assert_eq!(reach.to_try(true), []);
        let more = addresses(&[1, 2, 3]);
        assert_eq!(reach.ask(DOOR, &more, 1), Answer::At(second.into()));
        // What was tried before the addresses changed says nothing.
        assert!(!reach.tried(DOOR, &both, Some(first.into())));
        assert_eq!(reach.ask(DOOR, &addresses(&[1, 3]), 1), Answer::NotYet);
    }

    #[test]
    fn doors_are_bounded_and_forgotten_when_nobody_asks() {
        let mut reach = Reach::default();
        let both = addresses(&[1, 2]);
        let door = |vmid: usize| Door { vmid: u32::try_from(vmid).unwrap(), ..DOOR };
        for n in 0..MAX_DOORS {
            assert_eq!(reach.ask(door(n), &both, 0), Answer::NotYet);
        }
        assert_eq!(reach.ask(door(MAX_DOORS), &both, 0), Answer::TooMany);
        assert_eq!(reach.ask(door(7), &both, 3), Answer::NotYet);
        reach.forget_before(3);
        assert_eq!(reach.to_try(false), [(door(7), both.clone())]);
        assert_eq!(reach.ask(door(MAX_DOORS), &both, 3), Answer::NotYet);
    }
}
