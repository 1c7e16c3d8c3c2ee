//! The overlays of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::values::{in_range, list, networks, number, on, parsed, text, word};
use super::{Told, Version};
use crate::compat::nnetman::config::raw;
use crate::compat::nnetman::config::remark::RemarkKind;
use crate::{
    Bridge, Export, Flooding, Import, ImportOrder, Install, InterfaceAddress, LinkName, Lookup,
    Overlay, RoutingTable, Vni, Vxlan,
};

/// Where a file's overlay stands, and what its absent keys mean.
struct Place<'f> {
    version: Version,
    /// Of the link's keys.
    at: String,
    /// Of `export` and `import`.
    routing_at: String,
    raw: raw::Overlay,
    export: raw::Export,
    import: raw::Import,
    file: &'f raw::File,
}

/// The default metric; the original's zero means it too.
pub(crate) const METRIC: u32 = 100;

pub(super) fn resolve(file: &raw::File, version: Version, to: &mut Told) -> BTreeMap<Vni, Overlay> {
    let mut overlays = BTreeMap::new();
    let mut seen = Seen::default();
    for place in places(file, version, to) {
        let Some((vni, overlay)) = overlay(&place, to) else { continue };
        seen.look(&place, vni, &overlay, to);
        overlays.insert(vni, overlay);
    }
    overlays
}

fn places<'f>(file: &'f raw::File, version: Version, to: &mut Told) -> Vec<Place<'f>> {
    match version {
        Version::One => {
            if !list(&file.overlays).is_empty() {
                let message = "version 1 has one overlay, in `overlay`; this list is passed over";
                to.remarks.push(RemarkKind::Differs, "overlays", message);
            }
            let Some(vxlan) = file.overlay.as_ref().and_then(|overlay| overlay.vxlan.clone())
            else {
                to.problem("overlay.vxlan", "the key `overlay.vxlan` is missing");
                return Vec::new();
            };
            let routing = file.routing.clone().unwrap_or_default();
            let raw::VxlanV1 { vni, name, dstport, learning, mtu, bridge, bum } = vxlan;
            vec![Place {
                version,
                at: "overlay.vxlan".into(),
                routing_at: "routing".into(),
                raw: raw::Overlay {
                    vni,
                    name,
                    dstport,
                    learning,
                    mtu,
                    bridge,
                    bum,
                    ..Default::default()
                },
                export: routing.export.unwrap_or_default(),
                import: routing.import.unwrap_or_default(),
                file,
            }]
        }
        Version::Two => {
            if file.overlay.as_ref().is_some_and(|overlay| overlay.vxlan.is_some()) {
                let message = "version 2 has its overlays in `overlays`; this is passed over";
                to.remarks.push(RemarkKind::Differs, "overlay.vxlan", message);
            }
            let all = list(&file.overlays);
            if all.is_empty() {
                to.problem("overlays", "version 2 needs at least one overlay in `overlays`");
            }
            let place = |(n, raw): (usize, &raw::Overlay)| {
                let routing = raw.routing.clone().unwrap_or_default();
                Place {
                    version,
                    at: format!("overlays.{n}"),
                    routing_at: format!("overlays.{n}.routing"),
                    raw: raw.clone(),
                    export: routing.export.unwrap_or_default(),
                    import: routing.import.unwrap_or_default(),
                    file,
                }
            };
            all.iter().enumerate().map(place).collect()
        }
    }
}

fn overlay(place: &Place<'_>, to: &mut Told) -> Option<(Vni, Overlay)> {
    let raw = &place.raw;
    let vni = vni(to, &format!("{}.vni", place.at), raw.vni);
    let name = link(to, &format!("{}.name", place.at), text(&raw.name));
    let bridge = bridge(place, to);
    let learning = raw.learning.unwrap_or(place.version == Version::One);
    if raw.learning.is_none() && place.version == Version::Two {
        absent(to, &format!("{}.learning", place.at), "learning", "true", "false");
    }
    let vxlan = Vxlan {
        name: name?,
        // In range, as the bounds say.
        port: in_range(to, &format!("{}.dstport", place.at), raw.dstport, (1, 65_535), 4789) as u16,
        learning,
        mtu: in_range(to, &format!("{}.mtu", place.at), raw.mtu, (1280, 9000), 1450),
        underlay: text(&raw.underlay_interface)
            .and_then(|name| parsed(to, &format!("{}.underlay_interface", place.at), name)),
        flooding: flooding(place, to),
    };
    let (export, import) = (export(place, to), import(place, to));
    let install = install(place, to);
    let overlay = Overlay { vxlan, bridge: bridge?, export, import, install };
    Some((vni?, overlay))
}

