//! The order in which the routes of a request are tried.
//!
//! First those that are as good as the best, in the order in which [`crate::balance`] chooses among
//! them; then by rank those that may be used; then by rank the others.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::balance::Asker;
use crate::clock;
use crate::health::Health;
use crate::routes::{Route, Routes};

/// What is still to be tried.
pub(crate) struct Plan<'a> {
    ranked: &'a [Arc<Route>],
    /// The routes and who asks, while one of them is to be chosen.
    choice: Option<(&'a Routes, Asker)>,
    /// The numbers of those that were chosen.
    chosen: SmallVec<[usize; 8]>,
    /// The number in rank of the next one.
    next: usize,
    passed_over: VecDeque<&'a Arc<Route>>,
    /// How many may still be tried.
    n_left: usize,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(routes: &'a Routes, asker: Asker, max_tries: usize) -> Self {
        Self {
            ranked: &routes.ranked,
            choice: routes.balancer.is_some().then_some((routes, asker)),
            chosen: SmallVec::new(),
            next: 0,
            passed_over: VecDeque::new(),
            n_left: max_tries,
        }
    }

    /// The next route to try.
    pub(crate) async fn next(&mut self, health: &Health) -> Option<&'a Arc<Route>> {
        self.n_left = self.n_left.checked_sub(1)?;
        while let Some(route) = self.choose().or_else(|| self.by_rank()) {
            if health.is_usable(&route.health).await {
                return Some(route);
            }
            self.passed_over.push_back(route);
        }
        let route = self.passed_over.pop_front()?;
        health.used_anyway(&route.health);
        Some(route)
    }

    /// Whether another route is in service and may be tried.
    pub(super) fn has_another(&self, health: &Health) -> bool {
        let rest = self.ranked.iter().enumerate().skip(self.next);
        let mut rest = rest.filter(|(number, _)| !self.chosen.contains(number));
        self.n_left > 0 && rest.any(|(_, route)| !health.is_out(&route.health))
    }

    /// One of those that are as good as the best.
    fn choose(&mut self) -> Option<&'a Arc<Route>> {
        let (routes, asker) = self.choice?;
        let balancer = routes.balancer.as_ref()?;
        match balancer.choose(routes, asker, clock::now(), &self.chosen) {
            Some(number) => {
                self.chosen.push(number);
                self.ranked.get(number)
            }
            None => {
                self.choice = None;
                None
            }
        }
    }

    /// The next by rank that wasn't chosen.
    fn by_rank(&mut self) -> Option<&'a Arc<Route>> {
        loop {
            let route = self.ranked.get(self.next)?;
            self.next += 1;
            if !self.chosen.contains(&(self.next - 1)) {
                return Some(route);
            }
        }
    }
}
