//! The words of Rutter as types.
//!
//! A **source** claims that a **destination** can be reached by some **path**; that claim is a
//! **route**. This crate holds those words, parsed and validated, in the serde form that the
//! HTTP API shows, and nothing that decides anything: the tables are in `rutter-rib`.
//!
//! Invariants:
//! - a value of one of these types is valid: constructors parse, fields that could break an
//!   invariant are private;
//! - `FromStr` and `Display` round-trip, and serde uses them;
//! - nothing here does I/O or asks for the time.
#![forbid(unsafe_code)]

mod attributes;
mod claim;
mod cluster;
mod decision;
mod delivery;
mod destination;
mod event;
mod explanation;
mod hop;
mod parse;
mod path_id;
mod path_list;
mod path_prefix;
mod prefix;
mod priority;
mod service;
mod sink_mode;
mod source;
mod standing;
mod table_name;
mod time;

pub use attributes::{
    Attributes, DEFAULT_PREFERENCE, Group, HealthCheck, MAX_PATH_LIST, MAX_TAGS, Tag, Tags,
};
pub use claim::{Advertisement, Refused, Verdict};
pub use cluster::ClusterId;
pub use decision::{By, Decision, Health, Observer, Resolution, Word};
pub use delivery::{
    BalanceMode, BalanceOptions, Delivery, FileOptions, ProxyHeader, StreamOptions, TlsServerName,
    TlsVersion, UpstreamOptions,
};
pub use destination::{AnyDestination, Destination, DestinationKind};
pub use event::{Cause, Event, EventNumber, Left, RouteKey, What};
pub use explanation::Dispute;
pub use explanation::{
    CandidateExplanation, Criterion, Explanation, FactExplanation, HopExplanation, LostBy,
    PolicyTrace, SinkExplanation, ViewExplanation,
};
pub use hop::{Endpoint, Folder, HopName, HostName, NextHop, NodeId, Scheme};
pub use parse::ParseError;
pub use path_id::PathId;
pub use path_list::{PathList, PathStep};
pub use path_prefix::PathPrefix;
pub use prefix::Prefix;
pub use priority::Priority;
pub use service::{ListenAt, Listener, Scope, Service, ServiceName};
pub use sink_mode::SinkMode;
pub use source::{
    Credential, Incarnation, OwnerId, Session, SourceId, SourceInfo, SourceKind, SourceState,
};
pub use standing::Standing;
pub use table_name::{TableName, ViewName};
pub use time::{Deadline, Mono, Now, Wall};

#[cfg(test)]
mod tests;
