//! Nodes end to end: real processes in network namespaces, a controller, two routers of one LAN, a
//! node that uses their routes, and a host behind them that it pings each 10 ms.
//!
//! Each test makes its namespaces itself, and they go with it. Without the right to make any it says
//! so and does nothing. What is measured is printed beside the goal; asserted is what doesn't hang on
//! how busy a machine is, and a bound that is generous.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of it is tests, helpers among them, which print what they have measured"
)]

mod demo;
mod failover;
mod joining;
#[path = "../net/mod.rs"]
#[allow(dead_code, reason = "the tests of overlays use the rest of it")]
mod net;
mod routes;
mod scene;
#[path = "../program/support/mod.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
mod support;
