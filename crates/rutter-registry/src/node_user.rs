//! Users of nodes, and the keys by which their nodes come in.
//!
//! A user of nodes is whom policy names: it speaks nothing by itself, and has nothing to do with a
//! [`UserId`](crate::UserId), which is Mesh Router's.
//!
//! A pre-auth key is a join token ([`Role::Node`](crate::Role::Node)) that also says whose its nodes
//! are. So there is one kind of secret to let something in, one place where it is kept, and one rule
//! of how it is used up.

use async_trait::async_trait;
use rutter_route::{Tags, Wall};

use crate::{Page, Result, TokenHash, TokenId, TokenSecret, UserName};

/// The most users of nodes that are kept. One more is refused.
pub const MAX_NODE_USERS: usize = 100_000;

/// A user of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUser {
    /// Its name, `alice@`.
    pub name: UserName,
    /// What people call it.
    pub display_name: crate::Note,
    /// Where it is written to.
    pub email: crate::Note,
    /// When it was made.
    pub created: Wall,
}

/// Users of nodes, wherever they are stored.
#[async_trait]
pub trait NodeUsers: Send + Sync {
    /// Keeps a new user.
    ///
    /// # Errors
    /// [`Exists`](crate::Error::Exists), [`Bound`](crate::Error::Bound) over [`MAX_NODE_USERS`].
    async fn create_node_user(&self, user: NodeUser) -> Result<()>;

    /// Users in the order of their names.
    async fn node_users(&self, page: Page<UserName>) -> Result<Vec<NodeUser>>;

    /// Gives a user another name; its nodes and pre-auth keys are that name's from then on.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound), [`Exists`](crate::Error::Exists).
    async fn rename_node_user(&self, user: &UserName, to: &UserName) -> Result<NodeUser>;

    /// Removes a user with its pre-auth keys.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound), [`InUse`](crate::Error::InUse) while it has nodes.
    async fn remove_node_user(&self, user: &UserName) -> Result<NodeUser>;
}

/// A pre-auth key: who has it brings a node in without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreauthKey {
    /// Its public name.
    pub id: TokenId,
    /// Whose the nodes are; of tagged ones, who answers for them.
    pub user: Option<UserName>,
    /// What the nodes are tagged with; empty: they are the user's.
    pub tags: Tags,
    /// It may be used more than once.
    pub reusable: bool,
    /// Its nodes are collected when they have been away for a while.
    pub ephemeral: bool,
    /// When a node last came in by it.
    pub last_used: Option<Wall>,
    /// When it was made.
    pub created: Wall,
    /// Until when it is good.
    pub expires: Option<Wall>,
    /// Since when it isn't, by a person's word.
    pub revoked: Option<Wall>,
}

/// A pre-auth key to be kept. Its secret stays with whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPreauthToken {
    /// The hash of its secret.
    pub hash: TokenHash,
    /// Whose the nodes will be.
    pub user: Option<UserName>,
    /// What they will be tagged with.
    pub tags: Tags,
    /// It may be used more than once.
    pub reusable: bool,
    /// Its nodes are collected when they have been away for a while.
    pub ephemeral: bool,
    /// Until when it is good; `None`: until it is revoked.
    pub expires: Option<Wall>,
}

/// Pre-auth keys, wherever they are stored.
#[async_trait]
pub trait PreauthKeys: Send + Sync {
    /// Keeps a pre-auth key.
    ///
    /// # Errors
    /// [`NotFound`](crate::Error::NotFound) of its user, [`Bound`](crate::Error::Bound) over
    /// [`MAX_TOKENS`](crate::MAX_TOKENS).
    async fn create_preauth_key(&self, now: Wall, new: NewPreauthToken) -> Result<PreauthKey>;

    /// Pre-auth keys in the order of their public names, those that ended among them.
    async fn preauth_keys(&self, page: Page<TokenId>) -> Result<Vec<PreauthKey>>;

    /// The pre-auth key that somebody presents, good or not.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when there is none, or it lets join as something else than
    /// [`Role::Node`](crate::Role::Node).
    async fn preauth_key(&self, presented: &TokenSecret) -> Result<PreauthKey>;
}
