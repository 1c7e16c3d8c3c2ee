//! Tokens: made, listed, revoked, and what one opens.

use std::time::Duration;

use rutter_registry::{
    Grant, NewToken, Note, Page, Role, Scopes, Token, TokenId, TokenKind, TokenSecret, UserId,
};
use rutter_route::Now;

use super::Controller;
use crate::{Error, Result};

/// The longest that a join token lives.
pub const MAX_JOIN_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// A token to be made for people or programs.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// What people call it.
    pub name: String,
    /// What it may do; at least one thing.
    pub scopes: Scopes,
    /// How long it lives; `None`: until it is revoked.
    pub ttl: Option<Duration>,
}

/// A join token to be made.
#[derive(Debug, Clone)]
pub struct NewJoinToken {
    /// What its holder becomes.
    pub role: Role,
    /// Whether it works more than once.
    pub reusable: bool,
    /// How long it lives, [`MAX_JOIN_TTL`] at most.
    pub ttl: Duration,
}

/// A token that was made. The secret is in no other place.
#[derive(Debug, Clone)]
pub struct MadeToken {
    /// The token as it is listed.
    pub token: Token,
    /// What its holder presents.
    pub secret: TokenSecret,
}

impl Controller {
    /// Makes an API token. `by` is who asked, for the audit.
    ///
    /// # Errors
    /// [`Error::Bound`] without a scope or over the number of tokens, those of the registry.
    pub async fn create_token(&self, now: Now, new: NewApiToken, by: &str) -> Result<MadeToken> {
        if new.scopes.is_empty() {
            return Err(Error::Bound("a token needs at least one scope".into()));
        }
        let made = self.make(now, &new.name, Grant::Api { scopes: new.scopes }, new.ttl).await?;
        let scopes: Vec<_> = new.scopes.iter().map(|scope| scope.as_str()).collect();
        self.note(now, by, "token.create", made.token.id.as_str(), &scopes.join(" ")).await;
        Ok(made)
    }

    /// Makes a join token. `by` is who asked, for the audit.
    ///
    /// # Errors
    /// [`Error::Bound`] for a life of nothing or over the bound, or for a node; those of the registry.
    pub async fn create_join_token(
        &self,
        now: Now,
        new: NewJoinToken,
        by: &str,
    ) -> Result<MadeToken> {
        let NewJoinToken { role, reusable, ttl } = new;
        if ttl.is_zero() || ttl > MAX_JOIN_TTL {
            let most = MAX_JOIN_TTL.as_secs();
            return Err(Error::Bound(format!("a join token lives 1 to {most} seconds")));
        }
        if role == Role::Node {
            let why = "a node's join token says whose it will be: make a pre-auth key";
            return Err(Error::Bound(why.into()));
        }
        let made = self.make(now, "join", Grant::Join { reusable, role }, Some(ttl)).await?;
        let detail = format!("{role}, {}", if reusable { "reusable" } else { "once" });
        self.note(now, by, "join_token.create", made.token.id.as_str(), &detail).await;
        Ok(made)
    }

    async fn make(
        &self,
        now: Now,
        name: &str,
        grant: Grant,
        ttl: Option<Duration>,
    ) -> Result<MadeToken> {
        let secret = TokenSecret::generate(grant.kind())?;
        let expires = ttl.map(|ttl| now.plus(ttl).wall);
        let new = NewToken { hash: secret.hash(), name: Note::from(name), grant, expires };
        let token = self.0.registry.create_token(now.wall, new).await?;
        Ok(MadeToken { token, secret })
    }

    /// The API token that somebody presents.
    ///
    /// # Errors
    /// [`Error::Token`] when it opens nothing, those of the registry.
    pub async fn authenticate(&self, now: Now, presented: &str) -> Result<Token> {
        let secret = TokenSecret::presented(presented);
        Ok(self.0.registry.authenticate(now.wall, TokenKind::Api, &secret).await?)
    }

    /// The user for whom an agent's token speaks.
    ///
    /// # Errors
    /// As [`Controller::authenticate`].
    pub async fn agent_of(&self, now: Now, presented: &str) -> Result<UserId> {
        let secret = TokenSecret::presented(presented);
        let token = self.0.registry.authenticate(now.wall, TokenKind::Agent, &secret).await?;
        match token.grant {
            Grant::Agent { user } => Ok(user),
            Grant::Api { .. } | Grant::Join { .. } => {
                Err(Error::Token(rutter_registry::TokenRefusal::Unknown))
            }
        }
    }

    /// Tokens of a kind in the order of their ids, those that ended among them.
    ///
    /// # Errors
    /// Those of the registry.
    pub async fn tokens(&self, kind: TokenKind, page: Page<TokenId>) -> Result<Vec<Token>> {
        Ok(self.0.registry.tokens(kind, page).await?)
    }

    /// Takes a token back; taking it back again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the registry.
    pub async fn revoke_token(&self, now: Now, id: &TokenId, by: &str) -> Result<Token> {
        let token = self.0.registry.revoke_token(now.wall, id).await?;
        if token.revoked == Some(now.wall) {
            self.note(now, by, "token.revoke", id.as_str(), "").await;
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
