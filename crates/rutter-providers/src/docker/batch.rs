//! Which containers have changed, gathered until they are asked for: the first at once, what
//! follows within [`GATHER`] together. Pure: time is an argument.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::ContainerId;

/// The least time between two listings that events ask for, as in the original.
pub(super) const GATHER: Duration = Duration::from_millis(300);

/// How many containers are asked for by their ids, whose list is part of an address; more are all.
const MAX_BY_ID: usize = 50;

/// Whose state is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// Everybody's.
    All,
    /// Those containers'.
    Of(BTreeSet<ContainerId>),
}

/// What changed and hasn't been asked for yet.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pending: Option<Whose>,
    last: Option<Instant>,
}

impl Batch {
    /// A container changed.
    pub(super) fn changed(&mut self, id: ContainerId) {
        let pending = self.pending.get_or_insert_with(|| Whose::Of(BTreeSet::new()));
        if let Whose::Of(ids) = pending {
            ids.insert(id);
            if ids.len() > MAX_BY_ID {
                *pending = Whose::All;
            }
        }
    }

    /// It isn't known what changed.
    pub(super) fn all_changed(&mut self) {
        self.pending = Some(Whose::All);
    }

    /// When to ask; `None`: nothing changed. It may be in the past.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.pending.as_ref().map(|_| self.last.map_or(now, |last| last + GATHER))
    }

    /// Takes what is to be asked for now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Whose> {
        let is_due = self.due(now).is_some_and(|due| due <= now);
        let taken = if is_due { self.pending.take() } else { None };
        if taken.is_some() {
            self.last = Some(now);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: usize) -> ContainerId {
        ContainerId::new(format!("{n:064}"))
    }

    #[test]
    fn the_first_is_asked_for_at_once_and_what_follows_together() {
        let start = Instant::now();
        let mut batch = Batch::default();
        assert_eq!((batch.due(start), batch.take(start)), (None, None));
        batch.changed(id(1));
        assert_eq!(batch.take(start), Some(Whose::Of([id(1)].into())));
        batch.changed(id(2));
        batch.changed(id(3));
        batch.changed(id(2));
        assert_eq!(batch.due(start), Some(start + GATHER));
        assert_eq!(batch.take(start + GATHER / 2), None);
        assert_eq!(batch.take(start + GATHER), Some(Whose::Of([id(2), id(3)].into())));
        // After a pause one is the first again.
        batch.changed(id(4));
        assert!(batch.take(start + GATHER * 3).is_some());
    }

    #[test]
    fn many_are_all_and_all_stays_all() {
        let now = Instant::now();
        let mut batch = Batch::default();
        (0..MAX_BY_ID + 1).for_each(|n| batch.changed(id(n)));
        batch.changed(id(0));
        assert_eq!(batch.take(now), Some(Whose::All));
        batch.all_changed();
        batch.changed(id(0));
        assert_eq!(batch.take(now + GATHER), Some(Whose::All));
    }

    proptest! {
        /// Whoever changed is asked for within `GATHER`, and no two askings are nearer than that.
        #[test]
        fn nobody_is_forgotten_and_askings_keep_their_distance(
            steps in proptest::collection::vec((0_u64..400, 0_usize..80), 1..60),
        ) {
            let mut now = Instant::now();
            let mut batch = Batch::default();
            let mut waiting: Vec<(Instant, ContainerId)> = Vec::new();
            let mut last: Option<Instant> = None;
            let mut ask = |batch: &mut Batch, waiting: &mut Vec<(Instant, ContainerId)>, now| {
                let Some(whose) = batch.take(now) else { return Ok(()) };
                prop_assert!(last.is_none_or(|last| now >= last + GATHER));
                last = Some(now);
                for (since, id) in waiting.drain(..) {
                    prop_assert!(now <= since + GATHER);
                    if let Whose::Of(ids) = &whose {
                        prop_assert!(ids.contains(&id));
                    }
                }
                Ok(())
            };
            for (later, n) in steps {
                let then = now + Duration::from_millis(later);
                while let Some(due) = batch.due(now).filter(|due| *due <= then) {
                    now = now.max(due);
                    ask(&mut batch, &mut waiting, now)?;
                }
                now = then;
                batch.changed(id(n));
                waiting.push((now, id(n)));
            }
            while let Some(due) = batch.due(now) {
                now = now.max(due);
                ask(&mut batch, &mut waiting, now)?;
            }
            prop_assert!(waiting.is_empty());
        }
    }
}
