//! What people and policy say of routes.

use std::time::Duration;

use rutter_registry::NodeWrite;
use rutter_rib::{Table, ViewId};
use rutter_route::{By, Decision, NodeId, Now, Prefix, Wall, Word};

use super::state::State;
use super::word::Act;
use super::{Fleet, FleetError};
use crate::{NodesError, RouteRow, election};

/// How long a drain waits for nodes to say that they use what they were told.
const SETTLES_IN: Duration = Duration::from_secs(10);

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
        let said =
            Said { id, on: prefixes.to_vec(), what: Decision::Approve, must_stand: !may_wait };
        self.say("route.approve", (who, why), said).await
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
        let said = Said { id, on: prefixes.to_vec(), what: Decision::Revoke, must_stand: false };
        self.say("route.revoke", (who, why), said).await
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
        let act = Act::new(who, "route.forget", format!("{} {prefix}", id.0)).because(why);
        let (prefix, said) = (*prefix, (who.to_owned(), why.to_owned()));
        let prepare = move |state: &mut State, table: &mut Table<Prefix>, _| {
            let source = state.nodes.get(id).ok_or(NodesError::Unknown(id))?.source();
            let families = families(&prefix);
            if let Some(prefix) = families.iter().find(|p| table.holds(&source, p)) {
                return Err(NodesError::Advertised { node: id, prefix: *prefix }.into());
            }
            Ok(families.into_iter().map(|p| NodeWrite::RowGone(id, p)).collect())
        };
        let effect = move |state: &mut State, table: &mut Table<Prefix>, now| {
            Ok(state.nodes.forget(now, table, (id, &prefix), (&said.0, &said.1))?)
        };
        self.word(act, prepare, effect).await
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
        let act = Act::new(who, "route.primary", format!("{} {prefix}", id.0)).because(why);
        let prefix = *prefix;
        let prepare = move |state: &mut State, table: &mut Table<Prefix>, _| {
            state.nodes.get(id).ok_or(NodesError::Unknown(id))?;
            election::may_be_primary(table, &prefix, id)?;
            let before = election::primary(table, &prefix, ViewId::DEFAULT);
            let row = |of, is_primary| {
                let row = state.nodes.row(table, of, &prefix)?;
                let row = RouteRow { is_primary, was_primary: false, ..row };
                Some(NodeWrite::Row(Box::new(row)))
            };
            let before = before.filter(|before| *before != id).and_then(|b| row(b, false));
            Ok(before.into_iter().chain(row(id, true)).collect())
        };
        let effect = move |_: &mut State, table: &mut Table<Prefix>, now| {
            Ok(election::set_primary(now, table, &prefix, id)?)
        };
        self.word(act, prepare, effect).await?;
        let mut rows = self.rows_of(id, vec![prefix]).await?;
        rows.pop().ok_or_else(|| NodesError::Unknown(id).into())
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
        let what = match how {
            Preferred::By(preference) => Decision::Prefer(preference),
            Preferred::AsAll => Decision::Unprefer,
        };
        let said = Said { id, on: Vec::from_iter(prefix.copied()), what, must_stand: false };
        self.say("route.prefer", (who, why), said).await
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
        let only = prefix.copied();
        let held = move |state: &mut State, _: &Table<Prefix>, _| {
            let held = state.primaries.iter().filter(|(_, primary)| **primary == id);
            let held = held.map(|(prefix, _)| *prefix);
            held.filter(|p| only.is_none_or(|only| only == *p)).collect::<Vec<_>>()
        };
        let before = self.0.look(held).await?;
        let on = Vec::from_iter(prefix.copied());
        let said = Said { id, on, what: Decision::Drain, must_stand: false };
        self.say("route.drain", (who, why), said).await?;
        let after = move |_: &mut State, table: &Table<Prefix>, _| {
            let primary = |p: &Prefix| election::primary(table, p, ViewId::DEFAULT);
            before.into_iter().map(|p| (p, primary(&p))).collect::<Vec<_>>()
        };
        let mut drained = Drained::default();
        for (prefix, primary) in self.0.look(after).await? {
            match primary.filter(|primary| *primary != id) {
                Some(other) => drained.moved.push((prefix, other)),
                None => drained.kept.push(prefix),
            }
        }
        drained.unconfirmed = self.0.maps.settle(SETTLES_IN).await;
        Ok(drained)
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
        let on = Vec::from_iter(prefix.copied());
        let said = Said { id, on, what: Decision::Undrain, must_stand: false };
        self.say("route.undrain", (who, why), said).await
    }

    /// A person's word on routes of a node, or on all of them.
    async fn say(
        &self,
        act: &'static str,
        (who, why): (&str, &str),
        said: Said,
    ) -> Result<Vec<RouteRow>, FleetError> {
        let shown = said.on.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let shown = if said.on.is_empty() { "all".into() } else { shown };
        let subject = format!("{} {shown}", said.id.0);
        let act = Act::new(who, act, subject).because(why);
        let by = (who.to_owned(), why.to_owned());
        let (id, for_effect, for_rows) = (said.id, said.clone(), said.clone());
        let (by_effect, this) = (by.clone(), self.0.clone());
        let prepare = move |state: &mut State, table: &mut Table<Prefix>, now| {
            said.writes(state, table, now, &by)
        };
        let effect = move |state: &mut State, table: &mut Table<Prefix>, now| {
            for_effect.take_effect(state, table, now, (&by_effect.0, &by_effect.1))?;
            if for_effect.on.is_empty() {
                // What each row shows is that of the whole node too.
                let rows = state.nodes.rows_of(table, id);
                this.store.wait_for(rows.iter().map(|row| (id, row.prefix)), [id]);
            }
            Ok(())
        };
        self.word(act, prepare, effect).await?;
        self.rows_of(id, for_rows.prefixes()).await
    }

    /// These rows of a node, or all.
    async fn rows_of(&self, id: NodeId, on: Vec<Prefix>) -> Result<Vec<RouteRow>, FleetError> {
        let rows = move |state: &mut State, table: &Table<Prefix>, _| {
            state.nodes.get(id).ok_or(NodesError::Unknown(id))?;
            Ok(match on.is_empty() {
                true => state.nodes.rows_of(table, id),
                false => on.iter().filter_map(|p| state.nodes.row(table, id, p)).collect(),
            })
        };
        self.0.look(rows).await?
    }
}

