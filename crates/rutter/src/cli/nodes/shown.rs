//! Nodes and their routes for people.

use super::api::{Node, Route, without_tokens};
use crate::text;

/// All nodes, one a line.
pub(super) fn nodes(nodes: &[Node]) -> String {
    if nodes.is_empty() {
        return "none: `rutter preauthkeys create` makes a line with which one joins\n".to_owned();
    }
    let row = |node: &Node| {
        vec![
            node.id.to_string(),
            node.name.clone(),
            owner(node),
            state(node),
            node.addresses.join(" "),
            counts(&node.routes),
        ]
    };
    let headings = ["id", "name", "of", "state", "addresses", "routes"];
    text::table(&headings, nodes.iter().map(row).collect())
}

/// One node with all there is to say of it.
pub(super) fn node(node: &Node) -> String {
    let mut out = format!("{} (node {}, {})\n", node.name, node.id, owner(node));
    let mut line = |name: &str, value: String| out.push_str(&format!("  {name}: {value}\n"));
    line("state", state(node));
    line("key", node.key.clone());
    line("addresses", node.addresses.join(" "));
    if !node.endpoints.is_empty() {
        line("reached at", node.endpoints.join(" "));
    }
    if let (Some(told), Some(applied)) = (node.map_told, node.map_applied) {
        let how = if told == applied { "up to date" } else { "behind" };
        line("map", format!("{how} (told {told}, uses {applied})"));
    }
    line("came", text::date(node.created_ms));
    if let Some(expiry) = node.expiry_ms {
        line("its key ends", text::date(expiry));
    }
    if node.ephemeral {
        line("ephemeral", "deleted when it has been away for a while".to_owned());
    }
    if node.routes.is_empty() {
        line("routes", "none".to_owned());
    } else {
        out.push_str(&routes(&node.routes));
    }
    out
}

/// Routes, one a line.
pub(super) fn routes(routes: &[Route]) -> String {
    if routes.is_empty() {
        return "no routes\n".to_owned();
    }
    let row = |route: &Route| {
        vec![
            route.id.to_string(),
            route.node_name.clone(),
            route.prefix.clone(),
            yes(route.advertised),
            yes(route.enabled),
            primary(route),
            route.standing.clone().unwrap_or_else(|| "-".to_owned()),
            words(route),
        ]
    };
    let headings =
        ["id", "node", "prefix", "advertised", "enabled", "primary", "standing", "words"];
    text::table(&headings, routes.iter().map(row).collect())
}

fn owner(node: &Node) -> String {
    node.user.clone().unwrap_or_else(|| node.tags.join(" "))
}

fn state(node: &Node) -> String {
    match node.since_ms {
        Some(since) => format!("{} since {}", node.state, text::date(since)),
        None => node.state.clone(),
    }
}

/// How many routes wait for a word is what a person looks for.
fn counts(routes: &[Route]) -> String {
    let n_primary = routes.iter().filter(|route| route.is_primary).count();
    let n_enabled = routes.iter().filter(|route| route.enabled).count();
    let waits = |route: &&Route| route.advertised && !route.enabled && route.approval.is_none();
    let n_waiting = routes.iter().filter(waits).count();
    match (n_enabled, n_waiting) {
        (0, 0) => "-".to_owned(),
        (_, 0) => format!("{n_enabled} enabled, {n_primary} primary"),
        _ => format!("{n_enabled} enabled, {n_primary} primary, {n_waiting} to approve"),
    }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// Exit routes have none: each node chooses its exit node.
fn primary(route: &Route) -> String {
    let is_exit = route.prefix.ends_with("/0");
    match (is_exit, route.is_primary, route.was_primary) {
        (true, ..) => "-",
        (_, true, _) => "yes",
        (_, _, true) => "was last",
        _ => "no",
    }
    .to_owned()
}

/// Who said what of it.
fn words(route: &Route) -> String {
    let mut words = Vec::new();
    if let Some(word) = &route.approval {
        let what = match (word.is, route.advertised) {
            (true, true) => "approved",
            (true, false) => "approved in advance",
            (false, _) => "revoked",
        };
        words.push(said(what, &word.by, &word.why));
    }
    if let Some(word) = &route.preference {
        words.push(said(&format!("preference {}", word.is), &word.by, &word.why));
    }
    if let Some(word) = &route.drain {
        words.push(said("drained", &word.by, &word.why));
    }
    if let (Some(was), None) = (&route.was_enabled, &route.approval) {
        words.push(without_tokens(&was.text));
    }
    words.join("; ")
}

fn said(what: &str, by: &str, why: &str) -> String {
    let by = without_tokens(by);
    match why {
        "" => format!("{what} by {by}"),
        why => format!("{what} by {by}: {why}"),
    }
}

#[cfg(test)]
mod tests;