/// The number of an overlay; `None` after a problem.
pub(super) fn vni(to: &mut Told, path: &str, value: Option<i64>) -> Option<Vni> {
    let vni = value.and_then(|value| u32::try_from(value).ok()).and_then(Vni::new);
    if vni.is_none() {
        to.problem(path, "an overlay needs a `vni` of 1 to 16777215");
    }
    vni
}

fn link(to: &mut Told, path: &str, name: Option<&str>) -> Option<LinkName> {
    match name {
        Some(name) => parsed(to, path, name),
        None => {
            to.problem(path, "an interface's name is missing here");
            None
        }
    }
}

fn bridge(place: &Place<'_>, to: &mut Told) -> Option<Bridge> {
    let at = format!("{}.bridge", place.at);
    let raw = place.raw.bridge.clone().unwrap_or_default().0;
    let name: Option<LinkName> = link(to, &at, text(&raw.name));
    let kvm = place.file.kvm.clone().unwrap_or_default();
    let managed = list(&kvm.bridges);
    if let (Version::One, true, false, Some(name)) =
        (place.version, on(kvm.enabled), managed.is_empty(), &name)
        && !managed.iter().any(|bridge| text(&bridge.name) == Some(name.as_str()))
    {
        to.problem(&at, format!("the bridge `{name}` isn't in `kvm.bridges`"));
    }
    let mut addresses = Vec::new();
    for (key, value, v4) in [("ipv4", &raw.ipv4, true), ("ipv6", &raw.ipv6, false)] {
        let Some(value) = text(value) else { continue };
        let path = format!("{at}.{key}");
        let Some(address) = parsed::<InterfaceAddress>(to, &path, value) else { continue };
        match address.address().is_ipv4() == v4 {
            true => addresses.push(address),
            false => to.problem(&path, format!("`{value}` is of the other family")),
        }
    }
    Some(Bridge { name: name?, addresses })
}

fn flooding(place: &Place<'_>, to: &mut Told) -> Flooding {
    let at = format!("{}.bum", place.at);
    let raw = place.raw.bum.clone().unwrap_or_default();
    let modes = [("multicast", true)];
    if !word(to, &format!("{at}.mode"), &raw.mode, ("head-end-replication", false), &modes) {
        return Flooding::HeadEnd;
    }
    let path = format!("{at}.group");
    let group = text(&raw.group).and_then(|group| group.parse::<IpAddr>().ok());
    match group.filter(IpAddr::is_multicast) {
        Some(group) => Flooding::Multicast(group),
        None => {
            let message = "mode `multicast` needs the address of a multicast group";
            to.problem(&path, message);
            Flooding::HeadEnd
        }
    }
}

/// Whether routes are exchanged at all.
fn exchanges(file: &raw::File) -> bool {
    file.routing.as_ref().and_then(|routing| routing.enabled).unwrap_or(true)
}

fn export(place: &Place<'_>, to: &mut Told) -> Export {
    let (at, raw) = (format!("{}.export", place.routing_at), &place.export);
    let all = on(raw.export_all);
    let connected = on(raw.include_connected);
    let netplan_static = on(raw.include_netplan_static);
    let done = &mut to.remarks;
    done.done_here(all, &format!("{at}.export_all"), "all of table `main` is announced");
    let connected_at = format!("{at}.include_connected");
    done.done_here(connected, &connected_at, "connected networks are announced");
    let static_at = format!("{at}.include_netplan_static");
    done.done_here(netplan_static, &static_at, "static routes of netplan's files are announced");
    let networks = networks(to, &format!("{at}.networks"), &raw.networks);
    let metric = in_range(to, &format!("{at}.metric"), raw.metric, (1, u32::MAX), METRIC);
    if !exchanges(place.file) {
        let (networks, all) = (Vec::new(), false);
        return Export { networks, connected: all, netplan_static: all, all, metric };
    }
    Export { networks, connected, netplan_static, all, metric }
}

fn import(place: &Place<'_>, to: &mut Told) -> Import {
    let (at, raw) = (format!("{}.import", place.routing_at), &place.import);
    let ours = place.file.rutter.clone().unwrap_or_default();
    let documented = [("documented", ImportOrder::AcceptAllFirst)];
    let first = ("running", ImportOrder::DenyFirst);
    let import = Import {
        accept_all: on(raw.accept_all),
        allow: networks(to, &format!("{at}.allow"), &raw.allow),
        deny: networks(to, &format!("{at}.deny"), &raw.deny),
        order: word(to, "rutter.import_order", &ours.import_order, first, &documented),
    };
    match exchanges(place.file) {
        true => import,
        false => Import { order: import.order, ..Import::default() },
    }
}

