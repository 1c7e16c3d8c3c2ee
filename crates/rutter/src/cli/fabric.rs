//! `rutter fabric`: the fabric between clusters, as this cluster sees it.

mod shown;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use rutter_fabric::{FabricStatus, PolicyDiff, Trace};
use rutter_protocol::planner::Planned;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::stats::Stats;
use rutter_yaml::{ConfigError, Dialect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Global, Output, period};
use crate::client::Client;
use crate::config::Period;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter fabric status                       who the neighbours are, and what their links cost
  rutter fabric trace west                   every way to the cluster `west`, and why it ranks so
  rutter fabric trace west --avoid south     the same without what leads through `south`
  rutter fabric next-hop west                where a request for it would go now
  rutter fabric stats                        what was taken and refused, by reason
  rutter fabric keys list
  rutter fabric keys rotate --overlap 5m     a new key; the one before counts for five minutes
  rutter fabric policy diff policy.yaml      what another policy would change, and changes nothing

The table itself: `rutter routes list --table fabric`.")]
pub(crate) enum Fabric {
    /// Show this cluster and its neighbours
    Status,
    /// Show every way to a cluster, what was refused, and where a request would go
    Trace {
        /// The cluster
        destination: String,
        /// A cluster that the way must not lead through; again for another
        #[arg(long, value_name = "CLUSTER")]
        avoid: Vec<String>,
    },
    /// Say which neighbour a request for a cluster goes to
    NextHop(NextHop),
    /// Show what was counted since the start
    Stats,
    /// Look at keys of clusters, and make a new one for this
    #[command(subcommand)]
    Keys(Keys),
    /// Check a policy of the fabric, and see what it would change
    #[command(subcommand)]
    Policy(Policy),
}

#[derive(Debug, Args)]
pub(crate) struct NextHop {
    /// The cluster
    destination: String,
    /// A cluster that the way must not lead through; again for another
    #[arg(long, value_name = "CLUSTER")]
    avoid: Vec<String>,
    /// A cluster that has had the request; again for another
    #[arg(long, value_name = "CLUSTER")]
    visited: Vec<String>,
    /// How many links the request may still go over
    #[arg(long, value_name = "LINKS", default_value_t = 5)]
    hop_budget: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the public keys that are known, by cluster
    List,
    /// Make a new key for this cluster, and sign by it from now on
    Rotate {
        /// For how long the key before still counts
        #[arg(long, value_name = "PERIOD", default_value = "60s", value_parser = period)]
        overlap: Period,
    },
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A policy stands under `fabric.policy` of the configuration; a file for these commands has what stands
there, and nothing around it.

Examples:
  rutter fabric policy check policy.yaml     what is wrong with it; needs no controller
  rutter fabric policy diff policy.yaml      which routes would be denied, permitted, moved")]
pub(crate) enum Policy {
    /// Say what is wrong with a policy
    Check {
        /// The file
        file: PathBuf,
    },
    /// Say what a policy would change, without doing it
    Diff {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Rotated {
    key_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Effect {
    tables: Vec<PolicyDiff>,
}

#[derive(Debug, Serialize)]
struct Good {
    neighbours: usize,
    clusters: usize,
    scopes: usize,
}

impl Fabric {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let output = global.output();
        if let Self::Policy(Policy::Check { file }) = &self {
            return check(file, output);
        }
        let client = Client::find(&global.data()?)?;
        match self {
            Self::Status => {
                let status: FabricStatus = client.get(&["v1", "fabric"], &[]).await?;
                output.print(&status, shown::status)
            }
            Self::Trace { destination, avoid } => {
                let avoid = avoid.join(",");
                let query = [("destination", destination.as_str()), ("avoid", &avoid)];
                let trace: Trace = client.get(&["v1", "fabric", "trace"], &query).await?;
                output.print(&trace, shown::trace)
            }
            Self::NextHop(ask) => {
                let planned: Planned = ask.ask(&client).await?;
                output.print(&planned, shown::planned)
            }
            Self::Stats => {
                let stats: Stats = client.get(&["v1", "fabric", "stats"], &[]).await?;
                output.print(&stats, shown::stats)
            }
            Self::Keys(Keys::List) => {
                let keys: Value = client.get(&["v1", "fabric", "keys"], &[]).await?;
                output.print(&keys, shown::keys)
            }
            Self::Keys(Keys::Rotate { overlap }) => {
                let body = json!({ "overlap_s": Duration::from(overlap).as_secs() });
                let path = ["v1", "fabric", "keys", "rotate"];
                let rotated: Rotated = client.post(&path, &body).await?;
                output.print(&rotated, |rotated| {
                    format!("this cluster signs by {} from now on\n", rotated.key_id)
                })
            }
            Self::Policy(Policy::Check { file }) => check(&file, output),
            Self::Policy(Policy::Diff { file }) => {
                let policy = read(&file)?;
                let path = ["v1", "fabric", "policy", "diff"];
                let effect: Effect = client.post(&path, &policy).await?;
                output.print(&effect, |effect| shown::effect(&effect.tables))
            }
        }
    }
}

impl NextHop {
    async fn ask(&self, client: &Client) -> anyhow::Result<Planned> {
        let (avoid, visited) = (self.avoid.join(","), self.visited.join(","));
        let budget = self.hop_budget.to_string();
        let query = [
            ("destination", self.destination.as_str()),
            ("avoid", avoid.as_str()),
            ("visited", visited.as_str()),
            ("hop_budget", budget.as_str()),
        ];
        client.get(&["v1", "fabric", "next-hop"], &query).await
    }
}

/// The policy of a file.
fn read(file: &Path) -> anyhow::Result<FabricPolicy> {
    let text = rutter_yaml::read(file)?;
    let name = file.display().to_string();
    rutter_yaml::parse(&text, Dialect::Strict)
        .map_err(|problem| ConfigError::new(&name, &text, vec![problem]).into())
}

fn check(file: &Path, output: Output) -> anyhow::Result<()> {
    let policy = read(file)?;
    // Whom it names is all that is known here; neighbours that it doesn't name have the defaults.
    let own = "this-cluster".parse()?;
    let links = policy.neighbours.keys().map(|n| (n.clone(), Default::default())).collect();
    let fabric = rutter_protocol::speaker::FABRIC.parse()?;
    policy.compile(&own, &fabric, &links).with_context(|| file.display().to_string())?;
    let good = Good {
        neighbours: policy.neighbours.len(),
        clusters: policy.clusters.len(),
        scopes: policy.carry.len(),
    };
    output.print(&good, |good| {
        let Good { neighbours, clusters, scopes } = good;
        format!(
            "{} is good: {neighbours} neighbours, {clusters} clusters, {scopes} scopes beside the \
             fabric's own\n",
            file.display()
        )
    })
}
