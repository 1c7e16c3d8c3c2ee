//! What people and policy say of routes.

use rutter_route::{NodeId, Prefix};

use super::{Fleet, FleetError};
use crate::RouteRow;

/// What a preference is said of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preferred {
    /// This much; the default of all is 100.
    By(u32),
    /// Nothing is said any more.
    AsAll,
}

/// What became of a drain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// Prefixes that have another primary now, and who.
    pub moved: Vec<(Prefix, NodeId)>,
    /// Prefixes that nobody else could take: the node still has them.
    pub kept: Vec<Prefix>,
    /// Nodes that are connected and haven't said in time that they use the new map: while there are
    /// some, what they send may still come to the drained node.
    pub unconfirmed: Vec<NodeId>,
}

/// What another policy would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyDiff {
    /// Routes that rules would approve.
    pub approved: Vec<(NodeId, Prefix)>,
    /// Routes that rules approved and would not any more; only with `strict`.
    pub revoked: Vec<(NodeId, Prefix)>,
    /// Prefixes whose primary would be another.
    pub moved: Vec<(Prefix, Option<NodeId>, Option<NodeId>)>,
    /// Routes that nodes would be told and aren't now: (reader, prefix).
    pub gained: Vec<(NodeId, Prefix)>,
    /// Routes that nodes are told now and would not any more.
    pub lost: Vec<(NodeId, Prefix)>,
    /// Whether a list was cut at its bound of 1,000.
    pub cut: bool,
}

impl Fleet {
    /// A person approves routes of a node; of an exit route both families. All of them or none.
    ///
    /// # Errors
    /// Unknown, or one is not advertised and `may_wait` is false.
    pub async fn approve(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefixes: &[Prefix],
        may_wait: bool,
    ) -> Result<Vec<RouteRow>, FleetError> {
        let _ = (who, why, id, prefixes, may_wait);
        todo!("H1")
    }

    /// A person revokes routes of a node. No rule approves them from now on.
    ///
    /// # Errors
    /// Unknown.
    pub async fn revoke(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefixes: &[Prefix],
    ) -> Result<Vec<RouteRow>, FleetError> {
        let _ = (who, why, id, prefixes);
        todo!("H1")
    }

    /// A person deletes the row of a route that isn't advertised, and every word on it.
    ///
    /// # Errors
    /// Unknown, or advertised.
    pub async fn forget(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefix: &Prefix,
    ) -> Result<(), FleetError> {
        let _ = (who, why, id, prefix);
        todo!("H1")
    }

    /// A person makes a node the primary of a prefix.
    ///
    /// # Errors
    /// Unknown, or [`FleetError::NotPrimary`], which says why it would not be.
    pub async fn set_primary(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefix: &Prefix,
    ) -> Result<RouteRow, FleetError> {
        let _ = (who, why, id, prefix);
        todo!("H1")
    }

    /// A person prefers a node for a prefix, or for all of its prefixes.
    ///
    /// # Errors
    /// Unknown.
    pub async fn prefer(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefix: Option<&Prefix>,
        how: Preferred,
    ) -> Result<Vec<RouteRow>, FleetError> {
        let _ = (who, why, id, prefix, how);
        todo!("H1")
    }

    /// A person drains a node, of a prefix or of all: others take over while it still forwards. It
    /// returns when every connected node that was told has said so, or 10 s later.
    ///
    /// # Errors
    /// Unknown.
    pub async fn drain(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefix: Option<&Prefix>,
    ) -> Result<Drained, FleetError> {
        let _ = (who, why, id, prefix);
        todo!("H1")
    }

    /// A drained node is used as any other again.
    ///
    /// # Errors
    /// Unknown.
    pub async fn undrain(
        &self,
        (who, why): (&str, &str),
        id: NodeId,
        prefix: Option<&Prefix>,
    ) -> Result<Vec<RouteRow>, FleetError> {
        let _ = (who, why, id, prefix);
        todo!("H1")
    }

    /// The policy in force, as it was written; `None`: there is none.
    pub fn policy(&self) -> Option<std::sync::Arc<str>> {
        todo!("H1")
    }

    /// Takes a policy into force: rules, and who is told what. `None`: none any more. The policy is
    /// not kept in the registry: its file is where it lasts.
    ///
    /// # Errors
    /// [`FleetError::Policy`], [`FleetError::Enforce`]; the policy before stands.
    pub async fn set_policy(&self, name: &str, text: Option<&str>) -> Result<(), FleetError> {
        let _ = (name, text);
        todo!("H1")
    }

    /// What a policy would change, without doing it.
    ///
    /// # Errors
    /// [`FleetError::Policy`].
    pub async fn try_policy(&self, name: &str, text: &str) -> Result<PolicyDiff, FleetError> {
        let _ = (name, text);
        todo!("H1")
    }
}
