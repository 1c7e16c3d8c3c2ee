//! The overlay role: what n-netman's file says, and what is added to it.

use rutter_overlay::compat::nnetman;

use super::Problems;
use crate::config::resolved::Overlay;
use crate::config::{Problem, raw};

/// The numbers below are the kernel's and the operator's own.
const PROTOCOLS: std::ops::RangeInclusive<u32> = 5..=255;

/// What the names of overlays' tables begin with.
const PREFIX: &str = "overlay/";

/// n-netman's, which is Open/R's.
const NETMAN_PROTOCOL: u32 = 99;

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
    let protocol = raw.protocol.unwrap_or(NETMAN_PROTOCOL);
    to.unless(PROTOCOLS.contains(&protocol), "overlay.protocol", "expected 5 to 255");
    let Some(file) = raw.netman.clone() else {
        to.push(
            Problem::at("overlay", "the overlay has no file of n-netman's form")
                .help("write `netman: /etc/n-netman/n-netman.yaml` in it"),
        );
        return None;
    };
    let reading = match nnetman::config::load(&file) {
        Ok(reading) => reading,
        Err(error) => {
            to.at("overlay.netman", error.to_string());
            return None;
        }
    };
    Some(Overlay {
        netman: file,
        mode: raw.mode.unwrap_or_default(),
        at_end: raw.at_end.unwrap_or_default(),
        remove_links: raw.remove_links.unwrap_or(false),
        protocol: u8::try_from(protocol).ok()?,
        sysctl: raw.sysctl.unwrap_or(false),
        next_hop_objects: raw.next_hop_objects.unwrap_or(false),
        host: reading.config,
        remarks: reading.remarks,
    })
}
