//! `${VAR}` in files.
//!
//! The original puts values into the text before it reads it, in quotes of its own, so that
//! `http://${H}:80` becomes `http://"h":80`, and a value may change what the YAML around it means.
//! Here the text is read first, with each variable in a form of the same length that is plain YAML
//! anywhere, and values are put into the texts that were read: a value is never read as YAML, and
//! places in the file stay what they are.
//!
//! A variable that isn't set refuses the routes that use it, where the original refuses the file;
//! one in a comment isn't looked at.

use std::borrow::Cow;
use std::ops::Range;

use super::notes::Notes;
use super::tree::Tree;

/// The variables of a process, or of whoever asks.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Brackets that mean nothing to YAML, for texts that have some of them already.
const BRACKETS: [(char, char); 6] =
    [('(', ')'), ('<', '>'), ('/', '/'), ('^', '^'), ('=', '='), ('+', '+')];

/// The brackets that stand for braces in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brackets {
    open: char,
    close: char,
}

/// The text with each `${VAR}` in other brackets, and which; `None` if it uses all of them.
pub(super) fn without_braces(text: &str) -> Option<(Cow<'_, str>, Brackets)> {
    let is_free = |(open, _): &&(char, char)| !text.contains(&format!("${open}"));
    let &(open, close) = BRACKETS.iter().find(is_free)?;
    let brackets = Brackets { open, close };
    let mut rewritten = String::new();
    let mut from = 0;
    while let Some(found) = variable(text, from, '{', '}') {
        let name = text.get(found.start + 2..found.end - 1).unwrap_or_default();
        rewritten.push_str(text.get(from..found.start).unwrap_or_default());
        rewritten.extend(['$', open]);
        rewritten.push_str(name);
        rewritten.push(close);
        from = found.end;
    }
    if from == 0 {
        return Some((Cow::Borrowed(text), brackets));
    }
    rewritten.push_str(text.get(from..).unwrap_or_default());
    Some((Cow::Owned(rewritten), brackets))
}

impl Brackets {
    /// Puts values into all texts and keys of what was read.
    pub(super) fn fill(self, tree: &mut Tree, environment: Environment<'_>, notes: &mut Notes) {
        match tree {
            Tree::Text(text) => self.fill_text(text, environment, notes),
            Tree::List(list) => {
                for (n, tree) in list.iter_mut().enumerate() {
                    notes.within(&n.to_string(), |notes| self.fill(tree, environment, notes));
                }
            }
            Tree::Map(entries) => {
                for (key, tree) in entries {
                    let written = key.clone();
                    notes.within(&written, |notes| {
                        self.fill_text(key, environment, notes);
                        self.fill(tree, environment, notes);
                    });
                }
            }
            Tree::Null | Tree::Bool(_) | Tree::Whole(_) | Tree::Real(_) => {}
        }
    }

    /// Puts values into a text.
    pub(super) fn fill_text(
        self,
        text: &mut String,
        environment: Environment<'_>,
        notes: &mut Notes,
    ) {
        if let Some((_, rest)) = text.split_once("${")
            && let Some((name, _)) = rest.split_once('}')
        {
            // Those with a name have other brackets by now.
            let message =
                format!("`${{{name}}}` is no variable: a name has letters, digits and `_`");
            notes.problem(message);
        }
        let mut filled = String::new();
        let mut from = 0;
        while let Some(found) = variable(text, from, self.open, self.close) {
            let name = text.get(found.start + 2..found.end - 1).unwrap_or_default();
            filled.push_str(text.get(from..found.start).unwrap_or_default());
            match look_up(name, environment) {
                Some(value) => filled.push_str(&value),
                None => notes.problem(format!("the variable `{name}` is not set")),
            }
            from = found.end;
        }
        if from > 0 {
            filled.push_str(text.get(from..).unwrap_or_default());
            *text = filled;
        }
    }
}

/// `GODOXY_VAR`, `GOPROXY_VAR`, `VAR`: the first that is set.
fn look_up(name: &str, environment: Environment<'_>) -> Option<String> {
    ["GODOXY_", "GOPROXY_", ""].iter().find_map(|prefix| environment(&format!("{prefix}{name}")))
}

/// The next `$`, bracket, name and bracket of a text.
fn variable(text: &str, from: usize, open: char, close: char) -> Option<Range<usize>> {
    let opening = [b'$', u8::try_from(open).ok()?];
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let found = bytes.get(at..)?.windows(2).position(|two| two == opening)?;
        let start = at + found;
        let rest = bytes.get(start + 2..)?;
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let is_name = length > 0 && !rest.first().is_some_and(u8::is_ascii_digit);
        if is_name && rest.get(length) == u8::try_from(close).ok().as_ref() {
            return Some(start..start + 2 + length + 1);
        }
        at = start + 2;
    }
}
