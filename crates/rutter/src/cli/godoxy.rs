//! `rutter godoxy`: what people who come from GoDoxy have, as it is.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Global;
use crate::config::{self, Form, GodoxyOptions, ListenAt, Origin};
use crate::run::{Announce, Logging, Running, Signals, taking_over};

#[derive(Debug, Subcommand)]
pub(crate) enum Godoxy {
    /// Serve what `config.yml`, its route files and the environment ask for
    Run(Run),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter import godoxy /opt/godoxy && rutter godoxy run /opt/godoxy
      says first what is ignored or different
  rutter godoxy run . --without entrypoint.middlewares
      although they protect, and aren't there yet
  rutter godoxy run . --listen http=127.0.0.1:8080 --listen https=off
      beside a GoDoxy that runs

The directory holds `config/config.yml` or `config.yml`, and perhaps `.env`. What protects a route
and isn't there yet refuses that route by name; what protects all of them refuses the start, unless
`--without` names it. SIGHUP or `rutter reload` reads the set-up again; route files are read
again by themselves. docs/godoxy.md says what is the same, what is different, and what isn't there.")]
pub(crate) struct Run {
    /// The directory of the set-up
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Leave out a key of config.yml although it protects, such as `entrypoint.middlewares`
    #[arg(long, value_name = "KEY")]
    without: Vec<String>,
    /// Listen elsewhere: `http`, `https` or `api`, `=`, and `ADDRESS:PORT` or `off`
    #[arg(long, value_name = "NAME=ADDRESS")]
    listen: Vec<ListenAt>,
    /// The form of logs, which go to standard error
    #[arg(long, value_enum, value_name = "FORM")]
    log_format: Option<config::LogFormat>,
    /// A level, or a list such as `info,rutter_gateway=debug`; RUST_LOG goes before it
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Godoxy {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Run(run) => run.run(global).await,
        }
    }
}

impl Run {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let log = config::raw::Log { format: self.log_format, level: self.log_level };
        let options = GodoxyOptions { without: self.without, listen: self.listen, log: Some(log) };
        let (file, data) = (self.dir, global.data.clone());
        let origin = Origin { file, data, form: Form::Godoxy(options) };
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