/// A word on routes of a node; on none: on all it has and will have.
#[derive(Debug, Clone)]
struct Said {
    id: NodeId,
    on: Vec<Prefix>,
    what: Decision,
    /// It is refused of what isn't advertised.
    must_stand: bool,
}

impl Said {
    /// Both families of an exit route.
    fn prefixes(&self) -> Vec<Prefix> {
        let mut all: Vec<Prefix> = self.on.iter().flat_map(families).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What is to be written before it takes effect. A route that has no row yet gets one, which
    /// says nothing until then.
    fn writes(
        &self,
        state: &mut State,
        table: &Table<Prefix>,
        now: Now,
        by: &(String, String),
    ) -> Result<Vec<NodeWrite>, FleetError> {
        let source = state.nodes.get(self.id).ok_or(NodesError::Unknown(self.id))?.source();
        for prefix in self.on.iter().filter(|_| self.must_stand) {
            if !families(prefix).iter().any(|p| table.holds(&source, p)) {
                return Err(NodesError::NotAdvertised { node: self.id, prefix: *prefix }.into());
            }
        }
        if self.on.is_empty() {
            let mut record = state.record(table, self.id)?;
            let words = (&mut record.approval, &mut record.preference, &mut record.drain);
            put(words, self.what, by, now.wall);
            return Ok(vec![NodeWrite::Node(Box::new(record))]);
        }
        let mut writes = Vec::new();
        for prefix in self.prefixes() {
            state.nodes.make_row(now, table, self.id, &prefix)?;
            let row = state.nodes.row(table, self.id, &prefix);
            let mut row = row.ok_or(NodesError::Unknown(self.id))?;
            let words = (&mut row.approval, &mut row.preference, &mut row.drain);
            put(words, self.what, by, now.wall);
            row.updated = now.wall;
            writes.push(NodeWrite::Row(Box::new(row)));
        }
        Ok(writes)
    }

    fn take_effect(
        &self,
        state: &mut State,
        table: &mut Table<Prefix>,
        now: Now,
        by: (&str, &str),
    ) -> Result<(), FleetError> {
        if self.on.is_empty() {
            state.nodes.decide_on_all(now, table, self.id, self.what, by)?;
        }
        for prefix in &self.on {
            let of = (self.id, prefix);
            match self.what {
                Decision::Approve => {
                    state.nodes.approve(now, table, of, by, !self.must_stand)?;
                }
                Decision::Revoke => state.nodes.revoke(now, table, of, by)?,
                what => state.nodes.decide(now, table, of, what, by)?,
            }
        }
        Ok(())
    }
}

/// A row's or a node's words.
type Words<'w> = (&'w mut Option<Word<bool>>, &'w mut Option<Word<u32>>, &'w mut Option<Word<()>>);

/// A person's word among others.
fn put(words: Words<'_>, what: Decision, (who, why): &(String, String), at: Wall) {
    let (approval, preference, drain) = words;
    let by = By::Person(who.clone());
    let why = why.clone();
    match what {
        Decision::Approve => *approval = Some(Word { is: true, by, why, at }),
        Decision::Revoke => *approval = Some(Word { is: false, by, why, at }),
        Decision::Prefer(is) => *preference = Some(Word { is, by, why, at }),
        Decision::Unprefer => *preference = None,
        Decision::Drain => *drain = Some(Word { is: (), by, why, at }),
        Decision::Undrain => *drain = None,
        Decision::Clear => (*approval, *preference, *drain) = (None, None, None),
    }
}

/// A prefix, or both exit routes for one.
fn families(prefix: &Prefix) -> Vec<Prefix> {
    crate::nodes::families(prefix)
}
