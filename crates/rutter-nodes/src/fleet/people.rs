//! Users, and the keys by which their nodes come in.

use std::time::Duration;

use rutter_registry::{NewPreauthToken, Note, Page, TokenKind, TokenSecret};
use rutter_route::{Tag, Tags};

use super::state::State;
use super::word::Act;
use super::{Fleet, FleetError};
use crate::{Owner, UserName};

pub use rutter_registry::{NodeUser as User, PreauthKey, TokenId as PreauthKeyId};

/// A user to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its name.
    pub name: UserName,
    /// What people call it; may be empty.
    pub display_name: String,
    /// Where it is written to; may be empty.
    pub email: String,
}

/// A pre-auth key to be made: for a user or with tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewPreauthKey {
    /// Whose the nodes will be.
    pub user: Option<UserName>,
    /// What they will be tagged with.
    pub tags: Vec<Tag>,
    /// It may be used more than once.
    pub reusable: bool,
    /// Its nodes are collected when they have been away for a while.
    pub ephemeral: bool,
    /// How long it is good; `None`: for ever.
    pub lifetime: Option<Duration>,
}

impl Fleet {
    /// Makes a user.
    ///
    /// # Errors
    /// [`FleetError::Exists`].
    pub async fn create_user(&self, who: &str, new: NewUser) -> Result<User, FleetError> {
        let act = Act::new(who, "node_user.create", &new.name);
        let user = User {
            name: new.name,
            display_name: Note::from(new.display_name),
            email: Note::from(new.email),
            created: self.0.clock.now().wall,
        };
        self.to_the_end(|this| async move {
            this.check_open()?;
            this.registry.create_node_user(user.clone()).await?;
            this.note(act).await;
            Ok(user)
        })
        .await
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The registry's.
    pub async fn users(&self) -> Result<Vec<User>, FleetError> {
        let mut users: Vec<User> = Vec::new();
        loop {
            let page = match users.last() {
                Some(last) => Page::after(last.name.clone(), rutter_registry::MAX_PAGE),
                None => Page::first(rutter_registry::MAX_PAGE),
            };
            let more = self.0.registry.node_users(page).await?;
            let is_last = more.len() < rutter_registry::MAX_PAGE;
            users.extend(more);
            if is_last {
                return Ok(users);
            }
        }
    }

    /// Gives a user another name; its nodes and keys go along. The policy names users, so what it
    /// says of the old name is nobody's from then on.
    ///
    /// # Errors
    /// [`FleetError::NotFound`], [`FleetError::Exists`].
    pub async fn rename_user(
        &self,
        who: &str,
        user: &UserName,
        to: UserName,
    ) -> Result<User, FleetError> {
        let act = Act::new(who, "node_user.rename", user).because(&to);
        let user = user.clone();
        self.to_the_end(|this| async move {
            let mut turn = this.store.turn().await;
            this.check_open()?;
            let renamed = this.registry.rename_node_user(&user, &to).await?;
            let of = move |state: &mut State, table: &mut _, now| {
                let nodes = state.nodes.iter().filter(|n| n.owner.user() == Some(&user));
                let nodes: Vec<_> = nodes.map(|n| n.id).collect();
                for id in nodes {
                    state.nodes.set_owner(now, table, id, Owner::User(to.clone()))?;
                }
                Ok::<_, FleetError>(())
            };
            this.apply(of).await??;
            this.changed.note(|what| what.roster = true);
            this.write_what_waits(&mut turn).await?;
            drop(turn);
            this.note(act).await;
            Ok(renamed)
        })
        .await
    }

    /// Removes a user that has no nodes, with its pre-auth keys.
    ///
    /// # Errors
    /// [`FleetError::NotFound`], [`FleetError::InUse`].
    pub async fn remove_user(&self, who: &str, user: &UserName) -> Result<User, FleetError> {
        let (act, user) = (Act::new(who, "node_user.remove", user), user.clone());
        self.to_the_end(|this| async move {
            // Nobody enrols meanwhile.
            let turn = this.store.turn().await;
            this.check_open()?;
            let removed = this.registry.remove_node_user(&user).await?;
            drop(turn);
            this.note(act).await;
            Ok(removed)
        })
        .await
    }

    /// Makes a pre-auth key. Its secret is shown this once.
    ///
    /// # Errors
    /// [`FleetError::NotFound`] of the user, [`FleetError::Tag`] where policy doesn't let that user
    /// give a tag, [`FleetError::Invalid`] without user and tags.
    pub async fn create_preauth_key(
        &self,
        who: &str,
        new: NewPreauthKey,
    ) -> Result<(PreauthKey, TokenSecret), FleetError> {
        if new.user.is_none() && new.tags.is_empty() {
            let why = "a pre-auth key has a user or tags: whose would its nodes be?";
            return Err(FleetError::Invalid(why.into()));
        }
        let giver = new.user.clone().map(Owner::User);
        self.check_tags(giver.as_ref(), &new.tags)?;
        let now = self.0.clock.now();
        let secret = TokenSecret::generate(TokenKind::Join)?;
        let token = NewPreauthToken {
            hash: secret.hash(),
            user: new.user,
            tags: Tags::try_from(new.tags)?,
            reusable: new.reusable,
            ephemeral: new.ephemeral,
            expires: new.lifetime.map(|lifetime| now.plus(lifetime).wall),
        };
        let who = who.to_owned();
        let key = self
            .to_the_end(|this| async move {
                this.check_open()?;
                let key = this.registry.create_preauth_key(now.wall, token).await?;
                this.note(Act::new(&who, "preauth_key.create", &key.id)).await;
                Ok(key)
            })
            .await?;
        Ok((key, secret))
    }

    /// Whether the policy knows the tags, and lets that owner give them. Without a policy anybody
    /// who may do this at all gives any; without an owner whoever asks speaks for the policy.
    pub(super) fn check_tags(&self, giver: Option<&Owner>, tags: &[Tag]) -> Result<(), FleetError> {
        let state = super::state::lock(&self.0.state);
        if state.policy_text.is_none() {
            return Ok(());
        }
        for tag in tags {
            if !state.policy.tag_owners.contains_key(tag) {
                let why = format!("the policy's `tagOwners` has no `{}`", tag.as_str());
                return Err(FleetError::Tag(why));
            }
            if let Some(owner @ Owner::User(user)) = giver
                && !state.policy.may_give(owner, tag)
            {
                let why = format!("the policy doesn't let {user} give `{}`", tag.as_str());
                return Err(FleetError::Tag(why));
            }
        }
        Ok(())
    }

    /// All pre-auth keys, oldest first.
    ///
    /// # Errors
    /// The registry's.
    pub async fn preauth_keys(&self) -> Result<Vec<PreauthKey>, FleetError> {
        let mut keys: Vec<PreauthKey> = Vec::new();
        loop {
            let page = match keys.last() {
                Some(last) => Page::after(last.id.clone(), rutter_registry::MAX_PAGE),
                None => Page::first(rutter_registry::MAX_PAGE),
            };
            let more = self.0.registry.preauth_keys(page).await?;
            let is_last = more.len() < rutter_registry::MAX_PAGE;
            keys.extend(more);
            if is_last {
                break;
            }
        }
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(keys)
    }

    /// A pre-auth key opens nothing from now on.
    ///
    /// # Errors
    /// [`FleetError::NotFound`].
    pub async fn expire_preauth_key(
        &self,
        who: &str,
        id: &PreauthKeyId,
    ) -> Result<PreauthKey, FleetError> {
        let known = self.preauth_keys().await?.into_iter().find(|key| key.id == *id);
        let unknown = || FleetError::NotFound { what: "pre-auth key", name: id.to_string() };
        let key = known.ok_or_else(unknown)?;
        let (now, act) = (self.0.clock.now(), Act::new(who, "preauth_key.expire", id));
        self.to_the_end(|this| async move {
            this.check_open()?;
            let token = this.registry.revoke_token(now.wall, &key.id).await?;
            this.note(act).await;
            Ok(PreauthKey { revoked: token.revoked, ..key })
        })
        .await
    }
}
