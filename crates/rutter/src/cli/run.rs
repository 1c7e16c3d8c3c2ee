//! `rutter run`: what a file switches on.

use std::path::PathBuf;

use clap::Args;

use super::Global;
use crate::config::{self, Origin};
use crate::run::{Announce, Logging, Running, Signals, taking_over};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter check rutter.yaml && rutter run --config rutter.yaml
  kill -HUP PID, or rutter reload --data DIR
      reads the file again; rutter reload --dry-run only shows what would change

docs/config.md has every key.")]
pub(crate) struct Run {
    /// The file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

impl Run {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let origin = Origin::rutter(self.config, global.data.clone());
        taking_over(async |before| {
            let config = config::load(&origin)?;
            let logging = Logging::start(&config.log)?;
            let signals = Signals::hear()?;
            let running =
                Running::start(config, Some(origin), logging, Announce::Nothing, before).await?;
            Ok((running, signals))
        })
        .await
    }
}
