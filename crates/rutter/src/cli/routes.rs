//! `rutter routes`: what is known, why, and what changes.

use clap::{Args, Subcommand};
use rutter_route::{Attributes, Explanation, Prefix, RouteKey, Standing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::nodes::{Names, names};
use super::{Global, Output};
use crate::client::{Client, Event};
use crate::text::{self, explain};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter routes list
  rutter routes explain alice.localhost
  rutter routes explain alice.localhost --table gateway/services
      what the gateway makes of it, which is what traffic follows
  rutter routes explain 10.1.0.0/24
      which node routes it, why, and why not the others
  rutter routes list --data DIR
      of the process whose data is there, such as a gateway whose controller is elsewhere
  rutter routes watch --output json")]
pub(crate) enum Routes {
    /// List routes by destination, best first
    List(List),
    /// Say why: every candidate, how it stands, what it lost by, and each move with its cause
    Explain(Explain),
    /// Follow a table: what stands, then what changes
    Watch(Table),
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    /// The table; by default the controller's `services`, on a gateway apart its own
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

impl Table {
    /// The table that is meant there.
    async fn at(&self, client: &Client) -> anyhow::Result<String> {
        if let Some(table) = &self.table {
            return Ok(table.clone());
        }
        let there: Tables = client.get(&["v1", "tables"], &[]).await?;
        let usual = [SERVICES, GATEWAYS].into_iter().find(|usual| there.has(usual));
        Ok(usual.unwrap_or(SERVICES).to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    table: Table,
    /// Only routes of this source, such as agent/alice
    #[arg(long)]
    source: Option<String>,
    /// Only routes to this destination
    destination: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The destination, such as alice.localhost
    destination: String,
    /// The table; by default the controller's and the gateway's behind it, of a network `nodes`
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

/// A route as the API lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Route {
    pub(super) destination: String,
    #[serde(flatten)]
    pub(super) key: RouteKey,
    pub(super) standing: Standing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rank: Option<usize>,
    pub(super) best: bool,
    pub(super) attributes: Attributes,
}

#[derive(Debug, Deserialize)]
struct Page {
    routes: Vec<Route>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tables {
    tables: Vec<TableName>,
}

#[derive(Debug, Deserialize)]
struct TableName {
    name: String,
}

impl Tables {
    fn has(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.name == name)
    }
}

impl Routes {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::List(wanted) => {
                let table = wanted.table.at(&client).await?;
                let of = (wanted.source.as_deref(), wanted.destination.as_deref());
                let routes = all(&client, &table, of).await?;
                output.print(&routes, |routes| list(routes))
            }
            Self::Explain(wanted) => explain(&client, wanted, output).await,
            Self::Watch(wanted) => watch(&client, &wanted.at(&client).await?, output).await,
        }
    }
}

/// All routes of a table, or those of a source or to a destination.
pub(super) async fn all(
    client: &Client,
    table: &str,
    (source, destination): (Option<&str>, Option<&str>),
) -> anyhow::Result<Vec<Route>> {
    let mut routes = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(source.map(|source| ("source", source)));
        query.extend(destination.map(|destination| ("destination", destination)));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "tables", table, "routes"], &query).await?;
        routes.extend(page.routes);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(routes),
        }
    }
}

fn list(routes: &[Route]) -> String {
    if routes.is_empty() {
        return "no routes: an agent registers them, see `rutter agent --help`\n".to_owned();
    }
    let row = |route: &Route| {
        vec![
            route.destination.clone(),
            route.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string()),
            explain::standing(route.standing, route.best),
            explain::name(&route.key),
            route.attributes.next_hop.to_string(),
            route.attributes.preference.to_string(),
            route.attributes.priority.to_string(),
        ]
    };
    let headings =
        ["destination", "rank", "standing", "route", "next hop", "preference", "priority"];
    text::table(&headings, routes.iter().map(row).collect())
}

/// The controller's explanation, and behind it the gateway's, which says where traffic goes.
async fn explain(client: &Client, wanted: Explain, output: Output) -> anyhow::Result<()> {
    let ask = async |table: &str| -> anyhow::Result<Explanation<String>> {
        let path = ["v1", "tables", table, "routes", "explain"];
        client.get(&path, &[("destination", &wanted.destination)]).await
    };
    if let Some(table) = &wanted.table {
        return told_of(client, &ask(table).await?, output).await;
    }
    let tables: Tables = client.get(&["v1", "tables"], &[]).await?;
    if tables.has(NODES) && wanted.destination.parse::<Prefix>().is_ok() {
        return told_of(client, &ask(NODES).await?, output).await;
    }
    let mut told = Vec::new();
    if tables.has(SERVICES) || !tables.has(GATEWAYS) {
        told.push(ask(SERVICES).await?);
    }
    if tables.has(GATEWAYS) {
        match ask(GATEWAYS).await {
            Ok(own) => told.push(own),
            // A gateway apart is all there is to ask.
            Err(error) if told.is_empty() => return Err(error),
            // This one may not have heard of it, as of a route that is barred.
            Err(error) => tracing::debug!(%error, "the gateway's side"),
        }
    }
    output.print(&told, |told| told.iter().map(explain::render).collect::<Vec<_>>().join("\n"))
}

/// An explanation; of nodes with their names, since nobody knows them by number.
async fn told_of(
    client: &Client,
    told: &Explanation<String>,
    output: Output,
) -> anyhow::Result<()> {
    let names = match told.table.as_str() == NODES {
        // A table of that name can stand in a file without nodes.
        true => names(client).await.unwrap_or_default(),
        false => Names::default(),
    };
    output.print(told, |told| names.written_into(&explain::render(told)))
}

/// The controller's table of nodes.
const NODES: &str = "nodes";
/// The controller's table, and the gateway's.
const SERVICES: &str = "services";
const GATEWAYS: &str = "gateway/services";

/// A change as JSON: the event's name beside its data.
#[derive(Debug, Serialize)]
struct Change {
    event: String,
    #[serde(flatten)]
    told: Told,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    routes: Option<Vec<Value>>,
}

async fn watch(client: &Client, table: &str, output: Output) -> anyhow::Result<()> {
    let mut events = client.watch(table).await?;
    while let Some(Event { name, data }) = events.next().await? {
        let told: Told = serde_json::from_str(&data)?;
        output.print_line(&Change { event: name, told }, change)?;
    }
    anyhow::bail!(
        "the watch was ended: what runs there is stopping, or the token opens nothing any more"
    )
}

fn change(change: &Change) -> String {
    let Some(destination) = &change.told.destination else {
        return change.event.replace('_', " ");
    };
    let number = change.told.number.map(|n| format!("#{n} ")).unwrap_or_default();
    let routes = change.told.routes.iter().flatten().map(|route| {
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        };
        let key = route.get("route").cloned().unwrap_or_default();
        let key =
            serde_json::from_value(key).map_or_else(|_| String::new(), |key| explain::name(&key));
        let hop = text(route.pointer("/attributes/next_hop"));
        format!("{key} via {hop} ({})", text(route.get("standing")))
    });
    let routes = routes.collect::<Vec<_>>().join(", then ");
    format!("{number}{} {destination} {routes}", change.event).trim_end().to_owned()
}
