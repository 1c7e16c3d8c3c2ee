use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::files::conditions::{Validators, Verdict, is_same_for_range, judge};
use crate::files::path::parse;
use crate::files::range::{self, Asked, Part};

#[test]
fn a_path_means_a_name_below_the_folder_or_none() {
    let cases = [
        ("/", Some(("", true))),
        ("/a", Some(("a", false))),
        ("/a/", Some(("a", true))),
        ("//a//b", Some(("a/b", false))),
        ("/a%20b/%C3%A9", Some(("a b/é", false))),
        ("/.hidden", Some((".hidden", false))),
        ("/...", Some(("...", false))),
        ("/a\\b", Some(("a\\b", false))),
        ("/a%5Cb", Some(("a\\b", false))),
        ("/..", None),
        ("/a/../b", None),
        ("/a/./b", None),
        ("/%2e%2e/b", None),
        ("/.%2E/b", None),
        ("/%2e/b", None),
        ("/a%2fb", None),
        ("/..%2fb", None),
        ("/a%00", None),
        ("/a%", None),
        ("/a%2", None),
        ("/a%zz", None),
        ("/a%+1", None),
        ("a", None),
        ("*", None),
        ("", None),
    ];
    for (path, expected) in cases {
        let parsed = parse(path);
        let parsed = parsed.as_ref().map(|w| (w.path.to_str().unwrap(), w.is_folder));
        assert_eq!(parsed, expected, "{path}");
    }
}

#[test]
fn ranges_are_read_as_the_rfc_says() {
    let part = |at, len| Part { at, len };
    let parts = |parts: &[Part]| Asked::Parts(parts.into());
    // For a file of 10 bytes.
    let cases = [
        ("bytes=0-0", parts(&[part(0, 1)])),
        ("bytes=0-", parts(&[part(0, 10)])),
        ("bytes=2-4", parts(&[part(2, 3)])),
        ("bytes=9-99", parts(&[part(9, 1)])),
        ("bytes=-3", parts(&[part(7, 3)])),
        ("bytes=-99", parts(&[part(0, 10)])),
        ("bytes=0-0,-1", parts(&[part(0, 1), part(9, 1)])),
        ("bytes=0-0, 4-5 ,99-", parts(&[part(0, 1), part(4, 2)])),
        ("bytes=18446744073709551616-", Asked::Nothing),
        ("bytes=1-18446744073709551616", parts(&[part(1, 9)])),
        ("bytes=10-", Asked::Nothing),
        ("bytes=10-11,12-", Asked::Nothing),
        ("bytes=-0", Asked::Nothing),
        ("bytes=5-4", Asked::Whole),
        ("bytes=", Asked::Whole),
        ("bytes=,", Asked::Whole),
        ("bytes=a-b", Asked::Whole),
        ("bytes=-", Asked::Whole),
        ("bytes=+1-2", Asked::Whole),
        ("bytes=1", Asked::Whole),
        ("lines=1-2", Asked::Whole),
        // More than the whole, and too many.
        ("bytes=0-,0-", Asked::Whole),
        (&format!("bytes={}", ["0-0"; 17].join(",")), Asked::Whole),
    ];
    for (range, expected) in cases {
        assert_eq!(range::parse(range, 10), expected, "{range}");
    }
    assert_eq!(range::parse("bytes=0-", 0), Asked::Nothing);
    assert_eq!(range::parse("bytes=-5", 0), Asked::Nothing);
}

proptest! {
    #[test]
    fn no_range_leaves_its_file(range in "bytes=([0-9]{0,20}-[0-9]{0,20},?){0,20}", len in any::<u64>()) {
        if let Asked::Parts(parts) = range::parse(&range, len) {
            prop_assert!(!parts.is_empty());
            for part in parts {
                prop_assert!(part.len > 0);
                prop_assert!(part.at.checked_add(part.len).is_some_and(|end| end <= len));
            }
        }
    }

    #[test]
    fn no_path_has_a_segment_that_leads_away(path in "/([a-z./%\\\\]|%2e|%2f|%00){0,40}") {
        if let Some(wanted) = parse(&path) {
            for part in wanted.path.components() {
                prop_assert!(matches!(part, std::path::Component::Normal(_)), "{:?}", part);
            }
        }
    }
}

#[test]
fn conditions_are_asked_in_their_order() {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_500);
    let at =
        |seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let (before, same, after) = (at(999_999), at(1_000_000), at(1_000_001));
    let file = Validators { tag: "\"a\"", modified };
    let cases: &[(&[(&str, &str)], Verdict)] = &[
        (&[], Verdict::Holds),
        (&[("if-none-match", "\"a\"")], Verdict::NotModified),
        (&[("if-none-match", "W/\"a\"")], Verdict::NotModified),
        (&[("if-none-match", "\"b\", \"a\"")], Verdict::NotModified),
        (&[("if-none-match", "*")], Verdict::NotModified),
        (&[("if-none-match", "\"b\"")], Verdict::Holds),
        // The tag counts, not the date beside it.
        (&[("if-none-match", "\"b\""), ("if-modified-since", &same)], Verdict::Holds),
        (&[("if-modified-since", &same)], Verdict::NotModified),
        (&[("if-modified-since", &after)], Verdict::NotModified),
        (&[("if-modified-since", &before)], Verdict::Holds),
        (&[("if-modified-since", "yesterday")], Verdict::Holds),
        (&[("if-match", "\"a\"")], Verdict::Holds),
        (&[("if-match", "*")], Verdict::Holds),
        (&[("if-match", "\"b\"")], Verdict::Failed),
        (&[("if-match", "W/\"a\"")], Verdict::Failed),
        (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], Verdict::Failed),
        (&[("if-unmodified-since", &before)], Verdict::Failed),
        (&[("if-unmodified-since", &same)], Verdict::Holds),
        (&[("if-match", "\"a\""), ("if-unmodified-since", &before)], Verdict::Holds),
    ];
    let headers = |said: &[(&str, &str)]| -> HeaderMap {
        let said = said.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        said.collect()
    };
    for (said, expected) in cases {
        assert_eq!(judge(&headers(said), file), *expected, "{said:?}");
    }
    for (said, expected) in [
        ("\"a\"", true),
        ("W/\"a\"", false),
        ("\"b\"", false),
        (same.as_str(), true),
        (before.as_str(), false),
        (after.as_str(), false),
        ("whatever", false),
    ] {
        assert_eq!(is_same_for_range(&headers(&[("if-range", said)]), file), expected, "{said}");
    }
}
