//! Next hops: which there are, whether they resolve, and whose routes go over them.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use rutter_route::NextHop;

use crate::parts::slots::Slots;

/// One next hop that some attribute set names.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) hop: NextHop,
    /// Why it can't be reached; `None` if it can.
    pub(super) unresolved: Option<String>,
    /// Attribute sets that name it.
    pub(super) n_sets: u32,
    /// The groups of routes over it.
    pub(super) groups: Vec<u32>,
    /// The event of its last change.
    pub(super) event: u64,
    /// A walk over its routes is queued or under way.
    pub(super) queued: bool,
    /// It changed again while the walk was under way.
    pub(super) again: bool,
}

#[derive(Debug)]
pub(super) struct Hops {
    by_hop: HashMap<NextHop, u32, foldhash::fast::FixedState>,
    slots: Slots<Hop>,
    /// Hops that nobody has resolved yet, for whoever does.
    asked: BTreeSet<NextHop>,
    /// The hop that a set named last: sources repeat themselves.
    last: Option<u32>,
}

impl std::ops::Index<u32> for Hops {
    type Output = Hop;

    #[inline]
    fn index(&self, ix: u32) -> &Hop {
        &self.slots[ix]
    }
}

impl std::ops::IndexMut<u32> for Hops {
    #[inline]
    fn index_mut(&mut self, ix: u32) -> &mut Hop {
        &mut self.slots[ix]
    }
}

impl Hops {
    pub(super) fn new(seed: u64) -> Self {
        let state = foldhash::fast::FixedState::with_seed(seed);
        Self {
            by_hop: HashMap::with_hasher(state.clone()),
            slots: Slots::new(),
            asked: BTreeSet::new(),
            last: None,
        }
    }

    pub(super) fn find(&self, hop: &NextHop) -> Option<u32> {
        self.by_hop.get(hop).copied()
    }

    /// The id of a hop that one more attribute set names. A new one whose kind must be `resolved`
    /// by another table starts unresolved.
    pub(super) fn retain(&mut self, hop: &NextHop, must_resolve: bool) -> u32 {
        if let Some(ix) = self.last.filter(|ix| self.is_in_use(*ix, hop)).or_else(|| self.find(hop))
        {
            self.slots[ix].n_sets += 1;
            self.last = Some(ix);
            return ix;
        }
        let unresolved = must_resolve.then(|| "nothing has resolved it yet".to_owned());
        if must_resolve {
            self.asked.insert(hop.clone());
        }
        let ix = self.slots.insert(Hop {
            hop: hop.clone(),
            unresolved,
            n_sets: 1,
            groups: Vec::new(),
            event: 0,
            queued: false,
            again: false,
        });
        self.by_hop.insert(hop.clone(), ix);
        ix
    }

    /// Whether an id in hand means that hop. One without a set may be another's by now.
    fn is_in_use(&self, ix: u32, hop: &NextHop) -> bool {
        self.slots[ix].n_sets > 0 && self.slots[ix].hop == *hop
    }

    /// One attribute set less names it; without any it is forgotten.
    pub(super) fn release(&mut self, ix: u32) {
        self.slots[ix].n_sets -= 1;
        self.forget_if_unused(ix);
    }

    /// Forgets a hop that no attribute set, group or walk needs.
    pub(super) fn forget_if_unused(&mut self, ix: u32) {
        let hop = &self.slots[ix];
        if hop.n_sets == 0
            && hop.groups.is_empty()
            && !hop.queued
            && self.by_hop.get(&hop.hop) == Some(&ix)
        {
            self.asked.remove(&hop.hop);
            self.by_hop.remove(&hop.hop);
            self.slots.free(ix);
        }
    }

    /// Asks for a hop to be resolved.
    pub(super) fn ask(&mut self, hop: NextHop) {
        self.asked.insert(hop);
    }

    /// Hops that came since the last call and must be resolved.
    pub(super) fn take_asked(&mut self) -> Vec<NextHop> {
        std::mem::take(&mut self.asked).into_iter().collect()
    }

    /// Every hop in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Hop> {
        self.by_hop.values().map(|ix| &self.slots[*ix])
    }
}
