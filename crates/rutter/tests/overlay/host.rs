//! A process of `rutter overlay` on a host of a scene.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::scene::{Place, bridge, third};
use crate::support::{Running, rutter, stderr, stdout};

/// What a host's file says; the rest is as the scene has it.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    pub(crate) n: usize,
    pub(crate) peers: Vec<usize>,
    pub(crate) vnis: Vec<u32>,
    /// Beside its own lan.
    pub(crate) networks: Vec<String>,
    pub(crate) metric: u32,
    /// Within `import` of each overlay.
    pub(crate) import: String,
    /// Within `install` of each overlay, behind the table and the rules.
    pub(crate) install: String,
    /// At the file's top.
    pub(crate) more: String,
    /// The hosts are behind a router.
    pub(crate) routed: bool,
    /// Bridges and peers have addresses of IPv6 alone.
    pub(crate) only_v6: bool,
    /// Within `export` of each overlay.
    pub(crate) export: String,
    /// Options of the command.
    pub(crate) options: Vec<String>,
}

impl Says {
    /// A host with all others as peers, one overlay and its lan.
    pub(crate) fn of(n: usize, hosts: usize) -> Self {
        Self {
            n,
            peers: (1..=hosts).filter(|peer| *peer != n).collect(),
            vnis: vec![100],
            networks: vec![format!("172.16.{n}0.0/24")],
            metric: 100,
            import: "allow: [172.16.0.0/16, 'fd16::/16']".into(),
            install: String::new(),
            more: "rutter: {insecure: true}\n".into(),
            routed: false,
            only_v6: false,
            export: String::new(),
            options: Vec::new(),
        }
    }

    fn yaml(&self) -> String {
        let Self { n, metric, import, install, export, .. } = self;
        let mut yaml = format!(
            "version: 2\nnode: {{id: host-{n}}}\nobservability: {{logging: {{format: text}}}}\n\
             overlays:\n"
        );
        for vni in &self.vnis {
            let (third, bridge, table) = (third(*vni), bridge(*vni), vni % 253);
            let networks: Vec<_> = self.networks.iter().map(|n| format!("'{n}'")).collect();
            let networks = networks.join(", ");
            let v4 = match self.only_v6 {
                true => String::new(),
                false => format!("ipv4: 10.{third}.0.{n}/24, "),
            };
            write!(
                yaml,
                "  - vni: {vni}\n    name: vx{vni}\n    underlay_interface: eth0\n    \
                 bridge: {{name: {bridge}, {v4}ipv6: 'fd64:{vni}::{n}/64'}}\n    \
                 routing:\n      export: {{networks: [{networks}], metric: {metric}{export}}}\n      \
                 import: {{{import}, install: {{table: {table}, \
                 lookup_rules: {{enabled: true}}{install}}}}}\n"
            )
            .unwrap();
        }
        yaml.push_str("peers:\n");
        for peer in &self.peers {
            let third = if self.routed { *peer } else { 0 };
            let address = match self.only_v6 {
                true => format!("fd66::{peer}"),
                false => format!("10.66.{third}.{peer}"),
            };
            writeln!(yaml, "  - {{id: host-{peer}, endpoint: {{address: '{address}'}}}}").unwrap();
        }
        if self.peers.is_empty() {
            yaml = yaml.replace("peers:\n", "");
        }
        yaml + &self.more
    }
}

/// A host on which nothing runs, and its file.
pub(crate) struct Idle<'s> {
    place: &'s Place,
    dir: tempfile::TempDir,
}

impl<'s> Idle<'s> {
    pub(crate) fn new(place: &'s Place, says: &Says) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("netman.yaml"), says.yaml()).unwrap();
        Self { place, dir }
    }

    /// Runs `rutter overlay` with arguments.
    pub(crate) fn overlay(&self, arguments: &[&str]) -> Output {
        let path = |name| self.dir.path().join(name).to_string_lossy().into_owned();
        let (file, data) = (path("netman.yaml"), path("data"));
        let mut all = vec!["overlay", "--config", &file, "--data", &data];
        all.extend(arguments);
        let mut command = rutter(&all);
        self.place.inside.enter(move || command.output().expect("the program starts"))
    }
}

/// A host that runs. Dropping it kills it.
pub(crate) struct Host<'s> {
    pub(crate) place: &'s Place,
    pub(crate) process: Running,
    says: Says,
    dir: tempfile::TempDir,
}

impl<'s> Host<'s> {
    /// Starts it, and waits until it says that it runs.
    pub(crate) fn start(place: &'s Place, says: Says) -> Self {
        Self::start_in(place, says, tempfile::tempdir().unwrap())
    }

    fn start_in(place: &'s Place, says: Says, dir: tempfile::TempDir) -> Self {
        let file = dir.path().join("netman.yaml");
        std::fs::write(&file, says.yaml()).unwrap();
        let data = dir.path().join("data").to_string_lossy().into_owned();
        let file = file.to_string_lossy().into_owned();
        let mut all = vec!["overlay", "--data", &data, "--config", &file];
        all.extend(says.options.iter().map(String::as_str));
        let mut command = rutter(&all);
        let mut process = place.inside.enter(move || Running::start(&mut command));
        process.says("the overlay runs");
        Self { place, process, says, dir }
    }

    /// Started again after it has ended.
    pub(crate) fn starts_anew(self, change: impl FnOnce(&mut Says)) -> Self {
        let mut says = self.says.clone();
        change(&mut says);
        let (place, dir) = (self.place, self.dir);
        drop(self.process);
        Self::start_in(place, says, dir)
    }

    /// Writes its file anew and has it read.
    pub(crate) fn reloads(&mut self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says);
        std::fs::write(self.file(), self.says.yaml()).unwrap();
        self.process.signal("-HUP");
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("netman.yaml")
    }

    /// Runs a command of the program on the host.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let data = self.dir.path().join("data").to_string_lossy().into_owned();
        let mut all = vec!["--data", &data];
        all.extend(arguments);
        let mut command = rutter(&all);
        self.place.inside.enter(move || command.output().expect("the program starts"))
    }

    /// What a command prints that succeeds.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// The same for programs.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--output", "json"];
        all.extend(arguments);
        serde_json::from_str(&self.text(&all)).expect("JSON")
    }

    /// How it says it stands.
    pub(crate) fn status(&self) -> Value {
        self.json(&["overlay", "status"])
    }

    /// Waits until it says that a peer is there, or isn't.
    pub(crate) fn sees(&self, peer: usize, life: &str) -> std::time::Duration {
        let name = format!("host-{peer}");
        let look = || {
            let peers = self.status()["peers"].clone();
            peers.as_array().unwrap().iter().find(|peer| peer["name"] == name).cloned()
        };
        crate::until("the peer", look, |seen| seen.as_ref().is_some_and(|p| p["life"] == life))
    }

    /// The routes that it learned, in the kernel's table, as `ip` shows them.
    pub(crate) fn learned(&self) -> Vec<String> {
        self.place.table(100)
    }

    /// Waits until these networks, and no others, are in its table.
    pub(crate) fn learns(&self, networks: &[&str]) -> std::time::Duration {
        let what = format!("host {} learns {networks:?}", self.says.n);
        let is_so = |seen: &Vec<String>| {
            let mut learned: Vec<_> = seen.iter().filter_map(|l| l.split(' ').next()).collect();
            learned.sort_unstable();
            let mut wanted = networks.to_vec();
            wanted.sort_unstable();
            learned == wanted
        };
        crate::until(&what, || self.learned(), is_so)
    }
}
