//! What developers run: `cargo xtask test`, `ci`, `tidy`, `bench`, `conformance`, `load`.
//!
//! One program instead of a folder of scripts, so that a developer's machine and CI run the same
//! lines, and so that what the lines check (the edges between crates, the length of files) is
//! code with tests of its own. Its contract with whoever runs it: it says each command before it
//! runs it, it installs what is missing and says so, and its exit code is the answer.
//!
//! Rejected: a `Makefile` (checks would be shell, untested) and checks as tests of some crate
//! (they would run under every filter, and could not install what they need).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its interface")]

mod allocator;
mod bench;
mod ci;
mod debian;
mod hostile;
mod python;
mod shell;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What developers of Rutter run")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test, and install what they need first
    Test {
        /// Only tests whose names contain one of these; without any, doc tests run too
        filters: Vec<String>,
    },
    /// Run the whole gate: format, lints, tests, docs, dependencies, tidy
    Ci {
        /// Leave the tests out, where `cargo xtask test` has just run them
        #[arg(long)]
        skip_tests: bool,
    },
    /// Check what no compiler checks: lengths of files, edges between crates, links in documents
    Tidy,
    /// Measure, and print what stands in docs/benchmarks.md
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Show that the gateway keeps to a protocol, and that a program that others trust does too
    Conformance {
        #[command(subcommand)]
        which: hostile::Conformance,
    },
    /// Load the gateway, and print what it did
    Load {
        #[command(subcommand)]
        which: hostile::Load,
    },
    /// What a bench runs of itself
    #[command(hide = true)]
    BenchChild {
        #[command(subcommand)]
        child: bench::Child,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { filters } => test::run(&filters),
        Task::Ci { skip_tests } => ci::run(skip_tests),
        Task::Tidy => tidy::run(),
        Task::Bench { bench } => bench::run(&bench),
        Task::Conformance { which } => hostile::conformance(&which),
        Task::Load { which } => hostile::load(&which),
        Task::BenchChild { child } => bench::run_child(&child),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
