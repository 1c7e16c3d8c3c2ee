//! A sink that only looks: it keeps what it was told, and says what each batch changes in it.
//!
//! Every sink hears by an outlet, so this is where `observe` has its home: whoever would act on
//! batches (a gateway's index, a kernel, a neighbour) has this put in its place and needs no mode of
//! its own. Rejected: a switch inside each sink, which would have to be right once a sink, next to
//! the very code that must not run; and export policy that lets nothing pass, after which nobody
//! knows what would have passed.
//!
//! Invariant: the differences, applied in order to nothing, give what an acting sink would hold. It
//! holds one entry a destination that the outlet has told, so the table's bounds are its own.

use std::collections::{BTreeMap, BTreeSet};

use rutter_route::Destination;

use super::{Batch, Tell, ToldRoute};

/// What a sink would have been told of one destination: before and after, best first. `None`: that
/// it isn't known; an empty list: that nothing leads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<D> {
    /// The destination.
    pub destination: D,
    /// What the sink would have held until now.
    pub before: Option<Vec<ToldRoute>>,
    /// What it would hold from now on.
    pub after: Option<Vec<ToldRoute>>,
}

/// See the module's head.
#[derive(Debug)]
pub struct Onlooker<D> {
    told: BTreeMap<D, Vec<ToldRoute>>,
    /// During a snapshot: what it hasn't mentioned yet of what was told before.
    doubtful: Option<BTreeSet<D>>,
}

impl<D> Default for Onlooker<D> {
    fn default() -> Self {
        Self { told: BTreeMap::new(), doubtful: None }
    }
}

impl<D: Destination> Onlooker<D> {
    /// How many destinations the sink would hold.
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether it would hold none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Takes a batch; what differs by it, in its order. What is told again as it stands is no
    /// difference.
    pub fn take(&mut self, batch: Batch<D>) -> Vec<Difference<D>> {
        if batch.begin_snapshot {
            self.doubtful = Some(self.told.keys().cloned().collect());
        }
        let mut differences = Vec::new();
        for tell in batch.tells {
            let (destination, after) = match tell {
                Tell::Advertise { destination, routes, .. } => (destination, Some(routes)),
                Tell::Withdraw { destination, .. } => (destination, None),
            };
            if let Some(doubtful) = &mut self.doubtful {
                doubtful.remove(&destination);
            }
            differences.extend(self.set(destination, after));
        }
        if batch.end_of_snapshot {
            let gone = self.doubtful.take().unwrap_or_default();
            differences.extend(gone.into_iter().filter_map(|gone| self.set(gone, None)));
        }
        differences
    }

    fn set(&mut self, destination: D, after: Option<Vec<ToldRoute>>) -> Option<Difference<D>> {
        let before = match &after {
            Some(routes) => self.told.insert(destination.clone(), routes.clone()),
            None => self.told.remove(&destination),
        };
        (before != after).then_some(Difference { destination, before, after })
    }
}

#[cfg(test)]
mod tests;
