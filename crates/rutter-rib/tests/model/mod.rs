//! A table that is slow and obviously right, and what drives it and the real one side by side.
//!
//! The model shares no code with the crate beside the public types. It keeps raw facts in sorted
//! maps and derives everything else from them, whole, each time it is asked: there is no mark, no
//! walk, no interner and no cache that could be out of date.
//!
//! Only what is a matter of definition is modelled the crate's way: time in ticks of 100 ms in
//! which nothing ends early, and the incumbent as the best of the commit before.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses a part of it, and it is test code outside of tests"
)]

pub mod follows;
pub mod matching;
pub mod ops;
pub mod rank;
pub mod run;
pub mod table;

/// So many cases, or as many as `PROPTEST_CASES` says. A failure prints its input in full.
#[allow(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
pub fn config(cases: u32) -> proptest::prelude::ProptestConfig {
    let default = proptest::prelude::ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    proptest::prelude::ProptestConfig { cases, failure_persistence: None, ..default }
}