fn install(place: &Place<'_>, to: &mut Told) -> Install {
    let at = format!("{}.import.install", place.routing_at);
    let raw = place.import.install.clone().unwrap_or_default();
    let of_file = place.file.routing.as_ref().and_then(|routing| routing.import.as_ref());
    let of_file = of_file.and_then(|import| import.install.clone()).unwrap_or_default();
    let two = place.version == Version::Two;

    let table_at = format!("{at}.table");
    let table = in_range(to, &table_at, raw.table, (1, 252), RoutingTable::DEFAULT.get());
    let table = u8::try_from(table).ok().and_then(RoutingTable::new);
    let replace_at = format!("{at}.replace_existing");
    if two && raw.replace_existing.is_none() {
        absent(to, &replace_at, "replace_existing", "true", "false");
    }
    let replace_existing = raw.replace_existing.unwrap_or(!two);
    if raw.replace_existing.is_some() {
        let message = match replace_existing {
            true => "an operator's route of the same key is put aside, and back at the end",
            false => "an operator's route of the same key is left alone",
        };
        to.remarks.done_here(true, &replace_at, message);
    }
    // The original asks the file's own section, also for overlays with one of theirs.
    let running = of_file.flush_on_peer_down.unwrap_or(true);
    let flush_on_peer_down = raw.flush_on_peer_down.unwrap_or(running);
    if two && raw.flush_on_peer_down.is_none() && !running {
        absent(to, &format!("{at}.flush_on_peer_down"), "flush_on_peer_down", "true", "false");
    }
    let lease_at = format!("{at}.route_lease_seconds");
    let lease = in_range(to, &lease_at, raw.route_lease_seconds, (1, 86_400 * 7), 30);
    Install {
        table: table.unwrap_or(RoutingTable::DEFAULT),
        replace_existing,
        flush_on_peer_down,
        lease: Duration::from_secs(lease.into()),
        lookup: lookup(&at, &raw, two, to),
    }
}

fn lookup(at: &str, raw: &raw::Install, two: bool, to: &mut Told) -> Option<Lookup> {
    let rules = raw.lookup_rules.clone().unwrap_or_default();
    let mode_at = format!("{at}.lookup_rules.mode");
    let prefix = [("prefix", Lookup::Prefix)];
    let mode = word(to, &mode_at, &rules.mode, ("interface", Lookup::Interface), &prefix);
    if !on(rules.enabled) {
        return None;
    }
    if number(raw.table).is_none() && (two || raw.table.is_some()) {
        let message = "no rules are made, as in the original, since the overlay has no `table`";
        to.remarks.push(RemarkKind::Absent, &format!("{at}.lookup_rules.enabled"), message);
        return None;
    }
    let what = "a rule stands for each learned prefix";
    to.remarks.done_here(mode == Lookup::Prefix, &mode_at, what);
    Some(mode)
}

fn absent(to: &mut Told, path: &str, key: &str, documented: &str, running: &str) {
    let message = format!(
        "`{key}` is left out: the original's documentation says {documented}, it runs with \
         {running}, and so does Rutter"
    );
    to.remarks.push(RemarkKind::Absent, path, message);
}

/// What must be an overlay's own.
#[derive(Default)]
struct Seen {
    vnis: BTreeSet<Vni>,
    names: BTreeSet<LinkName>,
    bridges: BTreeSet<LinkName>,
    tables: BTreeMap<RoutingTable, bool>,
}

impl Seen {
    fn look(&mut self, place: &Place<'_>, vni: Vni, overlay: &Overlay, to: &mut Told) {
        let at = &place.at;
        if !self.vnis.insert(vni) {
            to.problem(&format!("{at}.vni"), format!("VNI {vni} is another overlay's too"));
        }
        let (name, bridge) = (&overlay.vxlan.name, &overlay.bridge.name);
        if !self.names.insert(name.clone()) {
            to.problem(&format!("{at}.name"), format!("`{name}` is another overlay's too"));
        }
        if !self.bridges.insert(bridge.clone()) {
            let message = format!("the bridge `{bridge}` is another overlay's too");
            to.problem(&format!("{at}.bridge"), message);
        }
        let raw = place.import.install.as_ref();
        let table = overlay.install.table;
        let is_said = raw.is_some_and(|install| install.table == Some(table.get().into()));
        match self.tables.insert(table, is_said) {
            Some(true) if is_said => to.problem(
                &format!("{}.import.install.table", place.routing_at),
                format!("table {table} is another overlay's too"),
            ),
            Some(_) => to.remarks.push(
                RemarkKind::Differs,
                &format!("{}.import.install.table", place.routing_at),
                format!("table {table} is another overlay's too, since one has no `table`"),
            ),
            None => {}
        }
    }
}
