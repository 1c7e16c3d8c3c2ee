//! Links in documents: a file that is named is there, and so is the heading in it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{File, Problem};

pub(super) fn check(files: &[File], exists: impl Fn(&Path) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.is("md")) {
        for (line, target) in links(&file.text) {
            if let Some(what) = broken(file, &target, files, &exists) {
                problems.push(Problem::at(&file.path, line, what));
            }
        }
    }
    problems
}

fn broken(
    from: &File,
    target: &str,
    files: &[File],
    exists: impl Fn(&Path) -> bool,
) -> Option<String> {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    if is_elsewhere {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let to = if path.is_empty() { from.path.clone() } else { resolve(&from.path, path) };
    if !path.is_empty() && !exists(&to) {
        return Some(format!("the link to `{target}` leads to no file"));
    }
    let document = files.iter().find(|file| file.path == to && file.is("md"))?;
    if heading.is_empty() || anchors(&document.text).contains(heading) {
        return None;
    }
    Some(format!("the link to `{target}` leads to no heading of {}", to.display()))
}

/// The path from the workspace's root. Links to `/` begin there.
fn resolve(from: &Path, link: &str) -> PathBuf {
    let mut to = match link.strip_prefix('/') {
        Some(_) => PathBuf::new(),
        None => from.parent().map(Path::to_path_buf).unwrap_or_default(),
    };
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => {
                to.pop();
            }
            Component::Normal(name) => to.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    to
}

/// Inline links and definitions (`[name]: target`) with their lines, code aside.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in prose(text) {
        let text = without_code(text);
        if let Some((name, target)) = text.trim_start().split_once("]: ") {
            let is_footnote = name.starts_with("[^");
            if name.starts_with('[') && !is_footnote {
                found.push((line, first_word(target)));
                continue;
            }
        }
        for (at, mark) in text.match_indices("](") {
            let rest = &text[at + mark.len()..];
            if let Some((target, _)) = rest.split_once(')') {
                found.push((line, first_word(target)));
            }
        }
    }
    found
}

/// A title may stand behind the target.
fn first_word(target: &str) -> String {
    let word = target.split_whitespace().next().unwrap_or_default();
    word.trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// Lines with their numbers that don't stand between code fences.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start();
        if fence.starts_with("```") || fence.starts_with("~~~") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((index + 1, line))
    })
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// What headings are called in links: lower case, hyphens for spaces, punctuation dropped.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    let mut anchors = BTreeSet::new();
    for (_, heading) in headings {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        // A heading that is there already gets a number.
        let mut numbered = anchor.clone();
        for n in 1.. {
            if anchors.insert(numbered.clone()) {
                break;
            }
            numbered = format!("{anchor}-{n}");
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{file, shown};

    #[test]
    fn links_lead_to_files_and_headings() {
        let other = "# The *Other* one, `x`!\n## Twice\n## Twice\n```\n# no heading\n```\n";
        let cases = [
            ("[a](other.md)", None),
            ("[a](./other.md \"title\")", None),
            ("[a](/docs/other.md)", None),
            ("[a](../Cargo.toml)", None),
            ("[a](https://example.com/x)", None),
            ("[a](#here)\n\n# Here", None),
            ("[a](other.md#the-other-one-x)", None),
            ("[a](other.md#twice-1)", None),
            ("`[a](gone.md)`", None),
            ("```\n[a](gone.md)\n```", None),
            ("[^1]: a footnote", None),
            ("[a](gone.md)", Some("docs/a.md:1: the link to `gone.md` leads to no file")),
            ("x\n[a]: gone.md", Some("docs/a.md:2: the link to `gone.md` leads to no file")),
            (
                "[a](other.md#no-heading)",
                Some(
                    "docs/a.md:1: the link to `other.md#no-heading` leads to no heading of docs/other.md",
                ),
            ),
            (
                "[a](#gone)",
                Some("docs/a.md:1: the link to `#gone` leads to no heading of docs/a.md"),
            ),
        ];
        for (text, expected) in cases {
            let files = [file("docs/a.md", text), file("docs/other.md", other)];
            let exists = |path: &Path| {
                path == Path::new("Cargo.toml") || files.iter().any(|f| f.path == path)
            };
            let found = shown(&check(&files, exists));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}
