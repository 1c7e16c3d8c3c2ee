//! `rutter nodes moves`: every move of a primary, why, and how fast.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Output, api, names};
use crate::client::Client;
use crate::text;

#[derive(Debug, Args)]
pub(crate) struct Moves {
    /// Only of this prefix
    #[arg(long)]
    prefix: Option<String>,
    /// How many, up to 1000
    #[arg(long, value_name = "N", default_value = "100")]
    limit: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Move {
    prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    at_ms: u64,
    why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told_in_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct All {
    moves: Vec<Move>,
}

impl Moves {
    pub(super) async fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let mut query = vec![("limit", self.limit.as_str())];
        query.extend(self.prefix.as_deref().map(|prefix| ("prefix", prefix)));
        let all: All = client.get(&["v1", "nodes", "moves"], &query).await?;
        let names = names(client).await?;
        output.print(&all.moves, |moves| shown(moves, &names))
    }
}

fn shown(moves: &[Move], names: &api::Names) -> String {
    if moves.is_empty() {
        return "nothing has moved since the start\n".to_owned();
    }
    let who = |id: Option<u64>| id.map_or_else(|| "nobody".to_owned(), |id| names.of(id));
    let took = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let row = |one: &Move| {
        vec![
            text::date(one.at_ms),
            one.prefix.clone(),
            who(one.from),
            who(one.to),
            took(one.after_ms),
            took(one.told_in_ms),
            names.written_into(&one.why),
        ]
    };
    let headings = ["when", "prefix", "from", "to", "after", "all told in", "why"];
    text::table(&headings, moves.iter().map(row).collect())
}
