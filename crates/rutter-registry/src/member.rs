//! Members: parts of Rutter that speak `rutter.v1` with a key of their own and own no name.
//!
//! A gateway is one; peers and neighbours come later. An agent is none: it announces services under a
//! name, so it is a user ([`Identities`](crate::Identities)) whose key is the one it brought; nor is a
//! node, which has routes and words of its own ([`Nodes`](crate::Nodes)). All come in by the same
//! door, a join token, and the token says which of them its holder becomes; a token for a gateway
//! makes no agent, nor the other way round.
//!
//! **An answer that got lost.** Who enrols brings its key, and may never hear that it is in. So the
//! same key that asks for the same name in the same role again is told what stands, without using
//! anything up, even when the token has been used up (by the first try, most likely) or has ended
//! since. Nothing is given away by it: the asker is already what it asks to be. The token must still
//! be one that was made here for that role; a stranger learns nothing of names and keys.
//!
//! **One key, one speaker.** A key is refused that any member, node or user has already. The reverse
//! isn't: whoever may give names (Mesh Router's API) says which key a user has, and several users of
//! one key are allowed there. So who looks up a speaker by its key asks members first, and believes
//! no key that several users have.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use rutter_route::{ParseError, Wall};
use serde::{Deserialize, Serialize};

use crate::text_type::text_type;
use crate::{Claim, Claimed, Page, PublicKey, Result, TokenSecret};

/// The most members that are kept. One more is refused; none gives way by itself. As many as an
/// installation has hosts, not as it has users; at some 300 bytes each in memory.
pub const MAX_MEMBERS: usize = 100_000;

text_type! {
    /// What a member is called: `edge-1`. A DNS label (RFC 1123 2.1), in lower case.
    MemberName, "member name",
    "1 to 63 lower case letters, digits and hyphens, no hyphen first or last", |text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
}

/// What a join token lets its holder become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An agent: a user with a name, and never a member.
    Agent,
    /// A gateway: reads the table of services, and says what it sees working.
    Gateway,
    /// A node: advertises prefixes and reads a map. Never a member; see
    /// [`Nodes`](crate::Nodes).
    Node,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Gateway, Self::Node];

    /// The role as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Gateway => "gateway",
            Self::Node => "node",
        }
    }
}

impl FromStr for Role {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            ParseError::new("role", text, format!("one of {all}"))
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part of Rutter that may speak `rutter.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// What it is called; no other member has the name.
    pub name: MemberName,
    /// What it is; never [`Role::Agent`] or [`Role::Node`].
    pub role: Role,
    /// The key it shows; no other member has it.
    pub key: PublicKey,
    /// When it enrolled.
    pub created: Wall,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Wall>,
}

/// Who asks to be a member, with a key that it has proven to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// The name to have.
    pub name: MemberName,
    /// What it wants to be, which must be what the token is for; not [`Role::Agent`] or
    /// [`Role::Node`].
    pub role: Role,
    /// The key that it will show.
    pub key: PublicKey,
}

/// What became of one who enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled<T> {
    /// What stands now.
    pub what: T,
    /// Whether it stood already: then nothing was written, and no token used up.
    pub stood: bool,
}

/// Members, wherever they are stored.
#[async_trait]
pub trait Members: Send + Sync {
    /// Uses a join token for a new member: all of it or nothing, so a name or a key that is taken
    /// leaves a single-use token unused. Of any number who ask for one name at the same time exactly
    /// one gets it. Who stands already by this name, role and key is told so.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when the token opens nothing or is for another role,
    /// [`MemberNameTaken`](crate::Error::MemberNameTaken), [`KeyTaken`](crate::Error::KeyTaken),
    /// [`Bound`](crate::Error::Bound) over [`MAX_MEMBERS`].
    async fn enrol(
        &self,
        now: Wall,
        presented: &TokenSecret,
        new: NewMember,
    ) -> Result<Enrolled<Member>>;

    /// Uses a join token for the claim of an agent that brings its key. As [`Members::enrol`], but
    /// for a user; what stands already is told of the user whose name and key they are, whatever
    /// user the claim is for. A claim without a name or a key is refused.
    ///
    /// # Errors
    /// Those of [`Members::enrol`], and [`NameTaken`](crate::Error::NameTaken) and
    /// [`Bound`](crate::Error::Bound) as of [`Identities::claim`](crate::Identities::claim).
    async fn enrol_agent(
        &self,
        now: Wall,
        presented: &TokenSecret,
        claim: Claim,
    ) -> Result<Enrolled<Claimed>>;

    /// Members in the order of their names.
    async fn members(&self, page: Page<MemberName>) -> Result<Vec<Member>>;

    /// Removes a member: its key opens nothing any more. Returns what it was; `None` if unknown.
    async fn remove_member(&self, name: &MemberName) -> Result<Option<Member>>;

    /// Notes that a member was heard of. A `now` before the time already noted changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound) when there is no such member.
    async fn touch_member(&self, now: Wall, name: &MemberName) -> Result<()>;
}
