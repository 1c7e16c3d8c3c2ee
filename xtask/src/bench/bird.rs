//! The yardstick: BIRD 2 taking the same prefixes over BGP.
//!
//! Two daemons in two network namespaces joined by a veth pair: one feeds static routes, the other
//! receives them and exports nothing. Measured is the receiver's CPU (its one thread, user and
//! kernel, by `/proc/PID/schedstat` in nanoseconds), so TCP and the decoding of BGP are in it; the
//! table alone can't be had apart. That BIRD is done is seen by its CPU standing still, since asking
//! it costs it time; only then is it asked whether it has what it should.
//!
//! The order in which routes come decides more than anything else. A feeder that has them when the
//! session comes up sends them in the order of its own hash table, which is the receiver's too, so
//! the receiver walks its memory from one end to the other: that is BIRD at its best. Routes that
//! come in random order, as from a neighbour of another make, cost it twice as much, and their
//! withdrawal in another order than they came five times. Both are measured.

mod daemon;

use std::path::Path;

use anyhow::{Context, Result, bail};

use self::daemon::Daemon;
use super::namespace::{self, Pair};
use super::prefixes::Network;
use crate::debian::{self, DebianTool};

const NEEDED: [DebianTool; 3] = [
    DebianTool { program: "bird", package: "bird2" },
    DebianTool { program: "birdc", package: "bird2" },
    DebianTool { program: "ip", package: "iproute2" },
];

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Routes come, and go, in the order of the feeder's hash table.
    pub(super) at_best: Costs,
    /// Routes come in random order, and go in that of the feeder's hash table.
    pub(super) at_random: Costs,
    /// Bytes of the routing tables when all are in.
    pub(super) table_bytes: f64,
}

/// CPU seconds of the receiver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// To take all routes in.
    pub(super) taken_in: f64,
    /// Until all were withdrawn by the feeder.
    pub(super) withdrawn: f64,
    /// To drop all of them after the feeder was killed.
    pub(super) lost: f64,
}

/// Sees to it that BIRD is there and may be run. Says its version.
pub(super) fn prepare() -> Result<String> {
    debian::ensure_debian(&NEEDED, "the bench")?;
    if !debian::is_root() {
        bail!("the bench makes network namespaces for BIRD, which only root may; run it with sudo");
    }
    namespace::sweep()?;
    daemon::version()
}

/// One run, each part with two fresh daemons: memory that was used before has another order.
pub(super) fn run(networks: &[Network]) -> Result<Measured> {
    let folder = tempfile::tempdir().context("no folder for BIRD's files")?;
    write_routes(folder.path(), networks)?;
    let (at_best, table_bytes) = costs(folder.path(), networks.len(), Neighbours::fill_at_best)?;
    let (at_random, _) = costs(folder.path(), networks.len(), Neighbours::fill_at_random)?;
    Ok(Measured { at_best, at_random, table_bytes })
}

fn costs(
    folder: &Path,
    n_routes: usize,
    fill: fn(&Neighbours) -> Result<f64>,
) -> Result<(Costs, f64)> {
    let both = Neighbours::start(folder, n_routes)?;
    let taken_in = fill(&both)?;
    let table_bytes = table_bytes(&both.receiver.ask("show memory")?)?;
    let withdrawn = both.cpu(|| both.feeder.tell("disable feed"), || both.none_is_in())?;
    drop(both);

    let mut both = Neighbours::start(folder, n_routes)?;
    fill(&both)?;
    let before = both.receiver.cpu_at_rest(|| Ok(true))?;
    both.feeder.kill()?;
    let after = both.receiver.cpu_at_rest(|| both.none_is_in())?;
    let lost = after.since(before).as_secs_f64();
    Ok((Costs { taken_in, withdrawn, lost }, table_bytes))
}

/// Two daemons; the feeder has its routes, the session between them is not up yet.
struct Neighbours {
    // In the order in which they are dropped: daemons before the namespaces they are in.
    feeder: Daemon,
    receiver: Daemon,
    _namespaces: Pair,
    n_routes: usize,
}

