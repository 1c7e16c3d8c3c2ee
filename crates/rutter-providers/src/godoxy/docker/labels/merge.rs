//! Dotted fields and YAML put together to one mapping.

use crate::godoxy::tree::{Entries, Tree};

use super::Paths;

/// One mapping of fields by their dotted paths; the path that is empty holds YAML of all. Fewer
/// dots are applied first, then in the order of the alphabet, so that a label says more than YAML
/// around it. One that doesn't fit is told and left out, and the rest stays.
pub(super) fn merge(paths: Paths, mut doesnt_fit: impl FnMut(&str, String)) -> Tree {
    let mut root = Tree::Map(Entries::new());
    let mut paths: Vec<(String, Tree)> = paths.into_iter().collect();
    let n_steps = |path: &str| if path.is_empty() { 0 } else { path.split('.').count() };
    paths.sort_by(|(a, _), (b, _)| n_steps(a).cmp(&n_steps(b)).then_with(|| a.cmp(b)));
    for (path, value) in paths {
        let steps: Vec<&str> = path.split('.').filter(|step| !step.is_empty()).collect();
        if let Err(message) = set(&mut root, &steps, value) {
            doesnt_fit(&path, message);
        }
    }
    root
}

fn set(at: &mut Tree, steps: &[&str], value: Tree) -> Result<(), String> {
    let Some((step, steps)) = steps.split_first() else {
        return put(at, value);
    };
    if matches!(at, Tree::Null) {
        *at = Tree::Map(Entries::new());
    }
    if let Some(entries) = yaml_map(at) {
        *at = Tree::Map(entries);
    }
    let Tree::Map(entries) = at else { return Err(expected_mapping(at)) };
    let place = match entries.iter().position(|(key, _)| key == step) {
        Some(place) => place,
        None => {
            entries.push(((*step).to_owned(), Tree::Null));
            entries.len() - 1
        }
    };
    match entries.get_mut(place) {
        Some((_, next)) => set(next, steps, value),
        None => Ok(()),
    }
}

/// Puts a value where its path leads: over a plain one, or into a mapping, of which what is there
/// stays.
fn put(at: &mut Tree, value: Tree) -> Result<(), String> {
    let Tree::Map(entries) = at else {
        *at = value;
        return Ok(());
    };
    match yaml_map(&value).map(Tree::Map).unwrap_or(value) {
        Tree::Map(more) => {
            add(entries, more);
            Ok(())
        }
        other => Err(expected_mapping(&other)),
    }
}

fn add(to: &mut Entries, more: Entries) {
    for (key, value) in more {
        match to.iter_mut().find(|(there, _)| *there == key) {
            None => to.push((key, value)),
            Some((_, Tree::Map(to))) => {
                if let Tree::Map(more) = value {
                    add(to, more);
                }
            }
            Some(_) => {}
        }
    }
}

/// The mapping that a text holds as YAML.
fn yaml_map(tree: &Tree) -> Option<Entries> {
    let Tree::Text(text) = tree else { return None };
    match Tree::parse(text) {
        Ok(Tree::Map(entries)) => Some(entries),
        Ok(_) | Err(_) => None,
    }
}

fn expected_mapping(tree: &Tree) -> String {
    format!("expect mapping, got {}", tree.kind())
}
