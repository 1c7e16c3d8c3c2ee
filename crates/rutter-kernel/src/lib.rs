//! The Linux kernel as a sink and a source, by netlink: routes, next-hop objects, rules, the links of
//! overlays, transit between them, and the operator's own routes.
//!
//! ```text
//!   outlet ──▶ task ──▶ sink ──▶ fib, rules ──requests──▶ wire ──▶ socket ──▶ kernel
//!                ▲        ▲                                                     │
//!                │        └──── look: links, addresses, objects, routes, rules ◀┤
//!                └───────────── watch: "look again" ◀───────── events ◀─────────┘
//! ```
//!
//! The sink is level-triggered: what is wanted against what is there ([`fib`](Wanted), pure), so it
//! makes no difference whether a route is missing because it is new or because someone flushed the
//! table. The rejected alternative, telling the kernel what changes, is what leaves black holes:
//! when a link goes down the kernel removes its routes without an event, and nothing brings them
//! back.
//!
//! Invariants:
//! - only what bears our protocol number, in our table, is ever changed or removed (plain rules are
//!   known by their table and the kernel's number, which nobody else gives), unless
//!   [`SinkSpec::replace_existing`] says otherwise, and then it is put back;
//! - a prefix that has a route of ours before and after a change has one at each moment;
//! - what is refused is refused for its prefix alone, with the kernel's own words.
//!
//! Beside the sink of routes stand parts that are compared whole each time, each a task of its own:
//!
//! - [`vxlan`]: an overlay's VXLAN and bridge, and where frames for everybody go;
//! - [`transit`]: what would pass from one overlay to another is dropped and counted;
//! - [`snat`]: forwarding on, and who asks networks behind this host appears as this host;
//! - [`routes`]: routes that somebody holds as a whole, without a table of a book;
//! - [`source`]: this host's networks and its operator's routes, for whoever announces them;
//! - [`sysctl`], which is no task: the settings by which routes are used as they are put.
//!
//! Bounds: [`ROOM`] requests a send, [`MAX_RULES`] rules, [`MAX_HOPS`] hops a route,
//! [`ObjectIds::count`] next-hop objects, [`MAX_DISPLACED`] routes of others displaced; routes of
//! ours are bounded by the table that tells them.
#![forbid(unsafe_code)]

mod ability;
mod clean;
mod error;
mod fib;
mod hop;
mod keeper;
mod links;
mod map;
mod nft;
pub mod routes;
mod rules;
mod shelf;
mod sink;
pub mod snat;
mod socket;
pub mod source;
pub mod sysctl;
mod task;
pub mod transit;
pub mod vxlan;
mod watch;
mod wire;

pub use ability::{Abilities, abilities};
pub use clean::{Cleaned, clean};
pub use error::{KernelError, Said};
pub use fib::{ObjectIds, Target, Wanted};
pub use hop::{Hop, HopSet, LinkName, MAX_HOPS};
pub use map::{ByAddress, Map};
pub use rules::{Family, MAX_RULES, Mark, Rule, Verdict, missing_rules};
pub use shelf::MAX_DISPLACED;
pub use sink::{DEFAULT_PROTOCOL, Looked, ROOM, Settled, Sink, SinkSpec};
pub use task::{AtEnd, DEFAULT_AUDIT, Status, Task, TaskSpec, start};
