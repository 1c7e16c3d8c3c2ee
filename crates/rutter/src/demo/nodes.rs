//! `rutter demo nodes`: two routers of one network, who uses it, and what happens when one dies.
//!
//! A controller, two routers, a client and a machine in the network behind the routers, each a
//! network namespace of this machine. From the client a packet goes to that machine each 10 ms; the
//! router that it goes by is killed and its wire cut, comes back, and the other is drained. Everything
//! is real but the machines: the sessions, the routes, the masquerading, the kill. What is told is
//! what was seen; a failure ends it with an error, so it is a test as well.
//!
//! It needs root, for namespaces and routes, and `ip` of iproute2. It leaves nothing behind: the
//! namespaces are held by this process.

mod cast;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::walker::Walker;
use super::{say, wait};
use cast::{Cast, NETWORK, Router};

/// The machine behind the routers.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, 9)), 7777);

/// A router that dies says so to nobody, but its kernel closes what it had open before its wire is
/// dead.
const DIES_IN: Duration = Duration::from_millis(50);

/// Tells it all.
pub(super) fn tell() -> anyhow::Result<()> {
    let mut cast = Cast::start()?;
    say(
        "Four hosts run in namespaces of this machine, joined by one wire: a controller (`rutter run`\n\
         with `nodes:` in its file), two routers r1 and r2, and a client (`rutter agent` each). Behind\n\
         both routers there is the same network, 10.1.0.0/24, with a machine 10.1.0.9.\n",
    )?;
    approval(&cast)?;
    let walker = Walker::start(cast.client(), ADDRESS, &[cast.machine()])?;
    wait("packets arrive", || Ok(walker.arrives()))?;
    failover(&mut cast, &walker)?;
    drain(&mut cast, &walker)?;
    let why = cast.rutter(&["routes", "explain", NETWORK])?;
    ensure!(why.contains("MOVED: "), "the explanation doesn't tell of a move:\n{why}");
    say("5. And why? `rutter routes explain 10.1.0.0/24`:\n")?;
    say(&indented(&why))?;
    walker.end();
    cast.end()
}

fn approval(cast: &Cast) -> anyhow::Result<()> {
    wait("the routers advertise", || {
        Ok(cast.rutter(&["nodes", "routes"])?.matches("unapproved").count() == 2)
    })?;
    say("1. Both routers advertise the network, and nobody uses it: `rutter nodes routes`\n")?;
    say(&indented(&cast.rutter(&["nodes", "routes"])?))?;
    ensure!(cast.way_of_client()?.is_empty(), "the client has a route that nobody approved");
    say("2. `rutter nodes approve r1 10.1.0.0/24`, and the same of r2:\n")?;
    for router in ["r1", "r2"] {
        cast.rutter(&["nodes", "approve", router, NETWORK, "--why", "the lab"])?;
    }
    say(&indented(&cast.rutter(&["nodes", "routes"])?))?;
    wait("the client's route", || cast.client_goes_by(Router::R1))?;
    say(&format!("   The client's kernel: {}\n", cast.way_of_client()?))
}

fn failover(cast: &mut Cast, walker: &Walker) -> anyhow::Result<()> {
    say(
        "3. From the client a packet goes to 10.1.0.9 each 10 ms. They arrive by r1, which masquerades,\n   \
         so that answers find their way back. r1 is killed (SIGKILL), and its wire is dead 50 ms later:\n",
    )?;
    ensure!(walker.last_from() == Some(Router::R1.in_network()), "packets don't come by r1");
    let before = walker.sent();
    let killed = Instant::now();
    cast.kill(Router::R1)?;
    std::thread::sleep(DIES_IN);
    cast.cut(Router::R1)?;
    wait("the other way", || cast.client_goes_by(Router::R2))?;
    let took = killed.elapsed();
    wait("a second of packets", || Ok(walker.sent() >= before + 100 && walker.arrives()))?;
    ensure!(walker.last_from() == Some(Router::R2.in_network()), "packets don't come by r2");
    let (sent, lost) = walker.lost_since(before);
    say(&format!(
        "   The client's kernel: {}\n\n   \
         That was {} ms after the kill; of {sent} packets {lost} didn't arrive.\n",
        cast.way_of_client()?,
        took.as_millis()
    ))
}

fn drain(cast: &mut Cast, walker: &Walker) -> anyhow::Result<()> {
    say(
        "4. r1 comes back. r2 stays primary: a move for nothing would lose packets for nothing. Now r2\n   \
         is to be serviced, `rutter nodes drain r2 --why 'new disk'`:\n",
    )?;
    cast.come_back(Router::R1)?;
    wait("r1 is back", || {
        Ok(cast.rutter(&["nodes", "show", "r1"])?.contains("state: online since"))
    })?;
    wait("r1 may be used", || {
        Ok(cast.rutter(&["nodes", "routes"])?.matches("eligible").count() == 2)
    })?;
    ensure!(cast.client_goes_by(Router::R2)?, "r1 came back and took over");
    let before = walker.sent();
    let drained = cast.rutter(&["nodes", "drain", "r2", "--why", "new disk"])?;
    say(&indented(&drained))?;
    ensure!(cast.client_goes_by(Router::R1)?, "r2 is drained, and the client goes by it");
    cast.stop(Router::R2)?;
    wait("a second of packets", || Ok(walker.sent() >= before + 100 && walker.arrives()))?;
    let (sent, lost) = walker.lost_since(before);
    ensure!(lost == 0, "{lost} of {sent} packets were lost by a drain");
    say(&format!(
        "   r2 is stopped; of {sent} packets {lost} didn't arrive. `rutter nodes moves`:\n"
    ))?;
    say(&indented(&cast.rutter(&["nodes", "moves"])?))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}\n")).collect()
}
