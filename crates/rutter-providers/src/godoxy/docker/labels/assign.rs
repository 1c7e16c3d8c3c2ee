//! Which alias a label belongs to.

use std::collections::BTreeMap;

use rutter_yaml::Problem;

use crate::godoxy::fields::is_alike;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

use super::{LabelledAlias, Paths, merge};

/// Labels on their way to their aliases. What wins is kept apart from what gives way until all are
/// known, so their order doesn't matter.
pub(super) struct Assigned<'l> {
    listed: &'l [String],
    /// By a number, by the alias's place in the list.
    by_number: BTreeMap<usize, Paths>,
    by_name: BTreeMap<String, Paths>,
    of_all: Paths,
    by_shortcut: BTreeMap<usize, BTreeMap<&'static str, (String, Tree)>>,
}

impl<'l> Assigned<'l> {
    /// For these aliases.
    pub(super) fn new(listed: &'l [String]) -> Self {
        Self {
            listed,
            by_number: BTreeMap::new(),
            by_name: BTreeMap::new(),
            of_all: Paths::new(),
            by_shortcut: BTreeMap::new(),
        }
    }

    /// Takes `proxy.KEY.FIELD`, or `proxy.KEY` where the field is empty.
    pub(super) fn label(&mut self, key: &str, field: &str, value: String, notes: &mut Notes) {
        let field = field.to_owned();
        if key == "*" {
            return self.of_all(field, value, notes);
        }
        let value = leaf(value);
        let Some(number) = key.strip_prefix(['#', '$']) else {
            self.by_name.entry(key.to_lowercase()).or_default().insert(field, value);
            return;
        };
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match place.filter(|place| *place < self.listed.len()) {
            Some(place) => {
                self.by_number.entry(place).or_default().insert(field, value);
            }
            None => {
                let n_listed = self.listed.len();
                notes.problem(format!("index out of range: there are {n_listed} aliases, from 1"));
            }
        }
    }

    /// Takes a label of all aliases. One that holds several lines of YAML says each of its fields,
    /// and wins over an alias's own word on any of them.
    fn of_all(&mut self, field: String, value: String, notes: &mut Notes) {
        let is_yaml = field.is_empty() || value.matches('\n').count() > 1;
        if is_yaml {
            match lax::map(&Tree::Text(value.clone())) {
                Ok(entries) => {
                    for (key, value) in entries.iter() {
                        flatten(&field, key, value, &mut self.of_all);
                    }
                    return;
                }
                Err(message) if field.is_empty() => return notes.problem(message),
                // A list or a text of several lines is the field's value.
                Err(_) => {}
            }
        }
        self.of_all.insert(field, leaf(value));
    }

    /// Takes a list whose items are the listed aliases' in order.
    pub(super) fn shortcut(
        &mut self,
        label: &str,
        field: &'static str,
        value: &str,
        notes: &mut Notes,
    ) {
        for (place, item) in lax::words(value).enumerate() {
            if place >= self.listed.len() {
                let n_listed = self.listed.len();
                return notes.problem(format!("more items than the {n_listed} aliases"));
            }
            let said = (label.to_owned(), Tree::Text(item.to_owned()));
            let before = self.by_shortcut.entry(place).or_default().insert(field, said);
            if let Some((other, _)) = before {
                notes.problem(format!("`{other}` says the same"));
            }
        }
    }

    /// The aliases with what was said of them.
    pub(super) fn into_aliases(mut self) -> Vec<LabelledAlias> {
        let mut names: Vec<&String> = Vec::new();
        let discovered: Vec<String> = self.by_name.keys().cloned().collect();
        for name in self.listed.iter().chain(&discovered) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut aliases = Vec::new();
        for name in names {
            let mut paths = Paths::new();
            let mut shortcuts = BTreeMap::new();
            let places = self.listed.iter().enumerate().filter(|(_, listed)| *listed == name);
            for (place, _) in places {
                paths.extend(self.by_number.remove(&place).unwrap_or_default());
                shortcuts.extend(self.by_shortcut.remove(&place).unwrap_or_default());
            }
            paths.extend(self.by_name.get(name).cloned().unwrap_or_default());
            paths.extend(self.of_all.clone());
            let mut problems = add_shortcuts(name, shortcuts, &mut paths);
            let fields = merge::merge(paths, |path, message| {
                problems.push(problem(name, path, message));
            });
            aliases.push(LabelledAlias { name: name.clone(), fields, problems });
        }
        aliases
    }
}

/// Adds an item of each list, unless a label of its own says the same.
fn add_shortcuts(
    name: &str,
    shortcuts: BTreeMap<&'static str, (String, Tree)>,
    paths: &mut Paths,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (field, (label, value)) in shortcuts {
        let says_it = |path: &&String| {
            path.split('.').next().is_some_and(|first| !first.is_empty() && is_alike(first, field))
        };
        match paths.keys().find(says_it) {
            Some(path) => {
                let message = format!("`{label}` says the same");
                problems.push(problem(name, path, message));
            }
            None => {
                paths.insert(field.to_owned(), value);
            }
        }
    }
    problems
}

fn problem(name: &str, path: &str, message: String) -> Problem {
    let steps = ["proxy", name].into_iter().chain(path.split('.').filter(|step| !step.is_empty()));
    Problem::at_path(steps.map(str::to_owned).collect(), message)
}

fn flatten(before: &str, key: &str, value: &Tree, to: &mut Paths) {
    let path = if before.is_empty() { key.to_owned() } else { format!("{before}.{key}") };
    match value {
        Tree::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                flatten(&path, key, value, to);
            }
        }
        _ => {
            to.insert(path, value.clone());
        }
    }
}

/// A label's value; an empty one is a mapping with nothing in it.
fn leaf(value: String) -> Tree {
    if value.is_empty() { Tree::Map(Vec::new()) } else { Tree::Text(value) }
}
