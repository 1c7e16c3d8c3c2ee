//! The program as people meet it: the built binary, its output, its exit codes, real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "all of it is tests, helpers among them"
)]

mod apart;
mod backup;
mod demo;
mod engines;
mod godoxy;
mod handover;
mod joining;
mod life;
mod members;
mod mesh_gateway;
mod newcomer;
mod nodes;
mod reach;
mod reload;
mod support;
mod ways_out;
