//! One route as the registry shows it.

use std::fmt;
use std::sync::Arc;

use rutter_route::Service;
use smol_str::{SmolStr, ToSmolStr};

use super::PoolKind;
use crate::conflict::{Claimant, Place};
use crate::monitor::{HealthCell, Seen};
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

/// As GoDoxy writes keys that aren't an alias: `provider:alias`, behind it the container. The
/// provider has its full name, since two files may have one short name.
impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.name)?;
        match &self.container {
            Some(id) => write!(f, "-{}", id.short()),
            None => Ok(()),
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone)]
pub enum What {
    /// A route.
    Route(Arc<Route>),
    /// A link: its members, served in turn under its name (GoDoxy's synthetic route).
    Link(Vec<Arc<Entry>>),
    /// One that is shown and not served.
    Excluded(Arc<Excluded>),
    /// One that isn't started since it would not be what was written.
    Refused(Arc<Refused>),
}

/// Whether it has what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has its places, or wants none.
    Granted,
    /// Another has one of them.
    Denied {
        /// The place.
        place: Place,
        /// Who has it.
        winner: Claimant,
        /// As people are told it: who has what, and why it comes first.
        why: SmolStr,
    },
    /// The table has no room for it.
    NotTaken {
        /// Which bound was reached.
        why: SmolStr,
    },
}

/// One route as the registry shows it. Immutable: a change makes a new one; its health moves.
#[derive(Debug)]
pub struct Entry {
    /// Which. A link has its provider's, with the link's name.
    pub key: EntryKey,
    /// The pool that it is in.
    pub pool: PoolKind,
    /// Its key there: the text of what is asked for where it is served by itself (`app`,
    /// `app/api`; a stream's alias), else the text of [`Self::key`].
    pub pool_key: SmolStr,
    /// What it is asked by, a link's member by the link's name; of one that is excluded or refused,
    /// its name if it can be one.
    pub alias: Option<Alias>,
    /// Its destination in the table, a refused one's first; `None` if it has none there.
    pub service: Option<Service>,
    /// What it is.
    pub what: What,
    /// Whether it has what it wants.
    pub verdict: Verdict,
    pub(crate) health: Arc<HealthCell>,
}

impl Entry {
    /// The route, of one that is one.
    pub fn route(&self) -> Option<&Arc<Route>> {
        match &self.what {
            What::Route(route) => Some(route),
            What::Link(_) | What::Excluded(_) | What::Refused(_) => None,
        }
    }

    /// Whether requests get there: it is no loser, not excluded and not refused.
    pub fn is_active(&self) -> bool {
        self.pool != PoolKind::Excluded
    }

    /// How it is: what was seen of a route, and of a link what follows from its members.
    pub fn seen(&self) -> Arc<Seen> {
        match &self.what {
            What::Link(members) => Arc::new(super::health_info::of_members(members)),
            _ => self.health.seen(),
        }
    }

    /// What it is called where no other entry is called so.
    pub(crate) fn label(&self) -> SmolStr {
        match (self.pool, self.is_member()) {
            (PoolKind::Http | PoolKind::Stream, false) => self.pool_key.clone(),
            _ => self.key.name.clone(),
        }
    }

    /// Whether it is served as one of a link's.
    pub fn is_member(&self) -> bool {
        self.route().is_some_and(|route| route.balance.is_some())
    }

    /// The names that it is looked up by, beside its key in the pool. A member of a link isn't
    /// reached by its own.
    pub(super) fn looked_up_by(&self) -> Option<SmolStr> {
        if self.is_active() && self.is_member() {
            return None;
        }
        self.alias.as_ref().map(Alias::to_smolstr).filter(|alias| *alias != self.pool_key)
    }
}
