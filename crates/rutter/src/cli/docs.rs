//! `rutter docs`: pages made from the program's types, for its developers.

use clap::Subcommand;

use crate::config::doc;

#[derive(Debug, Subcommand)]
pub(crate) enum Docs {
    /// docs/config.md
    Config,
}

impl Docs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Config => super::Output::new(super::Format::Text).write(&doc::page()),
        }
    }
}
