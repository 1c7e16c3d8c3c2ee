//! `cargo xtask test`: every test of the workspace.

use anyhow::Result;

use crate::{hostile, shell, tools};

/// Runs the tests whose names contain one of the filters; without a filter all, and doc tests
/// too, which nextest can't run.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    tools::NEXTEST.ensure()?;
    hostile::ensure_references();
    let root = shell::root()?;
    let limits = format!("rutter:{}", root.join("xtask/nextest.toml").display());
    let mut tests = shell::cargo(["nextest", "run", "--workspace"]);
    tests.args(["--tool-config-file", &limits]).args(filters).current_dir(&root);
    shell::run(&mut tests)?;
    if filters.is_empty() {
        shell::run(shell::cargo(["test", "--workspace", "--doc", "--quiet"]).current_dir(&root))?;
    }
    Ok(())
}
