//! Sections with named fields, read so that no field is passed over in silence.

use rutter_yaml::unknown_word;

use super::lax;
use super::notes::Notes;
use super::tree::{Entries, Tree};

/// What a field does to what is being read.
pub(crate) type Take<T> = fn(&mut T, &Tree, &mut Notes);

/// The fields of a section: each with its names, the first of which is shown, and what it does.
/// A key is a field's when they are alike but for case and underscores (the original's rules of
/// reading).
pub(crate) struct Fields<T: 'static>(pub(crate) &'static [(&'static [&'static str], Take<T>)]);

impl<T> Fields<T> {
    /// Reads a section. A field that nobody knows refuses the route: it may be a misspelt one that
    /// protects it, and the original starts such a route without it.
    pub(crate) fn read(&self, entries: &Entries, to: &mut T, notes: &mut Notes) {
        let mut seen = Vec::new();
        for (key, value) in entries {
            notes.within(key, |notes| {
                let is_it =
                    |(names, _): &(&[&str], Take<T>)| names.iter().any(|name| is_alike(key, name));
                let Some(at) = self.0.iter().position(is_it) else {
                    let (message, help) = unknown_word("field", key, &self.names());
                    return notes.problem_with(message, help);
                };
                if seen.contains(&at) {
                    return notes.problem(format!("the field stands twice, once as `{key}`"));
                }
                seen.push(at);
                if let Some((_, take)) = self.0.get(at) {
                    take(to, value, notes);
                }
            });
        }
    }

    /// Reads a section that is a mapping, or a text that holds one.
    pub(crate) fn read_section(&self, tree: &Tree, to: &mut T, notes: &mut Notes) {
        if let Some(entries) = notes.take(lax::map(tree)) {
            self.read(&entries, to, notes);
        }
    }

    /// The name of each field.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().filter_map(|(names, _)| names.first().copied()).collect()
    }
}

/// Whether two keys are one: case and underscores don't count.
pub(crate) fn is_alike(a: &str, b: &str) -> bool {
    letters(a).eq(letters(b))
}

fn letters(key: &str) -> impl Iterator<Item = u8> {
    key.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_alike_whatever_their_case_and_underscores() {
        for key in ["set_headers", "setHeaders", "SetHeaders", "SETHEADERS", "_set_headers_"] {
            assert!(is_alike(key, "set_headers"), "{key}");
        }
        for key in ["set-headers", "setheader", "set headers", ""] {
            assert!(!is_alike(key, "set_headers"), "{key}");
        }
    }
}
