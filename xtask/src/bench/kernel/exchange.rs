//! From a peer's announcement to the last route in the kernel: two hosts of an overlay in two
//! namespaces, over a VXLAN of their own.
//!
//! The teller begins with no network; then its file names them all and it is told to read it again
//! (SIGHUP). The listener is asked how it stands all the while. An announcement is under way from
//! the last answer without a route, so what the asking costs counts against us.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bench::namespace::{Namespace, Pair};
use crate::bench::prefixes::{self, Network};
use crate::shell;

/// How long anything may take before the bench is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// Seconds of one run.
#[derive(Debug)]
pub(super) struct Exchanged {
    /// From the announcement to the last route in the kernel.
    pub(super) announced: f64,
    /// The same from when the peer was told to read its file again.
    pub(super) reloaded: f64,
    /// From the peer's reading its file again to the last route's removal.
    pub(super) withdrawn: f64,
}

pub(super) fn measure(routes: usize, runs: usize, seed: u64) -> Result<Vec<Exchanged>> {
    let networks = prefixes::draw(routes, seed)?;
    let folder = tempfile::tempdir()?;
    let pair = Pair::make()?;
    let teller = Host::start(&pair.feeder, 1, folder.path())?;
    let listener = Host::start(&pair.receiver, 2, folder.path())?;
    let mut exchanged = Vec::new();
    for _ in 0..runs {
        teller.says(&networks)?;
        let began = Instant::now();
        teller.reads_again()?;
        let mut before = began;
        let all = listener.until(|status| {
            let overlay = &status["overlays"][0];
            if overlay["routes"] == 0 {
                before = Instant::now();
            }
            overlay["kernel"]["routes"] == routes
        })?;
        listener.has(routes)?;
        teller.says(&[])?;
        let withdrawing = Instant::now();
        teller.reads_again()?;
        let none = listener.until(|status| status["overlays"][0]["kernel"]["routes"] == 0)?;
        listener.has(0)?;
        exchanged.push(Exchanged {
            announced: all.duration_since(before).as_secs_f64(),
            reloaded: all.duration_since(began).as_secs_f64(),
            withdrawn: none.duration_since(withdrawing).as_secs_f64(),
        });
    }
    Ok(exchanged)
}

/// A host of the overlay; ended when dropped.
struct Host {
    n: u8,
    namespace: String,
    program: PathBuf,
    file: PathBuf,
    data: PathBuf,
    process: Child,
}

impl Drop for Host {
    fn drop(&mut self) {
        // It takes its routes along, and so does the namespace.
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            eprintln!("warning: host {} doesn't end: {error}", self.n);
        }
    }
}

impl Host {
    fn start(namespace: &Namespace, n: u8, folder: &Path) -> Result<Self> {
        let file = folder.join(format!("host-{n}.yaml"));
        let data = folder.join(format!("host-{n}"));
        fs::write(&file, config(n, &[])?)?;
        let program = shell::root()?.join("target/release/rutter");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name()]).arg(&program);
        command.args(["overlay", "--log-level", "error", "--config"]).arg(&file);
        command.arg("--data").arg(&data).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().context("could not start `rutter overlay`")?;
        let namespace = namespace.name().to_owned();
        let host = Self { n, namespace, program, file, data, process };
        // It runs by now, and hears signals.
        host.until(|status| status["node"].is_string())?;
        Ok(host)
    }

    /// What it announces from its next reading on.
    fn says(&self, networks: &[Network]) -> Result<()> {
        Ok(fs::write(&self.file, config(self.n, networks)?)?)
    }

    fn reads_again(&self) -> Result<()> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process has a number")?, Signal::HUP)?)
    }

    /// Asks how it stands until that is so; when it was.
    fn until(&self, mut is_so: impl FnMut(&Value) -> bool) -> Result<Instant> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &self.namespace]).arg(&self.program);
            command.args(["overlay", "status", "--output", "json", "--data"]).arg(&self.data);
            // Until it runs nobody answers.
            let asked = command.stdin(Stdio::null()).output()?;
            if asked.status.success() && is_so(&serde_json::from_slice(&asked.stdout)?) {
                return Ok(Instant::now());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("host {} isn't there after {PATIENCE:?}", self.n)
    }

    /// The kernel itself says how many routes there are.
    fn has(&self, routes: usize) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["-n", &self.namespace, "route", "show", "table", "100"]);
        let n = shell::output(&mut command)?.lines().count();
        ensure!(n == routes, "the kernel has {n} routes, and {routes} are wanted");
        Ok(())
    }
}

fn config(n: u8, networks: &[Network]) -> Result<String> {
    let peer = 3 - n;
    let mut text = format!(
        "\
version: 2
node: {{id: host-{n}}}
rutter: {{insecure: true}}
overlays:
  - vni: 100
    name: vx100
    underlay_interface: peer0
    bridge: {{name: br100, ipv4: 10.255.255.{n}/24}}
    routing:
      import: {{accept_all: true, install: {{table: 100, lookup_rules: {{enabled: true}}}}}}
      export:
        networks: ["
    );
    for (address, length) in networks {
        write!(text, "{address}/{length}, ")?;
    }
    write!(text, "]\npeers: [{{id: host-{peer}, endpoint: {{address: 192.0.2.{peer}}}}}]\n")?;
    Ok(text)
}
