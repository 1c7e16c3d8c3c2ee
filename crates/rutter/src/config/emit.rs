//! A value as YAML, as people would write it.

use serde_json::Value;

/// The YAML of an object: a line a key, lists of several below their key.
pub(crate) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    emit(&mut text, 0, value);
    text
}

/// Whether a key is read as it stands: names that people gave may be numbers or `on`.
fn is_word(key: &str) -> bool {
    let letters = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    letters && !matches!(key, "on" | "off" | "yes" | "no" | "y" | "n" | "true" | "false" | "null")
}

/// Writes a value as YAML: mappings a line a key, what is in them on a line of its own or in the
/// form of JSON, which is YAML too.
fn emit(text: &mut String, indent: usize, value: &Value) {
    let Value::Object(entries) = value else { return };
    for (key, value) in entries {
        let pad = " ".repeat(indent);
        let key = if is_word(key) { key.clone() } else { Value::String(key.clone()).to_string() };
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push_str(&format!("{pad}{key}:\n"));
                emit(text, indent + 2, value);
            }
            Value::Array(list) if list.len() > 1 => {
                text.push_str(&format!("{pad}{key}:\n"));
                list.iter().for_each(|entry| text.push_str(&format!("{pad}  - {entry}\n")));
            }
            value => text.push_str(&format!("{pad}{key}: {value}\n")),
        }
    }
}
