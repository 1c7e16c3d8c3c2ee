//! What concerns the whole process: how it speaks with peers, who forwards, what is seen of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use rutter_yaml::Problem;

use super::Told;
use super::values::{in_range, list, listen, on, parsed, text, word};
use crate::compat::nnetman::config::raw;
use crate::compat::nnetman::config::remark::RemarkKind;
use crate::{
    BridgeCare, CertificateFiles, Exchange, Identity, MIN_MESSAGE, Netplan, Observe, OverlayConfig,
    PeerName, Topology, TopologyMode, Transit,
};

const MIB: usize = 1024 * 1024;

/// How this host speaks with its peers.
pub(super) fn exchange(file: &raw::File, to: &mut Told) -> Exchange {
    let plane = file.security.clone().unwrap_or_default().control_plane.unwrap_or_default();
    let at = "security.control_plane";
    word(to, &format!("{at}.transport"), &plane.transport, ("grpc", ()), &[]);
    let raw = plane.listen.unwrap_or_default();
    let address = match text(&raw.address) {
        Some(text) => parsed(to, &format!("{at}.listen.address"), text),
        None => None,
    };
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let port = in_range(to, &format!("{at}.listen.port"), raw.port, (1, 65_535), 9898);
    let ours = file.rutter.clone().unwrap_or_default();
    let least = (MIN_MESSAGE / MIB) as u32;
    let mib = in_range(to, "rutter.max_message_mib", ours.max_message_mib, (least, 1024), least);
    Exchange {
        // In range, as the bounds say.
        listen: SocketAddr::new(address, port as u16),
        identity: identity(&plane.tls.unwrap_or_default(), on(ours.insecure), to),
        accept_unlisted_peers: on(ours.accept_unlisted_peers),
        max_message: mib as usize * MIB,
    }
}

fn identity(tls: &raw::Tls, insecure: bool, to: &mut Told) -> Identity {
    let at = "security.control_plane.tls";
    if !on(tls.enabled) {
        return if insecure { Identity::Insecure } else { Identity::Unproven };
    }
    if insecure {
        let problem = Problem::at("rutter.insecure", "peers prove who they are by certificates");
        to.problems.push(problem.help(format!("leave it out, or `{at}.enabled`")));
    }
    let mut file = |key: &str, value: &Option<String>| {
        let path = format!("{at}.{key}");
        match text(value).map(PathBuf::from) {
            Some(file) if file.exists() => file,
            Some(file) => {
                to.problem(&path, format!("there is no file `{}`", file.display()));
                file
            }
            None => {
                to.problem(&path, format!("TLS is enabled, so `{key}` must name a file"));
                PathBuf::new()
            }
        }
    };
    Identity::Certificates(CertificateFiles {
        certificate: file("cert_file", &tls.cert_file),
        key: file("key_file", &tls.key_file),
        ca: file("ca_file", &tls.ca_file),
    })
}

/// What an operator who comes from the original doesn't expect of calls without certificates.
pub(super) fn identity_remark(config: &OverlayConfig, to: &mut Told) {
    if config.exchange.identity == Identity::Unproven && !config.peers.is_empty() {
        let message = "without certificates nobody is believed, where the original believes \
                       whoever calls: enable TLS, or write `insecure: true` under `rutter`";
        to.remarks.push(RemarkKind::Differs, "security.control_plane.tls", message);
    }
}

/// Who forwards for whom.
pub(super) fn topology(file: &raw::File, to: &mut Told) -> Topology {
    let raw = file.topology.clone().unwrap_or_default();
    let modes = [
        ("full-mesh", TopologyMode::FullMesh),
        ("hub-spoke", TopologyMode::HubSpoke),
        ("static", TopologyMode::Static),
    ];
    let first = ("direct-preferred", TopologyMode::DirectPreferred);
    let mode = word(to, "topology.mode", &raw.mode, first, &modes);
    let allow = [("allow", Transit::Allow)];
    let transit = word(to, "topology.transit", &raw.transit, ("deny", Transit::Deny), &allow);
    let policy = raw.transit_policy.unwrap_or_default();
    let mut names = |key: &str, value: &Option<Vec<String>>| -> Vec<PeerName> {
        let path = format!("topology.transit_policy.{key}");
        let names = list(value).iter().enumerate();
        names.filter_map(|(n, name)| parsed(to, &format!("{path}.{n}"), name)).collect()
    };
    let allowed = names("allowed_transit_peers", &policy.allowed_transit_peers);
    let denied = names("denied_transit_peers", &policy.denied_transit_peers);
    let remarks = &mut to.remarks;
    let is_said = raw.mode.is_some();
    remarks.done_here(is_said, "topology.mode", "peers are chosen by it");
    let what = match transit {
        Transit::Deny => "packets between other hosts are dropped",
        Transit::Allow => "packets between other hosts are forwarded and the way is announced",
    };
    remarks.done_here(raw.transit.is_some(), "topology.transit", what);
    let is_said = !allowed.is_empty() || !denied.is_empty();
    remarks.done_here(is_said, "topology.transit_policy", "it says for whom packets are forwarded");
    let relay_fallback = raw.relay_fallback.unwrap_or(true);
    let what = "a peer that can't be reached is reached through another";
    let is_said = raw.relay_fallback == Some(true);
    remarks.done_here(is_said, "topology.relay_fallback", what);
    Topology { mode, relay_fallback, transit, allowed, denied }
}

