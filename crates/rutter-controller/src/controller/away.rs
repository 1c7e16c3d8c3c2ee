//! An agent whose session over the link is lost.
//!
//! A lost session withdraws nothing: the source's routes become `Stale`, so that any other way is
//! preferred, for what its lease has left. The lease runs on and ends what it would have ended. Who
//! registers again, over the link or over HTTP, is up again at once.
//!
//! **A session that is lost late.** An agent may be back on a new connection before the old one is
//! found dead. What is told of the old one then must not touch what the agent has said since. The
//! incarnation doesn't tell the two apart, since it is the lease's and spans connections; so each
//! registration gets a number, and who reports a loss names the last that its session made.

use std::sync::atomic::Ordering;

use rutter_registry::{SourceName, UserId};
use rutter_route::Now;

use super::Controller;
use crate::directory::Lease;
use crate::{Error, Result, source_of};

/// The number of a registration, rising in one life of the controller; what was restored at the
/// start has the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RegistrationNumber(u64);

impl Controller {
    /// The session is lost whose last registration for this source was `last`: its routes are stale
    /// until its lease ends, or until it registers again. Whether that is so; `false`: it has
    /// registered since by another way, its lease has ended, or it has said nothing.
    ///
    /// After a restart of the controller, restored sources are up until their lease ends, as are
    /// those that have spoken over HTTP.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::Closed`].
    pub async fn away(
        &self,
        now: Now,
        user: UserId,
        source: SourceName,
        last: RegistrationNumber,
    ) -> Result<bool> {
        self.to_the_end(|this| async move {
            let _lock = this.0.locks.of(&user).await;
            if this.0.directory.identity(&user).is_none() {
                return Err(Error::UnknownUser);
            }
            let lease = this.0.directory.lease(&user, &source);
            let mine = lease.filter(|lease| lease.number == last && !lease.ends.is_due(now));
            let Some(lease) = mine else { return Ok(false) };
            let (incarnation, left) = (lease.incarnation, lease.ends.left(now));
            let id = source_of(&user, &source)?;
            this.0.directory.put_lease(&user, source, Lease { away: true, ..lease });
            this.0.feed.away(id, incarnation, left).await?;
            Ok(true)
        })
        .await
    }

    /// A number for the next registration.
    pub(super) fn next_number(&self) -> RegistrationNumber {
        RegistrationNumber(self.0.registrations.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[cfg(test)]
mod tests;
