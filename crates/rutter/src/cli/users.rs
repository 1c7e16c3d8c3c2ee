//! `rutter users`: whose nodes are.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Global;
use crate::client::Client;
use crate::text;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A user is whom a policy names: always with an `@`, an account as `alice@`, an address as it is.

Examples:
  rutter users create alice@ --display-name Alice
  rutter users list
  rutter users rename alice@ ann@example.com      its nodes go along; a policy that names it doesn't
  rutter users delete ann@example.com             once it has no nodes any more")]
pub(crate) enum Users {
    /// Make a user
    Create(Create),
    /// List users
    List,
    /// Give a user another name
    Rename {
        /// Its name
        user: String,
        /// Its new name
        name: String,
    },
    /// Remove a user that has no nodes
    Delete {
        /// Its name
        user: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name, such as alice@
    name: String,
    /// What people call it
    #[arg(long, default_value = "")]
    display_name: String,
    /// Where it is written to
    #[arg(long, default_value = "")]
    email: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    display_name: String,
    email: String,
    created_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Page {
    users: Vec<User>,
    next: Option<String>,
}

impl Users {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::Create(Create { name, display_name, email }) => {
                let body = json!({ "name": name, "display_name": display_name, "email": email });
                let user: User = client.post(&["v1", "users"], &body).await?;
                output.print(&user, |user| format!("{} may have nodes\n", user.name))
            }
            Self::List => output.print(&all(&client).await?, |users| list(users)),
            Self::Rename { user, name } => {
                let body = json!({ "name": name });
                let renamed: User = client.patch(&["v1", "users", &user], &body).await?;
                output.print(&renamed, |renamed| format!("{user} is {} now\n", renamed.name))
            }
            Self::Delete { user } => {
                let gone: User = client.delete(&["v1", "users", &user]).await?;
                output.print(&gone, |gone| format!("{} is removed\n", gone.name))
            }
        }
    }
}

async fn all(client: &Client) -> anyhow::Result<Vec<User>> {
    let mut users = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "users"], &query).await?;
        users.extend(page.users);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(users),
        }
    }
}

fn list(users: &[User]) -> String {
    if users.is_empty() {
        return "none: `rutter users create alice@` makes one\n".to_owned();
    }
    let row = |user: &User| {
        let created = text::date(user.created_ms);
        vec![user.name.clone(), user.display_name.clone(), user.email.clone(), created]
    };
    text::table(&["name", "called", "email", "created"], users.iter().map(row).collect())
}
