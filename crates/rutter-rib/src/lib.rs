//! Rutter's engine: tables of routes, what each sink was told, and why.
//!
//! ```text
//!     source ── import ──▶ table ── selection ──▶ ranked ── outlet ──▶ sink
//! ```
//!
//! A [`Table`] takes what sources claim, gathers the facts about each claim, ranks the candidates
//! of each destination and says what changed. An [`Outlet`] stands between a table and one sink
//! and knows what that sink was told. A [`Book`] holds several tables that resolve through or feed
//! each other.
//!
//! Nothing here does I/O, owns a thread or a lock, or asks for the time: `now` is an argument of
//! every call, so one seed replays a whole network. No call takes long at a million routes either:
//! what concerns many routes flips one state that selection reads, and `work`, `expire`, `commit`
//! and `next` go on in slices as large as the caller allows.
#![forbid(unsafe_code)]

mod book;
mod outlet;
mod parts;
mod policy;
mod table;

pub use book::{Book, BookChanges, BookError, Feed, Kind, Resolve, TableSpec};
pub use outlet::{
    Batch, Depth, Difference, Onlooker, Outlet, OutletSpec, Tell, ToldRoute, Version,
};
pub use policy::{
    Action, AllUnhealthy, Approval, Bounds, Damping, FlapLimit, HopKind, Match, OnWithdraw, Over,
    PathListMatch, Policy, PolicyError, PrefixMatch, Rule, Rules, ScoreWeights, Stability,
    TagMatch, Then,
};
pub use table::{
    Asks, Change, Changes, Counts, Cursor, Decided, Heard, LongestMatch, Page, PolicyEffect,
    Progress, Selected, SelectedRoute, Table, Tallied, Tally, TooMany, ViewId, ViewSpec,
};

/// The budget of one slice of `work`, `expire`, `commit` or a listing that keeps a call under a
/// millisecond at a million routes (`docs/benchmarks.md` measures it).
pub const SLICE: usize = 1024;
