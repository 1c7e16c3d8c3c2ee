//! What a route came to.

use rutter_route::Group;
use rutter_yaml::Problem;

use crate::conflict::Place;
use crate::godoxy::fields::is_alike;
use crate::godoxy::notes::Notes;
use crate::{ContainerId, Excluded, Exclusion, Reading, Refused, Route};

/// What a route came to; it counts only if nothing was noted as a problem.
#[derive(Debug)]
pub(in crate::godoxy) enum Outcome {
    /// It stands.
    Route(Box<Route>),
    /// It is shown only.
    Excluded(Exclusion),
    /// Something is wrong with it. What it would have had, as far as that can be told.
    Broken(Places),
}

/// What only one service can have, of that which a route needs.
#[derive(Debug, Clone, Default)]
pub(in crate::godoxy) struct Places {
    pub(super) places: Vec<Place>,
    pub(super) group: Option<Group>,
    /// Whether they are some of its host's paths.
    pub(super) are_paths: bool,
}

impl Reading {
    /// Takes what a route came to. Whatever is a problem refuses it.
    pub(in crate::godoxy) fn take(
        &mut self,
        name: &str,
        container: Option<&ContainerId>,
        outcome: Outcome,
        notes: Notes,
    ) {
        self.remarks.extend(notes.remarks);
        let problems = notes.problems;
        let (name, container) = (name.to_owned(), container.cloned());
        match outcome {
            Outcome::Route(route) if problems.is_empty() => self.routes.push(*route),
            Outcome::Excluded(reason) if problems.is_empty() => {
                self.excluded.push(Excluded { name, container, reason });
            }
            outcome => {
                let Places { places, group, .. } = outcome.places(&name, &problems);
                self.refused.push(Refused { name, container, places, group, problems });
            }
        }
    }
}

/// The fields that say which places a route has.
const SAY_PLACES: [&str; 6] = ["alias", "scheme", "port", "bind", "path_prefix", "load_balance"];

impl Outcome {
    /// The places of a refused route: those that it would have, unless what is wrong leaves them
    /// open; then its whole alias. One that shares its host has its paths alone, whatever is wrong.
    fn places(self, name: &str, problems: &[Problem]) -> Places {
        let places = match self {
            Self::Route(route) => Places::of(&route),
            Self::Broken(places) => places,
            Self::Excluded(_) => return Places::default(),
        };
        let of_places = |step: &String| SAY_PLACES.iter().any(|field| is_alike(step, field));
        let is_open = problems.iter().any(|problem| problem.path.iter().any(of_places));
        match is_open && !places.are_paths {
            true => {
                let whole = name.parse().map(Place::Whole).into_iter().collect();
                Places { places: whole, ..Places::default() }
            }
            false => places,
        }
    }
}

impl Places {
    fn of(route: &Route) -> Self {
        let group = route.balance.as_ref().and_then(|balance| balance.group());
        Self { places: route.places(), group, are_paths: route.paths.is_some() }
    }
}
