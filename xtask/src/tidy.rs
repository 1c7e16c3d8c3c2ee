//! `cargo xtask tidy`: what no compiler checks.
//!
//! Each check is a function from files (or from what `cargo metadata` says) to problems, so it is
//! tested on text, and the tree is read once. A check has no list of places that may break its
//! rule, except where the rule itself names a mark that stands in the file beside its reason.

mod edges;
mod lengths;
mod links;
mod marks;
mod metadata;
mod source;
mod unsafe_code;
mod unused;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) use metadata::{Metadata, metadata};

use crate::shell;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    /// Where: a path in the workspace, perhaps with a line, or a crate.
    place: String,
    what: String,
    /// Whether the gate stays open for it.
    warning: bool,
}

impl Problem {
    fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into(), warning: false }
    }

    fn at(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self::new(format_args!("{}:{line}", path.display()), what)
    }

    fn warning(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { warning: true, ..Self::new(place, what) }
    }
}

/// A text file of the tree.
struct File {
    /// From the workspace's root.
    path: PathBuf,
    text: String,
}

impl File {
    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|e| e == extension)
    }

    fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Checks the tree; problems are printed, warnings too.
pub(crate) fn run() -> Result<()> {
    let root = shell::root()?;
    let files = files(&root)?;
    let metadata = metadata(&root)?;
    let mut problems = Vec::new();
    problems.extend(lengths::check(&files));
    problems.extend(marks::check(&files));
    problems.extend(links::check(&files, |path| root.join(path).exists()));
    problems.extend(edges::check(&metadata));
    problems.extend(unsafe_code::check(&metadata, &files));
    problems.extend(unused::check(&metadata, &files));
    problems.sort();
    report(&problems, files.len())
}

fn report(problems: &[Problem], n_files: usize) -> Result<()> {
    for problem in problems {
        let word = if problem.warning { "warning" } else { "error" };
        println!("{}: {word}: {}", problem.place, problem.what);
    }
    let n_errors = problems.iter().filter(|p| !p.warning).count();
    let n_warnings = problems.len() - n_errors;
    println!("tidy: {n_files} files, {n_errors} errors, {n_warnings} warnings");
    if n_errors > 0 {
        bail!("the tree is not tidy");
    }
    Ok(())
}

/// What git keeps or would keep: tracked files and new ones that are not ignored.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
    let list = shell::output(list.current_dir(root))?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let bytes = match std::fs::read(root.join(&path)) {
            Ok(bytes) => bytes,
            // Deleted but not committed yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("{}", path.display())),
        };
        // Certificates, images and the like are not text, and nothing here is for them.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

#[cfg(test)]
fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|p| format!("{}: {}", p.place, p.what)).collect()
}
