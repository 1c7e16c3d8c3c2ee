//! The gateway's own services table: who forwards knows what works.
//!
//! ```text
//!  controller's `services` ──outlet, all──▶ relay ──▶ own table ──outlet, all──▶ feed ──▶ index
//!            ▲                                           ▲                                  │
//!            └────── observation, only shown ────── verdicts, which act ◀── detector ◀──────┘
//! ```
//!
//! Each route keeps its effective attributes and its impaired standing, and its path id is (first
//! source, its path id) in a form that keeps the order ([`key`]), so both ends rank alike, and a
//! verdict finds its way back. A verdict acts here: the gateway's table ranks by it, so `explain`
//! of that table says why traffic moved. At the controller it is shown under the gateway's name and
//! moves nothing, so two gateways with different reach don't flap each other.
//!
//! Invariants:
//! - the index holds what the own table ranks, and nothing else; a cut anywhere is healed by a
//!   snapshot, which also takes back what it doesn't mention;
//! - the first request is accepted when the first snapshot is in the index;
//! - with the controller's book gone the table stands, and requests go on.
//!
//! Bounds are the tables' own: the set of known services without routes is never larger than the
//! controller's table, and the verdicts that wait are one a route.

mod key;
mod relay;
mod task;
#[cfg(test)]
mod tests;

use rutter_book::BookHandle;
use rutter_route::TableName;

pub(crate) use task::start;

/// The claim at the controller that a route of the gateway's own table stands for; `None` for a
/// path id that no gateway gives.
pub fn claim_of(path: &rutter_route::PathId) -> Option<rutter_route::RouteKey> {
    key::decode(path)
}

/// A table in a book that some task owns.
#[derive(Debug, Clone)]
pub struct TableRef {
    /// The book.
    pub book: BookHandle,
    /// The table in it.
    pub table: TableName,
}

/// Where a gateway's routes come from, and where it keeps them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The controller's services.
    pub controller: TableRef,
    /// The gateway's own table of services.
    pub own: TableRef,
}
