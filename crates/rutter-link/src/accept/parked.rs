//! Outlets whose sink is away, and the one session that each key has.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use rutter_route::TableName;
use tokio_util::sync::CancellationToken;

use crate::PeerKey;

/// The most outlets that wait; one more forgets the oldest, whose sink gets a snapshot.
const MAX_PARKED: usize = 64;

/// An outlet without its sink.
pub(crate) struct ParkedOutlet {
    pub(crate) key: PeerKey,
    pub(crate) table: TableName,
    pub(crate) outlet: u64,
    /// The number with which the sink was told a whole snapshot; `None`: it wasn't.
    pub(crate) complete_at: Option<u64>,
    /// A `Subscription` of the table's family.
    pub(crate) subscription: Box<dyn Any + Send>,
}

/// The outlets that wait for their sinks.
#[derive(Default)]
pub(crate) struct Parked(Mutex<VecDeque<ParkedOutlet>>);

impl Parked {
    /// Keeps an outlet for its sink; one of the same sink and table gives way.
    pub(crate) fn park(&self, outlet: ParkedOutlet) {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|p| p.key != outlet.key || p.table != outlet.table);
        parked.push_back(outlet);
        if parked.len() > MAX_PARKED {
            parked.pop_front();
        }
    }

    /// The outlet of that number, if it is that sink's.
    pub(crate) fn take(
        &self,
        key: PeerKey,
        table: &TableName,
        outlet: u64,
    ) -> Option<ParkedOutlet> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at =
            parked.iter().position(|p| p.key == key && p.table == *table && p.outlet == outlet)?;
        parked.remove(at)
    }
}

/// The sessions that run, by key: one each. Its size is bounded by the keys that are known.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<PeerKey, CancellationToken>>);

impl Sessions {
    /// A new session of the key: the one before is told to end.
    pub(crate) fn enter(&self, key: PeerKey) -> CancellationToken {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = CancellationToken::new();
        if let Some(before) = sessions.insert(key, token.clone()) {
            before.cancel();
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlet(key: u8, number: u64) -> ParkedOutlet {
        ParkedOutlet {
            key: PeerKey([key; 32]),
            table: "services".parse().unwrap(),
            outlet: number,
            complete_at: None,
            subscription: Box::new(()),
        }
    }

    #[test]
    fn parked_outlets_have_a_bound_and_one_owner() {
        let parked = Parked::default();
        let services = "services".parse().unwrap();
        (0..=MAX_PARKED).for_each(|n| parked.park(outlet(n as u8, n as u64)));
        let take = |key: u8, number| parked.take(PeerKey([key; 32]), &services, number).is_some();
        assert!(!take(0, 0), "the oldest gave way");
        assert!(!take(2, 1), "another's is not taken");
        assert!(take(1, 1) && !take(1, 1), "each is taken once");
        parked.park(outlet(3, 100));
        assert!(!take(3, 3) && take(3, 100), "the same sink's newer one replaces the older");
    }

    #[test]
    fn a_newer_session_ends_the_older() {
        let sessions = Sessions::default();
        let first = sessions.enter(PeerKey([1; 32]));
        let other = sessions.enter(PeerKey([2; 32]));
        let second = sessions.enter(PeerKey([1; 32]));
        assert!(first.is_cancelled() && !second.is_cancelled() && !other.is_cancelled());
    }
}
