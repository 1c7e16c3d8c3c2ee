//! HTTP/1: what is malformed, or could have two meanings.
//!
//! Each case is sent with a valid request right behind it, over a connection that could go on.
//! Whoever reads the case's end in another place than the gateway would find a request there that
//! nobody sent. So for every case it is said what the origin may get: nothing, one request and no
//! more of that connection, or one request and then the one behind.

mod case;
mod chunks;
mod connections;
mod framing;
mod heads;
mod hosts;
mod leftovers;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use case::{Case, Want};

fn all() -> Vec<Case> {
    let tables =
        [framing::cases(), chunks::cases(), heads::cases(), hosts::cases(), connections::cases()];
    tables.into_iter().flatten().collect()
}

#[test]
fn every_class_has_three_variants_and_there_are_300_cases() {
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let cases = all();
    for case in &cases {
        *classes.entry(case.class).or_default() += 1;
    }
    let few: Vec<_> = classes.iter().filter(|(_, n)| **n < 3).collect();
    assert!(few.is_empty(), "{few:?}");
    assert!(cases.len() >= 300, "{}", cases.len());
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = cases.iter().filter(|case| !seen.insert(&case.bytes)).collect();
    assert!(twice.is_empty(), "the same bytes twice: {twice:?}");
    let refused = cases.iter().filter(|c| !matches!(c.want, Want::Kept(_))).count();
    println!(
        "{} cases in {} classes, {refused} of them end their connection",
        cases.len(),
        classes.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_reaches_an_origin_but_those_that_were_meant() {
    run::all_of(all()).await;
}
