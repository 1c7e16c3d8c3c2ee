//! What a provider says that it didn't say before.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::rows::Provider;
use crate::registry::{EntryKey, What};
use crate::{ContainerId, Excluded, Reading, Refused, Route};

/// What became of one route: it is this now, or it goes.
pub(super) type Difference = (EntryKey, Option<What>);

/// What is different if a provider has this, and nothing else: each route that comes, or is
/// another, or goes. Of two of one name the first counts, and of a name that is refused and stands
/// the refusal.
pub(super) fn differences(provider: &Provider, reading: Reading) -> Vec<Difference> {
    let mut listener = Listener { provider, seen: HashSet::default(), found: Vec::new() };
    let Reading { routes, excluded, refused, remarks: _ } = reading;
    refused.into_iter().for_each(|said| listener.hears(said));
    routes.into_iter().for_each(|said| listener.hears(said));
    excluded.into_iter().for_each(|said| listener.hears(said));
    let Listener { seen, mut found, .. } = listener;
    let gone = provider.rows.keys().filter(|key| !seen.contains(*key));
    found.extend(gone.map(|key| (key.clone(), None)));
    found
}

struct Listener<'p> {
    provider: &'p Provider,
    seen: HashSet<EntryKey, RandomState>,
    found: Vec<Difference>,
}

impl Listener<'_> {
    fn hears<S: Sayable>(&mut self, said: S) {
        let (name, container) = said.key();
        let key = self.provider.key(name, container);
        if !self.seen.insert(key.clone()) {
            tracing::warn!(route = %key, "said twice: the first counts");
            return;
        }
        let before = self.provider.rows.get(&key).and_then(|row| row.what.as_ref());
        if !before.is_some_and(|before| said.is(before)) {
            self.found.push((key, Some(said.into_what())));
        }
    }
}

/// What a provider may say.
trait Sayable {
    fn key(&self) -> (&str, Option<&ContainerId>);
    /// Whether it is what stands.
    fn is(&self, what: &What) -> bool;
    fn into_what(self) -> What;
}

macro_rules! sayable {
    ($($what:ident),*) => {$(
        impl Sayable for $what {
            fn key(&self) -> (&str, Option<&ContainerId>) {
                (&self.name, self.container.as_ref())
            }

            fn is(&self, what: &What) -> bool {
                matches!(what, What::$what(was) if **was == *self)
            }

            fn into_what(self) -> What {
                What::$what(Arc::new(self))
            }
        }
    )*};
}

sayable!(Route, Excluded, Refused);
