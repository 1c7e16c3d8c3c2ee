//! Outlets whose sink is away, and the one session that each caller has.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use rutter_route::TableName;
use tokio_util::sync::CancellationToken;

use crate::Caller;

/// The most outlets that wait; one more forgets the oldest, whose sink gets a snapshot.
const MAX_PARKED: usize = 64;

/// An outlet without its sink.
pub(crate) struct ParkedOutlet {
    pub(crate) caller: Caller,
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
        parked.retain(|p| p.caller != outlet.caller || p.table != outlet.table);
        parked.push_back(outlet);
        if parked.len() > MAX_PARKED {
            parked.pop_front();
        }
    }

    /// The outlet of that number, if it is that sink's.
    pub(crate) fn take(
        &self,
        caller: &Caller,
        table: &TableName,
        outlet: u64,
    ) -> Option<ParkedOutlet> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let its = |p: &ParkedOutlet| p.caller == *caller && p.table == *table && p.outlet == outlet;
        let at = parked.iter().position(its)?;
        parked.remove(at)
    }
}

/// The sessions that run, by caller: one each, so as many as there are connections.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Caller, CancellationToken>>);

impl Sessions {
    /// A new session of the caller: the one before is told to end.
    pub(crate) fn enter(&self, caller: &Caller) -> CancellationToken {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = CancellationToken::new();
        if let Some(before) = sessions.insert(caller.clone(), token.clone()) {
            before.cancel();
        }
        token
    }

    /// A session has ended. One that a newer ended leaves that in its place.
    pub(crate) fn leave(&self, caller: &Caller, superseded: &CancellationToken) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Cancelled under the lock, so what is here is this session's.
        if !superseded.is_cancelled() {
            sessions.remove(caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PeerKey;

    fn outlet(key: u8, number: u64) -> ParkedOutlet {
        ParkedOutlet {
            caller: Caller::Key(PeerKey([key; 32])),
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
        let take = |key: u8, number| {
            parked.take(&Caller::Key(PeerKey([key; 32])), &services, number).is_some()
        };
        assert!(!take(0, 0), "the oldest gave way");
        assert!(!take(2, 1), "another's is not taken");
        assert!(take(1, 1) && !take(1, 1), "each is taken once");
        parked.park(outlet(3, 100));
        assert!(!take(3, 3) && take(3, 100), "the same sink's newer one replaces the older");
    }

    #[test]
    fn a_newer_session_ends_the_older() {
        let sessions = Sessions::default();
        let [one, two] = [1, 2].map(|key| Caller::Key(PeerKey([key; 32])));
        let first = sessions.enter(&one);
        let other = sessions.enter(&two);
        let second = sessions.enter(&one);
        assert!(first.is_cancelled() && !second.is_cancelled() && !other.is_cancelled());
        // It ends after the newer has begun, and takes nothing along.
        sessions.leave(&one, &first);
        sessions.leave(&two, &other);
        assert!(sessions.0.lock().unwrap().keys().eq([&one]));
    }
}
