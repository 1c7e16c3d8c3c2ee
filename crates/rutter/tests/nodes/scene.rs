//! A wire with a controller and nodes on it, two of them routers of one LAN.
//!
//! ```text
//!   user .3 ──────┐                   ┌── r1 .1 ── 10.1.0.1 ─┐
//!                 ├─ 10.66.0.0/24 ────┤                      ├─ 10.1.0.0/24 ── host 10.1.0.10
//!   controller ───┘                   └── r2 .2 ── 10.1.0.2 ─┘
//!      .100
//! ```
//!
//! The same by IPv6, but for the controller: fd66::/64 on the wire, fd01::/64 in the LAN.
//!
//! The host behind knows nobody beyond its LAN: it answers because routers masquerade.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::net::namespace::Namespace;
use crate::net::probe::{Lost, Probe};
use crate::net::until;
use crate::support::{Running, rutter, stderr, stdout};

/// The network behind both routers, and the host there.
pub(crate) const LAN: &str = "10.1.0.0/24";
pub(crate) const HOST: &str = "10.1.0.10";

/// The namespaces, with nothing running.
pub(crate) struct Scene {
    pub(crate) wire: Namespace,
    pub(crate) lan: Namespace,
    pub(crate) host: Namespace,
    pub(crate) controller: Namespace,
    pub(crate) routers: [Namespace; 2],
    pub(crate) user: Namespace,
    dir: tempfile::TempDir,
}

impl Scene {
    /// `None`: this user may not make namespaces.
    pub(crate) fn new() -> Option<Self> {
        let Some(wire) = Namespace::new() else {
            println!("skipped: this user may not make network namespaces");
            return None;
        };
        let scene = Self {
            wire,
            lan: Namespace::new()?,
            host: Namespace::new()?,
            controller: Namespace::new()?,
            routers: [Namespace::new()?, Namespace::new()?],
            user: Namespace::new()?,
            dir: tempfile::tempdir().unwrap(),
        };
        for (switch, name) in [(&scene.wire, "wire"), (&scene.lan, "lan")] {
            switch.ip(&format!("link add {name} type bridge"));
            switch.ip(&format!("link set {name} up"));
        }
        for (n, router) in scene.routers.iter().enumerate() {
            let n = n + 1;
            plug(&scene.wire, "wire", router, "eth0", &format!("r{n}"), &format!("10.66.0.{n}/24"));
            plug(&scene.lan, "lan", router, "lan0", &format!("r{n}"), &format!("10.1.0.{n}/24"));
        }
        for (host, link, address) in [
            (&scene.routers[0], "eth0", "fd66::1"),
            (&scene.routers[0], "lan0", "fd01::1"),
            (&scene.routers[1], "eth0", "fd66::2"),
            (&scene.routers[1], "lan0", "fd01::2"),
        ] {
            host.ip(&format!("address add {address}/64 dev {link} nodad"));
        }
        plug(&scene.wire, "wire", &scene.user, "eth0", "user", "10.66.0.3/24");
        scene.user.ip("address add fd66::3/64 dev eth0 nodad");
        plug(&scene.wire, "wire", &scene.controller, "eth0", "ctl", "10.66.0.100/24");
        plug(&scene.lan, "lan", &scene.host, "eth0", "host", &format!("{HOST}/24"));
        scene.host.ip("address add fd01::10/64 dev eth0 nodad");
        Some(scene)
    }

    /// The namespace of a router, by its number from 1.
    pub(crate) fn router(&self, n: usize) -> &Namespace {
        &self.routers[n - 1]
    }

    /// Cuts a port of a switch without a word to either end, or mends it: both keep their carrier.
    pub(crate) fn cut(&self, switch: &str, port: &str, cut: bool) {
        let at = if switch == "wire" { &self.wire } else { &self.lan };
        let master = if cut { "nomaster".to_owned() } else { format!("master {switch}") };
        at.ip(&format!("link set {port} {master}"));
    }

    /// A file of the test's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the user's packets to the LAN go, as its kernel says.
    pub(crate) fn way(&self) -> String {
        self.user.ip(&format!("route show {LAN}")).join("")
    }

