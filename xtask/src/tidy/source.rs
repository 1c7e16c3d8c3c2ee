//! Just enough of Rust's grammar for checks by line.

/// The line without comments and without what stands in string literals. Literals over several
/// lines are taken for code: what a check looks for is not found in such texts in practice, and
/// if it is, the check errs towards an error.
pub(super) fn code_of(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut in_string = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => {
                chars.next();
            }
            '"' => in_string = !in_string,
            _ if in_string => {}
            // A quote as a character, not the begin of a string.
            '\'' if chars.peek() == Some(&'"') => {
                chars.next();
            }
            '/' if chars.peek() == Some(&'/') => break,
            _ => code.push(c),
        }
    }
    code
}

/// Whether `word` stands in the line with no letter, digit or underscore beside it.
pub(super) fn is_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        // A word that ends in punctuation, such as a macro's call, ends by itself.
        let ends = !word.ends_with(is_part) || !after.is_some_and(is_part);
        ends && !before.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let cases = [
            ("let x = 1; // word", "let x = 1; "),
            (r#"f("word { // }") + 1"#, "f() + 1"),
            (r#"f("a\"word", '"', b)"#, "f(, ', b)"),
            ("/// word", ""),
        ];
        for (line, code) in cases {
            assert_eq!(code_of(line), code, "{line}");
        }
    }

    #[test]
    fn a_word_has_no_letters_beside_it() {
        for (line, expected) in [("a b c", true), ("abc", false), ("a_b", false), ("(b)", true)] {
            assert_eq!(is_word(line, "b"), expected, "{line}");
        }
        assert!(is_word("f(x)", "f("));
        assert!(!is_word("if(x)", "f("));
    }
}
