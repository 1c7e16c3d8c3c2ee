//! Proxmox clusters: which node or guest a file's route belongs to, and where that is now.
//!
//! ```text
//!  clusters ─every 3 s─▶ inventory ─▶ index ─┐
//!                                            ├─▶ link ─▶ map: host, port, or why there is none
//!  a file's route ─▶ address, host, alias ───┘       │
//!                                                    └─▶ reach: which of its addresses answers
//! ```
//!
//! No provider of routes of its own: it [enriches](crate::Enriches) those of files. A route that
//! doesn't say its node or guest is looked up by the address that it leads to, the name of its
//! host, or its alias; one whose host is `localhost`, which is what a file's route has unless it
//! says otherwise, leads to what was found.
//!
//! Invariants:
//! - what is found depends on what there is, never on the order in which a cluster lists it: a
//!   node comes before guests, then the address before the host's name before the alias, then the
//!   order of clusters, nodes and numbers. (In the original a cluster's node comes only before its
//!   own guests, and among guests the first of a hash map is taken.)
//! - a route that belongs to a guest which can't be reached, such as a stopped one, is unresolved
//!   and says why: it is never sent to this host instead, and nothing is started;
//! - a cluster that can't be asked is what it was when it could.
//!
//! What differs from the original besides: a node's API is put in for HTTP only, and not where a
//! route is found by its alias and says another host; virtual machines are found only where they
//! are written by number or name, since nothing says their addresses.

mod api;
mod dial;
mod error;
mod index;
mod inventory;
mod link;
mod map;
mod reach;
mod task;
#[cfg(test)]
mod tests;
mod watching;
mod wire;

pub use error::ProxmoxError;
pub use inventory::{Guest, GuestKind, Inventory, MAX_GUESTS, Node};
pub use task::{INTERVAL, Proxmox};
