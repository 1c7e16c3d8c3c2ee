//! The hosts, their wire, and the network behind two of them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};

use crate::demo::namespace::Namespace;
use crate::demo::wait;

/// The network behind both routers.
pub(super) const NETWORK: &str = "10.1.0.0/24";

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Router {
    R1,
    R2,
}

impl Router {
    fn name(self) -> &'static str {
        match self {
            Self::R1 => "r1",
            Self::R2 => "r2",
        }
    }

    /// The last byte of its addresses.
    fn number(self) -> u8 {
        match self {
            Self::R1 => 2,
            Self::R2 => 3,
        }
    }

    /// Its address in the network behind it.
    pub(super) fn in_network(self) -> IpAddr {
        [10, 1, 0, self.number()].into()
    }
}

/// Everybody who takes part. Dropped, it ends them all.
pub(super) struct Cast {
    controller: Host,
    routers: [Host; 2],
    client: Host,
    /// The machine in the network.
    machine: Namespace,
    wire: Namespace,
    _network: Namespace,
    files: tempfile::TempDir,
    join: String,
}

/// A host on the wire, and what runs on it.
struct Host {
    place: Namespace,
    process: Option<Child>,
}

impl Cast {
    pub(super) fn start() -> anyhow::Result<Self> {
        let files = tempfile::Builder::new().prefix("rutter-demo-").tempdir()?;
        let (wire, network) = (bridge("wire")?, bridge("lan")?);
        let machine = Namespace::new()?;
        plug(&network, "lan", "machine", &machine, "eth0", "10.1.0.9")?;
        let router = |router: Router| {
            let host = Host::on(&wire, router.name(), router.number())?;
            let in_network = router.in_network().to_string();
            plug(&network, "lan", router.name(), &host.place, "lan0", &in_network)?;
            anyhow::Ok(host)
        };
        let routers = [router(Router::R1)?, router(Router::R2)?];
        let client = Host::on(&wire, "client", 4)?;
        let controller = Host::on(&wire, "controller", 1)?;
        let join = String::new();
        let mut cast =
            Self { controller, routers, client, machine, wire, _network: network, files, join };
        cast.begin()?;
        Ok(cast)
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        let file = self.files.path().join("rutter.yaml");
        std::fs::write(&file, FILE)?;
        let data = self.data();
        let mut command = program(&["run", "--config"])?;
        command.arg(file).arg("--data").arg(&data);
        self.controller.run(command)?;
        wait("the controller", || Ok(data.join("run.json").exists()))?;
        self.rutter(&["users", "create", "alice@"])?;
        let key = ["--output", "json", "preauthkeys", "create", "--user", "alice@", "--reusable"];
        let made: serde_json::Value = serde_json::from_str(&self.rutter(&key)?)?;
        self.join = made["join"].as_str().context("a line to join with")?.to_owned();
        for router in [Router::R1, Router::R2] {
            self.route(router)?;
        }
        let client = self.agent("client", &["--accept-routes"])?;
        self.client.run(client)
    }

    fn data(&self) -> PathBuf {
        self.files.path().join("controller")
    }

    /// A router's agent begins.
    fn route(&mut self, router: Router) -> anyhow::Result<()> {
        let command = self.agent(router.name(), &["--advertise-routes", NETWORK])?;
        self.host(router).run(command)
    }

    fn agent(&self, name: &str, more: &[&str]) -> anyhow::Result<Command> {
        let mut command = program(&["agent", "--log-level", "error", "--name", name, "--join"])?;
        command.arg(&self.join).args(more).arg("--state").arg(self.files.path().join(name));
        Ok(command)
    }

    fn host(&mut self, router: Router) -> &mut Host {
        let [r1, r2] = &mut self.routers;
        match router {
            Router::R1 => r1,
            Router::R2 => r2,
        }
    }

    pub(super) fn client(&self) -> &Namespace {
        &self.client.place
    }

    /// The machine in the network.
    pub(super) fn machine(&self) -> &Namespace {
        &self.machine
    }

    /// What a command says on the controller's host.
    pub(super) fn rutter(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = program(arguments)?;
        command.arg("--data").arg(self.data());
        let output = self.controller.place.enter(move || command.output())??;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The client's route to the network, as its kernel has it.
    pub(super) fn way_of_client(&self) -> anyhow::Result<String> {
        Ok(self.client.place.ip(&format!("route show {NETWORK}"))?.join("; "))
    }

    pub(super) fn client_goes_by(&self, router: Router) -> anyhow::Result<bool> {
        let by = format!("via 10.66.0.{} ", router.number());
        Ok(self.way_of_client()?.contains(&by))
    }

    /// The router's agent is gone at one blow.
    pub(super) fn kill(&mut self, router: Router) -> anyhow::Result<()> {
        self.host(router).kill()
    }

    /// The router's wire is dead, and its end in the network.
    pub(super) fn cut(&mut self, router: Router) -> anyhow::Result<()> {
        self.wire.ip(&format!("link set {} down", router.name()))?;
        self.host(router).place.ip("link set lan0 down").map(drop)
    }

    /// The router is there again.
    pub(super) fn come_back(&mut self, router: Router) -> anyhow::Result<()> {
        self.wire.ip(&format!("link set {} up", router.name()))?;
        self.host(router).place.ip("link set lan0 up")?;
        self.route(router)
    }

    /// The router's agent ends in good order.
    pub(super) fn stop(&mut self, router: Router) -> anyhow::Result<()> {
        self.host(router).stop()
    }

    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.client.stop()?;
        self.host(Router::R1).stop()?;
        self.controller.stop()
    }
}

impl Host {
    /// A host with the address `10.66.0.N` on the wire.
    fn on(wire: &Namespace, name: &str, n: u8) -> anyhow::Result<Self> {
        let place = Namespace::new()?;
        for setting in ["ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"] {
            place.set(setting, "0")?;
        }
        plug(wire, "wire", name, &place, "eth0", &format!("10.66.0.{n}"))?;
        Ok(Self { place, process: None })
    }

    fn run(&mut self, mut command: Command) -> anyhow::Result<()> {
        self.process = Some(self.place.enter(move || command.spawn())??);
        Ok(())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("something runs there")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("something runs there")?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("a process has a number")?, Signal::TERM)?;
        let status = process.wait()?;
        ensure!(status.success(), "a host ended with {status}");
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended before.
        if let Some(mut process) = self.process.take()
            && process.kill().is_ok()
        {
            let _ended = process.wait();
        }
    }
}

/// A switch of this name, in a namespace of its own.
fn bridge(name: &str) -> anyhow::Result<Namespace> {
    let place = Namespace::new()?;
    place.ip(&format!("link add {name} type bridge"))?;
    place.ip(&format!("link set {name} up"))?;
    Ok(place)
}

/// Plugs a host into a switch; `port` is what the switch calls it.
fn plug(
    switch: &Namespace,
    bridge: &str,
    port: &str,
    host: &Namespace,
    link: &str,
    address: &str,
) -> anyhow::Result<()> {
    let id = host.id();
    switch.ip(&format!("link add {port} type veth peer name {link} netns {id}"))?;
    switch.ip(&format!("link set {port} master {bridge} up"))?;
    host.ip(&format!("address add {address}/24 dev {link}"))?;
    host.ip(&format!("link set {link} up")).map(drop)
}

/// This program, with arguments.
fn program(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

const FILE: &str = "\
controller:
nodes:
listeners: {api: '10.66.0.1:7070', link: '10.66.0.1:7071'}
log: {level: error}
";
