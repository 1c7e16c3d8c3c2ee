//! `rutter overlay status`.

use anyhow::Context;
use rutter_api::{OverlayState, OverlayStatus, PeerLife, PeerStanding};
use serde::Deserialize;

use crate::cli::Global;
use crate::client::Client;
use crate::text;

#[derive(Debug, Deserialize)]
struct Answer {
    overlay: Option<OverlayStatus>,
}

pub(super) async fn run(global: &Global) -> anyhow::Result<()> {
    let client = Client::find(&global.data()?)?;
    let status = ask(&client).await?;
    global.output().print(&status, render)
}

/// How the host of overlays stands that runs there.
pub(super) async fn ask(client: &Client) -> anyhow::Result<OverlayStatus> {
    let answer: Answer = client.get(&["v1", "overlay"], &[]).await?;
    answer.overlay.context("what runs there is no host of overlays")
}

fn render(status: &OverlayStatus) -> String {
    let how = match (status.stopping, status.observes) {
        (true, _) => "is ending",
        (false, true) => "observes",
        (false, false) => "runs",
    };
    let mut out = format!("{} {how}, for {}\n\n", status.node, text::span(status.uptime_ms));
    let headings = [
        "vni",
        "bridge",
        "vxlan",
        "announced",
        "learned",
        "table",
        "installed",
        "refused",
        "state",
    ];
    out.push_str(&text::table(&headings, status.overlays.iter().map(overlay).collect()));
    out.push('\n');
    match status.peers.is_empty() {
        true => out.push_str("no peers\n"),
        false => {
            let headings = ["peer", "address", "speaks", "is", "routes", "last heard", "why"];
            out.push_str(&text::table(&headings, status.peers.iter().map(peer).collect()));
        }
    }
    let mut line = |what: &str| out.push_str(&format!("\n{what}\n"));
    for failure in status.failures() {
        line(&format!("failed: {failure}"));
    }
    let kernels = status.overlays.iter().filter_map(|overlay| overlay.kernel.as_ref());
    for kernel in kernels.filter(|kernel| kernel.drift > 0) {
        let (n, table) = (kernel.drift, kernel.table);
        line(&format!(
            "{n} routes and rules of table {table} were changed by others, and put right"
        ));
    }
    out
}

fn overlay(overlay: &OverlayState) -> Vec<String> {
    let none = || "-".to_owned();
    let kernel = overlay.kernel.as_ref();
    let of = |value: Option<String>| value.unwrap_or_else(none);
    let state = match kernel {
        None => "observed",
        Some(kernel) if kernel.failed.is_some() => "failed",
        Some(kernel) if !kernel.refused_rules.is_empty() => "rules refused",
        Some(kernel) if kernel.settled => "settled",
        Some(_) => "at work",
    };
    vec![
        overlay.vni.to_string(),
        overlay.bridge.clone(),
        overlay.vxlan.clone(),
        overlay.announced.to_string(),
        overlay.destinations.to_string(),
        of(kernel.map(|kernel| kernel.table.to_string())),
        of(kernel.map(|kernel| kernel.routes.to_string())),
        of(kernel.map(|kernel| kernel.refused.to_string())),
        state.to_owned(),
    ]
}

fn peer(peer: &PeerStanding) -> Vec<String> {
    let none = || "-".to_owned();
    let life = match peer.life {
        PeerLife::Unknown => "unknown",
        PeerLife::There => "there",
        PeerLife::Away => "away",
    };
    vec![
        peer.name.clone(),
        peer.address.clone(),
        peer.protocol.clone().unwrap_or_else(none),
        life.to_owned(),
        peer.routes.to_string(),
        peer.last_heard_ms.map_or_else(none, text::date),
        peer.error.clone().unwrap_or_default(),
    ]
}
