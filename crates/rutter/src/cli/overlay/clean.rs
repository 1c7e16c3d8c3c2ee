//! `rutter overlay clean`: what `ip route flush` can't do where routes name next-hop objects.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use rutter_kernel::Cleaned;
use serde::Serialize;

use super::load;
use crate::cli::Global;
use crate::run::{clean_overlay, is_held};

#[derive(Debug, Args)]
pub(super) struct Clean {
    /// The protocol number of the routes; by default that of the file
    #[arg(long, value_name = "NUMBER")]
    protocol: Option<u8>,
}

/// What was removed of a table.
#[derive(Debug, Serialize)]
struct Table {
    table: u32,
    routes: usize,
    objects: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<String>,
}

impl Clean {
    pub(super) fn run(self, file: PathBuf, global: &Global) -> anyhow::Result<()> {
        if is_held(&global.data()?)? {
            bail!("a host runs with this data, and would put everything back: end it first");
        }
        let mut overlay = load(file, global)?.overlay.context("the file has no overlay")?;
        overlay.protocol = self.protocol.unwrap_or(overlay.protocol);
        let mut tables = Vec::new();
        for (table, Cleaned { n_routes, n_objects, refused }) in clean_overlay(&overlay)? {
            let refused = refused.into_iter().map(|(prefix, why)| format!("{prefix}: {why}"));
            let (routes, objects) = (n_routes, n_objects);
            tables.push(Table { table, routes, objects, refused: refused.collect() });
        }
        global.output().print(&tables, |tables| {
            let line = |Table { table, routes, objects, refused }: &Table| {
                let mut text =
                    format!("table {table}: {routes} routes and {objects} objects removed\n");
                refused.iter().for_each(|why| text.push_str(&format!("  stays: {why}\n")));
                text
            };
            tables.iter().map(line).collect()
        })
    }
}
