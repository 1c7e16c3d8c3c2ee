//! What came of reading a provider's text.

use std::fmt;

use rutter_route::Group;
use rutter_yaml::Problem;

use crate::conflict::Place;
use crate::{ContainerId, Route};

/// What a provider's text says, each route judged alone: one that is wrong leaves the others
/// standing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The routes that stand.
    pub routes: Vec<Route>,
    /// Those that are known and not served.
    pub excluded: Vec<Excluded>,
    /// Those that would not be what was written.
    pub refused: Vec<Refused>,
    /// What whoever wrote the text may not expect of what stands.
    pub remarks: Vec<Remark>,
}

/// Something to be said of a route that stands all the same: it is as protected as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What sort of thing.
    pub kind: RemarkKind,
    /// What, where, and what to do about it.
    pub problem: Problem,
}

/// What sort of thing a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemarkKind {
    /// A mistake in what is only shown, or in what has a harmless default.
    Mistake,
    /// A field that says something, and nothing is done about it.
    Ignored,
    /// A field that does something other than in the original.
    Differs,
}

impl RemarkKind {
    /// Whether it is said whenever the text is read, and not only by a report of all differences.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Mistake | Self::Ignored)
    }
}

/// A route that is shown and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// What the provider calls it.
    pub name: String,
    /// The container that it would be of.
    pub container: Option<ContainerId>,
    /// Why.
    pub reason: Exclusion,
}

/// A route that isn't started since it would not be what was written.
///
/// Whoever serves keeps its places, with nothing there: no other provider's route of that name, no
/// wildcard and no route with a shorter path gets the requests that were meant for it, since none
/// of them has the protection that it may have asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the provider calls it.
    pub name: String,
    /// The container that it would be of.
    pub container: Option<ContainerId>,
    /// What would have been its own; nothing if its name is one that nobody can ask for.
    pub places: Vec<Place>,
    /// The link that it would have been a member of.
    pub group: Option<Group>,
    /// All that is wrong with it.
    pub problems: Vec<Problem>,
}

/// Why a route is shown and not served; the words are GoDoxy's where it has one (its reasons of
/// exclusion, in their order), the last two are Rutter's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exclusion {
    /// A label says so.
    Manual,
    /// There is no port to send to.
    NoPort,
    /// It is a database or something else that no browser speaks to, and nobody labelled it.
    Blacklisted,
    /// It builds images.
    Buildx,
    /// Its name is that of a YAML anchor.
    YamlAnchor,
    /// Its container is being replaced.
    Renaming,
    /// The provider takes labelled containers only.
    NotLabelled,
    /// Its container has no address, as one that is stopped.
    NoAddress,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manual => "Manual exclusion",
            Self::NoPort => "No port exposed in container",
            Self::Blacklisted => "Blacklisted (backend service or database)",
            Self::Buildx => "Buildx",
            Self::YamlAnchor => "YAML anchor or reference",
            Self::Renaming => "Container renaming intermediate state",
            Self::NotLabelled => "No proxy label, and the provider takes labelled containers only",
            Self::NoAddress => "Container has no address",
        })
    }
}
