//! What a name leads to, by the words of those who registered it.

use std::time::Duration;

use rutter_registry::{Identity, SourceName, UserId};
use rutter_route::{Now, Service, SourceId, Standing};

use super::Controller;
use crate::directory::Known;
use crate::{Result, RouteClaim, parse_name, service_name, source_of};

/// A user and what may be used of what its sources said.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Who.
    pub identity: Identity,
    /// What each source said, in the order of their names.
    pub leases: Vec<ResolvedLease>,
}

/// What one source said.
#[derive(Debug, Clone)]
pub struct ResolvedLease {
    /// Which of the user's sources.
    pub source: SourceName,
    /// How long it still stands.
    pub left: Duration,
    /// What it said of the name itself and of services below it, in its order.
    pub claims: Vec<RouteClaim>,
}

impl Resolved {
    /// The shortest time that any source's words still stand; `None` without any.
    pub fn least_left(&self) -> Option<Duration> {
        self.leases.iter().map(|lease| lease.left).min()
    }
}

impl Controller {
    /// Who has a name, and what its sources said of the name itself, as far as the table holds it
    /// and doesn't bar it. A source of which nothing is left is left out. `None`: nobody has it.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed).
    pub async fn resolve(&self, now: Now, name: &str) -> Result<Option<Resolved>> {
        let Ok(name) = parse_name(name) else { return Ok(None) };
        let Some(user) = self.0.directory.holder(&name) else { return Ok(None) };
        let Some(known) = self.0.directory.known(&user, now) else { return Ok(None) };
        let Known { identity, leases } = known;
        let own = Service::http(service_name(&name, self.server_domain())?);
        let standings = match leases.is_empty() {
            true => Vec::new(),
            false => self.0.feed.standings(own).await?,
        };
        let mut usable = Vec::new();
        for (source, lease) in leases {
            let id = source_of(&user, &source)?;
            let stands = |claim: &&RouteClaim| {
                let is = |(of, path, standing): &(SourceId, String, Standing)| {
                    *of == id && path == claim.path.as_str() && !standing.is_barred()
                };
                claim.service.is_none() && standings.iter().any(is)
            };
            let claims: Vec<_> = lease.claims.iter().filter(stands).cloned().collect();
            if !claims.is_empty() {
                usable.push(ResolvedLease { source, left: lease.ends.left(now), claims });
            }
        }
        Ok(Some(Resolved { identity, leases: usable }))
    }

    /// All that a user's sources said, barred or not. `None`: nobody has that id.
    pub fn registered(&self, now: Now, user: &UserId) -> Option<Resolved> {
        let Known { identity, leases } = self.0.directory.known(user, now)?;
        let leases = leases.into_iter().map(|(source, lease)| ResolvedLease {
            source,
            left: lease.ends.left(now),
            claims: lease.claims,
        });
        Some(Resolved { identity, leases: leases.collect() })
    }
}
