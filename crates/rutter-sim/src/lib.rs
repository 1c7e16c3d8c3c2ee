//! Whole networks in one process under a simulated clock.
//!
//! Each cluster is a [`rutter_protocol::Engine`], the code that ships; the network between them, the
//! clocks, the signer and every fault come from one seed, so a seed replays a run byte by byte.
//! After each step the invariants are checked; a run that breaks one is shrunk to the least list of
//! faults that still breaks it, and written down as JSON lines that can be played again.
#![forbid(unsafe_code)]

mod agenda;
pub mod churn;
mod clock;
pub mod faults;
pub mod invariants;
mod liar;
pub mod measure;
mod middle;
pub mod network;
mod node;
mod pipe;
pub mod plot;
pub mod record;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod signer;
mod span;
pub mod topology;
mod wheel;

pub use network::Network;
pub use node::Node;
pub use scenario::Scenario;
pub use span::Span;
