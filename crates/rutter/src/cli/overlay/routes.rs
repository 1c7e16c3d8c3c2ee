//! `rutter overlay routes` and `rutter overlay explain`.

use clap::Args;
use rutter_api::OverlayStatus;
use rutter_route::{Explanation, Prefix};
use serde::Serialize;

use super::status;
use crate::cli::Global;
use crate::cli::routes::{self, Route};
use crate::client::Client;
use crate::text::{self, explain};

#[derive(Debug, Args)]
pub(super) struct Routes {
    /// Only of this overlay
    #[arg(long, value_name = "VNI")]
    vni: Option<u32>,
    /// Only what this peer told
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The network, such as 172.16.20.0/24, or an address
    #[arg(value_name = "PREFIX")]
    prefix: String,
    /// Only in this overlay
    #[arg(long, value_name = "VNI")]
    vni: Option<u32>,
}

/// A route and the overlay that it is in.
#[derive(Debug, Serialize)]
struct InOverlay {
    vni: u32,
    #[serde(flatten)]
    route: Route,
}

impl Routes {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let status = status::ask(&client).await?;
        let source = self.peer.map(|peer| format!("peer/{peer}"));
        let mut all = Vec::new();
        for (vni, table) in tables(&status, self.vni)? {
            let routes = routes::all(&client, &table, (source.as_deref(), None)).await?;
            all.extend(routes.into_iter().map(|route| InOverlay { vni, route }));
        }
        global.output().print(&all, |all| list(all))
    }
}

fn list(routes: &[InOverlay]) -> String {
    if routes.is_empty() {
        return "no routes: no peer has told any that were taken\n".to_owned();
    }
    let row = |InOverlay { vni, route }: &InOverlay| {
        vec![
            vni.to_string(),
            route.destination.clone(),
            route.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string()),
            explain::standing(route.standing, route.best),
            route.key.source.to_string(),
            route.attributes.next_hop.to_string(),
            route.attributes.metric.to_string(),
        ]
    };
    let headings = ["vni", "network", "rank", "standing", "told by", "next hop", "metric"];
    text::table(&headings, routes.iter().map(row).collect())
}

impl Explain {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let status = status::ask(&client).await?;
        let prefix = network(&self.prefix)?.to_string();
        let mut told: Vec<Explanation<String>> = Vec::new();
        let mut unknown = None;
        for (_, table) in tables(&status, self.vni)? {
            let path = ["v1", "tables", &table, "routes", "explain"];
            match client.get(&path, &[("destination", &prefix)]).await {
                Ok(explanation) => told.push(explanation),
                Err(error) => unknown = Some(error),
            }
        }
        match (told.is_empty(), unknown) {
            (true, Some(error)) => Err(error),
            _ => global.output().print(&told, |told| {
                told.iter().map(explain::render).collect::<Vec<_>>().join("\n")
            }),
        }
    }
}

/// A network as it is written, or that of one address.
fn network(text: &str) -> anyhow::Result<Prefix> {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(Prefix::host(address)),
        Err(_) => Ok(text.parse()?),
    }
}

/// The tables of all overlays, or of one.
fn tables(status: &OverlayStatus, only: Option<u32>) -> anyhow::Result<Vec<(u32, String)>> {
    let all = status.overlays.iter().filter(|overlay| only.is_none_or(|vni| vni == overlay.vni));
    let tables: Vec<_> = all.map(|overlay| (overlay.vni, overlay.table.clone())).collect();
    if let (true, Some(vni)) = (tables.is_empty(), only) {
        anyhow::bail!("there is no overlay {vni} on {}", status.node);
    }
    Ok(tables)
}
