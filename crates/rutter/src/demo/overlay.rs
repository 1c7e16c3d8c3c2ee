//! `rutter demo overlay`: hosts that learn from each other over VXLAN, and one that dies.
//!
//! Three hosts of this machine, each a network namespace with a process of `rutter overlay` in it and
//! a network behind it. Two of them have the same network; from behind the third a packet goes there
//! each 10 ms, and the better of the two is killed. Everything is real but the machines: the links,
//! the routes, the processes, the kill. What is told is what was seen; a failure ends it with an
//! error, so it is a test as well.
//!
//! It needs root, for namespaces and links, and `ip` of iproute2. It leaves nothing behind: the
//! namespaces are held by this process.

mod hosts;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use anyhow::ensure;

use super::walker::Walker;
use super::{say, wait};
use hosts::{Hosts, SHARED};

/// Where packets go: a machine behind b, and one behind c.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(172, 16, 99, 2)), 7777);

/// Tells it all.
pub(super) fn tell() -> anyhow::Result<()> {
    let mut hosts = Hosts::start()?;
    say(
        "Three hosts run in namespaces of this machine, joined by one wire: a, b and c. Each runs\n\
         `rutter overlay` with a file of n-netman's, and has a network behind it: 172.16.10.0/24,\n\
         172.16.20.0/24, 172.16.30.0/24. Behind b and behind c there is the same one too,\n\
         172.16.99.0/24; c announces it with the better metric.\n",
    )?;
    say("1. What host a has learned, as the kernel has it (`ip route show table 100`):\n")?;
    wait("host a learns", || Ok(hosts.table_of_a()?.len() == 3))?;
    wait("the better way", || hosts.way_of_a().map(|way| way.contains("via 10.100.0.3 ")))?;
    wait("host a calls the others", || hosts.a_has_called())?;
    for line in hosts.table_of_a()? {
        say(&format!("   {line}"))?;
    }
    let walker = Walker::start(hosts.machine_of_a()?, ADDRESS, &hosts.machines_of_shared()?)?;
    wait("packets arrive", || Ok(walker.arrives()))?;
    say(
        "\n2. From a machine behind a, a packet goes to 172.16.99.2 each 10 ms. They arrive, through\n   \
         the VXLAN and by host c.\n\n3. Host c is killed (SIGKILL: it says nothing to anybody):",
    )?;
    let before = walker.sent();
    let killed = Instant::now();
    hosts.kill_c()?;
    wait("the other way", || hosts.way_of_a().map(|way| way.contains("via 10.100.0.2 ")))?;
    let took = killed.elapsed();
    wait("a second of packets", || Ok(walker.sent() >= before + 100 && walker.arrives()))?;
    let (sent, lost) = walker.lost_since(before);
    say(&format!("\n   {}", hosts.way_of_a()?))?;
    say(&format!(
        "\n   The kernel's route of host a leads to b, {} ms after the kill; of {sent} packets {lost}\n   \
         didn't arrive.",
        took.as_millis()
    ))?;
    let why = hosts.explain()?;
    ensure!(why.contains("MOVED: "), "the explanation doesn't tell of the move:\n{why}");
    let why: String = why.lines().map(|line| format!("   {line}\n")).collect();
    say(&format!("\n4. And why? `rutter overlay explain {SHARED}` on host a:\n\n{why}"))?;
    say(
        "5. Host b is stopped in good order (SIGTERM): it says goodbye, and nobody has to find out.",
    )?;
    hosts.stop_b()?;
    wait("the goodbye", || Ok(hosts.table_of_a()?.is_empty()))?;
    say("\n   The table of host a is empty: no route leads to nobody.\n")?;
    walker.end();
    hosts.end()
}