    /// Waits until the user's packets to the LAN go by that router.
    pub(crate) fn leads_by(&self, n: usize) -> Duration {
        let is = format!("via 10.66.0.{n} ");
        until(&format!("the way by router {n}"), || self.way(), |way| way.contains(&is))
    }

    /// The user pings the host behind.
    pub(crate) fn pings(&self) -> Probe {
        let probe = Probe::pings(&self.user, &self.host, HOST);
        probe.flows();
        probe
    }
}

/// A cable from a switch to a host.
fn plug(switch: &Namespace, bridge: &str, host: &Namespace, link: &str, port: &str, address: &str) {
    let id = host.id();
    host.set("ipv6/conf/default/accept_dad", "0");
    switch.ip(&format!("link add {port} type veth peer name {link} netns {id}"));
    switch.ip(&format!("link set {port} master {bridge} up"));
    host.ip(&format!("address add {address} dev {link}"));
    host.ip(&format!("link set {link} up"));
}

/// The controller, running.
pub(crate) struct Controller<'s> {
    scene: &'s Scene,
    pub(crate) process: Running,
}

impl<'s> Controller<'s> {
    /// Starts one; `nodes` stands in the section of that name.
    pub(crate) fn start(scene: &'s Scene, nodes: &str) -> Self {
        let file = scene.path("controller.yaml");
        let text = format!(
            "domain: example.test\ncontroller:\nnodes: {{{nodes}}}\n\
             listeners: {{api: '10.66.0.100:7070', link: '10.66.0.100:7071'}}\n"
        );
        std::fs::write(&file, text).unwrap();
        let data = scene.path("controller").to_string_lossy().into_owned();
        let file = file.to_string_lossy().into_owned();
        let mut command = rutter(&["run", "--data", &data, "--config", &file]);
        let mut process = scene.controller.enter(move || Running::start(&mut command));
        process.says("ready");
        Self { scene, process }
    }

    /// What a command prints for programs that succeeds there.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let data = self.scene.path("controller").to_string_lossy().into_owned();
        let mut all = vec!["--data", &data, "--output", "json"];
        all.extend(arguments);
        let mut command = rutter(&all);
        let output = self.scene.controller.enter(move || command.output().expect("it starts"));
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        let text = stdout(&output);
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{arguments:?}: {why}: {text}"))
    }

    /// A line with which any number of nodes of `alice@` join.
    pub(crate) fn join(&self) -> String {
        self.json(&["users", "create", "alice@"]);
        let made = self.json(&["preauthkeys", "create", "--user", "alice@", "--reusable"]);
        made["join"].as_str().expect("a line").to_owned()
    }

    /// The rows of a prefix: node, how it stands, whether it is primary.
    pub(crate) fn rows(&self, prefix: &str) -> Vec<(String, Option<String>, bool)> {
        let routes = self.json(&["nodes", "routes", "--prefix", prefix]);
        let rows = routes.as_array().cloned().unwrap_or_default();
        let row = |row: &Value| {
            let standing = row["standing"].as_str().map(ToOwned::to_owned);
            let name = row["node_name"].as_str().unwrap_or_default().to_owned();
            (name, standing, row["is_primary"] == true)
        };
        rows.iter().map(row).collect()
    }

    /// Waits until that node has the prefix, and that is how it stands.
    pub(crate) fn has(&self, node: &str, prefix: &str, standing: &str) {
        let is_it = |rows: &Vec<(String, Option<String>, bool)>| {
            rows.iter().any(|row| row.0 == node && row.1.as_deref() == Some(standing))
        };
        until(&format!("{node} has {prefix}, {standing}"), || self.rows(prefix), is_it);
    }

    /// Who is primary of a prefix.
    pub(crate) fn primary(&self, prefix: &str) -> Option<String> {
        self.rows(prefix).into_iter().find(|row| row.2).map(|row| row.0)
    }

    /// Moves of a prefix since the start.
    pub(crate) fn moves(&self, prefix: &str) -> Vec<Value> {
        let moves = self.json(&["nodes", "moves", "--prefix", prefix]);
        moves.as_array().cloned().unwrap_or_default()
    }
}

