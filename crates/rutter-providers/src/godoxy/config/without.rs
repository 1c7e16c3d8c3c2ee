//! Keys that are left out on purpose.

use crate::godoxy::fields::is_alike;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// Takes out what the paths name. One that names nothing is a problem: whoever wrote it believes
/// that something is left out.
pub(super) fn remove(tree: &mut Tree, without: &[String], notes: &mut Notes) {
    // Later entries of a list first, so that the numbers of those before stay what they were.
    let mut paths: Vec<Vec<&str>> = without.iter().map(|path| path.split('.').collect()).collect();
    paths.sort_by(|a, b| {
        let number = |path: &[&str]| path.last().and_then(|step| step.parse::<usize>().ok());
        number(b).cmp(&number(a))
    });
    for path in paths {
        if !take_out(tree, &path) {
            let message =
                format!("`--without {}` leaves nothing out: there is no such key", path.join("."));
            notes.problem(message);
        }
    }
}

fn take_out(tree: &mut Tree, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    match tree {
        Tree::Map(entries) => {
            let Some(at) = entries.iter().position(|(key, _)| is_alike(key, first)) else {
                return false;
            };
            if rest.is_empty() {
                entries.remove(at);
                return true;
            }
            entries.get_mut(at).is_some_and(|(_, tree)| take_out(tree, rest))
        }
        Tree::List(list) => {
            let Some(at) = first.parse::<usize>().ok().filter(|at| *at < list.len()) else {
                return false;
            };
            if rest.is_empty() {
                list.remove(at);
                return true;
            }
            list.get_mut(at).is_some_and(|tree| take_out(tree, rest))
        }
        _ => false,
    }
}
