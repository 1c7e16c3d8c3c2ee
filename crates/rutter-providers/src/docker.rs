//! A container engine as a provider: asked for its containers, listened to for their changes.
//!
//! ```text
//!  engine ──events──▶ batch ──which──▶ listing ──▶ map ──▶ read_container ──▶ catalogue
//!                       (the first at once,          │
//!                        300 ms for what follows)    └─ HEALTHCHECK ─▶ monitors
//! ```
//!
//! An event only says whose state to ask for: what is said is always what a listing says, so an
//! event that comes twice, late or out of order changes nothing. The stream of events is there
//! before the first listing is asked for, so nothing falls between them; when it ends, all is
//! listed anew, which is a refresh.
//!
//! Invariants:
//! - a listing that failed removes nothing: what stood stands, and is stale until one succeeds;
//! - what an engine sends is bounded, an answer by [`MAX_ANSWER`], an event by [`MAX_EVENT`], the
//!   containers by [`MAX_CONTAINERS`]: above, the listing or the stream has failed, since half of
//!   a listing would leave the places of the other half to others;
//! - a TLS connection without verification isn't made.
//!
//! `ssh://` and GoDoxy's own agents are refused by name: Rutter's agent does their work.

mod backoff;
mod batch;
mod changes;
mod config;
mod connect;
mod describe;
mod engine;
mod error;
mod known;
mod map;
mod task;
mod transport;

pub use config::{Endpoint, TlsFiles};
pub use engine::{MAX_ANSWER, MAX_EVENT};
pub use error::DockerError;
pub use known::MAX_CONTAINERS;
pub use task::DockerProvider;
