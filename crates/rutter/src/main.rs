//! The program: its command line, its configuration file, and the wiring of its roles.
#![forbid(unsafe_code)]

mod cli;
mod client;
mod config;
mod demo;
#[cfg(test)]
mod examples;
mod run;
mod text;

use std::process::ExitCode;

/// Requests and registrations allocate in small pieces from many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
