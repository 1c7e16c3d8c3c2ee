//! Debian packages that must be there.
//!
//! They come by `apt-get`, for which one must be root: others are told the line to run.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// A program that a Debian package brings.
pub(crate) struct DebianTool {
    /// The program.
    pub(crate) program: &'static str,
    /// The package that brings it.
    pub(crate) package: &'static str,
}

/// Installs the packages whose programs are not there. `what_for` stands in the message to those
/// who may not.
pub(crate) fn ensure_debian(tools: &[DebianTool], what_for: &str) -> Result<()> {
    let missing = missing(tools, shell::is_installed);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !is_root() {
        bail!("{what_for} needs {packages}; run `sudo apt-get install --yes {packages}` first");
    }
    if !shell::is_installed("apt-get") {
        bail!("{what_for} needs {packages}, and this machine has no apt-get to install them by");
    }
    eprintln!("{packages} missing, installed now");
    shell::run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&missing);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(&mut install)
}

/// Whether we may do what only root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn missing(tools: &[DebianTool], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        tools.iter().filter(|tool| !is_there(tool.program)).map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_missing_once_if_any_of_its_programs_is() {
        let tools = [
            DebianTool { program: "bird", package: "bird2" },
            DebianTool { program: "birdc", package: "bird2" },
            DebianTool { program: "ip", package: "iproute2" },
        ];
        assert_eq!(missing(&tools, |_| false), ["bird2", "iproute2"]);
        assert_eq!(missing(&tools, |program| program != "birdc"), ["bird2"]);
        assert!(missing(&tools, |_| true).is_empty());
    }
}
