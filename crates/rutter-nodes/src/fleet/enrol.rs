//! Letting nodes in: who waits, and many at once.
//!
//! Numbers, names and addresses are given under the turn of the registry, one after the other, so
//! that no two get the same. Whoever has the turn lets all in who came to ask meanwhile: thousands of
//! nodes that come at once share transactions, as the registry's writer makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use rutter_registry::{NodeRecord, NodeWrite, PreauthKey, PublicKey, TokenSecret};
use rutter_rib::Table;
use rutter_route::{Incarnation, NodeId, Now, Prefix, Wall};
use tokio::sync::oneshot;

use super::registration::{EnrolNode, Pending};
use super::state::{State, lock};
use super::word::Act;
use super::{FleetError, Inner, addresses};
use crate::{Node, NodeName, Owner};

/// How many may wait for a person.
const MAX_PENDING: usize = 1000;

/// How many are let in at once.
const MAX_AT_ONCE: usize = 512;

/// Who asks to be let in, or for whom a person does.
#[derive(Debug)]
pub(super) enum Asked {
    Enrol(EnrolNode),
    Register { who: String, key: PublicKey, owner: Owner, name: Option<NodeName> },
}

/// One who waits for the turn.
#[derive(Debug)]
pub(super) struct Waits {
    asked: Asked,
    answer: oneshot::Sender<Result<Node, FleetError>>,
}

/// Nodes that wait for a person's word.
#[derive(Debug, Default)]
pub(super) struct AllPending(BTreeMap<PublicKey, Pending>);

impl AllPending {
    /// The longest first.
    pub(super) fn list(&self) -> Vec<Pending> {
        let mut list = Vec::from_iter(self.0.values().cloned());
        list.sort_by_key(|p| (p.since, p.key));
        list
    }

    fn name_of(&self, key: &PublicKey) -> Option<NodeName> {
        self.0.get(key).map(|waits| waits.name.clone())
    }

    pub(super) fn take(&mut self, key: &PublicKey) -> Option<Pending> {
        self.0.remove(key)
    }

    /// One that asks again has waited since it asked first.
    fn wait(&mut self, new: Pending) {
        if let Some(before) = self.0.get_mut(&new.key) {
            *before = Pending { since: before.since, ..new };
            return;
        }
        if self.0.len() >= MAX_PENDING
            && let Some(oldest) = self.list().first().map(|p| p.key)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(new.key, new);
    }
}

/// One who may come in.
struct Comes {
    record: NodeRecord,
    /// It was here before, and its key had expired.
    returns: bool,
    /// The pre-auth key that is used for it.
    token: Option<TokenSecret>,
    act: Act,
}

/// What becomes of one who asks.
enum MayCome {
    /// It is in already.
    Stands(Node),
    /// It is in when it is written.
    Comes(Box<Comes>),
    /// Its key is being let in: it is asked again after that.
    Later(Asked),
}

/// Numbers, keys, names and addresses that are given and not yet the nodes'.
#[derive(Default)]
struct Given {
    last: u64,
    keys: BTreeSet<PublicKey>,
    names: BTreeSet<NodeName>,
    addresses: BTreeSet<IpAddr>,
}

impl Inner {
    /// Waits for the turn, or for being let in by whoever has it.
    pub(super) async fn enrol(&self, asked: Asked) -> Result<Node, FleetError> {
        let (answer, mut answered) = oneshot::channel();
        lock(&self.asking).push_back(Waits { asked, answer });
        let turn = self.store.turn().await;
        loop {
            if let Ok(answer) = answered.try_recv() {
                drop(turn);
                return answer;
            }
            // At worst those before this one fill a batch or two.
            let waiting: Vec<Waits> = {
                let mut asking = lock(&self.asking);
                let n = asking.len().min(MAX_AT_ONCE);
                asking.drain(..n).collect()
            };
            self.let_in(waiting).await;
        }
    }

    async fn let_in(&self, waiting: Vec<Waits>) {
        let last = lock(&self.state).nodes.next_id().0 - 1;
        let mut given = Given { last, ..Given::default() };
        let (mut coming, mut answers) = (Vec::new(), Vec::new());
        for Waits { asked, answer } in waiting {
            match self.may_come(asked, &mut given).await {
                Ok(MayCome::Stands(node)) => reply(answer, Ok(node)),
                Ok(MayCome::Comes(comes)) => {
                    coming.push(*comes);
                    answers.push(answer);
                }
                Ok(MayCome::Later(asked)) => {
                    lock(&self.asking).push_front(Waits { asked, answer });
                }
                Err(error) => reply(answer, Err(error)),
            }
        }
        let written = join_all(coming.iter().map(|comes| self.write_new(comes))).await;
        let mut fresh = Vec::new();
        for ((comes, written), answer) in coming.into_iter().zip(written).zip(answers) {
            match written {
                Ok(()) => fresh.push((comes, answer)),
                Err(error) => reply(answer, Err(error)),
            }
        }
        if !fresh.is_empty() {
            self.take_in(fresh).await;
        }
    }

