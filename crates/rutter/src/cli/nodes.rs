//! `rutter nodes`: who is in the mesh, what they advertise, and which router is primary.

mod api;
mod moves;
mod shown;

use clap::{Args, Subcommand};
use rutter_book::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Global, Output, period};
use crate::client::Client;
use crate::config::Period;
use crate::text;

pub(super) use api::{Names, Node, all, names};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
NODE is a node's name or number, PREFIX such as 10.1.0.0/24. An exit node's is 0.0.0.0/0, which means
both families.

Examples:
  rutter preauthkeys create --user alice@         a line with which a node joins
  rutter nodes list
  rutter nodes routes                             who advertises what, approved or not, and who is primary
  rutter nodes approve r1 10.1.0.0/24 --why 'the lab'
  rutter nodes prefer r1 200                      r1 goes first for all that it routes
  rutter nodes set-primary r2 10.1.0.0/24         r2 is it from now on, among equals
  rutter nodes drain r1                           others take over while it still forwards
  rutter nodes moves                              every move, why, and how fast
  rutter routes explain 10.1.0.0/24 --table nodes why this one")]
pub(crate) enum Nodes {
    /// List nodes
    List,
    /// Show one node with its routes
    Show {
        /// Its name or number
        node: String,
    },
    /// List nodes that wait for a person's word
    Pending,
    /// Let a node in that waits
    Register(Register),
    /// Send a node away that waits
    Reject {
        /// Its key, as `pending` shows it
        key: String,
    },
    /// List routes, of a node or of all
    Routes(Routes),
    /// Approve routes of a node
    Approve(Approve),
    /// Revoke routes of a node: no rule approves them from then on
    Revoke(OnRoutes),
    /// Delete what is remembered of a route that isn't advertised any more
    Forget(OnRoute),
    /// Make a node the primary of a prefix
    SetPrimary(OnRoute),
    /// Prefer a node, for one prefix or for all of its
    Prefer(Prefer),
    /// Have others take over from a node, before its maintenance
    Drain(OnSome),
    /// Use a drained node as any other again
    Undrain(OnSome),
    /// Say when a node's key ends; otherwise it ends now
    Expire(Expire),
    /// Give a node another name
    Rename {
        /// Its name or number
        node: String,
        /// Its new name
        name: String,
    },
    /// Give a node other tags: it is nobody's then
    Tag {
        /// Its name or number
        node: String,
        /// Its tags, such as tag:router
        #[arg(required = true, value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Delete a node with all its routes
    Delete {
        /// Its name or number
        node: String,
    },
    /// List moves of primaries, the latest first
    Moves(moves::Moves),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A node that joins without a key waits, and says with which key. Compare it with what is here:
  rutter nodes pending
  rutter nodes register KEY --user alice@
  rutter nodes register KEY --tag tag:router --name r1")]
pub(crate) struct Register {
    /// Its key, as `pending` and the node itself show it
    key: String,
    /// Whose it is
    #[arg(long, required_unless_present = "tags")]
    user: Option<String>,
    /// What it is instead of a user's; may be given more than once
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "user")]
    tags: Vec<String>,
    /// Its name; otherwise the one that it wants
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Routes {
    /// Only of this node
    node: Option<String>,
    /// Only of this prefix
    #[arg(long)]
    prefix: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OnRoutes {
    /// The node's name or number
    node: String,
    /// Which
    #[arg(required_unless_present = "all", value_name = "PREFIX")]
    prefixes: Vec<String>,
    /// All that it advertises
    #[arg(long, conflicts_with = "prefixes")]
    all: bool,
    /// Why, for whoever looks later
    #[arg(long, default_value = "")]
    why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    on: OnRoutes,
    /// What it doesn't advertise yet is approved as soon as it does, instead of being refused
    #[arg(long, conflicts_with = "all")]
    in_advance: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OnRoute {
    /// The node's name or number
    node: String,
    /// Which
    prefix: String,
    /// Why, for whoever looks later
    #[arg(long, default_value = "")]
    why: String,
}

#[derive(Debug, Args)]
pub(crate) struct OnSome {
    /// The node's name or number
    node: String,
    /// Only for this prefix
    prefix: Option<String>,
    /// Why, for whoever looks later
    #[arg(long, default_value = "")]
    why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Prefer {
    /// The node's name or number
    node: String,
    /// How much: the higher goes first, all else has 100
    #[arg(required_unless_present = "clear")]
    preference: Option<u32>,
    /// As all others again
    #[arg(long, conflicts_with = "preference")]
    clear: bool,
    /// Only for this prefix
    #[arg(long)]
    prefix: Option<String>,
    /// Why, for whoever looks later
    #[arg(long, default_value = "")]
    why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Expire {
    /// Its name or number
    node: String,
    /// After this time, such as 30d
    #[arg(long = "in", value_name = "TIME", value_parser = period)]
    after: Option<Period>,
    /// Never
    #[arg(long, conflicts_with = "after")]
    never: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    key: String,
    name: String,
    from: String,
    since_ms: u64,
}

#[derive(Debug, Deserialize)]
struct AllWaiting {
    pending: Vec<Waiting>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Deleted {
    id: u64,
    name: String,
    routes: Vec<api::Route>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Drained {
    moved: Vec<MovedTo>,
    kept: Vec<String>,
    unconfirmed: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MovedTo {
    prefix: String,
    to: u64,
}

impl Nodes {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::List => output.print(&all(&client).await?, |nodes| shown::nodes(nodes)),
            Self::Show { node } => {
                let node: Node = client.get(&["v1", "nodes", &node], &[]).await?;
                output.print(&node, shown::node)
            }
            Self::Pending => {
                let waiting: AllWaiting = client.get(&["v1", "nodes", "pending"], &[]).await?;
                output.print(&waiting.pending, |waiting| pending(waiting))
            }
            Self::Register(register) => register.run(&client, output).await,
            Self::Reject { key } => {
                let gone: Waiting = client.delete(&["v1", "nodes", "pending", &key]).await?;
                output.print(&gone, |gone| format!("{} doesn't wait any more\n", gone.name))
            }
            Self::Routes(routes) => routes.run(&client, output).await,
            Self::Approve(Approve { on, in_advance }) => {
                on.say(&client, output, "approve", in_advance).await
            }
            Self::Revoke(on) => on.say(&client, output, "revoke", false).await,
            Self::Forget(on) => on.say(&client, output, "forget").await,
            Self::SetPrimary(on) => on.say(&client, output, "primary").await,
            Self::Prefer(prefer) => prefer.run(&client, output).await,
            Self::Drain(on) => on.drain(&client, output).await,
            Self::Undrain(OnSome { node, prefix, why }) => {
                let body = json!({ "prefix": prefix, "why": why });
                say(&client, output, (&node, "undrain"), &body).await
            }
            Self::Expire(expire) => expire.run(&client, output).await,
            Self::Rename { node, name } => {
                change(&client, output, &node, &json!({ "name": name })).await
            }
            Self::Tag { node, tags } => {
                change(&client, output, &node, &json!({ "tags": tags })).await
            }
            Self::Delete { node } => {
                let gone: Deleted = client.delete(&["v1", "nodes", &node]).await?;
                output.print(&gone, |gone| {
                    format!("{} is deleted, with {} routes\n", gone.name, gone.routes.len())
                })
            }
            Self::Moves(moves) => moves.run(&client, output).await,
        }
    }
}

impl Register {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let Self { key, user, tags, name } = self;
        let body = json!({ "user": user, "tags": tags, "name": name });
        let path = ["v1", "nodes", "pending", &key, "register"];
        let node: Node = client.post(&path, &body).await?;
        output.print(&node, |node| {
            format!("{} is node {}, and is let in when it asks next\n", node.name, node.id)
        })
    }
}

impl Routes {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let mut routes = match &self.node {
            Some(node) => {
                client.get::<api::Routes>(&["v1", "nodes", node, "routes"], &[]).await?.routes
            }
            None => api::routes(client, self.prefix.as_deref()).await?,
        };
        routes.retain(|route| self.prefix.as_ref().is_none_or(|only| route.prefix == *only));
        output.print(&routes, |routes| shown::routes(routes))
    }
}

impl OnRoutes {
    async fn say(
        mut self,
        client: &Client,
        output: Output,
        word: &str,
        in_advance: bool,
    ) -> anyhow::Result<()> {
        if self.all {
            let path = ["v1", "nodes", &self.node, "routes"];
            let routes = client.get::<api::Routes>(&path, &[]).await?.routes;
            let advertised = routes.into_iter().filter(|route| route.advertised);
            self.prefixes = advertised.map(|route| route.prefix).collect();
            anyhow::ensure!(!self.prefixes.is_empty(), "{} advertises nothing", self.node);
        }
        let body = json!({ "prefixes": self.prefixes, "why": self.why, "in_advance": in_advance });
        say(client, output, (&self.node, word), &body).await
    }
}

impl OnRoute {
    async fn say(self, client: &Client, output: Output, word: &str) -> anyhow::Result<()> {
        let body = json!({ "prefix": self.prefix, "why": self.why });
        say(client, output, (&self.node, word), &body).await
    }
}

impl Prefer {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let body = json!({
            "prefix": self.prefix, "preference": self.preference, "why": self.why,
        });
        say(client, output, (&self.node, "preference"), &body).await
    }
}

impl OnSome {
    async fn drain(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let body = json!({ "prefix": self.prefix, "why": self.why });
        let path = ["v1", "nodes", &self.node, "routes", "drain"];
        let drained: Drained = client.post(&path, &body).await?;
        let names = names(client).await?;
        output.print(&drained, |drained| drained.text(&self.node, &names))
    }
}

impl Drained {
    fn text(&self, node: &str, names: &api::Names) -> String {
        let mut text = String::new();
        for MovedTo { prefix, to } in &self.moved {
            text.push_str(&format!("{prefix} is {}'s now\n", names.of(*to)));
        }
        for prefix in &self.kept {
            text.push_str(&format!("{prefix} stays: nobody else could take it\n"));
        }
        if self.unconfirmed.is_empty() {
            text.push_str(&match self.kept.is_empty() {
                true => format!("{node} is drained: nothing is sent to it any more\n"),
                false => format!("{node} is used last\n"),
            });
        } else {
            let late: Vec<_> = self.unconfirmed.iter().map(|id| names.of(*id)).collect();
            let late = late.join(", ");
            text.push_str(&format!("not all have said that they use the new way: {late}\n"));
        }
        text
    }
}

impl Expire {
    async fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let now = SystemClock.now().wall.0;
        let at = match (self.never, self.after) {
            (true, _) => Value::Null,
            (false, None) => json!(0),
            (false, Some(after)) => {
                let after = u64::try_from(after.0.as_millis()).unwrap_or(u64::MAX);
                json!(now.saturating_add(after))
            }
        };
        change(client, output, &self.node, &json!({ "expiry_ms": at })).await
    }
}

/// Says a word on routes of a node, and shows what they are then.
async fn say(
    client: &Client,
    output: Output,
    (node, word): (&str, &str),
    body: &Value,
) -> anyhow::Result<()> {
    let said: api::Routes = client.post(&["v1", "nodes", node, "routes", word], body).await?;
    output.print(&said.routes, |routes| shown::routes(routes))
}

/// Changes a node, and shows what it is then.
async fn change(client: &Client, output: Output, node: &str, body: &Value) -> anyhow::Result<()> {
    let node: Node = client.patch(&["v1", "nodes", node], body).await?;
    output.print(&node, shown::node)
}

fn pending(waiting: &[Waiting]) -> String {
    if waiting.is_empty() {
        return "nobody waits\n".to_owned();
    }
    let now = SystemClock.now().wall.0;
    let row = |one: &Waiting| {
        let since = text::span(now.saturating_sub(one.since_ms));
        vec![one.name.clone(), one.from.clone(), since, one.key.clone()]
    };
    text::table(&["name", "from", "waits for", "key"], waiting.iter().map(row).collect())
}
