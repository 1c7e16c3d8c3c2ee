//! Transit in the data path: packets that came from an overlay and would go on into one are dropped
//! and counted, but for pairs of overlays that are allowed.
//!
//! ```text
//!   watch::Receiver<TransitSpec> ──▶ keeper ──▶ rules (pure) ──▶ nftables: table `inet rutter`
//!                                                          └──▶ where there is none: ip rules
//! ```
//!
//! Not announcing a way isn't enough: with forwarding on, a host routes whatever arrives on its
//! bridge by the overlay's table, so that every host is a transit host for whoever sends to it.
//!
//! In nftables the packet's own links decide. Routed packets are told from frames that merely cross
//! a bridge, which `br_netfilter` shows to the same hook, by the frame's address: a packet to be
//! routed came to the bridge's own. That is asked only where both links are one.
//!
//! Where the kernel has no nftables, a rule sends what comes by a bridge to the table `main` for
//! this host's own networks, and prohibits all else. It counts nothing, and can't tell one overlay
//! from another, so there no pair is allowed.
//!
//! Invariants:
//! - packets of this host itself are never dropped, nor are any that came from elsewhere or go
//!   elsewhere;
//! - nobody else's table or rule is touched; ours is put and removed whole;
//! - what is dropped is counted, also across a table that someone flushed.
//!
//! Bounds: [`MAX_BRIDGES`] bridges, [`MAX_PAIRS`] pairs, [`MAX_OWN`] own networks.

mod keep;
mod ruleset;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::hop::LinkName;
use crate::keeper;
use crate::nft::Nft;
use crate::sink::DEFAULT_PROTOCOL;
use crate::watch::{Hearing, Watch, group};
use crate::wire::{Answer, NftTable, kind};

use keep::Transit;

/// The most bridges of overlays.
pub const MAX_BRIDGES: usize = 256;

/// The most pairs that are allowed.
pub const MAX_PAIRS: usize = 1024;

/// The most own networks of a host without nftables.
pub const MAX_OWN: usize = 256;

/// How often the counters are read, unless configured.
pub const DEFAULT_COUNT: Duration = Duration::from_secs(1);

/// What may pass from one overlay to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransitSpec {
    /// The overlays' bridges between which nothing passes, nor from one to itself. None: all
    /// passes, and nothing of ours is in the kernel.
    pub bridges: BTreeSet<LinkName>,
    /// From one bridge to another, or to itself, all passes.
    pub allowed: BTreeSet<(LinkName, LinkName)>,
    /// This host's own networks, to which packets from overlays go on; only asked where there is
    /// no nftables.
    pub own: BTreeSet<Prefix>,
}

/// By what it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Means {
    /// By nftables, and by rules where the kernel has none.
    #[default]
    Best,
    /// By rules, for hosts on which something else owns the firewall.
    Rules,
}

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// By what.
    pub means: Means,
    /// The priority of rules; the next one is used too. They have to be before every rule that looks
    /// up an overlay's table, and nobody else's with the same protocol number may have either.
    pub rule_priority: u32,
    /// The protocol number that rules bear.
    pub protocol: u8,
    /// How often counters are read, and looked without a reason.
    pub count: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            means: Means::Best,
            rule_priority: 80,
            protocol: DEFAULT_PROTOCOL,
            count: DEFAULT_COUNT,
        }
    }
}

/// What was dropped since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counter {
    /// Nothing counts it.
    #[default]
    Unavailable,
    /// So much.
    Dropped {
        /// Packets.
        packets: u64,
        /// Their bytes.
        bytes: u64,
    },
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("unavailable"),
            Self::Dropped { packets, bytes } => write!(f, "{packets} packets, {bytes} bytes"),
        }
    }
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// All is as it is wanted.
    pub settled: bool,
    /// Looks since the start.
    pub n_looks: u64,
    /// What was dropped.
    pub counter: Counter,
    /// How often someone else removed or changed what is ours, since the start.
    pub n_drift: u64,
    /// Why it isn't as it is wanted, or not wholly.
    pub errors: Vec<String>,
    /// Why the kernel can't be asked, until it can be again.
    pub failed: Option<String>,
}

/// Running.
#[derive(Debug)]
pub struct Task {
    /// How it stands.
    pub status: watch::Receiver<Status>,
    /// Ends when it was stopped; what is ours is removed by then.
    pub ended: JoinHandle<Result<(), KernelError>>,
}

/// Opens the sockets in the network namespace of the calling thread, and keeps transit as it is
/// wanted until it is told to stop.
///
/// # Errors
/// There is no socket.
pub fn start(
    wanted: watch::Receiver<TransitSpec>,
    options: Options,
    stop: CancellationToken,
) -> Result<Task, KernelError> {
    let (transit, status) = Transit::open(options)?;
    // Before the first look: what happens in between is heard.
    let by_rules = transit.nft_port().is_none();
    let mut watches = vec![Watch::open(hearing_routes(by_rules), transit.port())?];
    if let Some(port) = transit.nft_port() {
        watches.push(Watch::open(Nft::hearing(NftTable::Transit), port)?);
    }
    let ended = tokio::spawn(keeper::run(transit, wanted, watches, options.count, stop));
    Ok(Task { status, ended })
}

/// Links: a bridge's address may be another. Rules only where they do it.
fn hearing_routes(by_rules: bool) -> Hearing {
    let concerns = move |event: &Answer<'_>| match event.message_type {
        kind::NEW_LINK | kind::DEL_LINK => true,
        kind::NEW_RULE | kind::DEL_RULE => by_rules,
        _ => false,
    };
    let groups: &[_] = &[group::LINKS, group::RULES];
    Hearing { protocol: NETLINK_ROUTE, groups, concerns: Box::new(concerns) }
}
