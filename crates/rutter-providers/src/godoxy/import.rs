//! What becomes of each field of a set-up, for whoever thinks of moving.
//!
//! The readers say what is wrong, ignored or different, each at a path; here every field that was
//! written is set beside that, so that what nothing is said of is known to be taken as it is.

#[cfg(test)]
mod tests;

use std::fmt;

use rutter_yaml::{Dialect, Positions, Problem, Spot};

use super::config::SetupReading;
use super::environment;
use super::tree::Tree;
use crate::{Reading, RemarkKind};

/// How many fields of a file get their places. Each search reads through the names beside it, so
/// a huge file would take the square of its length; the rest is told by path alone.
const MAX_PLACES: usize = 20_000;

/// What becomes of a field; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It does what it does in the original.
    Ok,
    /// Nothing is done about it, and nothing is less protected for it.
    Ignored,
    /// It does something other than in the original.
    Different,
    /// It refuses its route, or the start.
    Refused,
}

impl Outcome {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Ignored => "ignored",
            Self::Different => "different",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<RemarkKind> for Outcome {
    fn from(kind: RemarkKind) -> Self {
        match kind {
            // What is wrong with it does nothing.
            RemarkKind::Mistake | RemarkKind::Ignored => Self::Ignored,
            RemarkKind::Differs => Self::Different,
        }
    }
}

/// One field, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Which, as keys from the file's top.
    pub path: Vec<String>,
    /// Where it stands.
    pub spot: Option<Spot>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why, unless it is taken as it is.
    pub why: Vec<String>,
}

/// A finding of a reader.
struct Finding<'r> {
    problem: &'r Problem,
    outcome: Outcome,
}

/// What becomes of each field of a `config.yml`.
pub fn config_fields(text: &str, reading: &SetupReading) -> Vec<Field> {
    let problems = reading.problems.iter();
    let problems = problems.map(|problem| Finding { problem, outcome: Outcome::Refused });
    let remarks = reading.remarks.iter();
    let remarks = remarks.map(|r| Finding { problem: &r.problem, outcome: r.kind.into() });
    fields(text, &problems.chain(remarks).collect::<Vec<_>>(), |_| None)
}

/// What becomes of each field of a file of routes.
pub fn route_fields(text: &str, reading: &Reading) -> Vec<Field> {
    let problems = reading.refused.iter().flat_map(|refused| &refused.problems);
    let problems = problems.map(|problem| Finding { problem, outcome: Outcome::Refused });
    let remarks = reading.remarks.iter();
    let remarks = remarks.map(|r| Finding { problem: &r.problem, outcome: r.kind.into() });
    let refused: std::collections::BTreeSet<&str> =
        reading.refused.iter().map(|refused| refused.name.as_str()).collect();
    fields(text, &problems.chain(remarks).collect::<Vec<_>>(), |path| {
        let name = path.first()?;
        if name.starts_with("x-") {
            return Some((Outcome::Ok, "it is there to be referred to"));
        }
        let is_refused = refused.contains(name.trim().to_lowercase().as_str());
        is_refused.then_some((Outcome::Refused, "its route is refused"))
    })
}

/// Sets findings beside the fields that were written. `otherwise` says what becomes of a field
/// that has none.
fn fields(
    text: &str,
    findings: &[Finding<'_>],
    otherwise: impl Fn(&[String]) -> Option<(Outcome, &'static str)>,
) -> Vec<Field> {
    let Some((plain, _)) = environment::without_braces(text) else { return Vec::new() };
    let Ok(tree) = Tree::parse(&plain) else { return Vec::new() };
    let mut paths = Vec::new();
    leaves(&tree, &mut Vec::new(), &mut paths);
    // What concerns a field lies at it, above it or below it; sorted, each is found by its path.
    let mut by_path: std::collections::BTreeMap<&[String], Vec<&Finding<'_>>> =
        std::collections::BTreeMap::new();
    for finding in findings {
        by_path.entry(&finding.problem.path).or_default().push(finding);
    }
    let mut told = std::collections::BTreeSet::new();
    let mut fields = Vec::new();
    for path in paths {
        let above =
            (0..path.len()).filter_map(|n| Some((path.get(..n)?, by_path.get(path.get(..n)?)?)));
        let below = by_path.range(path.as_slice()..).take_while(|(at, _)| at.starts_with(&path));
        let mut field =
            Field { path: path.clone(), spot: None, outcome: Outcome::Ok, why: Vec::new() };
        let mut spot = None;
        for (at, found) in above.chain(below.map(|(at, found)| (*at, found))) {
            told.insert(at.to_vec());
            for finding in found {
                field.outcome = field.outcome.max(finding.outcome);
                field.why.push(said(finding.problem));
                spot = spot.or(finding.problem.spot.filter(|_| at.len() >= path.len()));
            }
        }
        if field.why.is_empty()
            && let Some((outcome, why)) = otherwise(&path)
        {
            field.outcome = outcome;
            field.why.push(why.to_owned());
        }
        field.spot = spot;
        fields.push(field);
    }
    // What is missing was found at no field.
    for finding in findings.iter().filter(|finding| !told.contains(&finding.problem.path)) {
        let Problem { path, spot, .. } = finding.problem.clone();
        let why = vec![said(finding.problem)];
        fields.push(Field { path, spot, outcome: finding.outcome, why });
    }
    let positions = Positions::of(&plain, Dialect::Go);
    for field in fields.iter_mut().take(MAX_PLACES) {
        field.spot = field.spot.or_else(|| positions.find(&field.path));
    }
    fields
}

fn said(problem: &Problem) -> String {
    match &problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message.clone(),
    }
}

/// The paths of all that was written: what holds no mapping is one field.
fn leaves(tree: &Tree, path: &mut Vec<String>, to: &mut Vec<Vec<String>>) {
    match tree {
        Tree::Map(entries) if !entries.is_empty() => {
            for (key, tree) in entries {
                path.push(key.clone());
                leaves(tree, path, to);
                path.pop();
            }
        }
        Tree::List(list) if list.iter().any(|tree| matches!(tree, Tree::Map(_))) => {
            for (n, tree) in list.iter().enumerate() {
                path.push(n.to_string());
                leaves(tree, path, to);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => to.push(path.clone()),
    }
}
