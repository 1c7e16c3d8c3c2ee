//! Hosts on one wire, each with a network of its own behind it.
//!
//! ```text
//!   lan a ── host a ─┐              underlay 10.66.0.0/24, fd66::/64
//!                    ├─ wire        overlay  10.100.0.0/24, fd64::/64 on br-prod over vx100
//!   lan b ── host b ─┘              lan      172.16.N0.0/24, fd16:N::/64
//! ```

use crate::namespace::Namespace;

/// The bridge of an overlay; 100 has the documentation's.
pub(crate) fn bridge(vni: u32) -> String {
    if vni == 100 { "br-prod".into() } else { format!("br{vni}") }
}

/// The third part of an overlay's addresses.
pub(crate) fn third(vni: u32) -> u32 {
    if vni == 100 { 100 } else { vni % 256 }
}

/// The namespaces of a scene, which the hosts' processes run in.
pub(crate) struct Scene {
    wire: Namespace,
    places: Vec<Place>,
}

/// A host's namespace, and that of its network.
pub(crate) struct Place {
    /// From 1: the last part of its addresses.
    pub(crate) n: usize,
    pub(crate) inside: Namespace,
    pub(crate) lan: Namespace,
}

impl Scene {
    /// So many hosts, wired, with nothing running. `None`: this user may not make namespaces.
    pub(crate) fn new(hosts: usize) -> Option<Self> {
        let Some(wire) = Namespace::new() else {
            println!("skipped: this user may not make network namespaces");
            return None;
        };
        wire.ip("link add wire type bridge");
        wire.ip("link set wire up");
        let place = |n| {
            let place = Place { n, inside: Namespace::new()?, lan: Namespace::new()? };
            place.wire(&wire);
            Some(place)
        };
        let places = (1..=hosts).map(place).collect::<Option<Vec<_>>>()?;
        Some(Self { wire, places })
    }

    /// The host of that number.
    pub(crate) fn place(&self, n: usize) -> &Place {
        &self.places[n - 1]
    }

    /// Puts a router between the hosts, each with a network of its own.
    pub(crate) fn route_the_wire(&self) {
        self.wire.set("ipv4/ip_forward", "1");
        for place in &self.places {
            let n = place.n;
            self.wire.ip(&format!("link set host{n} nomaster"));
            self.wire.ip(&format!("address add 10.66.{n}.254/24 dev host{n}"));
            place.inside.ip("address flush dev eth0");
            place.inside.ip(&format!("address add 10.66.{n}.{n}/24 dev eth0"));
            place.inside.ip(&format!("route add default via 10.66.{n}.254"));
        }
    }

    /// Cuts a host's wire without a word to anybody, or mends it.
    pub(crate) fn cut(&self, n: usize, cut: bool) {
        let how = if cut { "down" } else { "up" };
        // Its own end keeps its carrier: the bridge drops what comes.
        let master = if cut { "nomaster" } else { "master wire" };
        self.wire.ip(&format!("link set host{n} {master}"));
        if !cut {
            self.wire.ip(&format!("link set host{n} {how}"));
        }
    }
}

impl Place {
    fn wire(&self, wire: &Namespace) {
        let n = self.n;
        for setting in ["ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"] {
            self.inside.set(setting, "0");
        }
        self.inside.set("ipv4/ip_forward", "1");
        self.inside.set("ipv6/conf/all/forwarding", "1");
        for namespace in [&self.inside, &self.lan] {
            namespace.set("ipv6/conf/default/accept_dad", "0");
        }
        let id = self.inside.id();
        wire.ip(&format!("link add host{n} type veth peer name eth0 netns {id}"));
        wire.ip(&format!("link set host{n} master wire up"));
        self.inside.ip(&format!("address add 10.66.0.{n}/24 dev eth0"));
        self.inside.ip(&format!("address add fd66::{n}/64 dev eth0 nodad"));
        self.inside.ip("link set eth0 up");
        let id = self.lan.id();
        self.inside.ip(&format!("link add lan0 type veth peer name eth0 netns {id}"));
        self.inside.ip(&format!("address add 172.16.{n}0.1/24 dev lan0"));
        self.inside.ip(&format!("address add fd16:{n}::1/64 dev lan0 nodad"));
        self.inside.ip("link set lan0 up");
        self.lan.ip(&format!("address add 172.16.{n}0.2/24 dev eth0"));
        self.lan.ip(&format!("address add fd16:{n}::2/64 dev eth0 nodad"));
        self.lan.ip("link set eth0 up");
        self.lan.ip(&format!("route add default via 172.16.{n}0.1"));
        self.lan.ip(&format!("route add default via fd16:{n}::1"));
    }

    /// Its bridge and VXLAN, as another daemon may have left them.
    pub(crate) fn links_by_hand(&self, vni: u32, peers: &[usize]) {
        let n = self.n;
        let (bridge, vxlan, third) = (bridge(vni), format!("vx{vni}"), third(vni));
        self.inside.ip(&format!("link add {bridge} type bridge"));
        self.inside.ip(&format!("address add 10.{third}.0.{n}/24 dev {bridge}"));
        self.inside.ip(&format!("address add fd64:{vni}::{n}/64 dev {bridge} nodad"));
        self.inside.ip(&format!("link set {bridge} mtu 1450 up"));
        self.inside.ip(&format!(
            "link add {vxlan} type vxlan id {vni} local 10.66.0.{n} dev eth0 dstport 4789 nolearning"
        ));
        self.inside.ip(&format!("link set {vxlan} mtu 1450 master {bridge} up"));
        for peer in peers {
            let entry = format!("fdb append 00:00:00:00:00:00 dev {vxlan} dst 10.66.0.{peer}");
            let (done, said) = self.inside.try_run("bridge", &entry);
            assert!(done, "{said:?}");
        }
    }

    /// A second network behind it, which another host may have too: its host answers at .2.
    pub(crate) fn shared_lan(&self, network: &str) -> Namespace {
        let lan = Namespace::new().expect("there are namespaces already");
        let id = lan.id();
        self.inside.ip(&format!("link add shared0 type veth peer name eth0 netns {id}"));
        self.inside.ip(&format!("address add {network}.1/24 dev shared0"));
        self.inside.ip("link set shared0 up");
        lan.ip(&format!("address add {network}.2/24 dev eth0"));
        lan.ip("link set eth0 up");
        lan.ip(&format!("route add default via {network}.1"));
        lan
    }

    /// The lines of a routing table of the kernel.
    pub(crate) fn table(&self, number: u32) -> Vec<String> {
        self.routes("", number)
    }

    pub(crate) fn table_v6(&self, number: u32) -> Vec<String> {
        self.routes("-6", number)
    }

    fn routes(&self, family: &str, number: u32) -> Vec<String> {
        // Until the first route comes there is no such table.
        match self.inside.try_run("ip", &format!("{family} route show table {number}")) {
            (true, lines) => lines,
            (false, _) => Vec::new(),
        }
    }

    /// The lines of the routing rules.
    pub(crate) fn rules(&self) -> Vec<String> {
        self.inside.ip("rule show")
    }
}
