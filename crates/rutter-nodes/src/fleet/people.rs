//! Users, and the keys by which their nodes come in.

use std::time::Duration;

use rutter_registry::TokenSecret;
pub use rutter_registry::{NodeUser as User, PreauthKey};
use rutter_route::Tag;

use super::{Fleet, FleetError};
use crate::UserName;

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

/// The public name of a pre-auth key.
pub type PreauthKeyId = rutter_registry::TokenId;

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
        let _ = (who, new);
        todo!("H1")
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The registry's.
    pub async fn users(&self) -> Result<Vec<User>, FleetError> {
        todo!("H1")
    }

    /// Gives a user another name; its nodes and keys go along.
    ///
    /// # Errors
    /// [`FleetError::NotFound`], [`FleetError::Exists`].
    pub async fn rename_user(
        &self,
        who: &str,
        user: &UserName,
        to: UserName,
    ) -> Result<User, FleetError> {
        let _ = (who, user, to);
        todo!("H1")
    }

    /// Removes a user that has no nodes, with its pre-auth keys.
    ///
    /// # Errors
    /// [`FleetError::NotFound`], [`FleetError::InUse`].
    pub async fn remove_user(&self, who: &str, user: &UserName) -> Result<User, FleetError> {
        let _ = (who, user);
        todo!("H1")
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
        let _ = (who, new);
        todo!("H1")
    }

    /// All pre-auth keys, oldest first.
    ///
    /// # Errors
    /// The registry's.
    pub async fn preauth_keys(&self) -> Result<Vec<PreauthKey>, FleetError> {
        todo!("H1")
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
        let _ = (who, id);
        todo!("H1")
    }
}
