//! How a node comes in, and what becomes of it.

use std::net::SocketAddr;

use rutter_registry::{PublicKey, TokenSecret};
use rutter_route::{NodeId, Tag, Wall};

use super::{Fleet, FleetError, NodeView};
use crate::{Node, NodeName, Owner, RouteRow};

/// A node that asks to be let in, by a key that it has proven to hold.
#[derive(Debug, Clone)]
pub struct EnrolNode {
    /// Its key.
    pub key: PublicKey,
    /// The pre-auth key; `None`: a person is to register it.
    pub token: Option<TokenSecret>,
    /// The name that it wants; where another has it, `-1` and so on is put behind.
    pub name: NodeName,
    /// Where it speaks from.
    pub from: SocketAddr,
}

/// A node that waits for a person's word. Held in memory: at most 1,000, the oldest gives way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its key.
    pub key: PublicKey,
    /// The name that it wants.
    pub name: NodeName,
    /// Where it speaks from.
    pub from: SocketAddr,
    /// Since when.
    pub since: Wall,
}

impl Fleet {
    /// A node asks to be let in. Whose key is a node's already is told so and nothing is used up; an
    /// expired one comes in anew by a pre-auth key of its owner, with its number and rows.
    ///
    /// # Errors
    /// [`FleetError::Pending`], [`FleetError::PreauthKey`], a bound, the registry's.
    pub async fn enrol(&self, new: EnrolNode) -> Result<Node, FleetError> {
        let _ = new;
        todo!("H1")
    }

    /// Who waits, the longest first.
    pub fn pending(&self) -> Vec<Pending> {
        todo!("H1")
    }

    /// A person lets a waiting node in. It needs not wait yet: a key that is known beforehand is let
    /// in under the name given.
    ///
    /// # Errors
    /// [`FleetError::NotFound`] of the key (without a name) or the user, [`FleetError::Exists`].
    pub async fn register(
        &self,
        who: &str,
        key: PublicKey,
        owner: Owner,
        name: Option<NodeName>,
    ) -> Result<Node, FleetError> {
        let _ = (who, key, owner, name);
        todo!("H1")
    }

    /// A waiting node is sent away.
    ///
    /// # Errors
    /// [`FleetError::NotFound`].
    pub fn reject(&self, who: &str, key: &PublicKey) -> Result<Pending, FleetError> {
        let _ = (who, key);
        todo!("H1")
    }

    /// A node gets another name.
    ///
    /// # Errors
    /// Unknown, or the name is another's.
    pub async fn rename(
        &self,
        who: &str,
        id: NodeId,
        name: NodeName,
    ) -> Result<NodeView, FleetError> {
        let _ = (who, id, name);
        todo!("H1")
    }

    /// A node gets other tags; none is refused, a tagged node stays tagged.
    ///
    /// # Errors
    /// Unknown, or policy knows no such tag.
    pub async fn set_tags(
        &self,
        who: &str,
        id: NodeId,
        tags: Vec<Tag>,
    ) -> Result<NodeView, FleetError> {
        let _ = (who, id, tags);
        todo!("H1")
    }

    /// From when on a node's key isn't taken any more; now: it ends at once. `None`: never.
    ///
    /// # Errors
    /// Unknown.
    pub async fn expire(
        &self,
        who: &str,
        id: NodeId,
        at: Option<Wall>,
    ) -> Result<NodeView, FleetError> {
        let _ = (who, id, at);
        todo!("H1")
    }

    /// A node is deleted, with all its routes, in one step. Returns its rows as they were.
    ///
    /// # Errors
    /// Unknown.
    pub async fn delete(&self, who: &str, id: NodeId) -> Result<Vec<RouteRow>, FleetError> {
        let _ = (who, id);
        todo!("H1")
    }
}
