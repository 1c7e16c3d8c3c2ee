//! Values as GoDoxy converts them: a number may be a text, a text a list or a mapping.
//!
//! Its rules of reading, with one refusal more: a text that YAML took for a boolean or for a
//! number with a point has lost its letters, so it is asked for in quotes rather than guessed.

use std::borrow::Cow;
use std::time::Duration;

use super::tree::{Entries, Tree};
use super::units::parse_duration;

/// A text; nothing is an empty one.
pub(crate) fn text(tree: &Tree) -> Result<String, String> {
    match tree {
        Tree::Null => Ok(String::new()),
        Tree::Text(text) => Ok(text.clone()),
        Tree::Whole(number) => Ok(number.to_string()),
        Tree::Map(entries) if entries.is_empty() => Ok(String::new()),
        Tree::Bool(_) | Tree::Real(_) => {
            Err(format!("expected a text, found {}: put it in quotes", tree.kind()))
        }
        Tree::List(_) | Tree::Map(_) => Err(format!("expected a text, found {}", tree.kind())),
    }
}

/// A boolean, as one or in words.
pub(crate) fn boolean(tree: &Tree) -> Result<bool, String> {
    let of_word = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "t" | "y" => Ok(true),
        "false" | "no" | "off" | "0" | "f" | "n" | "" => Ok(false),
        _ => Err(format!("expected true or false, found `{word}`")),
    };
    match tree {
        Tree::Bool(is) => Ok(*is),
        Tree::Text(word) => of_word(word),
        Tree::Whole(0 | 1) => Ok(*tree == Tree::Whole(1)),
        _ if tree.is_zero() => Ok(false),
        _ => Err(format!("expected true or false, found {}", tree.kind())),
    }
}

/// A whole number from `least` to `most`; nothing is 0.
pub(crate) fn whole(tree: &Tree, least: i64, most: i64) -> Result<i64, String> {
    let number = match tree {
        Tree::Whole(number) => Some(*number),
        Tree::Text(text) if !text.is_empty() => text.trim().parse().ok(),
        // One with leading zeros comes as a number with a point.
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
        Tree::Real(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i128),
        _ if tree.is_zero() => Some(0),
        _ => None,
    };
    let number = number.ok_or_else(|| format!("expected a whole number, found {}", tree.kind()))?;
    let in_range = i64::try_from(number).ok().filter(|n| (least..=most).contains(n));
    in_range.ok_or_else(|| format!("expected {least} to {most}, found {number}"))
}

/// A duration; `None` if it says nothing.
pub(crate) fn duration(tree: &Tree) -> Result<Option<Duration>, String> {
    match tree {
        _ if tree.is_zero() => Ok(None),
        Tree::Text(text) => {
            let duration = parse_duration(text).map_err(|error| error.to_string())?;
            Ok(Some(duration).filter(|duration| !duration.is_zero()))
        }
        Tree::Whole(number) => Err(format!(
            "a duration needs a unit, such as `{number}s`: the original takes a bare \
                         number for nanoseconds"
        )),
        _ => Err(format!("expected a duration such as `5s`, found {}", tree.kind())),
    }
}

/// A list: as one; as a text of one line with commas or spaces between; or as YAML in a text.
pub(crate) fn list(tree: &Tree) -> Result<Cow<'_, [Tree]>, String> {
    match tree {
        Tree::List(list) => Ok(Cow::Borrowed(list)),
        _ if tree.is_zero() => Ok(Cow::Borrowed(&[])),
        Tree::Text(text) => {
            let text = text.trim();
            if !text.contains('\n') && !text.starts_with(['-', '[']) {
                let words = words(text).map(|word| Tree::Text(word.to_owned()));
                return Ok(Cow::Owned(words.collect()));
            }
            match Tree::parse(text) {
                Ok(Tree::List(list)) => Ok(Cow::Owned(list)),
                Ok(other) => Err(format!("expected a list, found {}", other.kind())),
                Err(problem) => Err(format!("expected a list: {}", problem.message)),
            }
        }
        Tree::Whole(_) => Ok(Cow::Owned(vec![tree.clone()])),
        _ => Err(format!("expected a list, found {}", tree.kind())),
    }
}

/// A mapping: as one, or as YAML in a text.
pub(crate) fn map(tree: &Tree) -> Result<Cow<'_, Entries>, String> {
    match tree {
        Tree::Map(entries) => Ok(Cow::Borrowed(entries)),
        _ if tree.is_zero() => Ok(Cow::Owned(Entries::new())),
        Tree::Text(text) => match Tree::parse(text) {
            Ok(Tree::Map(entries)) => Ok(Cow::Owned(entries)),
            Ok(Tree::Null) => Ok(Cow::Owned(Entries::new())),
            Ok(other) => Err(format!("expected a mapping, found {}", other.kind())),
            Err(problem) => Err(format!("expected a mapping: {}", problem.message)),
        },
        _ => Err(format!("expected a mapping, found {}", tree.kind())),
    }
}

/// The words of a text with commas or white space between; there is no empty one.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}
