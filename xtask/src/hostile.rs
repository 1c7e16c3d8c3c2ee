//! `cargo xtask conformance` and `cargo xtask load`: what the gateway's hostile tests show, for
//! whoever wants to see it.
//!
//! Both are tests that run with all others. Here they run alone, say what they measured, and one
//! of them as a release build: what 2,000 slow clients do to others is a number, and numbers of
//! debug builds on busy machines are none.

use anyhow::Result;
use clap::Subcommand;

use crate::debian::{DebianTool, ensure_debian};
use crate::python::ensure_grpcio;
use crate::{shell, tools};

/// Which protocol.
#[derive(Subcommand)]
pub(crate) enum Conformance {
    /// RFC 9113 and 7541: the gateway and HAProxy against the same table
    Http2,
}

/// Which load.
#[derive(Subcommand)]
pub(crate) enum Load {
    /// 2,000 clients with slow heads, slow bodies and slow reading, and what others see of them
    Slow,
}

/// The reference of the table for HTTP/2.
const HAPROXY: [DebianTool; 1] = [DebianTool { program: "haproxy", package: "haproxy" }];

/// What the kernel's tests set scenes with.
const IPROUTE: [DebianTool; 1] = [DebianTool { program: "ip", package: "iproute2" }];

/// What runs the alert rules of the documentation.
const PROMETHEUS: [DebianTool; 1] = [DebianTool { program: "promtool", package: "prometheus" }];

/// Installs what tests compare with and set their scenes with. Who may not install it is told, and
/// the tests say that they compare with nothing.
pub(crate) fn ensure_references() {
    if let Err(error) = ensure_debian(&IPROUTE, "tests of the kernel") {
        eprintln!("no scenes for the kernel's tests: {error:#}");
    }
    if let Err(error) = ensure_debian(&HAPROXY, "the table for HTTP/2") {
        eprintln!("nothing to compare with: {error:#}");
    }
    if let Err(error) = ensure_debian(&PROMETHEUS, "the alert rules") {
        eprintln!("nothing to run the alert rules: {error:#}");
    }
    if let Err(error) = ensure_grpcio() {
        eprintln!("nothing to compare the overlay's wire with: {error:#}");
    }
}

/// Runs the table against both.
pub(crate) fn conformance(which: &Conformance) -> Result<()> {
    match which {
        Conformance::Http2 => {
            tools::NEXTEST.ensure()?;
            ensure_debian(&HAPROXY, "the table for HTTP/2")?;
            let mut run = shell::cargo(["nextest", "run", "-p", "rutter-gateway"]);
            run.args(["--test", "hostile", "--no-capture", "conformance"]);
            shell::run(run.current_dir(shell::root()?))
        }
    }
}

/// Runs the load and prints what it did.
pub(crate) fn load(which: &Load) -> Result<()> {
    match which {
        Load::Slow => {
            let mut run = shell::cargo(["test", "--release", "-p", "rutter-gateway"]);
            run.args(["--test", "hostile", "--", "--nocapture", "slow_clients"]);
            shell::run(run.current_dir(shell::root()?))
        }
    }
}
