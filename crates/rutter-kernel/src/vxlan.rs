//! The links of overlays: a VXLAN each, the bridge that it is a port of, and where the VXLAN sends
//! frames for everybody.
//!
//! ```text
//!   watch::Receiver<LinksSpec> ──▶ keeper ──▶ plan (pure) ──requests──▶ kernel
//!                                    ▲                                     │
//!                                    └── look: links, addresses, entries ◀─┘
//! ```
//!
//! Level-triggered: what is wanted against what is there, in rounds, since a link that is made has
//! its index only afterwards. So it makes no difference whether a VXLAN is missing because it is
//! new or because someone removed it, and links that another daemon made are taken as they are
//! where they are right. The entries follow the set of peers that the spec names, which whoever
//! knows their health narrows; what a VXLAN has learned isn't touched.
//!
//! Invariants:
//! - a link that is right is never made anew;
//! - a link of another kind that has the name is never touched, nor is a bridge that wasn't made
//!   here and isn't to be managed, but for the addresses that it lacks;
//! - only what was made here is ever removed, which a note on the link ([`NOTE`]) tells a later
//!   process too; an address never is;
//! - what fails in one overlay keeps no other from being made.
//!
//! The rejected alternative is n-netman's: a comparison each ten seconds, entries by an external
//! command, and peers that are dead kept among them.
//!
//! Bounds: [`MAX_OVERLAYS`] overlays, [`MAX_PEERS`] entries each, [`MAX_BRIDGES`] managed bridges.

mod keep;
mod plan;
mod spec;
#[cfg(test)]
mod tests;
mod unit;

use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::keeper;
use crate::watch::{Hearing, Watch, group};
use crate::wire::{Answer, flood_row, kind};

use keep::Links;
pub use keep::{AtEnd, Difference, Status, apply, compare};
pub use plan::NOTE;
pub use spec::{
    Bridge, Flooding, LinkAddress, LinksSpec, MAX_BRIDGES, MAX_OVERLAYS, MAX_PEERS, ManagedBridge,
    OverlayLink, Remote, Vxlan,
};

/// Running links.
#[derive(Debug)]
pub struct Task {
    /// How they stand.
    pub status: watch::Receiver<Status>,
    /// Ends when it was stopped.
    pub ended: JoinHandle<Result<(), KernelError>>,
}

/// Opens the sockets in the network namespace of the calling thread, and keeps links as they are
/// wanted. `audit` is how often is looked without a reason.
///
/// # Errors
/// There is no socket.
pub fn start(
    wanted: watch::Receiver<LinksSpec>,
    at_end: AtEnd,
    audit: Duration,
    stop: CancellationToken,
) -> Result<Task, KernelError> {
    let (links, status) = Links::open(at_end)?;
    // Before the first look: what happens in between is heard.
    let watch = Watch::open(hearing(), links.port())?;
    let ended = tokio::spawn(keeper::run(links, wanted, vec![watch], audit, stop));
    Ok(Task { status, ended })
}

/// Of neighbours only entries for everybody concern us: what is learned comes and goes all the
/// time.
fn hearing() -> Hearing {
    let concerns = |event: &Answer<'_>| match event.message_type {
        kind::NEW_LINK | kind::DEL_LINK | kind::NEW_ADDRESS | kind::DEL_ADDRESS => true,
        kind::NEW_NEIGHBOUR | kind::DEL_NEIGHBOUR => flood_row(event.payload).is_some(),
        _ => false,
    };
    let groups: &[_] = &[group::LINKS, group::ADDRESSES, group::NEIGHBOURS];
    Hearing { protocol: NETLINK_ROUTE, groups, concerns: Box::new(concerns) }
}