impl Neighbours {
    fn start(folder: &Path, n_routes: usize) -> Result<Self> {
        let pair = Pair::make()?;
        let feeder = Daemon::start(&pair.feeder, folder, "feeder", FEEDER_CONFIG)?;
        let receiver = Daemon::start(&pair.receiver, folder, "receiver", RECEIVER_CONFIG)?;
        Ok(Self { feeder, receiver, _namespaces: pair, n_routes })
    }

    /// The feeder has its routes when the session comes up. What the receiver took for them.
    fn fill_at_best(&self) -> Result<f64> {
        self.cpu(|| self.receiver.tell("enable session"), || self.all_are_in())
    }

    /// The session is up when the feeder gets its routes.
    fn fill_at_random(&self) -> Result<f64> {
        self.feeder.tell("disable feed")?;
        self.receiver.tell("enable session")?;
        self.receiver.until_says("show protocols session", "Established")?;
        self.cpu(|| self.feeder.tell("enable feed"), || self.all_are_in())
    }

    fn all_are_in(&self) -> Result<bool> {
        let all = format!(" {} imported,", self.n_routes);
        Ok(self.receiver.ask("show protocols all session")?.contains(&all))
    }

    fn none_is_in(&self) -> Result<bool> {
        Ok(self.receiver.ask("show route count table master4")?.contains("\n0 of 0 routes for 0 "))
    }

    /// The receiver's CPU seconds from a cause until it rests and `is_done`.
    fn cpu(
        &self,
        cause: impl FnOnce() -> Result<()>,
        is_done: impl Fn() -> Result<bool>,
    ) -> Result<f64> {
        let before = self.receiver.cpu_at_rest(|| Ok(true))?;
        cause()?;
        Ok(self.receiver.cpu_at_rest(is_done)?.since(before).as_secs_f64())
    }
}

const RECEIVER_CONFIG: &str = "\
router id 192.0.2.2;
protocol device { }
protocol bgp session {
    disabled;
    local 192.0.2.2 as 65002;
    neighbor 192.0.2.1 as 65001;
    connect delay time 1;
    graceful restart off;
    ipv4 { import all; export none; };
}
";

const FEEDER_CONFIG: &str = "\
router id 192.0.2.1;
protocol device { }
protocol static feed {
    ipv4;
    include \"routes.conf\";
}
protocol bgp session {
    local 192.0.2.1 as 65001;
    neighbor 192.0.2.2 as 65002;
    connect delay time 1;
    graceful restart off;
    ipv4 { import none; export all; };
}
";

/// What the feeder's configuration includes.
fn write_routes(folder: &Path, networks: &[Network]) -> Result<()> {
    use std::fmt::Write;
    let mut text = String::with_capacity(networks.len() * 36);
    for (address, length) in networks {
        writeln!(text, "route {address}/{length} blackhole;")?;
    }
    let path = folder.join("routes.conf");
    std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))
}

/// From the line `Routing tables:     88.1 MB     0.3 MB`: in use, and overhead.
fn table_bytes(memory: &str) -> Result<f64> {
    let line = memory.lines().find_map(|line| line.trim().strip_prefix("Routing tables:"));
    let mut words = line.into_iter().flat_map(str::split_whitespace);
    let mut amount = || {
        let number: f64 = words.next()?.parse().ok()?;
        let unit = match words.next()? {
            "B" => 1.0,
            "kB" => 1024.0,
            "MB" => 1024.0 * 1024.0,
            "GB" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        Some(number * unit)
    };
    let found = amount();
    found.with_context(|| format!("BIRD's `show memory` in an unknown form:\n{memory}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_with_its_unit() -> Result<()> {
        let shown = "BIRD memory usage\n              Effective    Overhead\n\
                     Routing tables:     88.0 MB     0.5 MB\nRoute attributes:   96.0 kB   0 B\n";
        assert_eq!(table_bytes(shown)?, 88.0 * 1024.0 * 1024.0);
        assert!(table_bytes("Routing tables: many").is_err());
        Ok(())
    }
}
