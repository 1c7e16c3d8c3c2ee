//! One route as the registry shows it.

use std::fmt;
use std::sync::Arc;

use rutter_route::Service;
use smol_str::SmolStr;

use crate::conflict::{Claimant, Place};
use crate::monitor::HealthCell;
use crate::{Alias, ContainerId, Excluded, ProviderId, Refused, Route};

/// What tells one entry from all others: its provider, its name there, and its container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// Whose.
    pub provider: Arc<ProviderId>,
    /// What the provider calls it.
    pub name: SmolStr,
    /// The container that it was made for.
    pub container: Option<ContainerId>,
}

/// As GoDoxy writes keys that aren't an alias: `provider:alias`, behind it the container.
impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider.short_name(), self.name)?;
        match &self.container {
            Some(id) => write!(f, "-{}", id.short()),
            None => Ok(()),
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A route.
    Route(Arc<Route>),
    /// One that is shown and not served.
    Excluded(Arc<Excluded>),
    /// One that isn't started since it would not be what was written.
    Refused(Arc<Refused>),
}

/// Whether it has what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has its places.
    Granted,
    /// Another has one of them.
    Denied {
        /// The place.
        place: Place,
        /// Who has it.
        winner: Claimant,
    },
}

/// One route as the registry shows it. Immutable: a change makes a new one; its health moves.
#[derive(Debug)]
pub struct Entry {
    /// Which.
    pub key: EntryKey,
    /// What it is asked by; of one that is refused or excluded, its name if it can be one.
    pub alias: Option<Alias>,
    /// Its destination in the table; `None` if it has none there.
    pub service: Option<Service>,
    /// What it is.
    pub what: What,
    /// Whether it has what it wants.
    pub verdict: Verdict,
    /// How it is.
    pub health: Arc<HealthCell>,
}
