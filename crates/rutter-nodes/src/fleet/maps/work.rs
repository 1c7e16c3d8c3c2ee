//! What each class is told, worked out: the state of the distributor, and its steps.
//!
//! Each step is short, since it runs on the owner of the book, where the table is; [`STEP`] bounds
//! what one takes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rutter_rib::Table;
use rutter_route::{NodeId, Prefix};

use super::board::Board;
use super::reader::Reader;
use crate::Nodes;
use crate::map::{Class, Delta, Mapper, Network, NetworkMap};
use crate::node::node_of;

/// Maps times prefixes in one step: some hundred microseconds.
pub(super) const STEP: usize = 2048;

/// So many nodes may be otherwise in a roster that what is told is patched.
const PATCHED: usize = 256;

/// Readers whose class is found in one step.
pub(super) const READERS: usize = 32;

/// A prefix of the table as it was looked at last.
pub(super) struct Looked {
    pub(super) network: Arc<Network>,
    /// Who had it.
    pub(super) routers: Vec<NodeId>,
}

/// A class that has readers.
pub(super) struct Held {
    pub(super) map: NetworkMap,
    /// What isn't on the board yet.
    pub(super) delta: Delta,
    /// Who comes to the board must not be told what was there before: another policy's word.
    pub(super) anew: bool,
    /// `None` until it was told for the first time.
    pub(super) board: Option<Arc<Board>>,
    pub(super) readers: BTreeMap<NodeId, Arc<Reader>>,
}

/// A reader's place.
pub(super) struct Place {
    pub(super) reader: Arc<Reader>,
    /// `None`: it is told nothing.
    pub(super) class: Option<Class>,
}

/// What is told under one roster and one policy.
pub(super) struct Work {
    pub(super) mapper: Mapper,
    pub(super) prefixes: BTreeMap<Prefix, Looked>,
    pub(super) classes: BTreeMap<Class, Held>,
    pub(super) places: BTreeMap<NodeId, Place>,
}

impl Work {
    /// Of nothing so far.
    pub(super) fn new(mapper: Mapper) -> Self {
        let (prefixes, classes) = (BTreeMap::new(), BTreeMap::new());
        Self { mapper, prefixes, classes, places: BTreeMap::new() }
    }

    /// Under another mapper, the same prefixes and nobody who is told.
    pub(super) fn under(&self, mapper: Mapper) -> Self {
        let look = |(prefix, looked): (&Prefix, &Looked)| {
            let network = Arc::new(mapper.network(prefix));
            (*prefix, Looked { network, routers: looked.routers.clone() })
        };
        let prefixes = self.prefixes.iter().map(look).collect();
        Self { prefixes, ..Self::new(mapper) }
    }

    /// Another roster of the same policy. Returns what is to be brought into all maps, and the nodes
    /// whose class may be another; `None` where so much is otherwise that all is better built anew.
    ///
    /// A map's routes follow from the table, and from the roster only by who is known and who lies
    /// within a prefix: so only those routes are looked at that the difference can reach.
    pub(super) fn patch(
        &mut self,
        mapper: Mapper,
    ) -> Result<(Vec<Arc<Network>>, BTreeSet<NodeId>), Mapper> {
        let unlike = mapper.unlike(&self.mapper);
        if unlike.len() > PATCHED {
            return Err(mapper);
        }
        let mut nodes = unlike.clone();
        let mut networks = Vec::new();
        for (prefix, looked) in &mut self.prefixes {
            let network = mapper.network(prefix);
            let within = network.nodes.iter().any(|node| unlike.contains(node));
            if within || network != *looked.network {
                // Who has a prefix stands for who lies within it.
                nodes.extend(&looked.routers);
                looked.network = Arc::new(network);
            } else if !prefix.is_default() && !looked.routers.iter().any(|r| unlike.contains(r)) {
                continue;
            }
            networks.push(looked.network.clone());
        }
        for (class, held) in &mut self.classes {
            let map = mapper.over(class, &held.map);
            let delta = held.map.delta_to(&map);
            // Who was removed is nothing for those who come now.
            held.anew |= delta.peers.values().any(Option::is_none);
            held.delta.then(delta);
            held.map = map;
        }
        self.mapper = mapper;
        // Whom nobody knew until now may be known.
        nodes.extend(self.places.iter().filter(|(_, p)| p.class.is_none()).map(|(id, _)| *id));
        Ok((networks, nodes))
    }

