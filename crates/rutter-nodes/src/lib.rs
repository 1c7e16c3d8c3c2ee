//! Nodes: the subnets they advertise, who approved them, and which router is primary.
//!
//! ```text
//!   sessions ─┐                                   ┌─▶ rows      what people look at
//!   people ───┼─▶ Nodes ─▶ table `nodes` ─ ranked ┼─▶ primary
//!   policy ───┘              (rutter-rib)         └─▶ maps      what each node is told
//! ```
//!
//! Nodes are sources of `Prefix` routes in the table `nodes`, which need authorization; other nodes
//! are the sinks. What decides is the table and nothing else, so `explain` can say why.
//!
//! What decides does no I/O: time and the table are arguments. [`fleet`] runs it: it keeps what must
//! last in the registry, gives it time, and speaks with sessions.
#![forbid(unsafe_code)]

pub mod election;
pub mod fleet;
pub mod map;
mod names;
mod node;
mod nodes;
pub mod policy;
pub mod prober;
mod row;
pub mod via;

pub use names::GroupName;
pub use node::parse_tag;
pub use nodes::{Announced, Approved, MAX_ROWS, Nodes, NodesError, StoredNode};
pub use rutter_registry::{Node, NodeName, Owner, RouteRow, RowId, UserName, WasEnabled};
