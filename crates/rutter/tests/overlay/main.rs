//! Hosts of overlays: real processes in real network namespaces, with a UDP probe from one host's
//! network to another's each 10 ms as the judge.
//!
//! The scenarios S1 to S28 are those of the original's analysis; a test names its own. Each makes its
//! namespaces itself, and they go with it. Without the right to make any it says so and does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of it is tests, helpers among them, which print what they have measured"
)]

mod adoption;
mod announcing;
mod command;
mod demo;
mod drift;
mod exchange;
mod failover;
mod host;
#[path = "../net/mod.rs"]
#[allow(dead_code, reason = "the tests of nodes use the rest of it")]
mod net;
mod own_file;
mod refusals;
mod scene;
mod stability;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
mod support;
mod surfaces;
mod transit;

pub(crate) use net::{namespace, probe, until};
