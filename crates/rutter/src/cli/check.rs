//! `rutter check`: what is wrong with a file.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Global, overlay};
use crate::config::{self, Config, Form, NetmanOptions, Origin};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter check rutter.yaml
  rutter check rutter.yaml --output json      what will hold, every default written out
  rutter check netman.yaml                    the same of a file of n-netman's form, with what it
                                              means there that may surprise

Exits with 2 and every mistake at its place, if there is one.")]
pub(crate) struct Check {
    /// The file
    file: PathBuf,
}

impl Check {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let form = match config::is_netman(&rutter_yaml::read(&self.file)?) {
            true => Form::NNetman(NetmanOptions::default()),
            false => Form::Rutter,
        };
        let origin = Origin { file: self.file.clone(), data: global.data.clone(), form };
        let config = config::load(&origin)?;
        // A file can be checked wherever it lies: what runs here, or can't be asked, is no mistake of it.
        let received = overlay::received(&config).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "what was received");
            overlay::Networks::default()
        });
        let checked = Checked { remarks: overlay::remarks(&config, &received), config };
        global.output().print(&checked, |checked| self.text(checked))
    }

    fn text(&self, checked: &Checked) -> String {
        let config = &checked.config;
        let roles = [
            ("controller", config.controller.is_some()),
            ("nodes", config.nodes.is_some()),
            ("gateway", config.gateway.is_some()),
            ("agent", config.agent.is_some()),
            ("overlay", config.overlay.is_some()),
            ("fabric", config.fabric.is_some()),
        ];
        let roles = roles.into_iter().filter(|(_, on)| *on).map(|(role, _)| role);
        let roles = roles.collect::<Vec<_>>().join(", ");
        let mut text = format!("{} is good: {roles}\n", self.file.display());
        for (name, listener) in config.listeners.all() {
            let how = match listener.tls {
                // Both ends show keys of their clusters there, whatever `tls` says elsewhere.
                _ if name == "listeners.gateway.fabric" => "TLS by clusters' keys",
                config::raw::Tls::Off => "plain",
                _ => "TLS",
            };
            text.push_str(&format!("  {name} on {} ({how})\n", listener.address));
        }
        if let Some(overlay) = &config.overlay {
            text.push_str(&format!("  exchange on {}\n", overlay.host.exchange.listen));
        }
        if let Some(fabric) = &config.fabric {
            text.push_str(&format!("  neighbours on {} (TLS by clusters' keys)\n", fabric.listen));
        }
        text.push_str(&match &config.data {
            Some(data) => format!("  data in {}\n", data.display()),
            None => "  nothing is kept\n".to_owned(),
        });
        for remark in &checked.remarks {
            text.push_str(&format!("{remark}\n"));
        }
        text
    }
}

/// What holds, and what is to be said of it.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(flatten)]
    config: Config,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<overlay::Remarked>,
}
