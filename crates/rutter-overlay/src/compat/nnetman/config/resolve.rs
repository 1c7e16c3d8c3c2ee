//! From what was written to what will happen.
//!
//! Everything that is wrong is told at once. An empty text and a zero are as good as a key that
//! was left out, since the original can't tell them apart either.

mod overlays;
mod peers;
mod process;
mod values;

use rutter_yaml::{Problem, Problems};

use super::raw;
use super::remark::{Remark, Remarks};
use crate::{MAX_PREFIXES, OverlayConfig, PeerName};
use values::text;

pub(crate) use overlays::METRIC;

/// Which of the two forms a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// One overlay, whose routing is the file's.
    One,
    /// A list of overlays, each with its own.
    Two,
}

/// What is wrong with a file, and what is to be said of it.
#[derive(Debug, Default)]
struct Told {
    problems: Problems,
    remarks: Remarks,
}

impl Told {
    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.at(path, message);
    }
}

/// Fills in what was left out and checks everything.
///
/// # Errors
/// All that is wrong, each with its path.
pub(super) fn resolve(file: &raw::File) -> Result<(OverlayConfig, Vec<Remark>), Vec<Problem>> {
    let mut told = Told::default();
    let to = &mut told;
    let version = version(file, to);
    let node = node(file, to);
    let exchange = process::exchange(file, to);
    process::not_done(file, to);
    let overlays = version.map(|version| overlays::resolve(file, version, to)).unwrap_or_default();
    let peers = version.map(|version| peers::resolve(file, version, &node, &overlays, to));
    let config = OverlayConfig {
        peers: peers.unwrap_or_default(),
        overlays,
        exchange,
        topology: process::topology(file, to),
        // The file has no word for it.
        max_prefixes: MAX_PREFIXES,
        bridges: process::bridges(file, to),
        netplan: process::netplan(file, to),
        observe: process::observe(file, to),
        node,
    };
    process::identity_remark(&config, to);
    match told.problems.into_vec() {
        problems if problems.is_empty() => Ok((config, told.remarks.into_vec())),
        problems => Err(problems),
    }
}

fn version(file: &raw::File, to: &mut Told) -> Option<Version> {
    match file.version {
        Some(1) => Some(Version::One),
        Some(2) => Some(Version::Two),
        None => {
            to.problems.push(
                Problem::at("version", "the key `version` is missing")
                    .help("write `version: 1` for one overlay, `version: 2` for a list of them"),
            );
            None
        }
        Some(other) => {
            to.problem("version", format!("expected version 1 or 2, found {other}"));
            None
        }
    }
}

/// This host's name; one that never counts, if there is a problem.
fn node(file: &raw::File, to: &mut Told) -> PeerName {
    let id = file.node.as_ref().and_then(|node| text(&node.id));
    let Some(id) = id else {
        to.problem("node.id", "the key `node.id` is missing: what peers call this host");
        return unnamed();
    };
    values::parsed(to, "node.id", id).unwrap_or_else(unnamed)
}

fn unnamed() -> PeerName {
    #[allow(clippy::expect_used, reason = "a literal that parses")]
    "unnamed".parse().expect("`unnamed` is a peer's name")
}
