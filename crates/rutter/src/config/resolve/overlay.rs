//! The overlay role: what this file or n-netman's says of it.

mod host;

use std::path::Path;

use rutter_kernel::DEFAULT_PROTOCOL;
use rutter_overlay::OverlayConfig;
use rutter_overlay::compat::nnetman;
use rutter_overlay::compat::nnetman::config::Remark;

use super::Problems;
use crate::config::resolved::{NETMAN_PROTOCOL, Overlay};
use crate::config::{Problem, raw};

/// The numbers below are the kernel's and the operator's own.
const PROTOCOLS: std::ops::RangeInclusive<u32> = 5..=255;

/// What the names of overlays' tables begin with.
const PREFIX: &str = "overlay/";

/// The tables of overlays are the role's.
pub(super) fn check_tables(file: &raw::File, to: &mut Problems) {
    let overlays =
        file.tables.iter().flatten().filter(|(name, _)| name.as_str().starts_with(PREFIX));
    for (name, _) in overlays.filter(|_| file.overlay.is_some()) {
        let path = vec!["tables".to_owned(), name.to_string()];
        let problem = Problem::at_path(path, "the overlay has this table, and says its policy");
        to.push(problem.help("leave it out: `import` of the overlay says what may enter"));
    }
}

pub(super) fn resolve(raw: &raw::Overlay, to: &mut Problems) -> Option<Overlay> {
    let by_netman = raw.netman.is_some();
    let usual = if by_netman { NETMAN_PROTOCOL } else { DEFAULT_PROTOCOL };
    let usual = u32::from(usual);
    let protocol = raw.protocol.unwrap_or(usual);
    to.unless(PROTOCOLS.contains(&protocol), "overlay.protocol", "expected 5 to 255");
    let (host, remarks) = match &raw.netman {
        Some(file) => of_netman(raw, file, to)?,
        None => (host::resolve(raw, to)?, Vec::new()),
    };
    Some(Overlay {
        netman: raw.netman.clone(),
        mode: raw.mode.unwrap_or_default(),
        at_end: raw.at_end.unwrap_or_default(),
        remove_links: raw.remove_links.unwrap_or(false),
        protocol: u8::try_from(protocol).ok()?,
        sysctl: raw.sysctl.unwrap_or(false),
        next_hop_objects: raw.next_hop_objects.unwrap_or(!by_netman),
        host,
        remarks,
    })
}

/// What n-netman's file says. What it says isn't said here too.
fn of_netman(
    raw: &raw::Overlay,
    file: &Path,
    to: &mut Problems,
) -> Option<(OverlayConfig, Vec<Remark>)> {
    let twice = raw.node.is_some() || raw.networks.is_some() || raw.peers.is_some();
    to.unless(
        !twice,
        "overlay.netman",
        "its file says `node`, `networks` and `peers`: leave them out",
    );
    match nnetman::config::load(file) {
        Ok(reading) => Some((reading.config, reading.remarks)),
        Err(error) => {
            to.at("overlay.netman", error.to_string());
            None
        }
    }
}
