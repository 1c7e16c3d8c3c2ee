//! `rutter policy`: what is wrong with a policy file, what it would change, what is in force.

use std::path::PathBuf;

use clap::Subcommand;
use rutter_nodes::policy::PolicyFile;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::nodes::{Names, names};
use super::{Global, Output};
use crate::client::Client;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
The policy in force is the file that `nodes.policy` of the configuration names.

Examples:
  rutter policy check policy.hujson     what is wrong with it; needs no controller
  rutter policy diff policy.hujson      what would be approved, revoked, moved, seen
  cp policy.hujson /etc/rutter/policy.hujson && rutter reload
  rutter policy show                    what is in force")]
pub(crate) enum Policy {
    /// Say what is wrong with a policy file
    Check {
        /// The file
        file: PathBuf,
    },
    /// Say what a policy file would change, without doing it
    Diff {
        /// The file
        file: PathBuf,
    },
    /// Print the policy that is in force
    Show,
}

#[derive(Debug, Serialize)]
struct Checked {
    groups: usize,
    tags: usize,
    hosts: usize,
    grants: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct InForce {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Effect {
    approved: Vec<RouteOf>,
    revoked: Vec<RouteOf>,
    moved: Vec<Move>,
    gained: Vec<RouteOf>,
    lost: Vec<RouteOf>,
    cut: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct RouteOf {
    node: u64,
    prefix: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Move {
    prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
}

impl Policy {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let output = global.output();
        match self {
            Self::Check { file } => check(&file, output),
            Self::Diff { file } => {
                let (name, text) = (file.display().to_string(), rutter_yaml::read(&file)?);
                // A mistake is shown with its line, as the check shows it.
                PolicyFile::parse(&name, &text)?;
                let client = Client::find(&global.data()?)?;
                let body = json!({ "name": name, "text": text });
                let effect: Effect = client.post(&["v1", "policy", "diff"], &body).await?;
                let names = names(&client).await?;
                output.print(&effect, |effect| effect.text(&names))
            }
            Self::Show => {
                let client = Client::find(&global.data()?)?;
                let policy: InForce = client.get(&["v1", "policy"], &[]).await?;
                output.print(&policy, |policy| match &policy.text {
                    Some(text) if text.ends_with('\n') => text.clone(),
                    Some(text) => format!("{text}\n"),
                    None => "there is none: people approve each route, and everybody is told \
                             everything\n"
                        .to_owned(),
                })
            }
        }
    }
}

fn check(file: &std::path::Path, output: Output) -> anyhow::Result<()> {
    let text = rutter_yaml::read(file)?;
    let policy = PolicyFile::parse(&file.display().to_string(), &text)?;
    let checked = Checked {
        groups: policy.groups.len(),
        tags: policy.tag_owners.len(),
        hosts: policy.hosts.len(),
        grants: policy.access.grants().len(),
    };
    output.print(&checked, |checked| {
        let Checked { groups, tags, hosts, grants } = checked;
        format!(
            "{} is good: {groups} groups, {tags} tags, {hosts} hosts, {grants} rules of access\n",
            file.display()
        )
    })
}

impl Effect {
    fn text(&self, names: &Names) -> String {
        let mut out = String::new();
        let mut list = |title: &str, routes: &[RouteOf]| {
            if routes.is_empty() {
                return;
            }
            out.push_str(&format!("{title}:\n"));
            for route in routes {
                out.push_str(&format!("  {} {}\n", names.of(route.node), route.prefix));
            }
        };
        list("would be approved", &self.approved);
        list("would not be approved any more", &self.revoked);
        list("would be told", &self.gained);
        list("would not be told any more", &self.lost);
        if !self.moved.is_empty() {
            out.push_str("would move:\n");
        }
        let who = |id: Option<u64>| id.map_or_else(|| "nobody".to_owned(), |id| names.of(id));
        for Move { prefix, from, to } in &self.moved {
            out.push_str(&format!("  {prefix} from {} to {}\n", who(*from), who(*to)));
        }
        if self.cut {
            out.push_str("and more: each list has 1,000 entries at most\n");
        }
        if out.is_empty() {
            out.push_str("nothing would change\n");
        }
        out
    }
}
