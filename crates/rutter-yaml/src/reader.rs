//! The one place that reads YAML: a change of reader is a change of this file and of `positions`.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MergeKeyPolicy, Options};

use crate::{Problem, Spot};

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As our own files: a merge key and a boolean other than `true` and `false` are refused.
    Strict,
    /// As files of systems written in Go: merge keys are merged, and `yes` and `on` are booleans.
    Go,
}

/// How many events of a text of [`Dialect::Go`] may come of aliases, however short it is.
const ALIASES: usize = 250_000;

/// Reads a value. A key that stands twice is refused in every dialect; whether an unknown one is,
/// the type says.
///
/// # Errors
/// The first thing that is wrong, at its place.
pub fn parse<T: DeserializeOwned + Default>(text: &str, dialect: Dialect) -> Result<T, Problem> {
    match serde_saphyr::from_str_with_options::<Option<T>>(text, options(dialect, text.len())) {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(error) => Err(problem(error.without_snippet())),
    }
}

/// The reader's options for a text of that many bytes.
///
/// Its own bounds are for files of settings: a thousand routes that all merge one anchor are
/// beyond them. Without aliases a text has no more nodes than bytes; what aliases add may be as
/// much again, and [`ALIASES`] in any case, so that a short text takes no more than that either.
pub(crate) fn options(dialect: Dialect, length: usize) -> Options {
    let strict = dialect == Dialect::Strict;
    if strict {
        return serde_saphyr::options! {
            strict_booleans: true,
            merge_keys: MergeKeyPolicy::Error,
        };
    }
    let most = length.saturating_mul(2).saturating_add(ALIASES);
    serde_saphyr::options! {
        strict_booleans: false,
        merge_keys: MergeKeyPolicy::Merge,
        budget: serde_saphyr::budget! {
            max_events: most.saturating_mul(2),
            max_nodes: most,
            max_aliases: length,
            max_merge_keys: length,
            max_recorded_anchor_events: most,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: most,
        },
    }
}

/// Where the reader says something is.
pub(crate) fn spot(location: serde_saphyr::Location) -> Option<Spot> {
    let number = |n: u64| usize::try_from(n).ok();
    let span = location.span();
    let (line, column) = (number(location.line())?, number(location.column())?);
    if line == 0 {
        return None;
    }
    let offset = number(span.byte_offset()?)?;
    let length = span.byte_len().and_then(number).unwrap_or(1);
    Some(Spot { line, column, offset, length })
}

fn problem(error: &Error) -> Problem {
    let (message, help) = match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown_word("key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            unknown_word("word", variant, expected)
        }
        Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("expected {expected}, found {unexpected}"), None)
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_ref().map(|key| format!(" `{key}`")).unwrap_or_default();
            (format!("the key{key} stands twice"), None)
        }
        Error::Message { msg, .. } => (msg.clone(), None),
        other => (plain(&other.to_string()), None),
    };
    Problem { path: Vec::new(), message, help, spot: error.location().and_then(spot) }
}

/// The reader's own words without the place at their end, which is shown apart.
fn plain(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let cut = first.find(" at line ").or_else(|| first.find(", line "));
    cut.and_then(|at| first.get(..at)).unwrap_or(first).to_owned()
}

/// What to say of a word that isn't known, and what to do about it: the nearest one, else all there
/// are. `what` is the kind of word, such as `key`.
pub fn unknown_word(what: &str, word: &str, expected: &[&str]) -> (String, Option<String>) {
    let message = format!("unknown {what} `{word}`");
    let near = |known: &&&str| strsim::jaro_winkler(word, known) > 0.8;
    let nearest = expected
        .iter()
        .filter(near)
        .max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)));
    let help = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if expected.is_empty() => "nothing is known here".to_owned(),
        None => format!("known here: {}", expected.join(", ")),
    };
    (message, Some(help))
}
