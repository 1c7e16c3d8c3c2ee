//! The controller: one handle, cloned by whoever asks.
//!
//! Every write goes the same way: under the user's lock, first to the registry and, once that
//! has acknowledged, to the table and to the copy in memory. An answer that says "registered" is
//! given after all of it. The steps run in a task of their own: a client that hangs up in the
//! middle ends its wait, not the work, which would otherwise leave a lease in the registry that
//! the table has never heard of.

mod audit;
mod away;
mod domains;
mod enrol;
mod join;
mod members;
mod register;
mod resolve;
mod restore;
mod tend;
mod tokens;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rutter_registry::Registry;
use rutter_route::ServiceName;
use tokio::sync::Mutex;
use tokio::task::JoinError;

pub use away::RegistrationNumber;
pub use domains::{Availability, DomainClaim};
pub use enrol::{Enrolled, Enrolment};
pub use join::{JoinRequest, Joined};
pub use register::{Registered, RegisteredRoute, Registration};
pub use resolve::{Resolved, ResolvedLease};
pub use restore::Restored;
pub use tokens::{MAX_JOIN_TTL, MadeToken, NewApiToken, NewJoinToken};

use crate::address::AddressPolicy;
use crate::directory::Directory;
use crate::feed::Feed;
use crate::locks::Locks;
use crate::refusals::Refusals;
use crate::{Error, Result};

/// What a controller is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The domain under which the names stand.
    pub server_domain: ServiceName,
    /// How long a source's claims stand unless it says them again. 600 s in Mesh Router.
    pub lease: Duration,
    /// How often a source is asked to say them again. 300 s in Mesh Router; the lease is at least
    /// two of them.
    pub renew: Duration,
    /// How long after its last heartbeat a user is online. 120 s in Mesh Router.
    pub online: Duration,
    /// The most routes of one call.
    pub max_routes: usize,
    /// Where routes may lead.
    pub addresses: AddressPolicy,
}

impl Config {
    /// The field's defaults, under a domain.
    pub fn new(server_domain: ServiceName) -> Self {
        Self {
            server_domain,
            lease: Duration::from_secs(600),
            renew: Duration::from_secs(300),
            online: Duration::from_secs(120),
            max_routes: 16,
            addresses: AddressPolicy::default(),
        }
    }
}

impl Config {
    /// Whether the durations fit together.
    ///
    /// # Errors
    /// [`Error::Config`] names what doesn't.
    pub fn check(&self) -> Result<()> {
        let (lease, renew) = (self.lease.as_secs_f64(), self.renew.as_secs_f64());
        if self.renew.is_zero() || self.lease < self.renew * 2 {
            return Err(Error::Config(format!(
                "a lease of {lease} s is shorter than two renewals of {renew} s: one that is lost \
                 would end it"
            )));
        }
        if self.max_routes == 0 {
            return Err(Error::Config("no routes could be registered: max_routes is 0".into()));
        }
        Ok(())
    }
}

/// The handle.
#[derive(Clone)]
pub struct Controller(Arc<Inner>);

struct Inner {
    config: Config,
    registry: Arc<dyn Registry>,
    feed: Arc<dyn Feed>,
    directory: Directory,
    locks: Locks,
    /// Held by who enrols, and by who removes a member.
    enrolments: Mutex<()>,
    registrations: AtomicU64,
    restored: AtomicBool,
    refusals: Refusals,
}

impl Controller {
    /// A controller over a registry and the table it feeds. It knows nobody until
    /// [`Controller::restore`] has run.
    pub fn new(config: Config, registry: Arc<dyn Registry>, feed: Arc<dyn Feed>) -> Self {
        Self(Arc::new(Inner {
            config,
            registry,
            feed,
            directory: Directory::default(),
            locks: Locks::new(),
            enrolments: Mutex::new(()),
            registrations: AtomicU64::new(0),
            restored: AtomicBool::new(false),
            refusals: Refusals::default(),
        }))
    }

    /// What it was told at its start.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The domain under which the names stand.
    pub fn server_domain(&self) -> &ServiceName {
        &self.0.config.server_domain
    }

    /// Whether what the registry holds has been restored: before that, an answer would call users
    /// unknown who are not.
    pub fn is_ready(&self) -> bool {
        self.0.restored.load(Ordering::Acquire)
    }

    /// How many users there are, and how many leases.
    pub fn counts(&self) -> (usize, usize) {
        self.0.directory.counts()
    }

    /// How many routes were not taken since the start, by reason.
    pub fn refusals(&self) -> Vec<(&'static str, usize)> {
        self.0.refusals.all()
    }

    /// Runs a write to its end, whether or not the one who asked goes on waiting.
    async fn to_the_end<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        joined(tokio::spawn(work(self.clone())).await)
    }
}

/// What a task came to; its panic goes on here.
fn joined<T>(ended: Result<Result<T>, JoinError>) -> Result<T> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is going down.
        Err(_) => Err(Error::Closed),
    }
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("config", &self.0.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_a_renewal_that_is_lost() {
        let config = |lease, renew| Config {
            lease: Duration::from_secs(lease),
            renew: Duration::from_secs(renew),
            ..Config::new("localhost".parse().unwrap())
        };
        for (lease, renew, good) in [(600, 300, true), (599, 300, false), (600, 0, false)] {
            assert_eq!(config(lease, renew).check().is_ok(), good, "{lease} {renew}");
        }
        let error = config(100, 60).check().unwrap_err().to_string();
        assert!(error.contains("100 s") && error.contains("60 s"), "{error}");
    }
}
