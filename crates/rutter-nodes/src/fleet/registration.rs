//! How a node comes in, and what becomes of it.

use std::net::SocketAddr;

use rutter_registry::{NodeWrite, PublicKey, TokenSecret};
use rutter_route::{NodeId, Tag, Tags, Wall};

use super::enrol::Asked;
use super::state::{State, lock};
use super::word::Act;
use super::{Fleet, FleetError, NodeRef, NodeView};
use crate::{Node, NodeName, NodesError, Owner, RouteRow};

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
        self.to_the_end(|this| async move { this.enrol(Asked::Enrol(new)).await }).await
    }

    /// Who waits, the longest first.
    pub fn pending(&self) -> Vec<Pending> {
        lock(&self.0.pending).list()
    }

    /// A person lets a waiting node in. It needs not wait yet: a key that is known beforehand is let
    /// in under the name given. An expired node is let in anew, with its number, name and rows.
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
        if let Owner::Tags(tags) = &owner {
            self.check_tags(None, &Vec::from_iter(tags.iter().cloned()))?;
            if tags.is_empty() {
                return Err(FleetError::Invalid("a node has a user or tags".into()));
            }
        }
        let who = who.to_owned();
        let asked = Asked::Register { who, key, owner, name };
        self.to_the_end(|this| async move { this.enrol(asked).await }).await
    }

    /// A waiting node is sent away.
    ///
    /// # Errors
    /// [`FleetError::NotFound`].
    pub fn reject(&self, who: &str, key: &PublicKey) -> Result<Pending, FleetError> {
        let gone = lock(&self.0.pending).take(key);
        let unknown = || FleetError::NotFound { what: "waiting node", name: key.to_string() };
        let gone = gone.ok_or_else(unknown)?;
        let (this, act) = (self.0.clone(), Act::new(who, "node.reject", key).because(&gone.name));
        self.0.tasks.spawn(async move { this.note(act).await });
        Ok(gone)
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
        let act = Act::new(who, "node.rename", id.0).because(&name);
        let new = name.clone();
        let prepare = move |state: &mut State, table: &mut _, _| {
            if let Some(by) = state.nodes.by_name(&new).filter(|by| by.id != id) {
                let (by, value) = (by.id, new.to_string());
                return Err(NodesError::Taken { by, what: "name", value }.into());
            }
            let mut record = state.record(table, id)?;
            record.node.name = new;
            Ok(vec![NodeWrite::Node(Box::new(record))])
        };
        let effect = move |state: &mut State, _: &mut _, _| Ok(state.nodes.rename(id, name)?);
        self.word(act, prepare, effect).await?;
        self.0.changed.note(|what| what.roster = true);
        self.node(&NodeRef::Id(id)).await
    }

    /// A node gets other tags; none is refused, a tagged node stays tagged. It is nobody's from then
    /// on, and its key doesn't expire.
    ///
    /// # Errors
    /// Unknown, or policy knows no such tag.
    pub async fn set_tags(
        &self,
        who: &str,
        id: NodeId,
        tags: Vec<Tag>,
    ) -> Result<NodeView, FleetError> {
        if tags.is_empty() {
            return Err(FleetError::Invalid("a tagged node stays tagged: give one tag".into()));
        }
        self.check_tags(None, &tags)?;
        let tags = Tags::try_from(tags)?;
        let shown = tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ");
        let act = Act::new(who, "node.tag", id.0).because(shown);
        let owner = Owner::Tags(tags);
        let new = owner.clone();
        let prepare = move |state: &mut State, table: &mut _, _| {
            let mut record = state.record(table, id)?;
            (record.node.owner, record.node.expiry) = (new, None);
            Ok(vec![NodeWrite::Node(Box::new(record))])
        };
        let effect = move |state: &mut State, table: &mut _, now| {
            state.nodes.set_expiry(id, None)?;
            Ok(state.nodes.set_owner(now, table, id, owner)?)
        };
        self.word(act, prepare, effect).await?;
        self.0.changed.note(|what| what.roster = true);
        self.node(&NodeRef::Id(id)).await
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
        let when = at.map_or_else(|| "never".into(), |at| format!("{} ms", at.0));
        let act = Act::new(who, "node.expire", id.0).because(when);
        let prepare = move |state: &mut State, table: &mut _, _| {
            let mut record = state.record(table, id)?;
            record.node.expiry = at;
            Ok(vec![NodeWrite::Node(Box::new(record))])
        };
        let this = self.0.clone();
        let effect = move |state: &mut State, table: &mut _, now| {
            state.nodes.set_expiry(id, at)?;
            this.expire_due(state, table, now);
            Ok(())
        };
        self.word(act, prepare, effect).await?;
        self.0.changed.note(|what| what.roster = true);
        self.0.look_at_the_clock.notify_one();
        self.node(&NodeRef::Id(id)).await
    }

    /// A node is deleted, with all its routes, in one step. Returns its rows as they were.
    ///
    /// # Errors
    /// Unknown.
    pub async fn delete(&self, who: &str, id: NodeId) -> Result<Vec<RouteRow>, FleetError> {
        let act = Act::new(who, "node.delete", id.0);
        self.to_the_end(move |this| async move { this.remove(act, id, |_, _| true).await }).await
    }
}
