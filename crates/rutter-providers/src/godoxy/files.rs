//! GoDoxy's route files: a mapping of names to routes.
//!
//! Keys are lax, anchors and merge keys are merged, what is under a name with `x-` is there to be
//! referred to. A route that is wrong is refused alone, at its place in the file; only what isn't
//! YAML at all refuses the file, whose last good reading its reader keeps.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rutter_yaml::{ConfigError, Dialect, Positions, Problem};

use crate::Reading;

use super::Settings;
use super::environment::{self, Environment};
use super::notes::Notes;
use super::resolve::{Origin, resolve};
use super::tree::{Entries, Tree};
use super::written::Written;

/// How many places of a text are found. Each search reads through the names, so a file in which
/// everything is wrong would take the square of its length; the rest is told by path alone.
const MAX_PLACES: usize = 1000;

/// Reads a text, which is shown under `name`.
///
/// # Errors
/// It is not a mapping of names in YAML. Nothing is said of its routes then.
pub fn read_file(
    name: &str,
    text: &str,
    environment: Environment<'_>,
    settings: &Settings,
) -> Result<Reading, ConfigError> {
    let refused = |problem: Problem| ConfigError::new(name, text, vec![problem]);
    let Some((plain, brackets)) = environment::without_braces(text) else {
        let message = "a text with `$(`, `$<`, `$/`, `$^`, `$=` and `$+` can't have variables too";
        return Err(refused(Problem::at_path(Vec::new(), message)));
    };
    let routes = match Tree::parse(&plain).map_err(refused)? {
        Tree::Map(routes) => routes,
        Tree::Null => Entries::new(),
        other => {
            let message = format!("expected names with their routes, found {}", other.kind());
            return Err(refused(Problem::at_path(Vec::new(), message)));
        }
    };
    let has_variables = text.contains("${");
    let mut reading = Reading::default();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (key, mut tree) in routes.into_iter().filter(|(key, _)| !key.starts_with("x-")) {
        let mut notes = Notes::at(&[&key]);
        let mut name = key;
        if has_variables {
            brackets.fill_text(&mut name, environment, &mut notes);
            brackets.fill(&mut tree, environment, &mut notes);
        }
        let name = name.trim().to_lowercase();
        if names.contains(&name) {
            notes.problem(format!("`{name}` stands twice: case doesn't count"));
        }
        let written = Written::read(&tree, &settings.health, &mut notes);
        let outcome = resolve(&name, written, Origin::File, settings, &mut notes);
        reading.take(&name, None, outcome, notes);
        names.insert(name);
    }
    locate(&mut reading, &plain);
    Ok(reading)
}

/// Finds the places of what is to be said, most important first, [`MAX_PLACES`] at most; a text is
/// only searched if there is something.
fn locate(reading: &mut Reading, text: &str) {
    let of_refused = reading.refused.iter_mut().flat_map(|refused| &mut refused.problems);
    let (warnings, others): (Vec<_>, Vec<_>) =
        reading.remarks.iter_mut().partition(|remark| remark.kind.is_warning());
    let of_remarks = warnings.into_iter().chain(others).map(|remark| &mut remark.problem);
    let mut said: Vec<&mut Problem> = of_refused.chain(of_remarks).take(MAX_PLACES).collect();
    if said.is_empty() {
        return;
    }
    let positions = Positions::of(text, Dialect::Go);
    said.iter_mut().for_each(|problem| problem.locate(&positions));
}
