//! Every crate forbids unsafe code, or says at each use why it is sound.

use super::source::code_of;
use super::{File, Metadata, Problem};

const FORBIDDEN: &str = "#![forbid(unsafe_code)]";
const USES: [&str; 4] = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];

/// How far above a use its reason may begin.
const REACH: usize = 8;

pub(super) fn check(metadata: &Metadata, files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for krate in metadata.members() {
        let sources: Vec<&File> =
            files.iter().filter(|file| file.is("rs") && file.is_under(&krate.folder)).collect();
        problems.extend(check_crate(&krate.name, &sources));
    }
    problems
}

fn check_crate(name: &str, sources: &[&File]) -> Vec<Problem> {
    let is_root =
        |file: &File| file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
    let mut roots = sources.iter().filter(|file| is_root(file));
    if roots.all(|file| file.text.lines().any(|line| line.trim() == FORBIDDEN)) {
        return Vec::new();
    }
    let uses: Vec<(&File, usize)> = sources.iter().flat_map(uses).collect();
    if uses.is_empty() {
        let what = format!("has no unsafe code and doesn't say `{FORBIDDEN}` at its root");
        return vec![Problem::new(name, what)];
    }
    let without_reason = uses.into_iter().filter(|(file, line)| !has_reason(file, *line));
    without_reason
        .map(|(file, line)| {
            Problem::at(&file.path, line + 1, "unsafe code without a `SAFETY:` comment above it")
        })
        .collect()
}

fn uses<'a>(file: &'a &File) -> impl Iterator<Item = (&'a File, usize)> {
    let lines = file.text.lines().enumerate();
    lines.filter_map(|(index, line)| {
        let code = code_of(line);
        USES.iter().any(|form| code.contains(form)).then_some((*file, index))
    })
}

fn has_reason(file: &File, line: usize) -> bool {
    let first = line.saturating_sub(REACH);
    let above = file.text.lines().skip(first).take(line - first);
    let mut above = above.map(str::trim_start);
    above.any(|line| line.starts_with("// SAFETY:") || line.starts_with("/// # Safety"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{file, shown};

    fn check_text(text: &str) -> Vec<String> {
        shown(&check_crate("c", &[&file("c/src/lib.rs", text)]))
    }

    #[test]
    fn a_crate_forbids_or_justifies() {
        let forbids = "//! Doc.\n#![forbid(unsafe_code)]\n";
        let silent = "//! Doc, of unsafe { } too.\n";
        let justified = "// SAFETY: because.\nlet x = unsafe { f() };\n";
        let unjustified = "let y = 1;\nlet x = unsafe { f() };\n";
        assert!(check_text(forbids).is_empty());
        assert!(check_text(justified).is_empty());
        let what = "c: has no unsafe code and doesn't say `#![forbid(unsafe_code)]` at its root";
        assert_eq!(check_text(silent), [what]);
        let what = "c/src/lib.rs:2: unsafe code without a `SAFETY:` comment above it";
        assert_eq!(check_text(unjustified), [what]);
    }

    #[test]
    fn both_roots_of_a_crate_must_forbid() {
        let library = file("c/src/lib.rs", FORBIDDEN);
        let program = file("c/src/main.rs", "fn main() {}");
        assert_eq!(check_crate("c", &[&library, &program]).len(), 1);
    }
}
