//! Two network namespaces and the veth pair between them.
//!
//! Their names carry our process id. They are removed when the pair is dropped, also when a run
//! fails; a bench that was killed leaves them, and the next one sweeps them away, with the daemons
//! in them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

const PREFIX: &str = "rutter-bench-";

/// A namespace by name; removed when dropped.
pub(crate) struct Namespace(String);

impl Namespace {
    fn add(name: String) -> Result<Self> {
        ip(&["netns", "add", &name])?;
        Ok(Self(name))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.0]) {
            eprintln!("warning: the namespace {} stays: {error:#}", self.0);
        }
    }
}

/// The feeder's end, 192.0.2.1, and the receiver's, 192.0.2.2.
pub(crate) struct Pair {
    pub(crate) feeder: Namespace,
    pub(crate) receiver: Namespace,
}

impl Pair {
    pub(crate) fn make() -> Result<Self> {
        let process = std::process::id();
        let feeder = Namespace::add(format!("{PREFIX}{process}-feeder"))?;
        let receiver = Namespace::add(format!("{PREFIX}{process}-receiver"))?;
        // Made inside, so that it never stands among the machine's own links.
        ip(&[
            "-n",
            feeder.name(),
            "link",
            "add",
            "peer0",
            "type",
            "veth",
            "peer",
            "name",
            "peer0",
            "netns",
            receiver.name(),
        ])?;
        for (end, address) in [(&feeder, "192.0.2.1/30"), (&receiver, "192.0.2.2/30")] {
            ip(&["-n", end.name(), "address", "add", address, "dev", "peer0"])?;
            ip(&["-n", end.name(), "link", "set", "lo", "up"])?;
            ip(&["-n", end.name(), "link", "set", "peer0", "up"])?;
        }
        Ok(Self { feeder, receiver })
    }
}

/// Removes what killed benches left.
pub(crate) fn sweep() -> Result<()> {
    for name in left_over(&ip(&["netns", "list"])?, is_running) {
        eprintln!("the namespace {name} is left from a bench that was killed; removed");
        for process in ip(&["netns", "pids", &name])?.split_whitespace() {
            let pid = process.parse().ok().and_then(rustix::process::Pid::from_raw);
            let pid = pid.with_context(|| format!("`ip netns pids` said `{process}`"))?;
            match rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error).context("can't end a daemon that was left"),
            }
        }
        drop(Namespace(name));
    }
    Ok(())
}

/// Of the lines `NAME (id: 0)` our names whose bench is no more.
fn left_over(list: &str, is_running: impl Fn(&str) -> bool) -> Vec<String> {
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let ours = names.filter(|name| {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        process.is_some_and(|process| !is_running(process))
    });
    ours.map(str::to_owned).collect()
}

fn is_running(process: &str) -> bool {
    Path::new("/proc").join(process).exists()
}

fn ip(arguments: &[&str]) -> Result<String> {
    shell::output(Command::new("ip").args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_bench_left_is_swept() {
        let list = "rutter-bench-12-feeder (id: 0)\nrutter-bench-34-receiver\nother-12\n";
        assert_eq!(left_over(list, |process| process == "34"), ["rutter-bench-12-feeder"]);
    }
}
