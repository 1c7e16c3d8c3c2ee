//! A hand-over: another program takes this one's place, and nobody's request is lost.
//!
//! ```text
//!  old: serves ───────────────────────────── APIs pause ─────────────────────▶ go ─▶ drains, ends
//!        │ starts it          ▲ hello          │ data         ▲ ready          │
//!        │ (stdin: channel)   │                │ (lock)       │                │
//!        ▼        sockets ▼   │                ▼              │                ▼
//!  new: reads its file ───────┴── adopts directory, restores, fills its table ─┴─▶ accepts
//! ```
//!
//! `rutter upgrade` or SIGUSR2 asks for it. What travels, and why so:
//!
//! - **Listening sockets** go as descriptors (`SCM_RIGHTS`), so their queues are the same queue before
//!   and after: a connection that comes between the two processes waits in it. Rejected:
//!   `SO_REUSEPORT` with two sockets (closing the old one resets what waits in its queue), and
//!   closing before opening (a gap in which clients are refused).
//! - **The data directory** goes by its lock's descriptor. An `flock` belongs to the open file, so
//!   it is never free in between and no third process can come first. From `data` to `ready` nobody
//!   but the new one writes; the old one's registry is closed, its APIs answer what they had begun
//!   and leave the rest in the queues.
//! - **Traffic** goes on all the while: the old gateway forwards from memory until `go`, and both
//!   accept for a moment after it, which is no harm, since each connection is accepted once.
//!
//! The channel is a socket pair that the new process finds as its standard input: nobody else can
//! speak on it, and no number of a descriptor has to be told. A program that knows nothing of
//! hand-overs starts as ever, finds the directory locked, and ends.
//!
//! **Who owns the data** is never in doubt. Until it says `go` the old process can take everything
//! back, and it does whenever the new one ends, says why it can't, or takes longer than
//! [`READY_WITHIN`] (it is killed first). The new one answers and accepts nobody before `go`, so
//! nothing that was acknowledged is lost with it; a registry that it has brought to a newer schema
//! is put back from a copy. After `go` the old one touches nothing any more. Should it die before,
//! the new one finds the channel closed, and goes on alone.
//!
//! What doesn't travel is what a gateway has learned of its upstreams' health, and pooled
//! connections: both are learned again.

mod channel;
mod give;
mod passed;
mod take;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use passed::Sockets;
pub(crate) use take::Predecessor;

/// How long the new process may take until it is ready.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120);
/// The version of what is said here; both sides must speak the same.
const PROTOCOL: u32 = 1;
/// Tells a process that its standard input is a channel, and of which version.
const VARIABLE: &str = "RUTTER_TAKES_OVER";

/// Who has taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upgraded {
    /// The process.
    pub(crate) pid: u32,
    /// Its version.
    pub(crate) version: String,
    /// From the request to `go`.
    pub(crate) took_ms: u64,
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ToOld {
    /// The file is read, and good.
    Hello { protocol: u32, version: String, schema: i64 },
    /// The directory is needed now.
    Data { path: PathBuf },
    /// Everything is restored: it could accept.
    Ready,
    /// It serves.
    Serving,
    /// It can't, and ends.
    Failed { why: String },
}

/// What the old one says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ToNew {
    /// With the sockets, in this order.
    Sockets(Vec<passed::Name>),
    /// With the lock.
    Data,
    /// It accepts no more and will touch nothing.
    Go,
    /// It won't hand over.
    Refused { why: String },
}
