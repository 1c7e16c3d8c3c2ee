//! Words that don't belong into a tree that is whole: marks of unfinished work, and paths of the
//! machine on which a line was written.

use super::source::is_word;
use super::{File, Problem};

// Each is written in two parts, lest this file be found.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
];
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/Us", "ers/")];

pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let found = |what| Problem::at(&file.path, index + 1, what);
            if let Some(mark) = UNFINISHED.iter().find(|mark| is_word(line, mark)) {
                problems.push(found(format!("`{mark}`: finish it, or say it in an issue")));
            }
            if let Some(path) = MACHINE_PATHS.iter().find(|path| has_path(line, path)) {
                problems.push(found(format!("`{path}` is a path of one machine")));
            }
        }
    }
    problems
}

/// A path begins where no name ends: `a/work/b` is a path of the tree.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "._-".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn marks_are_found_as_words_only() {
        let [later, broken, macro_, _] = UNFINISHED;
        let cases = [
            (format!("// {later}: this"), true),
            (broken.to_owned(), true),
            (format!("    {macro_})"), true),
            (format!("let METHO{later} = 1;"), false),
            (format!("{later}_LIST"), false),
        ];
        for (text, expected) in cases {
            assert_eq!(!check(&[file("a.rs", &text)]).is_empty(), expected, "{text}");
        }
    }

    #[test]
    fn machine_paths_are_found_where_a_path_begins() {
        let [root, work, ..] = MACHINE_PATHS;
        let cases = [
            (format!("see {root}x"), true),
            (format!("(`{work}main`)"), true),
            (format!("frame{work}x"), false),
            ("/srv/data".to_owned(), false),
        ];
        for (text, expected) in cases {
            let found = check(&[file("a.md", &text)]);
            assert_eq!(!found.is_empty(), expected, "{text}");
        }
    }
}