/// A node's process.
pub(crate) struct Agent<'s> {
    at: &'s Namespace,
    file: PathBuf,
    data: PathBuf,
    pub(crate) process: Running,
}

impl<'s> Agent<'s> {
    /// Starts a node by a file; `routes` stands in `agent.routes`.
    pub(crate) fn start(
        scene: &'s Scene,
        at: &'s Namespace,
        name: &str,
        join: &str,
        routes: &str,
    ) -> Self {
        let file = scene.path(&format!("{name}.yaml"));
        let text = format!("agent:\n  join: '{join}'\n  name: {name}\n  routes: {{{routes}}}\n");
        std::fs::write(&file, text).unwrap();
        Self::of_file(scene, at, name, &file)
    }

    /// The same by `rutter agent` with options; its data is kept under that name.
    pub(crate) fn of_options(
        scene: &Scene,
        at: &'s Namespace,
        name: &str,
        options: &[&str],
    ) -> Self {
        let (file, data) = (PathBuf::new(), scene.path(name));
        let kept = data.to_string_lossy().into_owned();
        let mut all = vec!["--data", &kept, "agent"];
        all.extend(options);
        let mut command = rutter(&all);
        let process = at.enter(move || Running::start(&mut command));
        Self { at, file, data, process }
    }

    /// The same by a file that is there; its data is kept under that name.
    pub(crate) fn of_file(scene: &Scene, at: &'s Namespace, name: &str, file: &Path) -> Self {
        let (file, data) = (file.to_owned(), scene.path(name));
        let process = run(at, &file, &data);
        Self { at, file, data, process }
    }

    /// The same after its process has ended, with what it kept.
    pub(crate) fn starts_anew(&mut self) {
        self.process = run(self.at, &self.file, &self.data);
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self) {
        self.process.signal("-KILL");
    }
}

fn run(at: &Namespace, file: &Path, data: &Path) -> Running {
    let (file, data) = (file.to_string_lossy().into_owned(), data.to_string_lossy().into_owned());
    let mut command = rutter(&["run", "--data", &data, "--config", &file]);
    at.enter(move || Running::start(&mut command))
}

/// All of it: both routers approved, the first primary, the user's packets on their way.
pub(crate) struct Network<'s> {
    pub(crate) scene: &'s Scene,
    pub(crate) controller: Controller<'s>,
    pub(crate) routers: Vec<Agent<'s>>,
    pub(crate) user: Agent<'s>,
    pub(crate) probe: Probe,
}

impl<'s> Network<'s> {
    /// Starts it; `more` stands in both routers' `routes`.
    pub(crate) fn start(scene: &'s Scene, nodes: &str, more: &str) -> Self {
        let controller = Controller::start(scene, nodes);
        let join = controller.join();
        let routes = format!("advertise_routes: [{LAN}]{more}");
        let mut routers = Vec::new();
        for n in [1, 2] {
            let name = format!("r{n}");
            routers.push(Agent::start(scene, scene.router(n), &name, &join, &routes));
            // One after the other, so the first is the oldest and primary.
            controller.has(&name, LAN, "unapproved");
            controller.json(&["nodes", "approve", &name, LAN, "--why", "the test"]);
            controller.has(&name, LAN, "eligible");
        }
        let user = Agent::start(scene, &scene.user, "user", &join, "accept_routes: true");
        scene.leads_by(1);
        let probe = scene.pings();
        Self { scene, controller, routers, user, probe }
    }

    /// Does something, and says how long it took until the user's packets went by that router, and
    /// what was lost since.
    pub(crate) fn moves_to(&mut self, n: usize, what: impl FnOnce(&mut Self)) -> (Duration, Lost) {
        let (since, began) = (self.probe.now(), Instant::now());
        what(self);
        self.scene.leads_by(n);
        let took = began.elapsed();
        self.probe.flows();
        // What follows the move belongs to it.
        self.probe.sends(50);
        (took, self.probe.lost(since))
    }
}
