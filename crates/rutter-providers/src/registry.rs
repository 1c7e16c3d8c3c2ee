//! The registry of routes: what every handler, API and command looks at (seed 001).
//!
//! Three pools as GoDoxy has them: HTTP, streams, and what is known but not served. They hold what
//! the catalogue's last commit left, so a look-up takes no lock and waits for nobody; whoever
//! advertised and then looks sees what it said.
//!
//! `add`, `del` and `clear` speak for a session of the registry's own: what providers say stays
//! theirs. They return after the commit.

mod entry;
mod health_info;

pub use entry::{Entry, EntryKey, Verdict, What};
pub use health_info::{HealthInfo, HealthInfoWithoutDetail};

// H1: the pools (`Pool`), `Registry`, and its tests.

/// The registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    // H1
}
