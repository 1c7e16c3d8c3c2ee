//! `rutter check`: what is wrong with a file.

use std::path::PathBuf;

use clap::Args;

use super::Global;
use crate::config::{self, Origin};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter check rutter.yaml
  rutter check rutter.yaml --output json      what will hold, every default written out

Exits with 2 and every mistake at its place, if there is one.")]
pub(crate) struct Check {
    /// The file
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let origin = Origin { file: self.file.clone(), data: global.data.clone() };
        let config = config::load(&origin)?;
        global.output().print(&config, |config| {
            let roles = [
                ("controller", config.controller.is_some()),
                ("gateway", config.gateway.is_some()),
                ("agent", config.agent.is_some()),
            ];
            let roles = roles.into_iter().filter(|(_, on)| *on).map(|(role, _)| role);
            let roles = roles.collect::<Vec<_>>().join(", ");
            let mut text = format!("{} is good: {roles}\n", self.file.display());
            for (name, listener) in config.listeners.all() {
                let how = if listener.tls == config::raw::Tls::Off { "plain" } else { "TLS" };
                text.push_str(&format!("  {name} on {} ({how})\n", listener.address));
            }
            text.push_str(&match &config.data {
                Some(data) => format!("  data in {}\n", data.display()),
                None => "  nothing is kept\n".to_owned(),
            });
            text
        })
    }
}