    async fn write_new(&self, comes: &Comes) -> Result<(), FleetError> {
        let record = comes.record.clone();
        match &comes.token {
            Some(token) => {
                let now = self.clock.now().wall;
                self.registry.enrol_node(now, token, record).await?;
            }
            None => self.registry.write_nodes(vec![NodeWrite::Node(Box::new(record))]).await?,
        }
        Ok(())
    }

    /// Those who are written are nodes from now on.
    async fn take_in(&self, fresh: Vec<(Comes, oneshot::Sender<Result<Node, FleetError>>)>) {
        let nodes = fresh.iter().map(|(comes, _)| (comes.record.node.clone(), comes.returns));
        let nodes = Vec::from_iter(nodes);
        let added = self.apply(move |state, table, now| {
            let add = |(node, returns)| add(state, table, now, node, returns);
            nodes.into_iter().map(add).collect::<Vec<_>>()
        });
        let added = match added.await {
            Ok(added) => added,
            Err(error) => {
                tracing::warn!(%error, "nodes that came are there after the next start");
                return;
            }
        };
        self.changed.note(|what| what.roster = true);
        self.look_at_the_clock.notify_one();
        for (comes, _) in &fresh {
            lock(&self.pending).take(&comes.record.node.key);
        }
        join_all(fresh.iter().map(|(comes, _)| self.note(comes.act.clone()))).await;
        for ((_, answer), added) in fresh.into_iter().zip(added) {
            reply(answer, added);
        }
    }

    async fn may_come(&self, asked: Asked, given: &mut Given) -> Result<MayCome, FleetError> {
        self.check_open()?;
        let now = self.clock.now();
        let key = match &asked {
            Asked::Enrol(new) => new.key,
            Asked::Register { key, .. } => *key,
        };
        if given.keys.contains(&key) {
            return Ok(MayCome::Later(asked));
        }
        let known = lock(&self.state).nodes.by_key(&key).cloned();
        if let Some(node) = known.clone().filter(|node| !node.is_expired(now.wall)) {
            return Ok(MayCome::Stands(node));
        }
        let returns = known.is_some();
        let (record, token, act) = match asked {
            Asked::Enrol(EnrolNode { token: None, key, name, from }) => {
                lock(&self.pending).wait(Pending { key, name, from, since: now.wall });
                return Err(FleetError::Pending { key });
            }
            Asked::Enrol(EnrolNode { token: Some(token), key, name, .. }) => {
                let by = self.registry.preauth_key(&token).await?;
                let owner = owner_of(&by)?;
                let record = match known {
                    Some(node) if node.owner == owner => self.again(now, node).await?,
                    Some(_) => {
                        let why = "the node is another's: its owner's pre-auth key renews it";
                        return Err(FleetError::PreauthKey(why.into()));
                    }
                    None => self.fresh(now, (key, name), owner, by.ephemeral, given)?,
                };
                let act = Act::new("pre-auth key", "node.enrol", record.node.id.0).because(&by.id);
                (record, Some(token), act)
            }
            Asked::Register { who, key, owner, name } => {
                let record = match known {
                    Some(node) => self.again(now, Node { owner, ..node }).await?,
                    None => {
                        let name = self.name_for(&key, name)?;
                        self.fresh(now, (key, name), owner, false, given)?
                    }
                };
                (record.clone(), None, Act::new(&who, "node.register", record.node.id.0))
            }
        };
        given.keys.insert(key);
        let act = Act { detail: format!("{} {}", record.node.name, act.detail), ..act };
        Ok(MayCome::Comes(Box::new(Comes { record, returns, token, act })))
    }

    /// The name that a person gives, which must be free, or that the node asked for.
    fn name_for(&self, key: &PublicKey, name: Option<NodeName>) -> Result<NodeName, FleetError> {
        if let Some(name) = name {
            return match lock(&self.state).nodes.by_name(&name) {
                Some(_) => Err(FleetError::Exists { what: "node", name: name.to_string() }),
                None => Ok(name),
            };
        }
        lock(&self.pending).name_of(key).ok_or_else(|| FleetError::NotFound {
            what: "waiting node",
            name: format!("{key}; with a name it is let in before it asks"),
        })
    }

