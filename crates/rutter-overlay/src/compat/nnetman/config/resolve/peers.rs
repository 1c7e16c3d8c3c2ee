//! The peers of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::values::{list, number, parsed, text};
use super::{Told, Version, overlays};
use crate::compat::nnetman::config::raw;
use crate::compat::nnetman::config::remark::RemarkKind;
use crate::{Overlay, Peer, PeerName, Timers, Vni};

/// How often a peer may be asked at most.
const LEAST_MS: i64 = 10;

pub(super) fn resolve(
    file: &raw::File,
    version: Version,
    node: &PeerName,
    overlays: &BTreeMap<Vni, Overlay>,
    to: &mut Told,
) -> Vec<Peer> {
    let of_overlay = file.overlay.as_ref().map(|overlay| list(&overlay.peers)).unwrap_or_default();
    let of_file = list(&file.peers);
    let (at, raw) = match version {
        Version::One => {
            if !of_file.is_empty() {
                let message = "version 1 has its peers in `overlay.peers`; these are passed over";
                to.remarks.push(RemarkKind::Differs, "peers", message);
            }
            ("overlay.peers", of_overlay)
        }
        Version::Two => {
            if !of_overlay.is_empty() {
                let message = "version 2 has its peers in `peers`, with a list of `vnis` each";
                to.problem("overlay.peers", message);
            }
            ("peers", of_file)
        }
    };
    let (mut peers, mut names) = (Vec::new(), BTreeSet::new());
    for (n, raw) in raw.iter().enumerate() {
        let at = format!("{at}.{n}");
        let Some(peer) = peer(&at, raw, overlays, to) else { continue };
        if peer.name == *node {
            let message = "this is the host's own name: it isn't a peer of itself";
            to.remarks.push(RemarkKind::Differs, &format!("{at}.id"), message);
            continue;
        }
        if !names.insert(peer.name.clone()) {
            to.problem(&format!("{at}.id"), format!("`{}` is another peer's name too", peer.name));
        }
        peers.push(peer);
    }
    peers
}

fn peer(
    at: &str,
    raw: &raw::Peer,
    overlays: &BTreeMap<Vni, Overlay>,
    to: &mut Told,
) -> Option<Peer> {
    let name = match text(&raw.id) {
        Some(id) => parsed(to, &format!("{at}.id"), id),
        None => {
            to.problem(&format!("{at}.id"), "a peer needs an `id`");
            None
        }
    };
    let endpoint = raw.endpoint.clone().unwrap_or_default();
    let address_at = format!("{at}.endpoint.address");
    let address = text(&endpoint.address).and_then(|text| text.parse::<IpAddr>().ok());
    if address.is_none() {
        to.problem(&address_at, "a peer needs an IPv4 or IPv6 address, without a port");
    }
    let interface_at = format!("{at}.endpoint.via_interface");
    let interface = text(&endpoint.via_interface);
    to.remarks.done_here(interface.is_some(), &interface_at, "the peer is dialled by it");
    let interface = interface.and_then(|name| parsed(to, &interface_at, name));
    auth(at, raw, to);
    let (timers, timers_of_original) = timers(at, raw, to);
    let overlays = of_overlays(at, raw, overlays, to);
    Some(Peer { name: name?, address: address?, interface, overlays, timers, timers_of_original })
}

/// The overlays that a peer has part in: all, if none is named.
fn of_overlays(
    at: &str,
    raw: &raw::Peer,
    overlays: &BTreeMap<Vni, Overlay>,
    to: &mut Told,
) -> BTreeSet<Vni> {
    let named = list(&raw.vnis);
    if named.is_empty() {
        return overlays.keys().copied().collect();
    }
    let mut part = BTreeSet::new();
    for (n, number) in named.iter().enumerate() {
        let path = format!("{at}.vnis.{n}");
        let Some(vni) = overlays::vni(to, &path, Some(*number)) else { continue };
        match overlays.contains_key(&vni) {
            true => drop(part.insert(vni)),
            false => to.problem(&path, format!("no overlay here has VNI {vni}")),
        }
    }
    part
}

fn auth(at: &str, raw: &raw::Peer, to: &mut Told) {
    let raw = raw.auth.clone().unwrap_or_default();
    let mode_at = format!("{at}.auth.mode");
    let psk = super::values::word(to, &mode_at, &raw.mode, ("none", false), &[("psk", true)]);
    if psk {
        let message = "a shared key proves nothing here, nor in the original: who a peer is comes \
                       of `security.control_plane.tls`";
        to.remarks.push(RemarkKind::NotDone, &mode_at, message);
    }
}

/// The timers towards a Rutter host, and towards an original.
fn timers(at: &str, raw: &raw::Peer, to: &mut Told) -> (Timers, Timers) {
    let health_at = format!("{at}.health");
    let raw = raw.health.clone().unwrap_or_default();
    let keepalive_at = format!("{health_at}.keepalive_interval_ms");
    let keepalive = period(to, &keepalive_at, raw.keepalive_interval_ms);
    let dead_at = format!("{health_at}.dead_after_ms");
    let dead = period(to, &dead_at, raw.dead_after_ms);
    if keepalive.is_none() && dead.is_none() {
        let message = "timers are left out: the original's documentation says 1500 ms and 6000 ms, \
                       it asks each 30 s; Rutter asks a Rutter host each 300 ms and gives it up \
                       after 900 ms, an original each second and after 3 s";
        to.remarks.push(RemarkKind::Absent, &health_at, message);
    }
    to.remarks.done_here(keepalive.is_some(), &keepalive_at, "the peer is asked so often");
    to.remarks.done_here(dead.is_some(), &dead_at, "the peer is given up after so long");
    if let (Some(keepalive), Some(dead)) = (keepalive, dead)
        && dead <= keepalive
    {
        let message = "a peer would be given up before it is asked again; write a longer time \
                       than `keepalive_interval_ms`";
        to.problem(&dead_at, message);
    }
    let filled = |default: Timers| {
        // One that was written alone draws the other along: three questions a life.
        let drawn = dead.map_or(default.keepalive, |dead| default.keepalive.min(dead / 3));
        let keepalive = keepalive.unwrap_or(drawn);
        Timers { keepalive, dead: dead.unwrap_or_else(|| default.dead.max(keepalive * 3)) }
    };
    (filled(Timers::RUTTER), filled(Timers::ORIGINAL))
}

fn period(to: &mut Told, path: &str, value: Option<i64>) -> Option<Duration> {
    let ms = number(value)?;
    if !(LEAST_MS..=86_400_000).contains(&ms) {
        to.problem(path, format!("expected {LEAST_MS} to 86400000 milliseconds, found {ms}"));
        return None;
    }
    u64::try_from(ms).ok().map(Duration::from_millis)
}
