//! Registrations: what a source says replaces what it said.
//!
//! A source over HTTP has no connection whose life could be its session. Its session is its
//! lease: as long as that runs, also across a restart of the controller, what it says belongs to
//! one incarnation; once it has ended or was withdrawn, the next registration begins a new one.

use std::time::Duration;

use rutter_registry::{Identity, LeaseKey, NewLease, Routes, SourceName, StoredLease, UserId};
use rutter_route::{Credential, Now, Service, SourceInfo, Verdict};

use super::{Controller, RegistrationNumber};
use crate::address::{AddressRefused, Registrant};
use crate::directory::Lease;
use crate::feed::SourceSet;
use crate::{Error, Result, RouteClaim, owner_of, service_name, source_of};

/// The most ended leases that one sweep removes.
const SWEEP: usize = 1000;

/// What a source says. Who hands it in has checked the signature or the token.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Whose source.
    pub user: UserId,
    /// Which of the user's sources.
    pub source: SourceName,
    /// All that it says; nothing is the same as a withdrawal.
    pub claims: Vec<RouteClaim>,
    /// Where it says so from.
    pub registrant: Registrant,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// Each route, in the order in which they were handed in.
    pub routes: Vec<RegisteredRoute>,
    /// How long they stand.
    pub lease: Duration,
    /// Which registration this was, for [`Controller::away`].
    pub number: RegistrationNumber,
}

/// What came of one route.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredRoute {
    /// The destination that it is about.
    pub destination: Service,
    /// What was said.
    pub claim: RouteClaim,
    /// How it stands, or why the table refused it.
    pub verdict: Verdict,
}

impl Controller {
    /// Whether a claim may lead where it leads, for who handed it in.
    ///
    /// # Errors
    /// The rule that speaks against it.
    pub fn may_lead(&self, claim: &RouteClaim, by: Registrant) -> Result<(), AddressRefused> {
        let checked = self.config().addresses.check(&claim.endpoint.host, by);
        checked.inspect_err(|why| self.0.refusals.count(why.reason()))
    }

    /// Replaces all that a source said, and begins its lease anew. The registry has it when this
    /// returns, and the table has committed it.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] also for a user without a name, [`Error::TooManyRoutes`],
    /// [`Error::Address`], [`Error::Parse`] for a service whose name would be too long,
    /// [`Error::Bound`], those of the registry. [`Error::Closed`] with the routes stored.
    pub async fn register(&self, now: Now, what: Registration) -> Result<Registered> {
        self.check(&what)?;
        self.to_the_end(|this| async move { this.register_under_lock(now, what).await }).await
    }

    fn check(&self, what: &Registration) -> Result<()> {
        let most = self.config().max_routes;
        if what.claims.len() > most {
            return Err(Error::TooManyRoutes { given: what.claims.len(), most });
        }
        for (index, claim) in what.claims.iter().enumerate() {
            let may = self.may_lead(claim, what.registrant);
            may.map_err(|why| Error::Address { index, why })?;
        }
        Ok(())
    }

    async fn register_under_lock(&self, now: Now, what: Registration) -> Result<Registered> {
        let _lock = self.0.locks.of(&what.user).await;
        let identity = self.0.directory.identity(&what.user).ok_or(Error::UnknownUser)?;
        let lease = self.config().lease;
        if what.claims.is_empty() {
            self.withdraw_source(&what.user, &what.source).await?;
            let number = self.next_number();
            return Ok(Registered { routes: Vec::new(), lease, number });
        }
        let set = self.new_lease(now, &identity, &what.source, what.claims).await?;
        self.0.directory.put_lease(&what.user, what.source.clone(), set.clone());
        let routes = self.feed_lease(now, &identity, &what.source, &set).await?;
        Ok(Registered { routes, lease, number: set.number })
    }

    /// Writes what a source says to the registry.
    async fn new_lease(
        &self,
        now: Now,
        identity: &Identity,
        source: &SourceName,
        claims: Vec<RouteClaim>,
    ) -> Result<Lease> {
        // What can't be said to the table must not be stored: a restart would stumble over it.
        let name = identity.name.as_ref().ok_or(Error::UnknownUser)?;
        for claim in &claims {
            claim.destination(name, self.server_domain())?;
        }
        source_of(&identity.user, source)?;
        let before = self.0.directory.lease(&identity.user, source);
        let running = before.filter(|lease| !lease.ends.is_due(now));
        let incarnation = match running {
            Some(lease) => lease.incarnation,
            None => self.0.registry.next_incarnation().await?,
        };
        let lease = self.config().lease;
        let key = LeaseKey { user: identity.user.clone(), source: source.clone() };
        let routes = Routes::encode(&claims)?;
        self.0.registry.put_lease(now.wall, NewLease { key, incarnation, lease, routes }).await?;
        let number = self.next_number();
        Ok(Lease { incarnation, ends: now.deadline(lease), claims, number, away: false })
    }

