//! A router of networks behind it: packets are forwarded, and those from elsewhere appear there as
//! the router's own, so that answers come back to it.
//!
//! ```text
//!   watch::Receiver<SnatSpec> ──▶ keeper ─┬▶ sysctl: forwarding, of the families there are
//!                                         └▶ rules (pure) ──▶ nftables: table `inet rutter-snat`
//! ```
//!
//! Hosts of a network know nothing of who asks from afar, and of several routers not which one
//! it was. Answers that go to whom they seem to come from find the router that asked, whichever
//! routes the hosts have; after a failover that is another, and no host need know.
//!
//! - What comes from one of the networks isn't touched: their hosts are seen as who they are.
//! - Of an exit route, everything that is forwarded elsewhere is asked for as the router's own.
//! - Packets of this host itself have its address already; only those to the networks are looked at,
//!   for the sake of one that another socket bound.
//!
//! Invariants:
//! - nobody else's table is touched; ours is put and removed whole;
//! - forwarding is put on where it is needed and never off: others may need it by now.
//!
//! A process that is killed leaves both as they are, so forwarding goes on; the next one finds them
//! as it wants them.
//!
//! Bound: [`MAX_NETWORKS`] networks.

mod keep;
mod ruleset;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::keeper;
use crate::nft::Nft;
use crate::task::DEFAULT_AUDIT;
use crate::watch::Watch;
use crate::wire::NftTable;
use keep::Snat;

/// The most networks of a router.
pub const MAX_NETWORKS: usize = 1024;

/// What a router does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnatSpec {
    /// The networks behind it; a default route stands for everything elsewhere. None: it is no
    /// router, and nothing of ours is in the kernel.
    pub networks: BTreeSet<Prefix>,
    /// Who comes from elsewhere appears as the router; without, only forwarding is put on.
    pub masquerade: bool,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// All is as it is wanted.
    pub settled: bool,
    /// Looks since the start.
    pub n_looks: u64,
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
    /// Ends when it was stopped; our table is removed by then.
    pub ended: JoinHandle<Result<(), KernelError>>,
}

/// Opens the sockets in the network namespace of the calling thread, and keeps the router as it is
/// wanted until it is told to stop.
///
/// # Errors
/// There is no socket.
pub fn start(
    wanted: watch::Receiver<SnatSpec>,
    stop: CancellationToken,
) -> Result<Task, KernelError> {
    let (snat, status) = Snat::open()?;
    let watches = match snat.port() {
        // Before the first look: what happens in between is heard.
        Some(port) => vec![Watch::open(Nft::hearing(NftTable::Snat), port)?],
        None => Vec::new(),
    };
    let ended = tokio::spawn(keeper::run(snat, wanted, watches, DEFAULT_AUDIT, stop));
    Ok(Task { status, ended })
}
