//! The next-hop objects of one sink: which there are, and how many routes name each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Map, ObjectIds};
use crate::hop::{KernelHop, KernelHops};
use crate::wire::{Object, ObjectRow};

/// The set of one hop, whose weight then says nothing.
pub(super) fn of_one(hop: &KernelHop) -> KernelHops {
    [KernelHop { weight: 1, ..*hop }].into()
}

/// An object of ours in the kernel.
#[derive(Debug)]
struct Known {
    /// `None`: it isn't one that is made here, or its members are gone.
    hops: Option<KernelHops>,
    /// Of a group.
    members: Vec<u32>,
    /// Routes of ours that name it.
    n_routes: usize,
    /// Groups that it is in.
    n_groups: usize,
    /// Another's route names it: it stays as long.
    named_by_others: bool,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Objects {
    /// `None`: there are none.
    ids: Option<ObjectIds>,
    known: BTreeMap<u32, Known>,
    by_hops: Map<KernelHops, u32>,
    /// Numbers in our range that others use.
    taken: BTreeSet<u32>,
    /// Perhaps named by nobody.
    idle: BTreeSet<u32>,
    /// Where the search for a free number goes on.
    next: u32,
}

impl Objects {
    pub(super) fn new(ids: Option<ObjectIds>) -> Self {
        Self {
            ids,
            known: BTreeMap::new(),
            by_hops: Map::default(),
            taken: BTreeSet::new(),
            idle: BTreeSet::new(),
            next: 0,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.ids.is_some()
    }

    /// The kernel has no objects.
    pub(super) fn switch_off(&mut self) {
        *self = Self::new(None);
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How many more there may be.
    pub(super) fn room(&self) -> usize {
        let count = self.ids.map_or(0, |ids| ids.count);
        let used = self.known.len() + self.taken.len();
        usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(used)
    }

    /// How many must be made for routes to these hops.
    pub(super) fn n_missing(&self, hops: &KernelHops) -> usize {
        if self.id_of(hops).is_some() {
            return 0;
        }
        if hops.len() == 1 {
            return 1;
        }
        1 + hops.iter().filter(|hop| self.id_of(&of_one(hop)).is_none()).count()
    }

    /// Whether there is one of that number.
    pub(super) fn has(&self, id: u32) -> bool {
        self.known.contains_key(&id)
    }

    pub(super) fn id_of(&self, hops: &KernelHops) -> Option<u32> {
        self.by_hops.get(hops).copied()
    }

    pub(super) fn hops_of(&self, id: u32) -> Option<&KernelHops> {
        self.known.get(&id).and_then(|known| known.hops.as_ref())
    }

    pub(super) fn n_routes(&self, id: u32) -> usize {
        self.known.get(&id).map_or(0, |known| known.n_routes)
    }

    /// Whether the object is one hop that only routes name, so that it may become another.
    pub(super) fn may_change(&self, id: u32) -> bool {
        self.known.get(&id).is_some_and(|known| {
            known.n_groups == 0 && known.members.is_empty() && !known.named_by_others
        })
    }

    /// A free number, which is used from now on. `None`: there is none.
    pub(super) fn reserve(&mut self) -> Option<u32> {
        let ids = self.ids?;
        for _ in 0..ids.count {
            let id = ids.first + self.next;
            self.next = (self.next + 1) % ids.count;
            if !self.known.contains_key(&id) && !self.taken.contains(&id) {
                self.known.insert(id, Known::empty());
                return Some(id);
            }
        }
        None
    }

    /// Another has this number.
    pub(super) fn is_taken(&mut self, id: u32) {
        self.forget(id);
        self.taken.insert(id);
    }

    /// What the kernel is to be told to make an object of these hops; `Err`: the hops that must
    /// have objects of their own first.
    pub(super) fn object_of(&self, hops: &KernelHops) -> Result<Object, Vec<KernelHops>> {
        if let [hop] = hops.as_ref() {
            return Ok(Object::Hop(*hop));
        }
        let mut missing = Vec::new();
        let mut members = Vec::new();
        for hop in hops.iter() {
            match self.id_of(&of_one(hop)) {
                Some(id) => members.push((id, hop.weight)),
                None => missing.push(of_one(hop)),
            }
        }
        if missing.is_empty() { Ok(Object::Group(members)) } else { Err(missing) }
    }

    /// The kernel has made it, or made it another.
    pub(super) fn is_put(&mut self, id: u32, object: &Object) {
        let before = self.known.get(&id).and_then(|known| known.hops.clone());
        if let Some(before) = before
            && self.by_hops.get(&before) == Some(&id)
        {
            self.by_hops.remove(&before);
        }
        let hops = self.hops_of_object(object);
        let members: Vec<u32> = match object {
            Object::Hop(_) => Vec::new(),
            Object::Group(members) => members.iter().map(|(id, _)| *id).collect(),
        };
        for member in &members {
            if let Some(member) = self.known.get_mut(member) {
                member.n_groups += 1;
            }
        }
        if let Some(hops) = &hops {
            self.by_hops.entry(hops.clone()).or_insert(id);
        }
        let known = self.known.entry(id).or_insert_with(Known::empty);
        known.hops = hops;
        known.members = members;
        if known.n_routes == 0 {
            self.idle.insert(id);
        }
    }

    /// The hops that an object leads to, if its members are known.
    pub(super) fn hops_of_object(&self, object: &Object) -> Option<KernelHops> {
        let members = match object {
            Object::Hop(hop) => return Some(of_one(hop)),
            Object::Group(members) => members,
        };
        let hop = |(id, weight): &(u32, u16)| match self.hops_of(*id)?.as_ref() {
            [hop] => Some(KernelHop { weight: *weight, ..*hop }),
            _ => None,
        };
        let mut hops: Vec<KernelHop> = members.iter().map(hop).collect::<Option<_>>()?;
        hops.sort();
        Some(hops.into())
    }

    /// It is gone, or was never made.
    pub(super) fn forget(&mut self, id: u32) {
        self.idle.remove(&id);
        let Some(known) = self.known.remove(&id) else { return };
        if let Some(hops) = known.hops
            && self.by_hops.get(&hops) == Some(&id)
        {
            self.by_hops.remove(&hops);
        }
        for member in known.members {
            if let Some(known) = self.known.get_mut(&member) {
                known.n_groups = known.n_groups.saturating_sub(1);
                self.idle.insert(member);
            }
        }
    }

    /// A route of ours names it.
    pub(super) fn name(&mut self, id: u32) {
        if let Some(known) = self.known.get_mut(&id) {
            known.n_routes += 1;
            self.idle.remove(&id);
        }
    }

    /// A route of ours doesn't name it any more.
    pub(super) fn unname(&mut self, id: u32) {
        if let Some(known) = self.known.get_mut(&id) {
            known.n_routes = known.n_routes.saturating_sub(1);
            if known.n_routes == 0 {
                self.idle.insert(id);
            }
        }
    }

    /// At most `room` objects that nothing names.
    pub(super) fn take_idle(&mut self, room: usize) -> Vec<u32> {
        let mut idle = Vec::new();
        while idle.len() < room
            && let Some(id) = self.idle.pop_first()
        {
            let unused = self.known.get(&id).is_some_and(|known| {
                known.n_routes == 0 && known.n_groups == 0 && !known.named_by_others
            });
            if unused {
                idle.push(id);
            }
        }
        idle
    }

    /// What there is, as it was found. `ours` says whose routes name which object.
    pub(super) fn found(&mut self, rows: &[ObjectRow], protocol: u8) {
        let Some(ids) = self.ids else { return };
        *self = Self { next: self.next, ..Self::new(self.ids) };
        let (ours, others): (Vec<_>, Vec<_>) = rows
            .iter()
            .filter(|row| ids.contains(row.id))
            .partition(|row| row.protocol == protocol);
        self.taken = others.iter().map(|row| row.id).collect();
        // Groups last: they are known by the hops of their members.
        let is_group = |row: &&ObjectRow| matches!(row.object, Some(Object::Group(_)));
        let (groups, hops): (Vec<_>, Vec<_>) = ours.into_iter().partition(is_group);
        for row in hops.into_iter().chain(groups) {
            match &row.object {
                Some(object) => self.is_put(row.id, object),
                None => {
                    self.known.insert(row.id, Known::empty());
                    self.idle.insert(row.id);
                }
            }
        }
    }

    /// Another's route names it.
    pub(super) fn name_by_other(&mut self, id: u32) {
        if let Some(known) = self.known.get_mut(&id) {
            known.named_by_others = true;
        }
    }
}

impl Known {
    fn empty() -> Self {
        Self { hops: None, members: Vec::new(), n_routes: 0, n_groups: 0, named_by_others: false }
    }
}
