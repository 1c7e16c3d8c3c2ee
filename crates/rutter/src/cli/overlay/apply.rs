//! `rutter overlay diff` and `rutter overlay apply`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use rutter_registry::DataDir;

use super::load;
use crate::cli::Global;
use crate::config::resolved;
use crate::run::{Differs, apply_overlay, compare_overlay};

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Set the kernel's settings that routes need, such as ip_forward
    #[arg(long)]
    sysctl: bool,
}

pub(super) fn diff(file: PathBuf, global: &Global) -> anyhow::Result<()> {
    let overlay = overlay(file, false, global)?;
    global.output().print(&compare_overlay(&overlay)?, |differs| text(differs, "would "))
}

impl Apply {
    pub(super) fn run(self, file: PathBuf, global: &Global) -> anyhow::Result<()> {
        let overlay = overlay(file, self.sysctl, global)?;
        let before = compare_overlay(&overlay)?;
        if self.dry_run {
            return global.output().print(&before, |differs| text(differs, "would "));
        }
        // Held, a host runs with it, and does all this itself.
        let dir =
            DataDir::open(global.data()?).context("a host that runs applies its file itself")?;
        let wrong = apply_overlay(&overlay, Some(&dir))?;
        global.output().print(&before, |differs| text(differs, ""))?;
        if let Some(first) = wrong.first() {
            bail!("{}: {}", first.of, first.error.clone().unwrap_or_default());
        }
        Ok(())
    }
}

fn overlay(file: PathBuf, sysctl: bool, global: &Global) -> anyhow::Result<resolved::Overlay> {
    let mut overlay = load(file, global)?.overlay.context("the file has no overlay")?;
    overlay.sysctl |= sysctl;
    Ok(overlay)
}

fn text(differs: &[Differs], would: &str) -> String {
    if differs.is_empty() {
        return "nothing differs\n".to_owned();
    }
    let mut text = String::new();
    for Differs { of, changes, error, remark } in differs {
        text.push_str(&format!("{of}\n"));
        changes.iter().for_each(|change| text.push_str(&format!("  {would}{change}\n")));
        error.iter().for_each(|why| text.push_str(&format!("  can't be: {why}\n")));
        remark.iter().for_each(|what| text.push_str(&format!("  {what}\n")));
    }
    text
}
