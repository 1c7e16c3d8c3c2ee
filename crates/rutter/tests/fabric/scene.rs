//! Four clusters, each a namespace, and what lies behind the first and the last.
//!
//! ```text
//!                    10.1.0.0/24  B  10.3.0.0/24
//!   lan a ── A ────────────────── ────────────── D ── lan d
//!                    10.2.0.0/24  C  10.4.0.0/24
//!
//!   loopback of cluster N    10.0.0.N     its gateway, whichever link leads there
//!   lan of cluster N         172.16.N0.0/24, with a machine at .2
//! ```

use crate::cluster::{Cluster, Says};
use crate::namespace::Namespace;

/// The clusters, by their numbers from 1.
pub(crate) const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Who is wired to whom, by numbers; the link's is the third part of its network.
pub(crate) const LINKS: [(usize, usize); 4] = [(1, 2), (1, 3), (2, 4), (3, 4)];

/// The namespaces of a scene, which the clusters' processes run in.
pub(crate) struct Scene {
    places: Vec<Place>,
    /// A bridge a link, which drops what comes when it is cut.
    wires: Namespace,
    pub(crate) keys: tempfile::TempDir,
}

/// A cluster's namespace, and that of its network.
pub(crate) struct Place {
    /// From 1: the last part of its addresses.
    pub(crate) n: usize,
    pub(crate) inside: Namespace,
    pub(crate) lan: Namespace,
}

/// The link between two clusters, its number from 1, and the two addresses in the order asked for.
pub(crate) fn link(one: usize, other: usize) -> Option<(usize, String, String)> {
    let pair = (one.min(other), one.max(other));
    let number = LINKS.iter().position(|link| *link == pair)? + 1;
    let end = |n| format!("10.{number}.0.{n}");
    let is_first = one < other;
    let (first, second) = (if is_first { 1 } else { 2 }, if is_first { 2 } else { 1 });
    Some((number, end(first), end(second)))
}

/// The neighbours of a cluster.
pub(crate) fn neighbours(n: usize) -> Vec<usize> {
    (1..=4).filter(|other| link(n, *other).is_some()).collect()
}

impl Scene {
    /// The clusters, wired, with a key each and nothing running. `None`: this user may not make
    /// namespaces.
    pub(crate) fn new() -> Option<Self> {
        let place = |n| Some(Place { n, inside: Namespace::new()?, lan: Namespace::new()? });
        let Some(places) = (1..=4).map(place).collect::<Option<Vec<_>>>() else {
            println!("skipped: this user may not make network namespaces");
            return None;
        };
        let wires = Namespace::new()?;
        places.iter().for_each(Place::lie);
        for (number, (one, other)) in LINKS.iter().enumerate() {
            wire(&wires, number + 1, &places[one - 1], &places[other - 1]);
        }
        let scene = Self { places, wires, keys: tempfile::tempdir().unwrap() };
        crate::keys::make(scene.keys.path());
        Some(scene)
    }

    /// The cluster of that name.
    pub(crate) fn place(&self, name: &str) -> &Place {
        let n = NAMES.iter().position(|known| *known == name).unwrap();
        &self.places[n]
    }

    /// All four, with a service of A's and what is behind A and D told in the overlay; ready when D
    /// knows of A over both ways.
    pub(crate) fn start(&self) -> [Cluster<'_>; 4] {
        self.start_saying(&Says::default())
    }

    /// The same, with more in each one's file.
    pub(crate) fn start_saying(&self, says: &Says) -> [Cluster<'_>; 4] {
        let clusters = NAMES.map(|name| Cluster::saying(self, name, says.clone()));
        let [_, _, _, d] = &clusters;
        d.has_ways(&["b", "c"]);
        clusters
    }

    /// Cuts the link between two clusters without a word to anybody, or mends it: what is sent is lost,
    /// and both ends keep their carrier.
    pub(crate) fn cut(&self, one: &str, other: &str, cut: bool) {
        let (one, other) = (self.place(one), self.place(other));
        let (number, _, _) = link(one.n, other.n).unwrap();
        let master = if cut { "nomaster".into() } else { format!("master wire{number}") };
        for place in [one, other] {
            self.wires.ip(&format!("link set end{number}{} {master}", place.n));
        }
    }
}

impl Place {
    pub(crate) fn name(&self) -> &'static str {
        NAMES[self.n - 1]
    }

    /// What it has of its own.
    fn lie(&self) {
        let n = self.n;
        for setting in ["ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"] {
            self.inside.set(setting, "0");
        }
        self.inside.set("ipv4/ip_forward", "1");
        self.inside.ip(&format!("address add 10.0.0.{n}/32 dev lo"));
        let id = self.lan.id();
        self.inside.ip(&format!("link add lan0 type veth peer name eth0 netns {id}"));
        self.inside.ip(&format!("address add 172.16.{n}0.1/24 dev lan0"));
        self.inside.ip("link set lan0 up");
        self.lan.ip(&format!("address add 172.16.{n}0.2/24 dev eth0"));
        self.lan.ip("link set eth0 up");
        self.lan.ip(&format!("route add default via 172.16.{n}0.1"));
    }

    /// The lines of the overlay's table in the kernel.
    pub(crate) fn table(&self) -> Vec<String> {
        // Until the first route comes there is no such table.
        match self.inside.try_run("ip", "route show table 100") {
            (true, lines) => lines,
            (false, _) => Vec::new(),
        }
    }
}

/// Joins two, each with a route to the other's loopback.
fn wire(wires: &Namespace, number: usize, one: &Place, other: &Place) {
    let (_, here, there) = link(one.n, other.n).unwrap();
    let name = format!("link{number}");
    wires.ip(&format!("link add wire{number} type bridge"));
    wires.ip(&format!("link set wire{number} up"));
    for (place, address, peer, far) in
        [(one, &here, &there, other.n), (other, &there, &here, one.n)]
    {
        let (id, end) = (place.inside.id(), format!("end{number}{}", place.n));
        wires.ip(&format!("link add {end} type veth peer name {name} netns {id}"));
        wires.ip(&format!("link set {end} master wire{number} up"));
        place.inside.ip(&format!("address add {address}/24 dev {name}"));
        place.inside.ip(&format!("link set {name} up"));
        place.inside.ip(&format!("route add 10.0.0.{far}/32 via {peer}"));
    }
}
