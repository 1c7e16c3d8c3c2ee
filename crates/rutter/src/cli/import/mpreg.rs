//! `rutter import mpreg`: keys and policies of MPREG's routing between clusters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use rutter_fabric::compat::mpreg::{Outcome, Remark, import_keys, import_policies_for};
use rutter_route::ClusterId;
use serde::Serialize;
use serde_json::Value;

use super::{DIFFERENT, Global, REFUSED, write_private};
use crate::config;
use crate::text::table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter import mpreg --settings settings.json
      what each field of the policies means here, field by field
  rutter import mpreg --settings settings.json --neighbour west --write-policy policy.yaml
      the policies as they stand under `fabric.policy`; what the original says of all neighbours it
      doesn't name is spelled out for `west`
  rutter import mpreg --keys route_keys.json --write-keys /etc/rutter/keys.json
      the keys, for `fabric.keys: {files: [/etc/rutter/keys.json]}`

The settings are the original's, as JSON: `fabric_route_policy`, `fabric_route_neighbor_policies`,
`fabric_route_export_policy` and what stands beside them.

Exits with 0 if every field is taken over or has no meaning here, with 3 if something means something
else here, with 4 if something can't be said here, and with 1 if it can't be read at all.")]
pub(crate) struct Mpreg {
    /// The key registry, or a snapshot of it, as JSON
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The settings, as JSON
    #[arg(long, value_name = "FILE", required_unless_present = "keys")]
    settings: Option<PathBuf>,
    /// A neighbour that the cluster will have; again for another
    #[arg(long, value_name = "CLUSTER")]
    neighbour: Vec<ClusterId>,
    /// Write the keys for `fabric.keys`
    #[arg(long, value_name = "FILE", requires = "keys")]
    write_keys: Option<PathBuf>,
    /// Write what stands under `fabric.policy`
    #[arg(long, value_name = "FILE", requires = "settings")]
    write_policy: Option<PathBuf>,
}

/// What became of it.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Clusters with keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    clusters_with_keys: Option<usize>,
    /// What stands under `fabric.policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Value>,
    /// Fields that aren't taken over as they stand.
    fields: Vec<Remark>,
    /// Files that were written.
    written: Vec<String>,
}

impl Mpreg {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let mut report = Report::default();
        if let Some(path) = &self.keys {
            let snapshot = import_keys(&rutter_yaml::read(path)?)
                .with_context(|| path.display().to_string())?;
            let text = snapshot.to_string();
            let keys: Value = serde_json::from_str(&text)?;
            report.clusters_with_keys =
                keys.get("clusters").and_then(Value::as_object).map(serde_json::Map::len);
            report.write(self.write_keys.as_deref(), &text)?;
        }
        if let Some(path) = &self.settings {
            let neighbours: BTreeSet<ClusterId> = self.neighbour.into_iter().collect();
            let (policy, fields) = import_policies_for(&rutter_yaml::read(path)?, &neighbours)
                .with_context(|| path.display().to_string())?;
            let policy = serde_json::to_value(policy)?;
            report.fields = fields;
            let refused = report.fields.iter().any(|field| field.outcome == Outcome::Refused);
            anyhow::ensure!(
                !refused || self.write_policy.is_none(),
                "no policy is written: something can't be said here, see the report without \
                 --write-policy"
            );
            let text = format!(
                "# Made by `rutter import mpreg`: what stands under `fabric.policy`.\n{}",
                config::yaml(&policy)
            );
            report.write(self.write_policy.as_deref(), &text)?;
            report.policy = Some(policy);
        }
        global.output().print(&report, Report::text)?;
        let worst = report.fields.iter().map(|field| field.outcome).max();
        Ok(ExitCode::from(match worst {
            None | Some(Outcome::Ignored) => 0,
            Some(Outcome::Different) => DIFFERENT,
            Some(Outcome::Refused) => REFUSED,
        }))
    }
}

impl Report {
    fn write(&mut self, path: Option<&Path>, text: &str) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        write_private(path, text).with_context(|| format!("writing {}", path.display()))?;
        self.written.push(path.display().to_string());
        Ok(())
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if let Some(n) = self.clusters_with_keys {
            out.push_str(&format!("keys of {n} clusters\n"));
        }
        if let Some(policy) = &self.policy {
            out.push_str("policy, as it stands under `fabric.policy`:\n");
            for line in config::yaml(policy).lines() {
                out.push_str(&format!("  {line}\n"));
            }
        }
        if !self.fields.is_empty() {
            out.push_str("\nnot taken over as they stand:\n");
            let rows = self.fields.iter().map(|field| {
                let outcome = match field.outcome {
                    Outcome::Ignored => "ignored",
                    Outcome::Different => "different",
                    Outcome::Refused => "refused",
                };
                vec![field.field.clone(), outcome.to_owned(), field.why.clone()]
            });
            out.push_str(&table(&["FIELD", "", "WHY"], rows.collect()));
        }
        for path in &self.written {
            out.push_str(&format!("written: {path}\n"));
        }
        out
    }
}