    fn fresh(
        &self,
        now: Now,
        (key, name): (PublicKey, NodeName),
        owner: Owner,
        ephemeral: bool,
        given: &mut Given,
    ) -> Result<NodeRecord, FleetError> {
        let config = self.config();
        let state = lock(&self.state);
        let id = NodeId(given.last + 1);
        let name = free_name(name, |n| state.nodes.by_name(n).is_some() || given.names.contains(n));
        let is_taken = |a: &IpAddr| state.nodes.has_address(a) || given.addresses.contains(a);
        let addresses = addresses::of(id, &config.prefixes, is_taken);
        if addresses.len() < config.prefixes.len() {
            return Err(FleetError::Invalid("the prefixes of the mesh are full".into()));
        }
        given.last = id.0;
        given.names.insert(name.clone());
        given.addresses.extend(&addresses);
        let expiry = expiry_of(now, &owner, config.key_lifetime);
        let node = Node { id, key, name, owner, addresses, created: now.wall, expiry, ephemeral };
        Ok(NodeRecord {
            node,
            incarnation: Incarnation(0),
            last_seen: None,
            endpoints: Vec::new(),
            approval: None,
            preference: None,
            drain: None,
        })
    }

    /// What is kept of a node whose key is good anew.
    async fn again(&self, now: Now, node: Node) -> Result<NodeRecord, FleetError> {
        let id = node.id;
        let mut record = self.look(move |state, table, _| state.record(table, id)).await??;
        let expiry = expiry_of(now, &node.owner, self.config().key_lifetime);
        record.node = Node { expiry, ..node };
        Ok(record)
    }
}

fn add(
    state: &mut State,
    table: &mut Table<Prefix>,
    now: Now,
    node: Node,
    returns: bool,
) -> Result<Node, FleetError> {
    match returns {
        false => state.nodes.add(node.clone())?,
        true => {
            state.nodes.set_owner(now, table, node.id, node.owner.clone())?;
            state.nodes.set_expiry(node.id, node.expiry)?;
        }
    }
    // One that never comes is away since now.
    let presence = state.presence.entry(node.id).or_default();
    presence.away = presence.away.or(Some(now.mono));
    Ok(node)
}

/// Whoever asked may be gone: it asks again, and is told what stands.
fn reply(to: oneshot::Sender<Result<Node, FleetError>>, answer: Result<Node, FleetError>) {
    drop(to.send(answer));
}

fn owner_of(by: &PreauthKey) -> Result<Owner, FleetError> {
    match (&by.user, by.tags.is_empty()) {
        (_, false) => Ok(Owner::Tags(by.tags.clone())),
        (Some(user), true) => Ok(Owner::User(user.clone())),
        (None, true) => Err(FleetError::PreauthKey("the pre-auth key is nobody's".into())),
    }
}

/// A tagged node's key is good for ever.
fn expiry_of(now: Now, owner: &Owner, lifetime: Option<Duration>) -> Option<Wall> {
    let lifetime = lifetime.filter(|_| owner.user().is_some())?;
    Some(now.plus(lifetime).wall)
}

/// The name, or with `-1`, `-2` and so on behind it where it is taken. A number that is free is found
/// by doubling and halving, since thousands of nodes may ask for one name: the lowest as long as the
/// numbers have no gaps.
fn free_name(name: NodeName, is_taken: impl Fn(&NodeName) -> bool) -> NodeName {
    if !is_taken(&name) {
        return name;
    }
    let (mut taken, mut free) = (0u64, 1u64);
    while is_taken(&numbered(&name, free)) {
        (taken, free) = (free, free * 2);
    }
    while free - taken > 1 {
        let between = taken + (free - taken) / 2;
        match is_taken(&numbered(&name, between)) {
            true => taken = between,
            false => free = between,
        }
    }
    numbered(&name, free)
}

/// The name with a number behind it, cut where it would be too long.
fn numbered(name: &NodeName, n: u64) -> NodeName {
    let end = format!("-{n}");
    let kept: String = name.as_str().chars().take(63 - end.len()).collect();
    let text = format!("{}{end}", kept.trim_end_matches('-'));
    // A label that is cut and ended by a number is one.
    text.parse().unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_numbered() {
        let taken = |names: &'static [&str]| move |n: &NodeName| names.contains(&n.as_str());
        let name = |text: &str| text.parse::<NodeName>().unwrap();
        assert_eq!(free_name(name("r"), taken(&[])), name("r"));
        assert_eq!(free_name(name("r"), taken(&["r", "r-1"])), name("r-2"));
        assert_eq!(free_name(name("r"), taken(&["r", "r-1", "r-2", "r-3", "r-4"])), name("r-5"));
        let long = "a".repeat(63);
        let free = free_name(name(&long), |n| n.as_str().len() == 63 && !n.as_str().ends_with('1'));
        assert_eq!(free.as_str(), format!("{}-1", "a".repeat(61)));
    }
}
