//! Who there is: users, the names they have, and the keys they sign with.
//!
//! A name belongs to one user at a time, and it is the store that decides who that is: two
//! claims made at the same moment are decided by a unique index, never by looking first and
//! writing then (the race of Mesh Router's original, where both win). A user has at most one
//! name; whoever takes another frees the old one in the same write. Names are unique over all
//! server domains of an installation, as in the original.

use async_trait::async_trait;
use rutter_route::{ServiceName, Wall};
use serde::Serialize;

use crate::text_type::text_type;
use crate::{Page, PublicKey, Result, Seed};

/// The most users that are kept. One more is refused; none gives way by itself.
pub const MAX_IDENTITIES: usize = 1_000_000;

text_type! {
    /// A user's id: any text of 1 to 400 bytes without `/` and control characters, so that it can
    /// stand in a URL's path and, after a source's name, in a [`SourceId`](rutter_route::SourceId).
    UserId, "user id", "1 to 400 bytes without `/` and control characters", |text| {
        (1..=400).contains(&text.len())
            && !text.chars().any(|c| c == '/' || c.is_control())
    }
}

text_type! {
    /// The one label that a user has under the server domain: `alice` of `alice.nsl.sh`. Lower
    /// case letters and digits, 63 at most; no hyphen, since it separates an app from a name.
    DomainName, "name", "1 to 63 lower case letters and digits", |text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    }
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// The name under the server domain, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DomainName>,
    /// The domain under which the name stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_domain: Option<ServiceName>,
    /// The key that checks the user's signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PublicKey>,
    /// The private half, only of an identity that the controller itself made; never shown.
    #[serde(skip)]
    pub seed: Option<Seed>,
    /// When it was first claimed.
    pub created: Wall,
    /// When it was last changed; being seen is no change.
    pub updated: Wall,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Wall>,
}

/// What a user asks to have. `None` leaves what stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who asks; made if it isn't known yet.
    pub user: UserId,
    /// The name to have; the one before is free at once.
    pub name: Option<DomainName>,
    /// The domain under which the name stands.
    pub server_domain: Option<ServiceName>,
    /// The key to sign with. A new key without a seed drops the old key's seed.
    pub key: Option<PublicKey>,
    /// The private half of `key`, if the controller made it. Ignored without `key`.
    pub seed: Option<Seed>,
}

impl Claim {
    /// A claim that asks for nothing but to be known.
    pub fn of(user: UserId) -> Self {
        Self { user, name: None, server_domain: None, key: None, seed: None }
    }
}

/// What a claim led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The user as it stands now.
    pub identity: Identity,
    /// The user as it stood before; `None` if it is new.
    pub before: Option<Identity>,
}

impl Claimed {
    /// The name that the user had before and hasn't any more.
    pub fn freed(&self) -> Option<&DomainName> {
        let before = self.before.as_ref()?.name.as_ref()?;
        (self.identity.name.as_ref() != Some(before)).then_some(before)
    }
}

/// Identities, wherever they are stored. All writes are acknowledged when they are lasting.
#[async_trait]
pub trait Identities: Send + Sync {
    /// Makes or changes a user. Of any number of claims to one name that nobody has, made at the
    /// same time, exactly one is granted.
    ///
    /// # Errors
    /// [`NameTaken`](crate::Error::NameTaken) when another user has the name,
    /// [`Bound`](crate::Error::Bound) for a new user over [`MAX_IDENTITIES`].
    async fn claim(&self, now: Wall, claim: Claim) -> Result<Claimed>;

    /// Removes a user with its name, key, leases and tokens. Returns what it was; `None` if unknown.
    async fn delete_identity(&self, user: &UserId) -> Result<Option<Identity>>;

    /// The user of that id.
    async fn identity(&self, user: &UserId) -> Result<Option<Identity>>;

    /// The user who has that name.
    async fn identity_by_name(&self, name: &DomainName) -> Result<Option<Identity>>;

    /// Users in the order of their ids.
    async fn identities(&self, page: Page<UserId>) -> Result<Vec<Identity>>;

    /// Notes that the user was heard of. A `now` before the time already noted changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound) when there is no such user.
    async fn touch(&self, now: Wall, user: &UserId) -> Result<()>;
}
