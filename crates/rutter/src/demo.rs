//! The demonstration.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave it running afterwards, and print lines to look around with
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("keep: {}", self.keep)
    }
}
