//! A process that is a cluster: controller, gateway, overlay and fabric.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Output;

use serde_json::Value;

use crate::scene::{NAMES, Place, Scene, link, neighbours};
use crate::support::{Running, rutter, stderr, stdout};

/// The service of A.
pub(crate) const HOST: &str = "web.a.test";

/// A cluster that runs. Dropping it kills it.
pub(crate) struct Cluster<'s> {
    pub(crate) place: &'s Place,
    pub(crate) process: Running,
    scene: &'s Scene,
    says: Says,
    dir: tempfile::TempDir,
}

/// What a cluster's file says beside what the scene makes it say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Says {
    /// Within `fabric.policy.carry.services`.
    pub(crate) services: Option<String>,
    /// Within `fabric.policy`.
    pub(crate) policy: String,
    /// Further routes of its file of services, in GoDoxy's form.
    pub(crate) routes: String,
    /// Whether it has no overlay.
    pub(crate) without_overlay: bool,
}

impl<'s> Cluster<'s> {
    /// Starts it, and waits until it says that it runs.
    pub(crate) fn start(scene: &'s Scene, name: &str) -> Self {
        Self::saying(scene, name, Says::default())
    }

    pub(crate) fn saying(scene: &'s Scene, name: &str, says: Says) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start_in(scene, name, says, dir)
    }

    fn start_in(scene: &'s Scene, name: &str, says: Says, dir: tempfile::TempDir) -> Self {
        let place = scene.place(name);
        write(scene, place, &says, &dir);
        let path = |name| dir.path().join(name).to_string_lossy().into_owned();
        let (file, data) = (path("rutter.yaml"), path("data"));
        let mut command = rutter(&["run", "--config", &file, "--data", &data]);
        let mut process = place.inside.enter(move || Running::start(&mut command));
        process.says(if says.without_overlay { "ready" } else { "the overlay runs" });
        Self { place, process, scene, says, dir }
    }

    /// Started again after it was ended or killed.
    pub(crate) fn starts_anew(self) -> Self {
        let Self { place, process, scene, says, dir } = self;
        drop(process);
        Self::start_in(scene, place.name(), says, dir)
    }

    /// Its data directory is empty, as on another machine.
    pub(crate) fn loses_its_data(&self) {
        std::fs::remove_dir_all(self.dir.path().join("data")).unwrap();
    }

    /// Writes its file anew and has it read.
    pub(crate) fn reloads(&mut self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says);
        write(self.scene, self.place, &self.says, &self.dir);
        self.process.signal("-HUP");
    }

    /// Writes its file anew with other words in it, which nobody is told of.
    pub(crate) fn is_rewritten(&self, from: &str, to: &str) {
        let file = self.dir.path().join("rutter.yaml");
        let before = std::fs::read_to_string(&file).unwrap();
        assert!(before.contains(from), "no {from} in {before}");
        std::fs::write(file, before.replace(from, to)).unwrap();
    }

    /// Where people ask its gateway.
    pub(crate) fn gateway(&self) -> SocketAddr {
        format!("10.0.0.{}:8080", self.place.n).parse().unwrap()
    }

    /// Runs a command of the program there.
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

    /// Waits until it knows of the cluster `a` by these neighbours, and no others.
    pub(crate) fn has_ways(&self, by: &[&str]) {
        let wanted: BTreeSet<String> = by.iter().map(|name| (*name).to_owned()).collect();
        let what = format!("{} knows of a by {by:?}", self.place.name());
        crate::until(&what, || self.ways(), |ways| *ways == wanted);
    }

    /// The neighbour that a request for the cluster `a` goes to.
    pub(crate) fn best(&self) -> String {
        let trace = self.json(&["fabric", "trace", "a"]);
        trace["decision"]["next_hop"].as_str().unwrap_or_default().to_owned()
    }

    /// The neighbours by which it may reach the cluster `a` now.
    fn ways(&self) -> BTreeSet<String> {
        let trace = self.json(&["fabric", "trace", "a"]);
        let candidates = trace["candidates"].as_array().cloned().unwrap_or_default();
        let stands = |route: &&Value| route["standing"] == "eligible";
        let by = |route: &Value| route["advertiser"].as_str().unwrap_or_default().to_owned();
        candidates.iter().filter(stands).map(by).collect()
    }
}

fn write(scene: &Scene, place: &Place, says: &Says, dir: &tempfile::TempDir) {
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let mut routes = says.routes.clone();
    if place.name() == "a" {
        routes.push_str(
            "web.a.test: {host: 172.16.10.2, port: 8000, healthcheck: {disable: true}}\n",
        );
    }
    // A file without a route is none.
    let files = if routes.is_empty() { String::new() } else { path("routes.yml") };
    std::fs::write(dir.path().join("routes.yml"), &routes).unwrap();
    let yaml = yaml(scene, place, says, &files);
    std::fs::write(dir.path().join("rutter.yaml"), yaml).unwrap();
}

fn yaml(scene: &Scene, place: &Place, says: &Says, files: &str) -> String {
    let (n, name) = (place.n, place.name());
    let keys = scene.keys.path().display();
    let services = says.services.as_deref().unwrap_or("{import: {}, export: {}}");
    let (overlay, carries) = match says.without_overlay {
        true => (String::new(), ""),
        false => (overlay(n, name), "      overlay/100: {import: {}, export: {}}\n"),
    };
    let mut yaml = format!(
        "cluster: {name}\ndomain: {name}.test\ncontroller:\ngateway: {{name: {name}}}\n\
         listeners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  gateway: {{http: '10.0.0.{n}:8080', \
         fabric: '10.0.0.{n}:8443'}}\nproviders: {{files: [{files}]}}\n{overlay}\
         fabric:\n  gateway: 10.0.0.{n}:8443\n  key: {keys}/{name}.pem\n  keys: {{files: [{keys}/known]}}\n  \
         policy:\n    carry:\n      services: {services}\n{carries}"
    );
    if !says.policy.is_empty() {
        writeln!(yaml, "    {}", says.policy).unwrap();
    }
    yaml.push_str("  neighbours:\n");
    for other in neighbours(n) {
        let (_, _, there) = link(n, other).unwrap();
        let name = NAMES[other - 1];
        writeln!(yaml, "    {name}: {{addresses: ['{there}:7072'], next_hop: {there}}}").unwrap();
    }
    yaml
}

/// What is behind it, told in an overlay.
fn overlay(n: usize, name: &str) -> String {
    format!(
        "overlay:\n  node: {name}\n  insecure: true\n  networks:\n    - vni: 100\n      vxlan: vx100\n      \
         bridge: br-prod\n      addresses: [10.100.0.{n}/24]\n      \
         export: {{networks: [172.16.{n}0.0/24]}}\n      import: {{allow: [172.16.0.0/16]}}\n"
    )
}
