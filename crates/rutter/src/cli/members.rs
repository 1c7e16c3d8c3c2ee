//! `rutter members`: gateways that have joined, and later others that own no name.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::Global;
use crate::client::Client;
use crate::text;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter tokens join --role gateway  a line with which a gateway joins
  rutter members list
  rutter members remove edge-1       its key opens nothing any more")]
pub(crate) enum Members {
    /// List members
    List,
    /// Remove a member: its key opens nothing any more
    Remove {
        /// Its name, as `list` shows it
        name: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    name: String,
    role: String,
    key: String,
    created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Page {
    members: Vec<Member>,
    next: Option<String>,
}

impl Members {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::List => output.print(&all(&client).await?, |members| list(members)),
            Self::Remove { name } => {
                let removed: Member = client.delete(&["v1", "members", &name]).await?;
                output.print(&removed, |removed| {
                    format!("{} {} opens nothing any more\n", removed.role, removed.name)
                })
            }
        }
    }
}

async fn all(client: &Client) -> anyhow::Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "members"], &query).await?;
        members.extend(page.members);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(members),
        }
    }
}

fn list(members: &[Member]) -> String {
    if members.is_empty() {
        return "none: `rutter tokens join --role gateway` makes a line for one\n".to_owned();
    }
    let row = |member: &Member| {
        let seen = member.last_seen_ms.map_or_else(|| "-".to_owned(), text::date);
        let created = text::date(member.created_ms);
        vec![member.name.clone(), member.role.clone(), member.key.clone(), created, seen]
    };
    let headings = ["name", "role", "key", "created", "last seen"];
    text::table(&headings, members.iter().map(row).collect())
}
