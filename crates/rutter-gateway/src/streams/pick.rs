//! Which route a client of UDP gets, and which routes are none for a stream.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_route::{Mono, RouteKey};

use crate::balance::Asker;
use crate::clock;
use crate::routes::{Route, Routes};

/// For how long a route of UDP that refused datagrams comes after the others. The detector can't
/// find out by itself: nobody answers a datagram that was only sent to see who is there.
const REFUSED: Duration = Duration::from_secs(10);

/// What is remembered of the routes at one place.
#[derive(Debug, Default)]
pub(super) struct Picker {
    /// Routes that refused datagrams, and until when that counts: never more than there are routes.
    refused: Mutex<Vec<(RouteKey, Mono)>>,
}

impl Picker {
    /// A route refused a client's datagrams.
    pub(super) fn refuses(&self, route: &Route) {
        let now = clock::now();
        let mut refused = self.refused();
        refused.retain(|(key, until)| *until > now && *key != route.id.route);
        refused.push((route.id.route.clone(), now.after(REFUSED)));
    }

    /// The routes in the order in which they are tried for a client: the balancer's choices, then by
    /// rank, and last those that refused datagrams a moment ago. What stands behind a hole isn't
    /// tried: the place is kept so that nobody comes to it.
    pub(super) fn order<'a>(
        &self,
        routes: &'a Routes,
        client: IpAddr,
        slow_start: Duration,
    ) -> Vec<&'a Arc<Route>> {
        let now = clock::now();
        let mut chosen = Vec::new();
        if let Some(balancer) = &routes.balancer {
            let asker = Asker { client, sticks_to: None, slow_start };
            while let Some(number) = balancer.choose(routes, asker, now, &chosen) {
                chosen.push(number);
            }
        }
        let by_rank = (0..routes.ranked.len()).filter(|number| !chosen.contains(number));
        let numbers: Vec<_> = chosen.iter().copied().chain(by_rank).collect();
        let all = numbers.into_iter().filter_map(|number| routes.ranked.get(number));
        let mut order: Vec<_> = all.take_while(|route| route.endpoint().is_some()).collect();
        let refused = self.refused();
        let has_refused =
            |route: &Route| refused.iter().any(|(k, until)| *k == route.id.route && *until > now);
        order.sort_by_key(|route| has_refused(route));
        order
    }

    fn refused(&self) -> MutexGuard<'_, Vec<(RouteKey, Mono)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a route treats TLS as the first one does: bytes for one that ends TLS itself are no good
/// to one that doesn't, and the other way round.
pub(super) fn is_alike(routes: &Routes, route: &Route) -> bool {
    let best = routes.ranked.first().map(|best| best.delivery.stream.terminates_tls);
    best == Some(route.delivery.stream.terminates_tls)
}
