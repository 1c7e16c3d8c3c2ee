//! `rutter overlay doctor`: what keeps an overlay from working, found by trying.
//!
//! Each check says what it found and, where something is to be done, what. A failure is what keeps
//! packets from their way; a warning is what may, or what is good to know.

mod certificates;
mod network;
mod system;

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;

use super::load;
use crate::cli::Global;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    Warning,
    Failed,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// What was looked at.
    of: String,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Check {
    fn new(of: &str, state: State, found: impl Into<String>) -> Self {
        Self { of: of.to_owned(), state, found: found.into(), help: None }
    }

    fn good(of: &str, found: impl Into<String>) -> Self {
        Self::new(of, State::Good, found)
    }

    fn warning(of: &str, found: impl Into<String>) -> Self {
        Self::new(of, State::Warning, found)
    }

    fn failed(of: &str, found: impl Into<String>) -> Self {
        Self::new(of, State::Failed, found)
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

pub(super) fn run(file: PathBuf, global: &Global) -> anyhow::Result<()> {
    let checks = all(file, global)?;
    global.output().print(&checks, |checks| checks.iter().map(text).collect())?;
    let failed = checks.iter().filter(|check| check.state == State::Failed).count();
    match failed {
        0 => Ok(()),
        1 => bail!("one check failed"),
        n => bail!("{n} checks failed"),
    }
}

fn all(file: PathBuf, global: &Global) -> anyhow::Result<Vec<Check>> {
    let shown = file.display().to_string();
    let config = match load(file, global) {
        Ok(config) => config,
        // Without it there is nothing to look for.
        Err(error) => return Ok(vec![Check::failed("file", error.to_string())]),
    };
    let overlay = config.overlay.context("the file has no overlay")?;
    let mut checks = vec![Check::good("file", format!("{shown} is good"))];
    system::check(&overlay, &mut checks);
    network::check(&overlay.host, global, &mut checks)?;
    certificates::check(&overlay.host, &mut checks);
    Ok(checks)
}

fn text(check: &Check) -> String {
    let state = match check.state {
        State::Good => "good   ",
        State::Warning => "WARNING",
        State::Failed => "FAILED ",
    };
    let mut text = format!("{state}  {}: {}\n", check.of, check.found);
    check.help.iter().for_each(|help| text.push_str(&format!("         {help}\n")));
    text
}
