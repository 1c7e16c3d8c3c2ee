//! The child of `bench kernel`: both sides in turns, figures as JSON. It runs in the namespace.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rutter_kernel::{Hop, HopSet, ObjectIds, Sink, SinkSpec, Target, Wanted};
use rutter_route::Prefix;
use serde::{Deserialize, Serialize};

use crate::bench::prefixes::{self, Network};
use crate::shell;

/// The link of the namespace, which gets a network large enough for all next hops.
const LINK: &str = "peer0";
const ADDRESS: &str = "10.0.0.1/8";
const FIRST_HOP: u32 = 0x0a01_0000;
/// Where routes move.
const OTHER_HOPS: u32 = 0x0a80_0000;

const TABLE: u32 = 100;
const METRIC: u32 = 100;
const COMPAT_MODE: &str = "/proc/sys/net/ipv4/nexthop_compat_mode";

/// What the child is told.
#[derive(Args)]
pub(crate) struct KernelChildArguments {
    #[arg(long)]
    routes: usize,
    #[arg(long)]
    hops: usize,
    #[arg(long)]
    runs: usize,
    #[arg(long)]
    seed: u64,
}

/// Seconds of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Run {
    /// `ip -batch`.
    pub(super) ip: Side,
    /// Rutter with plain routes.
    pub(super) plain: Side,
    /// Rutter with next-hop objects; moves in compatibility mode, which is the kernel's default.
    pub(super) objects: Side,
    /// A move with objects without compatibility mode.
    pub(super) moved_without_compat: f64,
}

/// Seconds of one side.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) installed: f64,
    pub(super) moved: f64,
    pub(super) removed: f64,
}

/// Measures and prints.
pub(crate) fn run_child(arguments: &KernelChildArguments) -> Result<()> {
    let networks = prefixes::draw(arguments.routes, arguments.seed)?;
    ip(&["address", "add", ADDRESS, "dev", LINK])?;
    let folder = tempfile::tempdir()?;
    let mut runs = Vec::new();
    for _ in 0..arguments.runs {
        let hops = arguments.hops;
        let ip = by_ip(folder.path(), &networks, hops)?;
        let (plain, _) = by_rutter(&networks, hops, None)?;
        let count = u32::try_from(2 * hops + 16)?;
        let ids = ObjectIds { first: 1000, count };
        let (objects, moved_without_compat) = by_rutter(&networks, hops, Some(ids))?;
        runs.push(Run { ip, plain, objects, moved_without_compat });
    }
    println!("{}", serde_json::to_string(&runs)?);
    Ok(())
}

fn by_ip(folder: &Path, networks: &[Network], n_hops: usize) -> Result<Side> {
    let batch = |verb: &str, first_hop| -> Result<f64> {
        let mut text = String::with_capacity(networks.len() * 80);
        for (n, (address, length)) in networks.iter().enumerate() {
            let via = hop(first_hop, n, n_hops)?;
            writeln!(
                text,
                "route {verb} {address}/{length} via {via} dev {LINK} table {TABLE} metric {METRIC} proto 82"
            )?;
        }
        let path = folder.join("batch");
        std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        let path = path.to_str().context("a folder's name isn't UTF-8")?;
        timed(|| ip(&["-batch", path]).map(drop))
    };
    let installed = batch("add", FIRST_HOP)?;
    let moved = batch("replace", OTHER_HOPS)?;
    let removed = batch("del", OTHER_HOPS)?;
    is_empty()?;
    Ok(Side { installed, moved, removed })
}

/// Also says what a move takes without compatibility mode.
fn by_rutter(
    networks: &[Network],
    n_hops: usize,
    objects: Option<ObjectIds>,
) -> Result<(Side, f64)> {
    std::fs::write(COMPAT_MODE, "1").context(COMPAT_MODE)?;
    let mut sink = Sink::open(SinkSpec::new(TABLE, objects))?;
    sink.look()?;
    sink.sweep();
    let mut to = |first_hop| -> Result<f64> {
        let mut wanted = Vec::with_capacity(networks.len());
        for (n, (address, length)) in networks.iter().enumerate() {
            let via = HopSet::of(Hop::via(hop(first_hop, n, n_hops)?.into()));
            let prefix = Prefix::new((*address).into(), *length)?;
            wanted.push((prefix, Wanted { target: Target::Via(via), priority: METRIC }));
        }
        let took = timed(|| {
            for (prefix, wanted) in wanted {
                sink.want(prefix, Some(wanted));
            }
            let settled = sink.settle()?;
            ensure!(settled.refused.is_empty(), "refused: {:?}", settled.refused.first());
            Ok(())
        })?;
        ensure!(sink.n_routes() == networks.len(), "{} routes are there", sink.n_routes());
        Ok(took)
    };
    let installed = to(FIRST_HOP)?;
    let moved = to(OTHER_HOPS)?;
    std::fs::write(COMPAT_MODE, "0").context(COMPAT_MODE)?;
    let moved_without_compat = to(FIRST_HOP)?;
    let removed = timed(|| {
        for (address, length) in networks {
            sink.want(Prefix::new((*address).into(), *length)?, None);
        }
        sink.settle()?;
        Ok(())
    })?;
    is_empty()?;
    Ok((Side { installed, moved, removed }, moved_without_compat))
}

/// The next hop of the nth route.
fn hop(first: u32, n: usize, n_hops: usize) -> Result<Ipv4Addr> {
    Ok(Ipv4Addr::from_bits(first + u32::try_from(n % n_hops)?))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}

/// The table has no routes: what was to be removed is.
fn is_empty() -> Result<()> {
    // A table that never was is an error to `ip`, and one that was empties.
    let left = ip(&["route", "show", "table", &TABLE.to_string()])?;
    ensure!(left.trim().is_empty(), "a route is left: {:?}", left.lines().next());
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<String> {
    shell::output(Command::new("ip").args(arguments))
}