    /// Tells the table all that a source says, for as long as its lease has left.
    pub(super) async fn feed_lease(
        &self,
        now: Now,
        identity: &Identity,
        source: &SourceName,
        lease: &Lease,
    ) -> Result<Vec<RegisteredRoute>> {
        let Some(name) = &identity.name else {
            // A user without a name has nothing that could be asked for.
            self.0.feed.gone(source_of(&identity.user, source)?, lease.incarnation).await?;
            return Ok(Vec::new());
        };
        let domain = self.server_domain();
        let said = lease.claims.iter().map(|c| c.advertisement(name, domain));
        let routes = said.collect::<Result<Vec<_>, _>>()?;
        let destinations: Vec<_> = routes.iter().map(|r| r.destination.clone()).collect();
        let credential = Credential {
            name: format!("{} of {}", source, identity.user),
            services: Some(vec![service_name(name, domain)?]),
            ..Credential::default()
        };
        let info = SourceInfo {
            owner: Some(owner_of(&identity.user)?),
            credential: Some(credential),
            lease: Some(lease.ends.left(now)),
            ..SourceInfo::default()
        };
        let source = source_of(&identity.user, source)?;
        let set =
            SourceSet { source: source.clone(), incarnation: lease.incarnation, info, routes };
        let verdicts = self.0.feed.replace(set).await?;
        if lease.away {
            // It has moved to another name, and is still away.
            self.0.feed.away(source, lease.incarnation, lease.ends.left(now)).await?;
        }
        for verdict in &verdicts {
            if let Verdict::Refused(why) = verdict {
                self.0.refusals.count(why.reason());
            }
        }
        let routes = destinations.into_iter().zip(&lease.claims).zip(verdicts);
        Ok(routes
            .map(|((destination, claim), verdict)| RegisteredRoute {
                destination,
                claim: claim.clone(),
                verdict,
            })
            .collect())
    }

    /// Withdraws what one of a user's sources said, or all of them; how many routes that were.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], those of the registry. [`Error::Closed`] with the leases removed.
    pub async fn withdraw(&self, user: UserId, source: Option<SourceName>) -> Result<usize> {
        self.to_the_end(|this| async move { this.withdraw_under_lock(user, source).await }).await
    }

    async fn withdraw_under_lock(&self, user: UserId, source: Option<SourceName>) -> Result<usize> {
        let _lock = self.0.locks.of(&user).await;
        if self.0.directory.identity(&user).is_none() {
            return Err(Error::UnknownUser);
        }
        let all = self.0.directory.sources(&user).into_iter().map(|(name, _)| name);
        let mut n_routes = 0;
        for name in all.filter(|name| source.as_ref().is_none_or(|wanted| wanted == name)) {
            n_routes += self.withdraw_source(&user, &name).await?;
        }
        Ok(n_routes)
    }

    async fn withdraw_source(&self, user: &UserId, source: &SourceName) -> Result<usize> {
        let key = LeaseKey { user: user.clone(), source: source.clone() };
        self.0.registry.remove_lease(&key).await?;
        let Some(lease) = self.0.directory.lease(user, source) else { return Ok(0) };
        self.0.directory.remove_lease(user, source);
        self.0.feed.gone(source_of(user, source)?, lease.incarnation).await?;
        Ok(lease.claims.len())
    }

    /// Removes what ended leases left behind: the rows of the registry and the sources of the
    /// table, whose routes the table itself has let go on time. Some at a time; how many.
    ///
    /// # Errors
    /// Those of the registry, [`Error::Closed`]; what was removed before stays removed.
    pub async fn sweep(&self, now: Now) -> Result<usize> {
        let mut n_removed = 0;
        for (user, source) in self.0.directory.ended(now, SWEEP) {
            let _lock = self.0.locks.of(&user).await;
            // It may have been said again since.
            let lease = self.0.directory.lease(&user, &source);
            if lease.is_some_and(|lease| lease.ends.is_due(now)) {
                self.withdraw_source(&user, &source).await?;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }
}

/// A stored lease as it is held in memory, from `now`.
pub(super) fn restored(now: Now, stored: &StoredLease) -> Result<Lease> {
    Ok(Lease {
        incarnation: stored.incarnation,
        ends: now.deadline(stored.remaining),
        claims: stored.routes.decode()?,
        number: RegistrationNumber::default(),
        away: false,
    })
}

#[cfg(test)]
mod tests;
