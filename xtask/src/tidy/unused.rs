//! Dependencies that no source names.
//!
//! By text, not by the compiler: a crate `a-b` is used if the word `a_b` stands in a source of the
//! crate that depends on it. One that is there for its features alone is named in
//! `[package.metadata.tidy] kept = [..]`, with the reason beside it.

use super::source::{code_of, is_word};
use super::{File, Metadata, Problem};

pub(super) fn check(metadata: &Metadata, files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for krate in metadata.members() {
        let sources = files.iter().filter(|f| f.is("rs") && f.is_under(&krate.folder));
        let code: Vec<String> = sources.flat_map(|f| f.text.lines()).map(code_of).collect();
        let is_used = |dependency: &str| {
            let word = dependency.replace('-', "_");
            code.iter().any(|line| is_word(line, &word))
        };
        let unused = krate.dependencies.iter().map(String::as_str);
        let unused: Vec<&str> = unused.filter(|d| !krate.is_kept(d) && !is_used(d)).collect();
        if !unused.is_empty() {
            let what = format!("depends on, and doesn't use, {}", unused.join(", "));
            problems.push(Problem::new(&krate.name, what));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::Member;
    use crate::tidy::{file, shown};

    #[test]
    fn a_dependency_is_named_in_code_or_kept() {
        let member = Member {
            name: "c".into(),
            folder: "c".into(),
            dependencies: vec!["a-b".into(), "in-comment".into(), "kept".into(), "other".into()],
            kept: vec!["kept".into()],
        };
        let metadata = Metadata::of_members(vec![member]);
        let files = [
            file("c/src/lib.rs", "use a_b::X; // in_comment\n"),
            file("d/src/lib.rs", "use other::X;\n"),
        ];
        let expected = ["c: depends on, and doesn't use, in-comment, other"];
        assert_eq!(shown(&check(&metadata, &files)), expected);
    }
}
