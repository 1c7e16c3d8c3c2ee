//! `rutter upgrade`: the running program hands over to another one.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::Global;
use crate::run::{Asked, Said, Upgraded, ask_running};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter upgrade                    after the program was replaced: the same as SIGUSR2
  rutter upgrade --binary ./rutter  to another program
  rutter upgrade                    with a changed file: what a reload calls `needs a restart`

The new program gets the old one's arguments and sockets, reads the file, and says that it is ready
before the old one stops. If it doesn't, the old one goes on, and this command says why.")]
pub(crate) struct Upgrade {
    /// The program to hand over to
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

impl Upgrade {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let absolute = |path: PathBuf| {
            path.canonicalize().with_context(|| format!("{} can't be run", path.display()))
        };
        let binary = self.binary.map(absolute).transpose()?;
        let Said::Upgraded(upgraded) =
            ask_running(&global.data()?, Asked::Upgrade { binary }).await?
        else {
            anyhow::bail!("it answers something else: another version runs there");
        };
        global.output().print(&upgraded, |upgraded| {
            let Upgraded { pid, version, took_ms } = upgraded;
            format!("rutter {version} has taken over (pid {pid}), in {took_ms} ms\n")
        })
    }
}
