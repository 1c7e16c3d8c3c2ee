//! Joining: a token that opens once becomes an identity, a name and a token that stays.
//!
//! Nobody has to know Ed25519 for it: the controller makes the user id and the key, and keeps
//! both halves, since other parts of Rutter and old clients may need a signature of that user.
//! The registry does all of it or nothing, so a name that is taken leaves the token unused.

use rutter_registry::{DomainName, Grant, Role, TokenKind, TokenRefusal, TokenSecret, UserId};
use rutter_route::{Now, ServiceName};

use super::Controller;
use crate::made_user::MadeUser;
use crate::{Error, Result, parse_name, service_name};

/// Who wants to join.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The join token, as it was presented.
    pub token: String,
    /// The name to have, as it was written.
    pub name: String,
}

/// What an agent gets. Its token is in no other place.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its user.
    pub user: UserId,
    /// Its name.
    pub name: DomainName,
    /// Its name under the server's domain.
    pub domain: ServiceName,
    /// What it presents from now on.
    pub agent_token: TokenSecret,
}

impl Controller {
    /// Lets an agent join under a name that nobody has.
    ///
    /// # Errors
    /// [`Error::Token`], [`Error::Name`], [`Error::NameTaken`] (also when the name was made by this
    /// very token), those of the registry.
    pub async fn join(&self, now: Now, request: JoinRequest) -> Result<Joined> {
        self.to_the_end(|this| async move { this.join_to_the_end(now, request).await }).await
    }

    /// Looks whether a join token is good for an agent, without using it up.
    ///
    /// # Errors
    /// [`Error::Token`] when it isn't, those of the registry.
    pub async fn may_join(&self, now: Now, token: &str) -> Result<()> {
        let presented = TokenSecret::presented(token);
        let token = self.0.registry.authenticate(now.wall, TokenKind::Join, &presented).await?;
        match token.grant {
            Grant::Join { role: Role::Agent, .. } => Ok(()),
            _ => Err(Error::Token(TokenRefusal::Role)),
        }
    }

    async fn join_to_the_end(&self, now: Now, request: JoinRequest) -> Result<Joined> {
        // A stranger without a good token learns nothing of names.
        self.may_join(now, &request.token).await?;
        let presented = TokenSecret::presented(&request.token);
        let name = parse_name(&request.name)?;
        let domain = service_name(&name, self.server_domain())?;
        let made = MadeUser::new()?;
        let user = made.user.clone();
        let claim = made.claim(Some(name.clone()), Some(self.server_domain().clone()));
        let agent_token = TokenSecret::generate(TokenKind::Agent)?;
        let _lock = self.0.locks.of(&user).await;
        let joined = self.0.registry.join(now.wall, &presented, claim, agent_token.hash()).await?;
        self.0.directory.put_identity(joined.identity);
        self.note(now, "join token", "agent.join", &format!("{user} {name}"), "").await;
        Ok(Joined { user, name, domain, agent_token })
    }
}

#[cfg(test)]
mod tests;
