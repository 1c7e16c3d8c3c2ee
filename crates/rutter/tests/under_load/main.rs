//! The program under load while something dies or changes: an upstream, the program itself, its
//! configuration, its version.
//!
//! All over real sockets and real processes. What can be killed here is a process that gets SIGKILL,
//! since that is what happens outside: nobody closes a connection, flushes a buffer or says goodbye.
//! What is asserted is counted where it matters: a request that is done twice is one that reached
//! *origins* twice, whatever the gateway or the client believe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of it is tests, helpers among them, which print what they have measured"
)]

mod apart;
mod dice;
mod edits;
mod failover;
mod handover;
mod mortal;
mod nodes;
mod open_loop;
mod person;
mod reloads;
mod repeatable;
mod restarts;
mod scene;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
mod support;
mod talker;

use std::time::{Duration, Instant};

/// Waits until something is so, which has to come about in [`support::PATIENCE`].
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + support::PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The largest and the middle one, in milliseconds: how measured times are told.
pub(crate) fn told(times: &[Duration]) -> String {
    let mut ms: Vec<_> = times.iter().map(Duration::as_millis).collect();
    ms.sort_unstable();
    let middle = ms.get(ms.len() / 2).copied().unwrap_or_default();
    format!("{middle} ms in the middle, {} ms at most", ms.last().copied().unwrap_or_default())
}
