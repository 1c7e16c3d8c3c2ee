//! The kernel as a source: the networks of this host and the routes of its operator.
//!
//! ```text
//!   kernel ──look: links, addresses, routes of `main`──▶ pick (pure) ──▶ watch::Receiver<Found>
//!      └──events──▶ "look again"
//! ```
//!
//! What is found is told whole each time it differs, so that whoever announces it works out what
//! is new and what is gone; a change that is undone within the time of a look is none.
//!
//! Connected networks are read from addresses, not from the routes that the kernel derives from
//! them: those are absent while a link is being set up, and where an address has none (`noprefixroute`)
//! the network is connected all the same.
//!
//! Invariants:
//! - nothing that bears one of the protocol numbers of [`SourceSpec::not_of`] is ever told, so what
//!   peers have announced doesn't come back as this host's own;
//! - loopback, link-local networks and the links of [`SourceSpec::not_on`] are never told;
//! - a prefix is told once: as connected before static, as static before anything else, by the
//!   lowest metric.
//!
//! Only routes that lead somewhere are told: an operator's blackhole says where packets end.
//!
//! Bound: [`MAX_FOUND`] prefixes; those after it in order are counted and left out.

mod pick;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::hop::LinkName;
use crate::keeper::{self, Keep, Kept};
use crate::socket::Socket;
use crate::watch::{Hearing, Watch, group};
use crate::wire::{self, Answer, Batch, kind, route_event_protocol, route_event_table};

/// The most prefixes that are told.
pub const MAX_FOUND: usize = 100_000;

/// The kernel's table `main`.
const MAIN: u32 = 254;

/// What of the kernel's routes is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceSpec {
    /// Networks of addresses on links that are up.
    pub connected: bool,
    /// Routes of the table `main` that the operator has put (`static`, `boot`) or that came with
    /// an address (`dhcp`).
    pub fixed: bool,
    /// All routes of the table `main`.
    pub all: bool,
    /// Links whose networks, and routes over them alone, aren't told.
    pub not_on: BTreeSet<LinkName>,
    /// Protocol numbers whose routes aren't told: those that our own routes bear.
    pub not_of: BTreeSet<u8>,
}

/// What a route is of. In order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A network that a link is in.
    Connected,
    /// A route that the operator has put.
    Static,
    /// A route of another program.
    Other,
}

/// A prefix that this host reaches by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnPrefix {
    /// Which.
    pub prefix: Prefix,
    /// Of what it is.
    pub origin: Origin,
    /// The kernel's priority, 0 for a connected network: lower is better.
    pub metric: u32,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Whether it was looked at all.
    pub known: bool,
    /// The prefixes, each once, in order.
    pub prefixes: Arc<BTreeSet<OwnPrefix>>,
    /// How many were left out because there are too many.
    pub n_left_out: usize,
    /// Why the kernel can't be asked, until it can be again; the rest is of before.
    pub failed: Option<String>,
}

/// A running source.
#[derive(Debug)]
pub struct Task {
    /// What was found last.
    pub found: watch::Receiver<Found>,
    /// Ends when it was stopped.
    pub ended: JoinHandle<Result<(), KernelError>>,
}

/// Opens the sockets in the network namespace of the calling thread, and tells what is there.
/// `audit` is how often is looked without a reason.
///
/// # Errors
/// There is no socket.
pub fn start(
    wanted: watch::Receiver<SourceSpec>,
    audit: Duration,
    stop: CancellationToken,
) -> Result<Task, KernelError> {
    let socket = Socket::open()?;
    // Before the first look: what happens in between is heard.
    let watch = Watch::open(hearing(wanted.clone()), socket.port())?;
    let (tells, found) = watch::channel(Found::default());
    let ended =
        tokio::spawn(keeper::run(Source { socket, tells }, wanted, vec![watch], audit, stop));
    Ok(Task { found, ended })
}

fn hearing(wanted: watch::Receiver<SourceSpec>) -> Hearing {
    let concerns = move |event: &Answer<'_>| match event.message_type {
        kind::NEW_LINK | kind::DEL_LINK | kind::NEW_ADDRESS | kind::DEL_ADDRESS => true,
        // Our own sinks may change thousands.
        kind::NEW_ROUTE | kind::DEL_ROUTE => {
            route_event_table(event.payload) == MAIN
                && !wanted.borrow().not_of.contains(&route_event_protocol(event.payload))
        }
        _ => false,
    };
    let groups: &[_] = &[group::LINKS, group::ADDRESSES, group::ROUTES];
    Hearing { protocol: NETLINK_ROUTE, groups, concerns: Box::new(concerns) }
}

/// See the module's head.
struct Source {
    socket: Socket,
    tells: watch::Sender<Found>,
}

impl Keep for Source {
    type Spec = SourceSpec;

    fn keep(&mut self, wanted: &SourceSpec) -> Result<Kept, KernelError> {
        let links = self.socket.list("links", wire::list_links, Vec::new, |all, row| {
            all.extend(wire::link_row(row));
        })?;
        let list = wire::list_addresses;
        let addresses = self.socket.list("addresses", list, Vec::new, |all, row| {
            all.extend(wire::address_row(row));
        })?;
        let mut picked = pick::connected(wanted, &links, &addresses);
        if wanted.fixed || wanted.all {
            for v4 in [true, false] {
                let list = |batch: &mut Batch| wire::list_routes(batch, MAIN, v4, None);
                // A table may be larger than what is told of it: each row is judged as it comes.
                let some = self.socket.list("routes", list, Vec::new, |some, row| {
                    let route = wire::route_row(row);
                    some.extend(route.and_then(|route| pick::route(wanted, &links, &route)));
                })?;
                picked.extend(some);
            }
        }
        let (prefixes, n_left_out) = pick::once_each(picked);
        self.tells.send_if_modified(|found| {
            let now = Found { known: true, prefixes: prefixes.into(), n_left_out, failed: None };
            if n_left_out > 0 && found.n_left_out == 0 {
                tracing::warn!(n_left_out, "there are more own prefixes than are told");
            }
            let is_new = *found != now;
            *found = now;
            is_new
        });
        Ok(Kept::Whole)
    }

    fn failed(&mut self, error: &KernelError) {
        self.tells.send_modify(|found| found.failed = Some(error.to_string()));
    }

    fn end(&mut self) -> Result<(), KernelError> {
        Ok(())
    }
}
