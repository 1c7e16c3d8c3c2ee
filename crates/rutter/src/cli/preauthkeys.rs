//! `rutter preauthkeys`: lines with which nodes join.

use clap::{Args, Subcommand};
use rutter_book::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Global, period};
use crate::client::Client;
use crate::config::Period;
use crate::text;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter preauthkeys create --user alice@                 for one node of alice's, good for an hour
  rutter preauthkeys create --tag tag:router --reusable --ttl 30d
  rutter preauthkeys create --user ci@ --ephemeral        its node is deleted when it stays away
  rutter preauthkeys list
  rutter preauthkeys expire ID                            it opens nothing any more")]
pub(crate) enum Preauthkeys {
    /// Make a key, and print the line with which a node joins
    Create(Create),
    /// List keys, without their secrets
    List,
    /// Have a key open nothing any more; nodes that came by it stay
    Expire {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Whose its nodes are; with tags, who answers for them
    #[arg(long, required_unless_present = "tags")]
    user: Option<String>,
    /// What its nodes are tagged with, such as tag:router; may be given more than once
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Any number of nodes may join with it
    #[arg(long)]
    reusable: bool,
    /// Its nodes are deleted when they have been away for a while
    #[arg(long)]
    ephemeral: bool,
    /// How long it is good; 0s: until it is expired
    #[arg(long, value_parser = period, default_value = "1h")]
    ttl: Period,
}

#[derive(Debug, Serialize, Deserialize)]
struct Key {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    tags: Vec<String>,
    reusable: bool,
    ephemeral: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_ms: Option<u64>,
    created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_ms: Option<u64>,
}

impl Key {
    /// Whether it opens anything.
    fn state(&self, now: u64) -> &'static str {
        match self {
            Self { revoked_ms: Some(_), .. } => "expired by hand",
            Self { expires_ms: Some(at), .. } if *at <= now => "expired",
            Self { last_used_ms: Some(_), reusable: false, .. } => "used",
            _ => "good",
        }
    }

    fn of(&self) -> String {
        let user = self.user.iter().map(String::as_str);
        user.chain(self.tags.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Made {
    key: Key,
    join: String,
    secret: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    keys: Vec<Key>,
    next: Option<String>,
}

impl Preauthkeys {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::Create(create) => {
                let ttl_s = Some(create.ttl.0.as_secs()).filter(|seconds| *seconds > 0);
                let body = json!({
                    "user": create.user, "tags": create.tags, "reusable": create.reusable,
                    "ephemeral": create.ephemeral, "ttl_s": ttl_s,
                });
                let made: Made = client.post(&["v1", "preauth-keys"], &body).await?;
                output.print(&made, joining)
            }
            Self::List => output.print(&all(&client).await?, |keys| list(keys)),
            Self::Expire { id } => {
                let key: Key = client.delete(&["v1", "preauth-keys", &id]).await?;
                output.print(&key, |key| format!("{} opens nothing any more\n", key.id))
            }
        }
    }
}

/// What to do with a key.
fn joining(made: &Made) -> String {
    let Made { key, join, .. } = made;
    let uses = if key.reusable { "any number of nodes" } else { "one node" };
    let until = match key.expires_ms {
        Some(at) => format!("until {} UTC", text::date(at)),
        None => "until it is expired".to_owned(),
    };
    format!(
        "For {uses} of {}, {until}, key {}:\n  \
         rutter agent --join '{join}' --name NAME --advertise-routes 10.1.0.0/24\n  \
         rutter agent --join '{join}' --name NAME --accept-routes\n",
        key.of(),
        key.id
    )
}

async fn all(client: &Client) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "preauth-keys"], &query).await?;
        keys.extend(page.keys);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(keys),
        }
    }
}

fn list(keys: &[Key]) -> String {
    if keys.is_empty() {
        return "none\n".to_owned();
    }
    let now = SystemClock.now().wall.0;
    let moment = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), text::date);
    let row = |key: &Key| {
        let kinds = [(key.reusable, "reusable"), (key.ephemeral, "ephemeral")];
        let kinds: Vec<_> = kinds.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        vec![
            key.id.clone(),
            key.of(),
            kinds.join(" "),
            key.state(now).to_owned(),
            text::date(key.created_ms),
            moment(key.expires_ms),
            moment(key.last_used_ms),
        ]
    };
    let headings = ["id", "of", "kind", "state", "created", "expires", "last used"];
    text::table(&headings, keys.iter().map(row).collect())
}
