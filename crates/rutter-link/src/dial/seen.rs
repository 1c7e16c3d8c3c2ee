//! What a sink sees of the routes that it was told, until the accepter has heard it.
//!
//! Level-triggered as everything is here: per route the last word, so that a session that comes
//! back is told all of it, and what was never sent is overwritten. Bounded by the routes that the
//! sink was told: a word about a route ends with the route. A source's are bounded by what it says
//! it has.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rutter_rib::Tell;
use rutter_route::RouteKey;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Observation;
use crate::wire::Family;
use crate::wire::observation::Seen;

/// The observations in one message.
const AT_ONCE: usize = 256;

/// A route's last word.
struct Word {
    is: Seen,
    /// When an unhealthy one ends by itself.
    ends: Option<Instant>,
    sent: bool,
}

pub(crate) struct SeenBoard<D> {
    words: Mutex<HashMap<D, HashMap<RouteKey, Word>>>,
    news: Notify,
}

impl<D: Family> SeenBoard<D> {
    pub(crate) fn new() -> Self {
        Self { words: Mutex::new(HashMap::new()), news: Notify::new() }
    }

    // Nothing panics while it holds the lock half-written.
    fn words(&self) -> MutexGuard<'_, HashMap<D, HashMap<RouteKey, Word>>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New words.
    pub(crate) fn put(&self, observations: impl IntoIterator<Item = Observation<D>>) {
        let mut words = self.words();
        for Observation { destination, route, is } in observations {
            let left = match &is {
                Seen::Unhealthy { left, .. } => *left,
                Seen::Unknown | Seen::Healthy => None,
            };
            let ends = left.map(|left| Instant::now() + left);
            words.entry(destination).or_default().insert(route, Word { is, ends, sent: false });
        }
        drop(words);
        self.news.notify_one();
    }

    /// As [`SeenBoard::put`], if there are no more than so many words then; else nothing is put.
    pub(crate) fn put_within(&self, bound: usize, observations: Vec<Observation<D>>) -> bool {
        let words = self.words();
        let n_now: usize = words.values().map(HashMap::len).sum();
        let is_new = |seen: &&Observation<D>| {
            !words.get(&seen.destination).is_some_and(|routes| routes.contains_key(&seen.route))
        };
        let fits = n_now + observations.iter().filter(is_new).count() <= bound;
        drop(words);
        if fits {
            self.put(observations);
        }
        fits
    }

    /// Words about other destinations end.
    pub(crate) fn keep_those_of<'d>(&self, destinations: impl Iterator<Item = &'d D>) {
        let kept: HashSet<&D> = destinations.collect();
        self.words().retain(|destination, _| kept.contains(destination));
    }

    /// A new session: it knows nothing.
    pub(crate) fn begin(&self) {
        let mut words = self.words();
        words.retain(|_, routes| {
            routes.retain(|_, word| word.is != Seen::Unknown);
            routes.values_mut().for_each(|word| word.sent = false);
            !routes.is_empty()
        });
        drop(words);
        self.news.notify_one();
    }

    /// The sink was told: words about routes that are no more end.
    pub(crate) fn told(&self, tells: &[Tell<D>]) {
        let mut words = self.words();
        for tell in tells {
            let Some(routes) = words.get_mut(tell.destination()) else { continue };
            match tell {
                Tell::Withdraw { .. } => routes.clear(),
                Tell::Advertise { routes: told, .. } => {
                    routes.retain(|key, _| told.iter().any(|route| route.route == *key));
                }
            }
            if routes.is_empty() {
                words.remove(tell.destination());
            }
        }
    }

    /// Words that nobody was told, some at a time; waits until there are any. What it returns
    /// counts as sent.
    pub(crate) async fn unsent(&self) -> Vec<Observation<D>> {
        loop {
            let some = self.take();
            if !some.is_empty() {
                return some;
            }
            self.news.notified().await;
        }
    }

    fn take(&self) -> Vec<Observation<D>> {
        let mut words = self.words();
        let now = Instant::now();
        let mut taken = Vec::new();
        let unsent = words
            .iter_mut()
            .flat_map(|(d, routes)| routes.iter_mut().map(move |(key, word)| (d, key, word)))
            .filter(|(_, _, word)| !word.sent);
        for (destination, route, word) in unsent.take(AT_ONCE) {
            word.sent = true;
            let is = match (&word.is, word.ends) {
                (Seen::Unhealthy { why, .. }, ends) => Seen::Unhealthy {
                    why: why.clone(),
                    left: ends.map(|ends| ends.saturating_duration_since(now)),
                },
                (is, _) => is.clone(),
            };
            taken.push(Observation { destination: destination.clone(), route: route.clone(), is });
        }
        if taken.len() == AT_ONCE {
            // There may be more.
            self.news.notify_one();
        }
        taken
    }
}
