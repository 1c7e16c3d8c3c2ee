//! Sub-commands of cargo that must be there.
//!
//! They come by `cargo install --locked` at a version that is known to work, so a release of theirs
//! can't break an old commit of ours. Whatever version is there already is taken.

use std::process::Stdio;

use anyhow::Result;

use crate::shell;

/// A sub-command of cargo.
pub(crate) struct CargoTool {
    /// The word behind `cargo`.
    command: &'static str,
    /// The crate that brings it.
    krate: &'static str,
    version: &'static str,
}

/// Runs tests: each in a process of its own, all at once, with a limit of time for each.
pub(crate) const NEXTEST: CargoTool =
    CargoTool { command: "nextest", krate: "cargo-nextest", version: "0.9.143" };

/// Checks licences, bans and sources of dependencies.
pub(crate) const DENY: CargoTool =
    CargoTool { command: "deny", krate: "cargo-deny", version: "0.20.2" };

impl CargoTool {
    /// Installs it unless it is there.
    pub(crate) fn ensure(&self) -> Result<()> {
        let there = shell::cargo([self.command, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if there {
            return Ok(());
        }
        eprintln!("{} is missing and built now, once; this takes some minutes", self.krate);
        let mut install =
            shell::cargo(["install", "--locked", "--version", self.version, self.krate]);
        shell::run(&mut install)
    }
}
