//! `docs/config.md`, made from the types.
//!
//! Sections come from [`raw`](super::raw) by themselves. What a policy is made of lives in the
//! engine, whose types are read as they are: its page is text beside this file, and a test reads
//! every key of a full policy and every example of the page.

use std::fmt::Write;

use super::raw::File;
use super::section::{Key, Preset, Section, Shape};

/// Rules, criteria, stability and bounds, by hand.
const POLICY: &str = include_str!("doc/policy.md");

/// The policy of the fabric, whose types live in its protocol, by hand too.
const FABRIC: &str = include_str!("doc/fabric.md");

/// A small file to begin with.
pub(crate) const EXAMPLE: &str = include_str!("doc/example.yaml");

/// The example on the fabric's part of the page.
#[cfg(test)]
pub(crate) fn fabric_example() -> &'static str {
    let example = FABRIC.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    example.unwrap_or_default()
}

/// The page.
pub(crate) fn page() -> String {
    let mut page = String::from(HEAD);
    let _infallible = write!(page, "\n```yaml\n{EXAMPLE}```\n");
    section(&mut page, &[], &File::section());
    page.push_str(FABRIC);
    page.push_str(POLICY);
    page
}

const HEAD: &str = "\
# The configuration file

<!-- Made by `rutter docs config`; the words stand in crates/rutter/src/config/raw.rs. -->

One YAML file, whose sections switch the roles on: `rutter run --config FILE` starts them,
`rutter check FILE` only says what is wrong with it. A key that isn't known is refused, with its
line, its column and the nearest name that is. A section's name alone is the section with its
defaults.

A running program reads its file again on SIGHUP or by `rutter reload`; `rutter reload --dry-run`
shows what would change, and names what needs a restart. A file with a mistake changes nothing.

Durations are whole seconds, or a number with `ms`, `s`, `m`, `h` or `d` (in a policy up to `h`).
Networks are written `10.0.0.0/8`; one with colons in a `[list]` needs quotes.
";

fn section(page: &mut String, path: &[&str], section: &Section) {
    // Writing to a string doesn't fail.
    let heading = match path {
        [] => "All keys".to_owned(),
        path => format!("`{}`", path.join(".")),
    };
    let _infallible = write!(page, "\n## {heading}\n\n{}\n", prose(section.about));
    page.push_str("| key | is | default | |\n| --- | --- | --- | --- |\n");
    for key in &section.keys {
        let (shape, default, about) = (shape_of(key), default_of(key), prose(key.about));
        let about = about.replace('\n', " ");
        let _infallible =
            writeln!(page, "| `{}` | {shape} | {default} | {} |", key.name, about.trim_end());
    }
    for key in &section.keys {
        let mut inner = path.to_vec();
        inner.push(key.name);
        match &key.shape {
            Shape::Value(_) => continue,
            Shape::Section(_) => {}
            Shape::Named(name, _) => inner.push(name),
            Shape::List(_) => inner.push("[]"),
        }
        match &key.shape {
            Shape::Section(s) | Shape::Named(_, s) | Shape::List(s) => {
                self::section(page, &inner, s)
            }
            Shape::Value(_) => {}
        }
    }
}

fn shape_of(key: &Key) -> String {
    match &key.shape {
        Shape::Value(what) => (*what).to_owned(),
        Shape::Section(_) => "section".to_owned(),
        Shape::Named(..) => "sections by name".to_owned(),
        Shape::List(_) => "list of sections".to_owned(),
    }
}

fn default_of(key: &Key) -> String {
    match key.default {
        Preset::Is(value) => format!("`{value}`"),
        Preset::Says(words) => words.to_owned(),
        Preset::Required => "required".to_owned(),
    }
}

/// Doc comments begin each line with a space.
fn prose(about: &str) -> String {
    about.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}
