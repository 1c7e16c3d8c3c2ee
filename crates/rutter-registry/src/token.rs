//! Tokens: who may ask what, and who may join.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use rutter_route::{ParseError, Wall};
use serde::{Deserialize, Serialize};

use crate::text_type::text_type;
use crate::{Claim, Claimed, Note, Page, Result, Role, TokenHash, TokenKind, TokenSecret, UserId};

/// The most tokens that are kept, of all kinds. One more is refused, after those that expired or
/// were revoked have given way.
pub const MAX_TOKENS: usize = 100_000;

text_type! {
    /// A token's public name, by which it is listed and revoked: 16 hex digits.
    TokenId, "token id", "16 lower case hex digits", |text| {
        text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }
}

impl TokenId {
    /// The id of the token with that hash: the hash's first eight bytes. So ids need no counter,
    /// and tell as little of the secret as the hash does.
    pub fn of(hash: &TokenHash) -> Self {
        let digits = hash.as_bytes().iter().take(8).map(|b| format!("{b:02x}"));
        Self(digits.collect())
    }
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything.
    Admin,
    /// Routes, their explanation and watching them.
    Read,
    /// Giving and taking away names by Mesh Router's API.
    Domains,
    /// Reading the home addresses that names resolve to.
    Gateway,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Read, Self::Domains, Self::Gateway];

    /// The scope as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Read => "read",
            Self::Domains => "domains",
            Self::Gateway => "gateway",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl FromStr for Scope {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let scope = Self::ALL.into_iter().find(|s| s.as_str() == text);
        scope.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            ParseError::new("scope", text, format!("one of {all}"))
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes, in the order of [`Scope::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl Scopes {
    /// The set of those.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |set, s| set | s.bit()))
    }

    /// Whether it holds the scope itself.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether it lets its holder do what the scope names: [`Scope::Admin`] lets do everything.
    pub fn allow(self, scope: Scope) -> bool {
        self.contains(Scope::Admin) || self.contains(scope)
    }

    /// The scopes.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |s| self.contains(*s))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        Self::of(&scopes)
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

/// A token to be kept. Its secret stays with whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The hash of its secret.
    pub hash: TokenHash,
    /// What people call it.
    pub name: Note,
    /// What it is for.
    pub grant: Grant,
    /// When it ends; `None`: when it is revoked.
    pub expires: Option<Wall>,
}

/// What a token is for, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Grant {
    /// Asks the API.
    Api {
        /// What it may do.
        scopes: Scopes,
    },
    /// Speaks for one user's agent.
    Agent {
        /// Which user; the token goes when the user does.
        user: UserId,
    },
    /// Lets a new part of Rutter join.
    Join {
        /// Whether it may be used more than once.
        reusable: bool,
        /// What its holder becomes.
        role: Role,
    },
}

impl Grant {
    /// The kind of token.
    pub fn kind(&self) -> TokenKind {
        match self {
            Self::Api { .. } => TokenKind::Api,
            Self::Agent { .. } => TokenKind::Agent,
            Self::Join { .. } => TokenKind::Join,
        }
    }
}

/// A token as it is kept and shown: without its secret, and without the secret's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its public name.
    pub id: TokenId,
    /// What people call it.
    pub name: Note,
    /// What it is for.
    #[serde(flatten)]
    pub grant: Grant,
    /// When it was made.
    pub created: Wall,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Wall>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Wall>,
    /// When it was last used: to the minute, and lost in a crash; for a join token exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Wall>,
}

impl Token {
    /// Why the token opens nothing at `now`, if so.
    pub fn refusal(&self, now: Wall) -> Option<TokenRefusal> {
        let spent = matches!(self.grant, Grant::Join { reusable: false, .. });
        if self.revoked.is_some() {
            return Some(TokenRefusal::Revoked);
        }
        if self.expires.is_some_and(|at| at <= now) {
            return Some(TokenRefusal::Expired);
        }
        (spent && self.last_used.is_some()).then_some(TokenRefusal::Used)
    }
}

/// Why a token opens nothing. Tell a stranger no more than that it doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenRefusal {
    /// No such token of that kind was ever made, or it was removed.
    #[error("unknown")]
    Unknown,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Somebody took it back.
    #[error("revoked")]
    Revoked,
    /// It works once, and has.
    #[error("used up")]
    Used,
    /// It lets join, but as something else.
    #[error("for another role")]
    Role,
}

/// Tokens, wherever they are stored.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`Bound`](crate::Error::Bound) over [`MAX_TOKENS`], [`NotFound`](crate::Error::NotFound)
    /// for an agent's token of an unknown user.
    async fn create_token(&self, now: Wall, token: NewToken) -> Result<Token>;

    /// The token of that kind that somebody presents, if it is good at `now`. Notes, without
    /// waiting and to the minute, that it was used; a join token is only looked at.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when it opens nothing.
    async fn authenticate(
        &self,
        now: Wall,
        kind: TokenKind,
        presented: &TokenSecret,
    ) -> Result<Token>;

    /// Takes a token back; taking it back again changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound) when there is no such token.
    async fn revoke_token(&self, now: Wall, id: &TokenId) -> Result<Token>;

    /// Tokens of a kind in the order of their ids, those that ended among them.
    async fn tokens(&self, kind: TokenKind, page: Page<TokenId>) -> Result<Vec<Token>>;

    /// The join token that somebody presents, whether or not it is still good.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when there is none.
    async fn join_token(&self, presented: &TokenSecret) -> Result<Token>;

    /// Uses a join token. Of any number of uses of a single-use token at the same time exactly
    /// one is granted.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when it opens nothing.
    async fn consume_join_token(&self, now: Wall, presented: &TokenSecret) -> Result<Token>;

    /// Uses a join token for a claim and keeps the new agent's token: all of it or nothing, so a
    /// name that is taken leaves a single-use token unused.
    ///
    /// `agent` is the hash of the token that the agent will have, and must be a new one.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when the join token opens nothing or isn't for agents,
    /// [`NameTaken`](crate::Error::NameTaken) when another user has the name, those of
    /// [`Tokens::create_token`].
    async fn join(
        &self,
        now: Wall,
        presented: &TokenSecret,
        claim: Claim,
        agent: TokenHash,
    ) -> Result<Claimed>;
}
