//! The clusters: their files, their keys and their processes.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rutter_link::LinkKey;
use serde_json::Value;

use crate::demo::wait;

/// A cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    A,
    B,
    C,
    D,
}

impl Name {
    const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
        }
    }

    fn neighbours(self) -> [Self; 2] {
        match self {
            Self::A | Self::D => [Self::B, Self::C],
            Self::B | Self::C => [Self::A, Self::D],
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All of them. Dropped, it ends them.
pub(super) struct Clusters {
    clusters: Vec<Cluster>,
    files: tempfile::TempDir,
    service: SocketAddr,
}

struct Cluster {
    name: Name,
    /// `None`: it was killed.
    process: Option<Child>,
    ports: Ports,
}

/// Where a cluster listens on loopback.
#[derive(Debug, Clone, Copy)]
struct Ports {
    fabric: u16,
    people: u16,
    neighbours: u16,
}

impl Ports {
    /// Three that are free at this moment.
    fn free() -> anyhow::Result<Self> {
        // Bound at once, so that they are three.
        let bound = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)));
        let mut ports = Vec::new();
        for listener in bound {
            ports.push(listener?.local_addr()?.port());
        }
        match ports.as_slice() {
            [fabric, people, neighbours] => {
                Ok(Self { fabric: *fabric, people: *people, neighbours: *neighbours })
            }
            _ => anyhow::bail!("three were bound"),
        }
    }
}

impl Clusters {
    /// Starts all four, beside a the service.
    pub(super) fn start(service: SocketAddr) -> anyhow::Result<Self> {
        let files = tempfile::Builder::new().prefix("rutter-demo-").tempdir()?;
        make_keys(files.path())?;
        let clusters =
            Name::ALL.map(|name| Ok(Cluster { name, process: None, ports: Ports::free()? }));
        let clusters = clusters.into_iter().collect::<anyhow::Result<_>>()?;
        let mut all = Self { clusters, files, service };
        for name in Name::ALL {
            all.write(name, true)?;
            all.start_again(name)?;
        }
        Ok(all)
    }

