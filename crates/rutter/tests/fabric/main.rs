//! Four clusters, a process each, in network namespaces: two ways from D to A, over B and over C.
//! Requests of people at D's gateway for a service of A, and pings from behind D to behind A, are the
//! judges.
//!
//! Each test makes its namespaces itself, and they go with it. Without the right to make any it says so
//! and does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of it is tests, helpers among them, which print what they have measured"
)]

mod cluster;
mod demo;
mod keys;
mod leaks;
mod load;
#[path = "../net/mod.rs"]
#[allow(dead_code, reason = "the tests of nodes use the rest of it")]
mod net;
mod prefixes;
mod restarts;
mod scene;
mod services;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
mod support;
mod upgrades;

pub(crate) use net::{namespace, probe, until};
