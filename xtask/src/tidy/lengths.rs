//! Lengths of source files: one subject a file, readable from top to bottom.

use super::{File, Problem};

const WARN_OVER: usize = 600;
const LIMIT: usize = 900;

/// Stands near the head of a file that is a table of data, which may be of any length.
const DATA: &str = "tidy: a table of data";
const HEAD: usize = 20;

pub(super) fn check(files: &[File]) -> Vec<Problem> {
    files.iter().filter(|file| file.is("rs") && !is_data(file)).filter_map(problem).collect()
}

fn is_data(file: &File) -> bool {
    file.text.lines().take(HEAD).any(|line| line.contains(DATA))
}

fn problem(file: &File) -> Option<Problem> {
    let n_lines = file.text.lines().count();
    let place = file.path.display();
    if n_lines > LIMIT {
        let what = format!("{n_lines} lines; {LIMIT} is the limit, split it by subject");
        return Some(Problem::new(place, what));
    }
    let what = || format!("{n_lines} lines; over {WARN_OVER} it likely has two subjects");
    (n_lines > WARN_OVER).then(|| Problem::warning(place, what()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn long_files_warn_and_longer_ones_fail() {
        let lines = |n| "x\n".repeat(n);
        let cases = [
            ("a.rs", lines(600), None),
            ("a.rs", lines(601), Some(true)),
            ("a.rs", lines(900), Some(true)),
            ("a.rs", lines(901), Some(false)),
            ("a.md", lines(5000), None),
            ("a.rs", format!("//! {DATA}: of names\n{}", lines(5000)), None),
            ("a.rs", format!("{}//! {DATA}\n", lines(5000)), Some(false)),
        ];
        for (path, text, expected) in cases {
            let found = check(&[file(path, &text)]);
            let warning = found.first().map(|problem| problem.warning);
            assert_eq!(warning, expected, "{path} of {} lines", text.lines().count());
        }
    }
}