    /// Where people ask a cluster's gateway.
    pub(super) fn gateway(&self, name: Name) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports(name).people))
    }

    /// What a command of the program prints at a cluster.
    pub(super) fn rutter(&self, at: Name, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--data").arg(self.data(at)).args(arguments).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?} at {at}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn json(&self, at: Name, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut all = vec!["--output", "json"];
        all.extend(arguments);
        Ok(serde_json::from_str(&self.rutter(at, &all)?)?)
    }

    /// The neighbours by which d may reach a now, by name.
    pub(super) fn ways_of_d(&self) -> anyhow::Result<Vec<String>> {
        let trace = self.json(Name::D, &["fabric", "trace", "a"])?;
        let candidates = trace["candidates"].as_array().cloned().unwrap_or_default();
        let stand = candidates.iter().filter(|route| route["standing"] == "eligible");
        let mut ways: Vec<String> =
            stand.filter_map(|route| Some(route["advertiser"].as_str()?.to_owned())).collect();
        ways.sort_unstable();
        Ok(ways)
    }

    /// The neighbour by which d reaches a.
    pub(super) fn best_of_d(&self) -> anyhow::Result<Name> {
        let trace = self.json(Name::D, &["fabric", "trace", "a"])?;
        let hop = trace["decision"]["next_hop"].as_str().unwrap_or_default().to_owned();
        Name::ALL.into_iter().find(|name| name.as_str() == hop).context("d knows no way to a")
    }

    /// The ids of a's keys that a cluster knows.
    pub(super) fn keys_of_a(&self, at: Name) -> anyhow::Result<Vec<String>> {
        let listed = self.json(at, &["fabric", "keys", "list"])?;
        let keys = listed["clusters"]["a"]["keys"].as_array().cloned().unwrap_or_default();
        Ok(keys.iter().filter_map(|key| Some(key["key_id"].as_str()?.to_owned())).collect())
    }

    /// Ends a cluster without a word.
    pub(super) fn kill(&mut self, name: Name) -> anyhow::Result<()> {
        let process = self.cluster(name)?.process.take();
        let mut process = process.with_context(|| format!("{name} doesn't run"))?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Starts a cluster that doesn't run.
    pub(super) fn start_again(&mut self, name: Name) -> anyhow::Result<()> {
        let (file, data) = (self.file(name), self.data(name));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--config"]).arg(file).arg("--data").arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.cluster(name)?.process = Some(command.spawn()?);
        wait("a cluster starts", || Ok(self.rutter(name, &["fabric", "status"]).is_ok()))
    }

    /// Whether b tells others of services; it takes its file anew.
    pub(super) fn b_tells_services(&mut self, tells: bool) -> anyhow::Result<()> {
        self.write(Name::B, tells)?;
        let process = self.cluster(Name::B)?.process.as_ref().context("b doesn't run")?;
        let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("b's number")?, Signal::HUP)?;
        Ok(())
    }

    /// Ends them in good order; what is left of them goes with it.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        for cluster in &mut self.clusters {
            let Some(process) = &mut cluster.process else { continue };
            let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
            kill_process(id.context("a process's number")?, Signal::TERM)?;
        }
        for cluster in &mut self.clusters {
            if let Some(mut process) = cluster.process.take() {
                let name = cluster.name;
                ensure!(process.wait()?.success(), "{name} didn't end in good order");
            }
        }
        Ok(())
    }

    fn cluster(&mut self, name: Name) -> anyhow::Result<&mut Cluster> {
        let found = self.clusters.iter_mut().find(|cluster| cluster.name == name);
        found.context("there are four clusters")
    }

    fn ports(&self, name: Name) -> Ports {
        let found = self.clusters.iter().find(|cluster| cluster.name == name);
        found.map_or(Ports { fabric: 0, people: 0, neighbours: 0 }, |cluster| cluster.ports)
    }

    fn file(&self, name: Name) -> PathBuf {
        self.files.path().join(format!("{name}.yaml"))
    }

    fn data(&self, name: Name) -> PathBuf {
        self.files.path().join(format!("{name}-data"))
    }

    /// A cluster's file.
    fn write(&self, name: Name, tells_services: bool) -> anyhow::Result<()> {
        let (files, ports) = (self.files.path().display(), self.ports(name));
        let services = match tells_services {
            true => "{import: {}, export: {}}",
            false => "{import: {}}",
        };
        let mut yaml = format!(
            "cluster: {name}\ndomain: {name}.test\ncontroller:\ngateway: {{name: {name}}}\n\
             listeners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  \
             gateway: {{http: '127.0.0.1:{}', fabric: '127.0.0.1:{}'}}\n",
            ports.people, ports.neighbours
        );
        if name == Name::A {
            let routes = self.files.path().join("services.yml");
            let (host, port) = (self.service.ip(), self.service.port());
            std::fs::write(&routes, format!("{}: {{host: {host}, port: {port}}}\n", super::HOST))?;
            yaml.push_str(&format!("providers: {{files: ['{}']}}\n", routes.display()));
        }
        yaml.push_str(&format!(
            "fabric:\n  listen: 127.0.0.1:{}\n  gateway: 127.0.0.1:{}\n  key: {files}/{name}.pem\n  \
             keys: {{files: ['{files}/known']}}\n  policy: {{carry: {{services: {services}}}}}\n  \
             neighbours:\n",
            ports.fabric, ports.neighbours
        ));
        for neighbour in name.neighbours() {
            let port = self.ports(neighbour).fabric;
            yaml.push_str(&format!("    {neighbour}: {{addresses: ['127.0.0.1:{port}']}}\n"));
        }
        Ok(std::fs::write(self.file(name), yaml)?)
    }
}

impl Drop for Clusters {
    fn drop(&mut self) {
        for cluster in &mut self.clusters {
            if let Some(mut process) = cluster.process.take() {
                // It may have ended by itself.
                drop(process.kill().and_then(|()| process.wait()));
            }
        }
    }
}

/// A key a cluster, and what everybody may know of them in one file.
fn make_keys(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut known = String::new();
    for name in Name::ALL {
        let key = LinkKey::generate()?;
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, key.to_pem())?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        known.push_str(&format!("{name} {}\n", key.public()?));
    }
    Ok(std::fs::write(dir.join("known"), known)?)
}
