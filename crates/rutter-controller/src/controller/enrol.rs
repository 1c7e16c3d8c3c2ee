//! Enrolling: a join token and a key become a part of Rutter that may speak `rutter.v1`.
//!
//! The link has seen the key proven (its holder finished a TLS handshake with it) and asks here what
//! it is good for. The token's role decides: an agent becomes a user as in [`Controller::join`], but
//! with the key that it brought, so no seed of it is kept and it needs no token of its own; every
//! other role becomes a member. Who asks again for what it has is told that it has it
//! ([`rutter_registry::Members`]).
//!
//! An agent that joined over HTTP has a token for its user and no key. With that token in the place of
//! a join token it brings one, and speaks for the same user from then on. The token stays good, so
//! an answer that got lost is asked for again, and programs that use it over HTTP go on.
//!
//! Enrolments and removals of members run one at a time. They are rare, and each is one write, so a
//! thousand hosts that enrol at once wait a second or two; in return memory learns of them in the
//! order in which the registry did, and who is told "you stand" is known to
//! [`Controller::speaker`] by then.

use rutter_registry::{Grant, NewMember, PublicKey, Role, TokenKind, TokenRefusal, TokenSecret};
use rutter_route::Now;

use super::{Controller, DomainClaim};
use crate::made_user::made_id;
use crate::{Error, Result, Speaker, parse_name, service_name};

/// Who wants to enrol.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The join token, as it was presented.
    pub token: String,
    /// The name to have, as it was written.
    pub name: String,
    /// The key, which the asker has proven to hold.
    pub key: PublicKey,
    /// What the asker wants to be; `None`: whatever the token is for.
    pub role: Option<Role>,
}

/// What became of one who enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// As whom it speaks from now on.
    pub speaker: Speaker,
    /// Whether it stood already: nothing was written then.
    pub stood: bool,
}

impl Controller {
    /// Lets a part of Rutter in that brings its key.
    ///
    /// # Errors
    /// [`Error::Token`], [`Error::Name`] and [`Error::NameTaken`] of an agent,
    /// [`Error::Parse`] and [`Error::MemberNameTaken`] of a member, [`Error::KeyTaken`],
    /// [`Error::Bound`], those of the registry. The token is used up by none of them.
    pub async fn enrol(&self, now: Now, what: Enrolment) -> Result<Enrolled> {
        self.to_the_end(|this| async move { this.enrol_to_the_end(now, what).await }).await
    }

    async fn enrol_to_the_end(&self, now: Now, what: Enrolment) -> Result<Enrolled> {
        let presented = TokenSecret::presented(&what.token);
        if what.token.starts_with(TokenKind::Agent.prefix()) {
            return self.enrol_known_agent(now, what).await;
        }
        // A stranger without a token of ours learns nothing of names.
        let token = self.0.registry.join_token(&presented).await?;
        let Grant::Join { role, .. } = token.grant else {
            return Err(Error::Token(TokenRefusal::Unknown));
        };
        if what.role.is_some_and(|wanted| wanted != role) {
            return Err(Error::Token(TokenRefusal::Role));
        }
        let _one_at_a_time = self.0.enrolments.lock().await;
        match role {
            Role::Agent => self.enrol_agent(now, &presented, what).await,
            // Nodes come in by another door.
            Role::Node => Err(Error::Token(TokenRefusal::Role)),
            role => self.enrol_member(now, &presented, role, what).await,
        }
    }

    async fn enrol_agent(
        &self,
        now: Now,
        presented: &TokenSecret,
        what: Enrolment,
    ) -> Result<Enrolled> {
        let name = parse_name(&what.name)?;
        service_name(&name, self.server_domain())?;
        let claim = rutter_registry::Claim {
            user: made_id()?,
            name: Some(name.clone()),
            server_domain: Some(self.server_domain().clone()),
            key: Some(what.key),
            seed: None,
        };
        let _lock = self.0.locks.of(&claim.user).await;
        let enrolled = self.0.registry.enrol_agent(now.wall, presented, claim).await?;
        let identity = enrolled.what.identity;
        let user = identity.user.clone();
        // What stood may have been changed since, under its own user's lock.
        if !enrolled.stood {
            self.0.directory.put_identity(identity);
            self.note(now, "join token", "agent.enrol", &format!("{user} {name}"), "").await;
        }
        Ok(Enrolled { speaker: Speaker::Agent { user, name }, stood: enrolled.stood })
    }

    /// The name is the user's, whatever is asked for: the token says who it is.
    async fn enrol_known_agent(&self, now: Now, what: Enrolment) -> Result<Enrolled> {
        let user = self.agent_of(now, &what.token).await?;
        if what.role.is_some_and(|wanted| wanted != Role::Agent) {
            return Err(Error::Token(TokenRefusal::Role));
        }
        let _one_at_a_time = self.0.enrolments.lock().await;
        match self.speaker(&what.key) {
            Some(speaker @ Speaker::Agent { .. }) if speaker.is(&user) => {
                return Ok(Enrolled { speaker, stood: true });
            }
            Some(_) => return Err(Error::KeyTaken),
            None => {}
        }
        let by = "agent token".to_owned();
        let claim = DomainClaim { user: user.clone(), name: None, key: Some(what.key), by };
        let identity = self.claim_under_lock(now, claim).await?;
        let name = identity.name.ok_or(Error::UnknownUser)?;
        Ok(Enrolled { speaker: Speaker::Agent { user, name }, stood: false })
    }

    async fn enrol_member(
        &self,
        now: Now,
        presented: &TokenSecret,
        role: Role,
        what: Enrolment,
    ) -> Result<Enrolled> {
        let new = NewMember { name: what.name.trim().parse()?, role, key: what.key };
        let enrolled = self.0.registry.enrol(now.wall, presented, new).await?;
        let member = enrolled.what;
        if !enrolled.stood {
            self.0.directory.put_member(member.clone());
            let subject = format!("{} {}", member.role, member.name);
            self.note(now, "join token", "member.enrol", &subject, &member.key.to_string()).await;
        }
        Ok(Enrolled { speaker: Speaker::Member(member), stood: enrolled.stood })
    }
}

#[cfg(test)]
mod tests;
