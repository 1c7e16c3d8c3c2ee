//! The start: what the registry holds goes into memory and into the table, before anybody is
//! listened to.
//!
//! A gateway that asks in the first second after a restart gets the answer of the last second
//! before it; the original answers with no routes until each client has registered again, up to
//! five minutes later. A restored route belongs to its stored session, so its source goes on as if
//! nothing had happened. One lease that can't be read is left out and logged: it must not keep all
//! the others from being served.

use std::sync::atomic::Ordering;

use rutter_registry::{Identity, MAX_PAGE, Page, StoredLease};
use rutter_route::Now;
use tokio::task::JoinSet;

use super::register;
use super::{Controller, joined};
use crate::{Error, Result};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Users.
    pub n_users: usize,
    /// Members.
    pub n_members: usize,
    /// Leases that still stand.
    pub n_leases: usize,
    /// Leases that were left out because they can't be read.
    pub n_unreadable: usize,
}

impl Controller {
    /// Restores what the registry holds. To be called once, before listeners open.
    ///
    /// # Errors
    /// Those of the registry; [`Error::Closed`].
    pub async fn restore(&self, now: Now) -> Result<Restored> {
        let n_users = self.restore_users().await?;
        self.restore_members().await?;
        let n_members = self.0.directory.n_members();
        let mut found = Restored { n_users, n_members, ..Restored::default() };
        let mut page = Page::first(MAX_PAGE);
        loop {
            let leases = self.0.registry.leases(now.wall, page).await?;
            let last = leases.last().map(|lease| lease.key.clone());
            let n_leases = leases.len();
            // All of a page at once, so that the table's owner takes them in one batch.
            let mut restoring = JoinSet::new();
            for lease in leases {
                let this = self.clone();
                restoring.spawn(async move { this.restore_lease(now, &lease).await });
            }
            while let Some(restored) = restoring.join_next().await {
                match joined(restored)? {
                    true => found.n_leases += 1,
                    false => found.n_unreadable += 1,
                }
            }
            match last {
                Some(last) if n_leases == MAX_PAGE => page = Page::after(last, MAX_PAGE),
                _ => break,
            }
        }
        self.0.registry.remove_ended_leases(now.wall).await?;
        self.0.restored.store(true, Ordering::Release);
        Ok(found)
    }

    async fn restore_users(&self) -> Result<usize> {
        let (mut n_users, mut page) = (0, Page::first(MAX_PAGE));
        loop {
            let users: Vec<Identity> = self.0.registry.identities(page).await?;
            let last = users.last().map(|user| user.user.clone());
            let n_page = users.len();
            n_users += n_page;
            users.into_iter().for_each(|user| self.0.directory.put_identity(user));
            match last {
                Some(last) if n_page == MAX_PAGE => page = Page::after(last, MAX_PAGE),
                _ => return Ok(n_users),
            }
        }
    }

    async fn restore_members(&self) -> Result<()> {
        let mut page = Page::first(MAX_PAGE);
        loop {
            let members = self.0.registry.members(page).await?;
            let last = members.last().map(|member| member.name.clone());
            let n_page = members.len();
            members.into_iter().for_each(|member| self.0.directory.put_member(member));
            match last {
                Some(last) if n_page == MAX_PAGE => page = Page::after(last, MAX_PAGE),
                _ => return Ok(()),
            }
        }
    }

    /// Whether it could be read.
    async fn restore_lease(&self, now: Now, stored: &StoredLease) -> Result<bool> {
        let (user, source) = (&stored.key.user, &stored.key.source);
        let lease = match register::restored(now, stored) {
            Ok(lease) => lease,
            Err(error) => {
                tracing::error!(%user, %source, %error, "a stored lease can't be read");
                return Ok(false);
            }
        };
        let Some(identity) = self.0.directory.identity(user) else {
            tracing::error!(%user, %source, "a stored lease belongs to nobody");
            return Ok(false);
        };
        self.0.directory.put_lease(user, source.clone(), lease.clone());
        match self.feed_lease(now, &identity, source, &lease).await {
            Ok(_) => Ok(true),
            Err(Error::Closed) => Err(Error::Closed),
            Err(error) => {
                tracing::error!(%user, %source, %error, "a stored lease can't be advertised");
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
