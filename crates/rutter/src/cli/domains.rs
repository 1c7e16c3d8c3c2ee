//! `rutter domains`: names and who has them.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::Global;
use crate::client::Client;
use crate::text;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter domains list
  rutter domains add alice           a new user, with a key that the controller makes
  rutter domains remove alice        with its routes and its agents' tokens")]
pub(crate) enum Domains {
    /// Give a name
    Add {
        /// The name, such as `alice`
        name: String,
        /// Who is to have it; otherwise a new user, with a key that the controller makes
        #[arg(long, value_name = "ID")]
        user_id: Option<String>,
        /// The user's public key, in multibase base36
        #[arg(long, value_name = "KEY", requires = "user_id")]
        public_key: Option<String>,
    },
    /// List names
    List,
    /// Remove a name with its user, its routes and its agents' tokens
    Remove {
        /// The name
        name: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Domain {
    name: String,
    domain: String,
    user_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    domains: Vec<Domain>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct New {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Removed {
    name: String,
    user_id: String,
}

impl Domains {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::Add { name, user_id, public_key } => {
                let new = New { name, user_id, public_key };
                let made: Domain = client.post(&["v1", "domains"], &new).await?;
                output.print(&made, |made| {
                    let mut text = format!("{} is {}'s\n", made.domain, made.user_id);
                    if let Some(signature) = &made.signature {
                        text.push_str(&format!(
                            "For a Mesh Router agent, shown this once:\n  PROVIDER=URL,{},{signature}\n",
                            made.user_id
                        ));
                    }
                    text
                })
            }
            Self::List => {
                let domains = all(&client).await?;
                output.print(&domains, |domains| {
                    if domains.is_empty() {
                        return "no names yet: an agent that joins takes one, or `rutter domains add NAME`\n".to_owned();
                    }
                    let row = |domain: &Domain| {
                        let seen = domain.last_seen_ms.map_or_else(|| "-".to_owned(), text::date);
                        vec![
                            domain.name.clone(),
                            domain.domain.clone(),
                            domain.user_id.clone(),
                            text::date(domain.created_ms),
                            seen,
                        ]
                    };
                    text::table(
                        &["name", "domain", "user", "created", "last seen"],
                        domains.iter().map(row).collect(),
                    )
                })
            }
            Self::Remove { name } => {
                let removed: Removed = client.delete(&["v1", "domains", &name]).await?;
                output.print(&removed, |removed| format!("{} is free\n", removed.name))
            }
        }
    }
}

async fn all(client: &Client) -> anyhow::Result<Vec<Domain>> {
    let mut domains = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "domains"], &query).await?;
        domains.extend(page.domains);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(domains),
        }
    }
}
