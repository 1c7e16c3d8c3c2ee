//! Which keys a file may have, for dialects in which an unknown one is no error.

use std::collections::BTreeSet;

use crate::positions::{Node, Positions};
use crate::reader::unknown_word;
use crate::{Problem, reader};

/// What may stand somewhere.
#[derive(Debug, Clone)]
pub enum Known {
    /// Anything: a plain value, or what the reader doesn't look into.
    Anything,
    /// These keys.
    Keys(Vec<(&'static str, Self)>),
    /// A list of such.
    Each(Box<Self>),
}

impl Positions {
    /// The keys that nobody knows, each with the nearest one that is known. What lies under an
    /// unknown key isn't looked at.
    pub fn unknown(&self, known: &Known) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Some(node) = self.top() {
            search(node, known, &mut Vec::new(), &mut found);
        }
        found
    }
}

fn search(node: &Node, known: &Known, path: &mut Vec<String>, found: &mut Vec<Problem>) {
    match (node, known) {
        (Node::List(entries), Known::Each(each)) => {
            for (n, entry) in entries.iter().enumerate() {
                path.push(n.to_string());
                search(&entry.value, each, path, found);
                path.pop();
            }
        }
        (Node::Map(entries), Known::Keys(keys)) => {
            let names: Vec<&'static str> = keys.iter().map(|(name, _)| *name).collect();
            // A merge key may bring the same key again.
            let mut seen = BTreeSet::new();
            for (key, value) in entries.iter().filter(|(key, _)| seen.insert(&key.value)) {
                path.push(key.value.clone());
                match keys.iter().find(|(name, _)| *name == key.value) {
                    Some((_, known)) => search(&value.value, known, path, found),
                    None => {
                        let (message, help) = unknown_word("key", &key.value, &names);
                        let spot = reader::spot(key.referenced);
                        found.push(Problem { path: path.clone(), message, help, spot });
                    }
                }
                path.pop();
            }
        }
        // A value where keys were expected is an error of the reader's, not an unknown key.
        (Node::Scalar | Node::List(_) | Node::Map(_), _) => {}
    }
}
