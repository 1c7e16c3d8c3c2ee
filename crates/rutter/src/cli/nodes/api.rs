//! Nodes and their routes as the API tells them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::Client;

/// A node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since_ms: Option<u64>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) ephemeral: bool,
    pub(crate) created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expiry_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) map_told: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) map_applied: Option<u64>,
    pub(crate) routes: Vec<Route>,
}

/// A node's route.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) id: u64,
    pub(crate) node: u64,
    pub(crate) node_name: String,
    pub(crate) prefix: String,
    pub(crate) advertised: bool,
    pub(crate) enabled: bool,
    pub(crate) is_primary: bool,
    pub(crate) was_primary: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) standing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<Said<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preference: Option<Said<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drain: Option<Said<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) was_enabled: Option<WasEnabled>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted_ms: Option<u64>,
}

/// A word on a route.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said<T> {
    pub(crate) is: T,
    pub(crate) by: String,
    pub(crate) why: String,
    pub(crate) at_ms: u64,
}

/// An approval that ended with its route.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WasEnabled {
    pub(crate) by: String,
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) text: String,
}

/// Routes, or a page of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Routes {
    pub(crate) routes: Vec<Route>,
    #[serde(default)]
    next: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Page {
    nodes: Vec<Node>,
    next: Option<u64>,
}

/// All nodes.
pub(crate) async fn all(client: &Client) -> anyhow::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "nodes"], &query).await?;
        nodes.extend(page.nodes);
        match page.next {
            Some(next) => after = Some(next.to_string()),
            None => return Ok(nodes),
        }
    }
}

/// The routes of all nodes, or those to a prefix.
pub(crate) async fn routes(client: &Client, prefix: Option<&str>) -> anyhow::Result<Vec<Route>> {
    let mut routes = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(prefix.map(|prefix| ("prefix", prefix)));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Routes = client.get(&["v1", "routes"], &query).await?;
        routes.extend(page.routes);
        match page.next {
            Some(next) => after = Some(next.to_string()),
            None => return Ok(routes),
        }
    }
}

/// What nodes are called.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<u64, String>);

impl Names {
    /// A node's name; of one that is gone its number.
    pub(crate) fn of(&self, id: u64) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| format!("node {id}"))
    }

    /// A text in which nodes are numbers, such as `node/7`, with the name behind each.
    pub(crate) fn written_into(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut parts = text.split("node");
        out.extend(parts.next());
        for part in parts {
            out.push_str("node");
            // `node/7` is a source, `node:7` a next hop, `node 7` a sentence.
            let number = part.strip_prefix(['/', ':', ' ']).map(|rest| {
                let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                part.split_at(1 + n_digits)
            });
            let (number, rest) = number.unwrap_or(("", part));
            let name = number.get(1..).and_then(|id| self.0.get(&id.parse().ok()?));
            out.push_str(number);
            out.extend(name.map(|name| format!(" ({name})")));
            out.push_str(rest);
        }
        without_tokens(&out)
    }
}

/// A text in which people are known by tokens, such as `token 0123456789abcdef ann`, with their names
/// alone. Whose the token was is in the JSON.
pub(super) fn without_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("token ");
    out.extend(parts.next());
    for part in parts {
        let named = part
            .split_once(' ')
            .filter(|(id, _)| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        match named {
            Some((_, name)) => out.push_str(name),
            None => {
                out.push_str("token ");
                out.push_str(part);
            }
        }
    }
    out
}

/// What all nodes are called.
pub(crate) async fn names(client: &Client) -> anyhow::Result<Names> {
    let nodes = all(client).await?;
    Ok(Names(nodes.into_iter().map(|node| (node.id, node.name)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_behind_numbers() {
        let names = Names([(1, "r1".to_owned()), (12, "r12".to_owned())].into());
        for (text, told) in [
            ("", ""),
            ("node/1 is offline", "node/1 (r1) is offline"),
            ("MOVED: node/1 -> node/12", "MOVED: node/1 (r1) -> node/12 (r12)"),
            ("node/3: eligible, node/x, node/", "node/3: eligible, node/x, node/"),
            (
                "via node:12, node 1 is away; a nodes' node",
                "via node:12 (r12), node 1 (r1) is away; a nodes' node",
            ),
            ("by token 0123456789abcdef ann: why", "by ann: why"),
            ("a token is here, token 12 x", "a token is here, token 12 x"),
        ] {
            assert_eq!(names.written_into(text), told);
        }
        assert_eq!((names.of(1), names.of(7)), ("r1".to_owned(), "node 7".to_owned()));
    }
}