/// Bridges that are looked after.
pub(super) fn bridges(file: &raw::File, to: &mut Told) -> Vec<BridgeCare> {
    let kvm = file.kvm.clone().unwrap_or_default();
    let mut bridges = Vec::new();
    for (n, raw) in list(&kvm.bridges).iter().enumerate() {
        let at = format!("kvm.bridges.{n}");
        let Some(name) = text(&raw.name) else {
            to.problem(&format!("{at}.name"), "a bridge needs a `name`");
            continue;
        };
        // 0: none is kept.
        let mtu = in_range(to, &format!("{at}.mtu"), raw.mtu, (1280, 9000), 0);
        let Some(name) = parsed(to, &format!("{at}.name"), name) else { continue };
        let (stp, manage) = (on(raw.stp), on(raw.manage));
        let what = "spanning tree is switched on";
        to.remarks.done_here(stp && manage, &format!("{at}.stp"), what);
        bridges.push(BridgeCare { name, stp, mtu: (mtu != 0).then_some(mtu), manage });
    }
    bridges
}

/// What is read and not done, here as in the original.
pub(super) fn not_done(file: &raw::File, to: &mut Told) {
    let kvm = file.kvm.clone().unwrap_or_default();
    word(to, "kvm.provider", &kvm.provider, ("libvirt", ()), &[]);
    let libvirt = kvm.libvirt.clone().unwrap_or_default();
    let modes = [("libvirt-network", ())];
    word(to, "kvm.libvirt.mode", &libvirt.mode, ("linux-bridge", ()), &modes);
    let network = libvirt.network.clone().unwrap_or_default();
    let modes = [("nat", ()), ("route", ())];
    let forward_at = "kvm.libvirt.network.forward_mode";
    word(to, forward_at, &network.forward_mode, ("bridge", ()), &modes);
    let attach = kvm.attach.clone().unwrap_or_default();
    let strategies = [("by-tag", ()), ("regex", ())];
    word(to, "kvm.attach.strategy", &attach.strategy, ("by-name", ()), &strategies);
    for (n, target) in list(&attach.targets).iter().enumerate() {
        for (key, value) in [("vm", &target.vm), ("bridge", &target.bridge)] {
            if text(value).is_none() {
                let path = format!("kvm.attach.targets.{n}.{key}");
                to.problem(&path, format!("a target needs a `{key}`"));
            }
        }
    }
    if on(kvm.enabled) && kvm.libvirt.is_some() {
        let message = "libvirt isn't spoken with: its networks are left as they are";
        to.remarks.push(RemarkKind::NotDone, "kvm.libvirt", message);
    }
    if on(kvm.enabled) && on(attach.enabled) {
        let message = "virtual machines aren't attached to bridges";
        to.remarks.push(RemarkKind::NotDone, "kvm.attach", message);
    }
    let enabled = file.routing.as_ref().and_then(|routing| routing.enabled);
    let what = "no route is announced and none is taken";
    to.remarks.done_here(enabled == Some(false), "routing.enabled", what);
}

/// Where static routes are read from.
pub(super) fn netplan(file: &raw::File, to: &mut Told) -> Netplan {
    let raw = file.netplan.clone().unwrap_or_default();
    let paths = match list(&raw.config_paths) {
        [] => vec![PathBuf::from("/etc/netplan")],
        paths => paths.iter().map(PathBuf::from).collect(),
    };
    let underlay = raw.underlay.unwrap_or_default();
    let at = "netplan.underlay.prefer_interfaces";
    let names = list(&underlay.prefer_interfaces).iter().enumerate();
    let interfaces = names.filter_map(|(n, name)| parsed(to, &format!("{at}.{n}"), name)).collect();
    let at = "netplan.underlay.prefer_address_families";
    let mut families = Vec::new();
    for (n, family) in list(&underlay.prefer_address_families).iter().enumerate() {
        let family = Some(family.clone());
        let path = format!("{at}.{n}");
        families.push(word(to, &path, &family, ("ipv4", false), &[("ipv6", true)]));
    }
    Netplan {
        enabled: raw.enabled.unwrap_or(true),
        paths,
        interfaces,
        prefers_v6: families.first() == Some(&true),
    }
}

/// What people and monitoring see.
pub(super) fn observe(file: &raw::File, to: &mut Told) -> Observe {
    let raw = file.observability.clone().unwrap_or_default();
    let logging = raw.logging.unwrap_or_default();
    let levels = [("debug", "debug"), ("warn", "warn"), ("error", "error")];
    let level = word(to, "observability.logging.level", &logging.level, ("info", "info"), &levels);
    let formats = [("text", false)];
    let format_at = "observability.logging.format";
    let json = word(to, format_at, &logging.format, ("json", true), &formats);
    let mut place = |key: &str, raw: &Option<raw::Metrics>, default: SocketAddr| {
        let raw = raw.clone().unwrap_or_default();
        if !raw.enabled.unwrap_or(true) {
            return None;
        }
        match text(&raw.listen) {
            Some(text) => listen(to, &format!("observability.{key}.listen"), text),
            None => Some(default),
        }
    };
    let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    Observe {
        metrics: place("metrics", &raw.metrics, at(9109)),
        health: place("healthcheck", &raw.healthcheck, at(9110)),
        level: level.to_owned(),
        json,
    }
}