    /// Looks at prefixes that may have changed: what is to be brought into maps, and the nodes whose
    /// class may be another. A prefix that nobody has is looked at this last time.
    pub(super) fn look(
        &mut self,
        found: Vec<(Prefix, Vec<NodeId>)>,
    ) -> (Vec<Arc<Network>>, BTreeSet<NodeId>) {
        let mut networks = Vec::with_capacity(found.len());
        let mut nodes = BTreeSet::new();
        for (prefix, routers) in found {
            nodes.extend(&routers);
            let network = match self.prefixes.get(&prefix) {
                Some(before) => {
                    nodes.extend(&before.routers);
                    before.network.clone()
                }
                None => Arc::new(self.mapper.network(&prefix)),
            };
            networks.push(network.clone());
            match routers.is_empty() {
                true => drop(self.prefixes.remove(&prefix)),
                false => drop(self.prefixes.insert(prefix, Looked { network, routers })),
            }
        }
        (networks, nodes)
    }

    /// Every prefix, to be brought into a map that is new.
    pub(super) fn networks(&self) -> Vec<Arc<Network>> {
        self.prefixes.values().map(|looked| looked.network.clone()).collect()
    }

    /// A step: brings networks into the maps of these classes.
    pub(super) fn bring(
        &mut self,
        table: &Table<Prefix>,
        classes: &[Class],
        networks: &[Arc<Network>],
    ) {
        for class in classes {
            let Some(held) = self.classes.get_mut(class) else { continue };
            let delta = self.mapper.bring(table, class, &mut held.map, networks);
            held.delta.then(delta);
        }
    }

    /// Brings into all maps what has changed of nodes themselves.
    pub(super) fn renew(&mut self, nodes: &BTreeSet<NodeId>) {
        for held in self.classes.values_mut() {
            let delta = self.mapper.renewed(&mut held.map, nodes);
            held.delta.then(delta);
        }
    }

    /// A step: the classes of nodes now.
    pub(super) fn classes_of(
        &self,
        table: &Table<Prefix>,
        nodes: &Nodes,
        ids: &[NodeId],
    ) -> Vec<(NodeId, Option<Class>)> {
        ids.iter().map(|id| (*id, self.mapper.class_of(nodes, table, *id))).collect()
    }

    /// The reader is of that class from now on; it is told so by [`Work::assign`]. Returns the class
    /// if it is a new one, whose map has no routes yet.
    pub(super) fn place(&mut self, reader: Arc<Reader>, class: Option<Class>) -> Option<Class> {
        let id = reader.id;
        if let Some(place) = self.places.get(&id)
            && place.class == class
            && Arc::ptr_eq(&place.reader, &reader)
        {
            return None;
        }
        self.remove(id);
        self.places.insert(id, Place { reader: reader.clone(), class: class.clone() });
        let class = class?;
        let is_new = !self.classes.contains_key(&class);
        let mapper = &self.mapper;
        let held = self.classes.entry(class.clone()).or_insert_with(|| Held {
            map: mapper.without_routes(&class),
            delta: Delta::default(),
            anew: false,
            board: None,
            readers: BTreeMap::new(),
        });
        held.readers.insert(id, reader);
        is_new.then_some(class)
    }

    /// Gives a reader the board of its class.
    pub(super) fn assign(&self, id: NodeId) {
        let Some(place) = self.places.get(&id) else { return };
        let held = place.class.as_ref().and_then(|class| self.classes.get(class));
        place.reader.assign(held.and_then(|held| held.board.clone()));
    }

    /// Takes the boards of what was told until now: each class has that of its first reader, unless
    /// another took it, and what is to be told there is what differs.
    pub(super) fn take_boards(&mut self, mut before: Self, number: u64) {
        for held in self.classes.values_mut() {
            let first = held.readers.keys().next();
            let class = first.and_then(|id| before.places.get(id)?.class.as_ref());
            let old = class.and_then(|class| before.classes.remove(class));
            held.delta = Delta::default();
            held.board = old.and_then(|old| {
                held.delta = old.map.delta_to(&held.map);
                held.anew = true;
                old.board
            });
            if held.board.is_none() {
                held.board = Some(Arc::new(Board::new(number, &held.map)));
            }
        }
        self.places.keys().for_each(|id| self.assign(*id));
    }

    /// A reader has gone; with the last one of a class goes the class.
    pub(super) fn remove(&mut self, id: NodeId) {
        let Some(Place { class: Some(class), .. }) = self.places.remove(&id) else { return };
        if let Some(held) = self.classes.get_mut(&class) {
            held.readers.remove(&id);
            if held.readers.is_empty() {
                self.classes.remove(&class);
            }
        }
    }
}

/// A step: who has these prefixes.
pub(super) fn routers(table: &Table<Prefix>, prefixes: &[Prefix]) -> Vec<(Prefix, Vec<NodeId>)> {
    let of = |prefix: &Prefix| {
        let candidates = table.candidates(prefix);
        (*prefix, candidates.iter().filter_map(|c| node_of(c.source)).collect())
    };
    prefixes.iter().map(of).collect()
}
