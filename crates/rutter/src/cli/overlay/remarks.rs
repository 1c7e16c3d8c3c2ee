//! What is said of a good file of n-netman's: what it means that whoever wrote it may not expect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rutter_overlay::Vni;
use rutter_overlay::compat::nnetman::config::RemarkKind;
use rutter_overlay::import::{self, Difference, Own};
use rutter_route::{Prefix, SourceKind};
use serde::Serialize;

use crate::cli::routes;
use crate::client::Client;
use crate::config::Config;
use crate::run::Local;

/// Something that is said of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Remarked {
    /// What sort of thing.
    what: &'static str,
    /// Which key.
    at: String,
    /// Where it stands; absent for a key that was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl fmt::Display for Remarked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.what)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}: {}", self.at, self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

/// Networks of an overlay.
pub(in crate::cli) type Networks = BTreeMap<Vni, BTreeSet<Prefix>>;

/// What peers have told the host that runs with the configuration's data, by overlay; nothing where none
/// runs.
pub(in crate::cli) async fn received(config: &Config) -> anyhow::Result<Networks> {
    let mut received = Networks::new();
    let (Some(overlay), Some(data)) = (&config.overlay, &config.data) else { return Ok(received) };
    if Local::find(data)?.is_none() {
        return Ok(received);
    }
    let client = Client::find(data)?;
    for vni in overlay.host.overlays.keys() {
        let routes = routes::all(&client, vni.table().as_str(), (None, None)).await?;
        let of_peers = routes.iter().filter(|route| route.key.source.kind() == SourceKind::Peer);
        let networks = of_peers.filter_map(|route| route.destination.parse().ok());
        received.insert(*vni, networks.collect());
    }
    Ok(received)
}

/// All there is to say, of what the file lists and of what was received.
pub(in crate::cli) fn remarks(config: &Config, received: &Networks) -> Vec<Remarked> {
    let Some(overlay) = &config.overlay else { return Vec::new() };
    let said = overlay.remarks.iter().map(|remark| Remarked {
        what: match remark.kind {
            RemarkKind::UnknownKey => "unknown",
            RemarkKind::Absent => "left out",
            RemarkKind::DoneHere => "done here",
            RemarkKind::NotDone => "not done",
            RemarkKind::Differs => "differs",
        },
        at: remark.problem.path.join("."),
        line: remark.problem.spot.map(|spot| spot.line),
        message: remark.problem.message.clone(),
        help: remark.problem.help.clone(),
    });
    said.chain(orders(config, received)).collect()
}

/// Networks that one order of the import takes and the other doesn't.
fn orders(config: &Config, received: &Networks) -> Vec<Remarked> {
    let Some(overlay) = &config.overlay else { return Vec::new() };
    let mut said = Vec::new();
    for (vni, of) in &overlay.host.overlays {
        let mut networks: BTreeSet<Prefix> =
            of.import.allow.iter().chain(&of.import.deny).copied().collect();
        networks.extend(received.get(vni).into_iter().flatten());
        let differing = import::differences(&of.import, &Own::of(of), networks);
        said.extend(differing.into_iter().map(|difference| Remarked {
            what: "import order",
            at: format!("overlay {vni}: {}", difference.prefix),
            line: None,
            message: told(&difference),
            help: None,
        }));
    }
    said
}

fn told(difference: &Difference) -> String {
    let word = |trace: &rutter_route::PolicyTrace| {
        let verdict = if trace.accepted { "taken" } else { "refused" };
        format!("{verdict} by `{}`", trace.decided_by)
    };
    format!(
        "{} in the order that runs, {} in the documented one (`import_order: documented`)",
        word(&difference.running),
        word(&difference.documented)
    )
}
