//! `rutter backup` and `rutter restore`: what a controller needs to live elsewhere.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rutter_book::{Clock, SystemClock};
use rutter_registry::DataDir;
use rutter_registry::backup::{self, Copied, Manifest, RestoreOptions, Restored};

use super::Global;
use crate::run::{Asked, Said, ask_running, is_held};

/// Copies that are smaller are over before anybody wonders.
const LARGE: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter backup rutter-$(date +%F).backup
      while it runs or not; what was acknowledged before is in it

The file holds the registry, the CA's key and that of the cluster: keep it as you keep a private key.")]
pub(crate) struct Backup {
    /// The file, which must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter restore --data /var/lib/rutter rutter-2026-11-21.backup
  rutter restore --force --data /var/lib/rutter rutter-2026-11-21.backup
      keeps what is there beside it, as /var/lib/rutter.before-restore")]
pub(crate) struct Restore {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace a data directory that isn't empty, which is kept under another name
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let data = global.data()?;
        let (snapshot, _held) = snapshot(&data).await?;
        let now = SystemClock.now().wall;
        let copied = backup::write(&data, &snapshot, now, &self.file, &mut tell("copied")).await;
        if let Err(error) = std::fs::remove_file(&snapshot) {
            tracing::warn!(%error, path = %snapshot.display(), "a copy stays in the data directory");
        }
        global.output().print(&copied?, |copied: &Copied| {
            let Copied { file, bytes, manifest } = copied;
            format!("{} holds {} ({bytes} bytes)\n", file.display(), about(manifest))
        })
    }
}

impl Restore {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let data = global.data()?;
        let backup = backup::Backup::open(&self.file)?;
        let options = RestoreOptions { force: self.force };
        let restored = backup.restore(&data, options, &mut tell("restored")).await?;
        global.output().print(&restored, |restored: &Restored| {
            let Restored { data, before, manifest } = restored;
            let mut text = format!("{} holds {}\n", data.display(), about(manifest));
            if let Some(before) = before {
                text.push_str(&format!("what was there is in {}\n", before.display()));
            }
            text
        })
    }
}

/// A copy of the registry, made by the process that runs, or under its lock by this one.
async fn snapshot(data: &Path) -> anyhow::Result<(PathBuf, Option<DataDir>)> {
    if is_held(data)? {
        match ask_running(data, Asked::Snapshot {}).await? {
            Said::Snapshot(path) => return Ok((path, None)),
            _ => anyhow::bail!("it answers something else: another version runs there"),
        }
    }
    anyhow::ensure!(
        data.join("registry.db").exists(),
        "there is no registry in {}: name its directory with --data",
        data.display()
    );
    let held = DataDir::open(data)?;
    let path = backup::snapshot(&held).await.context("the registry can't be copied")?;
    Ok((path, Some(held)))
}

/// Says on standard error how far a large copy is, once a tenth.
fn tell(what: &'static str) -> impl FnMut(u64, u64) {
    let mut told = 0;
    move |done, total| {
        let tenths = done.saturating_mul(10) / total.max(1);
        if total >= LARGE && tenths > told {
            told = tenths;
            note(&format!("{what} {} of {} MiB", done >> 20, total >> 20));
        }
    }
}

#[allow(clippy::print_stderr, reason = "progress goes beside the output")]
fn note(text: &str) {
    eprintln!("{text}");
}

fn about(manifest: &Manifest) -> String {
    let taken = time::OffsetDateTime::from_unix_timestamp((manifest.taken / 1000).cast_signed())
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| manifest.taken.to_string());
    format!("the registry of rutter {} at {taken}, schema {}", manifest.rutter, manifest.schema)
}
