//! Reading HuJSON: the one place that names its parser.
//!
//! `jsonc-parser` was chosen since it gives every key and value with its place and can be held to
//! exactly what HuJSON is: JSON with comments and trailing commas. JSON5 parsers take more
//! (unquoted keys, single quotes, hexadecimal numbers), so that a file would work here and nowhere
//! else, and serde's view of either has no place for a key that isn't known.

use std::collections::BTreeSet;

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use rutter_yaml::{Problem, Spot};

/// The largest text that is read, in bytes.
const MAX_TEXT: usize = 4 * 1024 * 1024;

const HUJSON: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A value and its place.
#[derive(Debug)]
pub(super) struct Placed<T> {
    pub(super) is: T,
    pub(super) spot: Spot,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    List(Vec<Placed<Self>>),
    /// No key stands twice.
    Object(Vec<(Placed<String>, Placed<Self>)>),
    /// What a policy has no use for, by its name.
    Other(&'static str),
}

impl Value {
    /// What people call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Other(kind) => kind,
        }
    }
}

/// Reads a text. An empty one, or one of comments alone, is an empty object.
pub(super) fn parse(text: &str) -> Result<Placed<Value>, Vec<Problem>> {
    if text.len() > MAX_TEXT {
        let message = format!("a policy has at most {MAX_TEXT} bytes, this has {}", text.len());
        return Err(vec![Problem::at_path(Vec::new(), message)]);
    }
    let mut places = Places { text, lines: line_starts(text), problems: Vec::new() };
    match parse_to_ast(text, &CollectOptions::default(), &HUJSON) {
        Ok(parsed) => {
            let value = match &parsed.value {
                Some(value) => places.value(value),
                None => {
                    Placed { is: Value::Object(Vec::new()), spot: places.spot(Range::new(0, 0)) }
                }
            };
            if places.problems.is_empty() { Ok(value) } else { Err(places.problems) }
        }
        Err(error) => {
            let said = error.kind().to_string();
            let mut problem = Problem::at_path(Vec::new(), lower_first(&said));
            problem.spot = Some(places.spot(error.range()));
            Err(vec![problem.help("HuJSON is JSON with comments and trailing commas")])
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
    std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
}

struct Places<'t> {
    text: &'t str,
    lines: Vec<usize>,
    problems: Vec<Problem>,
}

impl Places<'_> {
    fn spot(&self, range: Range) -> Spot {
        let offset = range.start.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        // The first line starts at 0, so one line at least starts at or before any offset.
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        let length = range.end.saturating_sub(range.start).max(1);
        Spot { line, column: before.chars().count() + 1, offset, length }
    }

    /// Nesting is bounded by the parser, at 512.
    fn value(&mut self, value: &ast::Value<'_>) -> Placed<Value> {
        let is = match value {
            ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
            ast::Value::Array(list) => {
                Value::List(list.elements.iter().map(|v| self.value(v)).collect())
            }
            ast::Value::Object(object) => self.object(object),
            ast::Value::NumberLit(_) => Value::Other("a number"),
            ast::Value::BooleanLit(_) => Value::Other("true or false"),
            ast::Value::NullKeyword(_) => Value::Other("null"),
        };
        Placed { is, spot: self.spot(value.range()) }
    }

    fn object(&mut self, object: &ast::Object<'_>) -> Value {
        let mut seen = BTreeSet::new();
        let mut members = Vec::new();
        for property in &object.properties {
            let name = property.name.as_str().to_owned();
            let spot = self.spot(property.name.range());
            if !seen.insert(name.clone()) {
                let mut problem =
                    Problem::at_path(vec![name.clone()], format!("the key `{name}` stands twice"));
                problem.spot = Some(spot);
                self.problems.push(problem);
            }
            members.push((Placed { is: name, spot }, self.value(&property.value)));
        }
        Value::Object(members)
    }
}
