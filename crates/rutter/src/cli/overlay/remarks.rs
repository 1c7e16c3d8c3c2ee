//! What is said of a good file of n-netman's: what it means that whoever wrote it may not expect.

use std::collections::BTreeSet;
use std::fmt;

use rutter_overlay::compat::nnetman::config::RemarkKind;
use rutter_overlay::import::{self, Difference, Own};
use serde::Serialize;

use crate::config::Config;

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

/// All there is to say.
pub(in crate::cli) fn remarks(config: &Config) -> Vec<Remarked> {
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
    said.chain(orders(config)).collect()
}

/// Networks of the file that one order of the import takes and the other doesn't.
fn orders(config: &Config) -> Vec<Remarked> {
    let Some(overlay) = &config.overlay else { return Vec::new() };
    let mut said = Vec::new();
    for (vni, of) in &overlay.host.overlays {
        let listed: BTreeSet<_> = of.import.allow.iter().chain(&of.import.deny).copied().collect();
        let differing = import::differences(&of.import, &Own::of(of), listed);
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
