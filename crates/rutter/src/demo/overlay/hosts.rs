//! The hosts, their wire and their networks.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};

use crate::demo::namespace::Namespace;

/// The network that two hosts have.
pub(super) const SHARED: &str = "172.16.99.0/24";

/// Everybody who takes part. Dropped, it ends them all.
pub(super) struct Hosts {
    hosts: Vec<Host>,
    _wire: Namespace,
    _files: tempfile::TempDir,
}

struct Host {
    place: Namespace,
    /// The machine behind it that sends or answers.
    machine: Namespace,
    process: Child,
    data: PathBuf,
}

impl Hosts {
    pub(super) fn start() -> anyhow::Result<Self> {
        let files = tempfile::Builder::new().prefix("rutter-demo-").tempdir()?;
        let wire = Namespace::new()?;
        wire.ip("link add wire type bridge")?;
        wire.ip("link set wire up")?;
        let hosts = (1..=3).map(|n| Host::start(n, &wire, files.path()));
        let hosts = hosts.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { hosts, _wire: wire, _files: files })
    }

    fn of(&self, n: usize) -> anyhow::Result<&Host> {
        self.hosts.get(n - 1).context("there are three hosts")
    }

    /// The machine from behind host a.
    pub(super) fn machine_of_a(&self) -> anyhow::Result<&Namespace> {
        Ok(&self.of(1)?.machine)
    }

    /// The machines that answer at 172.16.99.2.
    pub(super) fn machines_of_shared(&self) -> anyhow::Result<[&Namespace; 2]> {
        Ok([&self.of(2)?.machine, &self.of(3)?.machine])
    }

    /// What host a has learned.
    pub(super) fn table_of_a(&self) -> anyhow::Result<Vec<String>> {
        // Until the first route comes there is no such table.
        let (good, lines) = self.of(1)?.place.run("ip", "route show table 100")?;
        Ok(if good { lines } else { Vec::new() })
    }

    /// Host a's way to the network that two hosts have.
    pub(super) fn way_of_a(&self) -> anyhow::Result<String> {
        let lines = self.table_of_a()?;
        Ok(lines.into_iter().find(|line| line.starts_with(SHARED)).unwrap_or_default())
    }

    /// What host a says of that way.
    pub(super) fn explain(&self) -> anyhow::Result<String> {
        self.ask_a(&["explain", SHARED])
    }

    /// Whether host a has called both others, and they answered.
    pub(super) fn a_has_called(&self) -> anyhow::Result<bool> {
        let status = self.ask_a(&["status", "--output", "json"])?;
        Ok(status.matches("\"there\"").count() == 2)
    }

    fn ask_a(&self, what: &[&str]) -> anyhow::Result<String> {
        let host = self.of(1)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("overlay").args(what).arg("--data").arg(&host.data);
        let output = host.place.enter(move || command.output())??;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The process of host c is gone at one blow.
    pub(super) fn kill_c(&mut self) -> anyhow::Result<()> {
        let host = self.hosts.get_mut(2).context("there are three hosts")?;
        host.process.kill()?;
        host.process.wait()?;
        Ok(())
    }

    /// Host b ends in good order.
    pub(super) fn stop_b(&mut self) -> anyhow::Result<()> {
        self.hosts.get_mut(1).context("there are three hosts")?.stop()
    }

    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.hosts.get_mut(0).context("there are three hosts")?.stop()
    }
}

impl Host {
    fn start(n: usize, wire: &Namespace, files: &std::path::Path) -> anyhow::Result<Self> {
        let (place, machine) = (Namespace::new()?, Namespace::new()?);
        for setting in ["ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"] {
            place.set(setting, "0")?;
        }
        place.set("ipv4/ip_forward", "1")?;
        let id = place.id();
        wire.ip(&format!("link add host{n} type veth peer name eth0 netns {id}"))?;
        wire.ip(&format!("link set host{n} master wire up"))?;
        place.ip(&format!("address add 10.66.0.{n}/24 dev eth0"))?;
        place.ip("link set eth0 up")?;
        let lan = if n == 1 { "172.16.10" } else { "172.16.99" };
        let id = machine.id();
        place.ip(&format!("link add lan0 type veth peer name eth0 netns {id}"))?;
        place.ip(&format!("address add {lan}.1/24 dev lan0"))?;
        place.ip("link set lan0 up")?;
        machine.ip(&format!("address add {lan}.2/24 dev eth0"))?;
        machine.ip("link set eth0 up")?;
        machine.ip(&format!("route add default via {lan}.1"))?;
        let (file, data) = (files.join(format!("{n}.yaml")), files.join(format!("{n}")));
        std::fs::write(&file, yaml(n))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["overlay", "--log-level", "error", "--config"]).arg(file);
        command.arg("--data").arg(&data).stdin(Stdio::null());
        let process = place.enter(move || command.spawn())??;
        Ok(Self { place, machine, process, data })
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("a process has a number")?, Signal::TERM)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "a host ended with {status}");
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended before.
        if self.process.kill().is_ok() {
            let _ended = self.process.wait();
        }
    }
}

/// The file of a host.
fn yaml(n: usize) -> String {
    let shared = if n == 1 { String::new() } else { format!(", {SHARED}") };
    let metric = if n == 3 { 100 } else { 200 };
    let peers = (1..=3).filter(|peer| *peer != n);
    let peer = |n| format!("  - {{id: host-{n}, endpoint: {{address: 10.66.0.{n}}}}}\n");
    let peers: String = peers.map(peer).collect();
    format!(
        "version: 2
node: {{id: host-{n}}}
overlays:
  - vni: 100
    name: vx100
    bridge: {{name: br-prod, ipv4: 10.100.0.{n}/24}}
    underlay_interface: eth0
    routing:
      export: {{networks: [172.16.{n}0.0/24{shared}], metric: {metric}}}
      import:
        allow: [172.16.0.0/16]
        install: {{table: 100, lookup_rules: {{enabled: true}}}}
peers:
{peers}observability: {{logging: {{format: text}}, metrics: {{enabled: false}}}}
rutter: {{insecure: true}}
"
    )
}
