//! Users and their names: claim, rename, delete; signatures, heartbeats.

use rutter_registry::{Claim, DomainName, Identity, PublicKey, UserId};
use rutter_route::{Now, Wall};

use super::Controller;
use crate::made_user::MadeUser;
use crate::{NameError, Result, parse_name, source_of, verifies};

/// What a user asks to have. What is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct DomainClaim {
    /// Who.
    pub user: UserId,
    /// The name to have, as it was written.
    pub name: Option<String>,
    /// The key to sign with.
    pub key: Option<PublicKey>,
    /// Who asks, for the audit: a token's name.
    pub by: String,
}

/// Whether a name can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Nobody has it.
    Free,
    /// Somebody has it.
    Taken,
    /// It breaks a rule.
    Not(NameError),
}

impl Controller {
    /// A user's identity.
    pub fn identity(&self, user: &UserId) -> Option<Identity> {
        self.0.directory.identity(user)
    }

    /// Who has a name.
    pub fn holder(&self, name: &DomainName) -> Option<UserId> {
        self.0.directory.holder(name)
    }

    /// Users with a name, in the names' order, `limit` at most, behind `after`.
    pub fn domains(&self, after: Option<&DomainName>, limit: usize) -> Vec<Identity> {
        self.0.directory.named(after, limit)
    }

    /// Whether a name can be had. Between the answer and a claim another may take it.
    pub fn availability(&self, name: &str) -> Availability {
        match parse_name(name) {
            Err(why) => Availability::Not(why),
            Ok(name) if self.0.directory.holder(&name).is_some() => Availability::Taken,
            Ok(_) => Availability::Free,
        }
    }

    /// Whether a text is the user's signature over its own id.
    pub fn signed(&self, identity: &Identity, signature: &str) -> bool {
        let user = identity.user.as_str().as_bytes();
        identity.key.as_ref().is_some_and(|key| verifies(key, user, signature))
    }

    /// Makes or changes a user. With another name its routes move to that name at once, and the
    /// name before is free.
    ///
    /// # Errors
    /// [`Error::Name`](crate::Error::Name), [`Error::NameTaken`](crate::Error::NameTaken), those of the registry. [`Error::Closed`](crate::Error::Closed) with
    /// the claim stored.
    pub async fn claim_domain(&self, now: Now, claim: DomainClaim) -> Result<Identity> {
        self.to_the_end(|this| async move { this.claim_under_lock(now, claim).await }).await
    }

    pub(super) async fn claim_under_lock(&self, now: Now, claim: DomainClaim) -> Result<Identity> {
        let name = claim.name.as_deref().map(parse_name).transpose()?;
        let server_domain = name.is_some().then(|| self.server_domain().clone());
        let wanted = Claim { user: claim.user, name, server_domain, key: claim.key, seed: None };
        self.claimed(now, wanted, &claim.by).await
    }

    async fn claimed(&self, now: Now, wanted: Claim, by: &str) -> Result<Identity> {
        let _lock = self.0.locks.of(&wanted.user).await;
        let user = wanted.user.clone();
        let claimed = self.0.registry.claim(now.wall, wanted).await?;
        self.0.directory.put_identity(claimed.identity.clone());
        if claimed.before.as_ref().is_some_and(|b| b.name != claimed.identity.name) {
            self.move_routes(now, &claimed.identity).await?;
        }
        let name = claimed.identity.name.as_ref().map_or("", DomainName::as_str);
        let freed = claimed.freed().map_or_else(String::new, |n| format!("frees {n}"));
        let subject = format!("{user} {name}");
        self.note(now, by, "domain.claim", &subject, &freed).await;
        Ok(claimed.identity)
    }

    /// Makes a user whose key the controller makes too, for who has none: what is returned beside it
    /// is the user's signature, which a Mesh Router agent carries.
    ///
    /// # Errors
    /// [`Error::Name`](crate::Error::Name), [`Error::NameTaken`](crate::Error::NameTaken), those of
    /// the registry.
    pub async fn make_user(&self, now: Now, name: &str, by: &str) -> Result<(Identity, String)> {
        let made = MadeUser::new()?;
        let name = Some(parse_name(name)?);
        let claim = made.claim(name, Some(self.server_domain().clone()));
        let signature = made.signature();
        let by = by.to_owned();
        let claimed = self.to_the_end(|this| async move { this.claimed(now, claim, &by).await });
        Ok((claimed.await?, signature))
    }

    /// Says all that a renamed user's sources say again, under the new name.
    async fn move_routes(&self, now: Now, identity: &Identity) -> Result<()> {
        let Some(known) = self.0.directory.known(&identity.user, now) else { return Ok(()) };
        for (source, lease) in known.leases {
            self.feed_lease(now, identity, &source, &lease).await?;
        }
        Ok(())
    }

    /// Removes a user with its name, key, leases and tokens, and withdraws its routes. Whether
    /// there was one.
    ///
    /// # Errors
    /// Those of the registry. [`Error::Closed`](crate::Error::Closed) with the user removed.
    pub async fn delete_domain(&self, now: Now, user: UserId, by: String) -> Result<bool> {
        self.to_the_end(|this| async move { this.delete_under_lock(now, user, by).await }).await
    }

    async fn delete_under_lock(&self, now: Now, user: UserId, by: String) -> Result<bool> {
        let _lock = self.0.locks.of(&user).await;
        let leases = self.0.directory.sources(&user);
        let sources = leases.iter().map(|(name, _)| source_of(&user, name));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let Some(gone) = self.0.registry.delete_identity(&user).await? else {
            return Ok(false);
        };
        self.0.directory.remove(&user);
        for (source, (_, incarnation)) in sources.into_iter().zip(leases) {
            self.0.feed.gone(source, incarnation).await?;
        }
        let name = gone.name.as_ref().map_or("", DomainName::as_str);
        self.note(now, &by, "domain.delete", &format!("{user} {name}"), "").await;
        Ok(true)
    }

    /// Notes that a user was heard of, and says when that was.
    ///
    /// # Errors
    /// [`Error::UnknownUser`](crate::Error::UnknownUser), those of the registry.
    pub async fn heartbeat(&self, now: Now, user: &UserId) -> Result<Wall> {
        self.0.registry.touch(now.wall, user).await?;
        self.0.directory.seen(user, now.wall);
        Ok(now.wall)
    }

    /// Whether the user's last heartbeat is recent enough.
    pub fn is_online(&self, now: Now, identity: &Identity) -> bool {
        let online = u64::try_from(self.config().online.as_millis()).unwrap_or(u64::MAX);
        identity.last_seen.is_some_and(|seen| now.wall.0.saturating_sub(seen.0) <= online)
    }
}

#[cfg(test)]
mod tests;
