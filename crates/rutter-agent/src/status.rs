//! What the program can show of an agent.

use std::fmt;
use std::time::Instant;

use rutter_route::Endpoint;

/// How an agent is doing; a snapshot, given out through a watch channel.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// What stands registered, as far as it knows.
    pub routes: Vec<RegisteredRoute>,
    /// How many registrations succeeded, the first and its renewals.
    pub n_registrations: u64,
    /// How many attempts failed since the last that succeeded.
    pub n_failures: u32,
    /// The text of the last failure, kept until a registration succeeds.
    pub last_error: Option<String>,
    /// When the next attempt is due.
    pub next: Option<Instant>,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It has not registered yet.
    #[default]
    Starting,
    /// Its routes stand.
    Registered,
    /// An attempt failed; it will try again at `next`. Earlier routes may stand until their lease
    /// ends.
    Retrying,
    /// It is withdrawing its routes.
    Withdrawing,
    /// It has ended.
    Stopped,
}

/// A route that the controller took. As text `web.alice.localhost -> http://127.0.0.1:3000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredRoute {
    /// The name that people ask for.
    pub destination: String,
    /// Where its traffic goes.
    pub endpoint: Endpoint,
    /// Its standing in the controller's table, where the controller says it.
    pub standing: Option<String>,
}

impl fmt::Display for RegisteredRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.destination, self.endpoint)?;
        match self.standing.as_deref() {
            None | Some("eligible") => Ok(()),
            Some(standing) => write!(f, " ({standing})"),
        }
    }
}
