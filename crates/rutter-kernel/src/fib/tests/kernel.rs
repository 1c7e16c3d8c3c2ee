//! A model of the kernel's table, as slow and plain as it can be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustix::io::Errno;
use rutter_route::Prefix;

use crate::error::Said;
use crate::fib::{Request, To};
use crate::hop::KernelHop;
use crate::wire::{How, Object, ObjectRow, RouteRow};

#[derive(Debug, Clone, PartialEq)]
struct Route {
    protocol: u8,
    to: To,
}

/// See the module's head.
pub(super) struct Kernel {
    ours: u8,
    routes: BTreeMap<(Prefix, u32), Route>,
    objects: BTreeMap<u32, (u8, Object)>,
    /// Others' routes in whose place ours was put knowingly.
    pub(super) displaced: BTreeMap<(Prefix, u32), u8>,
    /// Where another has put a new one instead of the one that ours had displaced, and nobody has
    /// looked since.
    put_unseen: BTreeSet<(Prefix, u32)>,
    /// Routers that it doesn't take.
    pub(super) refuses: BTreeSet<IpAddr>,
    pub(super) has_objects: bool,
    /// Prefixes that were without a route of ours at some moment.
    pub(super) bare: BTreeSet<Prefix>,
}

fn said(errno: Errno) -> Said {
    Said { errno, words: "refused by the model".into() }
}

impl Kernel {
    pub(super) fn new(ours: u8) -> Self {
        let (routes, objects, displaced, put_unseen, refuses, bare) = Default::default();
        Self { ours, routes, objects, displaced, put_unseen, refuses, has_objects: true, bare }
    }

    pub(super) fn take(&mut self, requests: &[Request]) -> Vec<(usize, Said)> {
        let mut refused = Vec::new();
        for (place, request) in requests.iter().enumerate() {
            if let Err(errno) = self.take_one(request) {
                refused.push((place, said(errno)));
            }
        }
        refused
    }

    fn take_one(&mut self, request: &Request) -> Result<(), Errno> {
        match request {
            Request::PutObject { id, object, replace } => self.put_object(*id, object, *replace),
            Request::DeleteObject { id } => {
                let (protocol, _) = self.objects.get(id).ok_or(Errno::NOENT)?;
                assert_eq!(*protocol, self.ours, "another's object is removed");
                let names = self.routes.values().any(|route| route.to == To::Object(*id));
                assert!(!names, "an object is removed that routes name");
                self.remove_object(*id);
                Ok(())
            }
            Request::PutRoute { prefix, priority, to, how } => {
                self.put_route(*prefix, *priority, to, *how)
            }
            Request::TakeOver { prefix, to, other } => {
                let key = (*prefix, other.priority);
                let before = self.routes.get(&key).cloned();
                self.put_route(*prefix, other.priority, to, How::Replace)?;
                if let Some(before) = before.filter(|before| before.protocol != self.ours) {
                    self.displaced.insert(key, before.protocol);
                }
                Ok(())
            }
            Request::GiveBack { prefix, other, how } => {
                assert_eq!(other.again.as_deref(), Some([other.protocol].as_slice()));
                let key = (*prefix, other.priority);
                match (self.routes.contains_key(&key), how) {
                    (true, How::Add) => return Err(Errno::EXIST),
                    (false, How::Replace) => return Err(Errno::NOENT),
                    _ => {}
                }
                assert_eq!(self.displaced.remove(&key), Some(other.protocol));
                self.remove_route(&key);
                self.routes.insert(key, Route { protocol: other.protocol, to: To::Blackhole });
                Ok(())
            }
            Request::DeleteRoute { prefix, priority } => {
                let key = (*prefix, *priority);
                let ours = self.routes.get(&key).is_some_and(|route| route.protocol == self.ours);
                if !ours {
                    return Err(Errno::SRCH);
                }
                self.remove_route(&key);
                Ok(())
            }
        }
    }

    fn put_object(&mut self, id: u32, object: &Object, replace: bool) -> Result<(), Errno> {
        if !self.has_objects {
            return Err(Errno::OPNOTSUPP);
        }
        match (self.objects.get(&id), replace) {
            (None, true) => return Err(Errno::NOENT),
            (Some(_), false) => return Err(Errno::EXIST),
            (Some((protocol, _)), true) => assert_eq!(*protocol, self.ours, "another's object"),
            (None, false) => {}
        }
        match object {
            Object::Hop(hop) => {
                assert!(hop.link.is_some(), "an object must name its link");
                if hop.via.is_some_and(|via| self.refuses.contains(&via)) {
                    return Err(Errno::HOSTUNREACH);
                }
            }
            Object::Group(members) => {
                for (id, _) in members {
                    if !matches!(self.objects.get(id), Some((_, Object::Hop(_)))) {
                        return Err(Errno::INVAL);
                    }
                }
            }
        }
        self.objects.insert(id, (self.ours, object.clone()));
        Ok(())
    }

    fn put_route(&mut self, prefix: Prefix, priority: u32, to: &To, how: How) -> Result<(), Errno> {
        match to {
            To::Object(id) if !self.objects.contains_key(id) => return Err(Errno::INVAL),
            To::Hops(hops) if hops.iter().any(|hop| self.is_refused(hop)) => {
                return Err(Errno::NETUNREACH);
            }
            _ => {}
        }
        let key = (prefix, priority);
        match (self.routes.get(&key), how) {
            (Some(_), How::Add) => return Err(Errno::EXIST),
            (None, How::Replace) => return Err(Errno::NOENT),
            // Another's may stand there since it was looked; the test's own steps come between
            // looks, so one that was seen is never replaced.
            (Some(_) | None, _) => {}
        }
        let before = self.routes.insert(key, Route { protocol: self.ours, to: to.clone() });
        // Replaced without being seen: what is put back in the end is the one that was.
        if let Some(before) = before.filter(|before| before.protocol != self.ours)
            && self.put_unseen.remove(&key)
        {
            self.displaced.insert(key, before.protocol);
        }
        Ok(())
    }

    fn is_refused(&self, hop: &KernelHop) -> bool {
        hop.via.is_some_and(|via| self.refuses.contains(&via))
    }

    fn remove_route(&mut self, key: &(Prefix, u32)) {
        self.routes.remove(key);
        if !self.prefixes_of(self.ours).contains(&key.0) {
            self.bare.insert(key.0);
        }
    }

    fn remove_object(&mut self, id: u32) {
        self.objects.remove(&id);
        let keys = self.routes.iter().filter(|(_, route)| route.to == To::Object(id));
        let keys: Vec<_> = keys.map(|(key, _)| *key).collect();
        for key in keys {
            self.remove_route(&key);
        }
        // Groups go on without it, and go with their last.
        let mut empty = Vec::new();
        for (group, (_, object)) in &mut self.objects {
            if let Object::Group(members) = object {
                members.retain(|(member, _)| *member != id);
                if members.is_empty() {
                    empty.push(*group);
                }
            }
        }
        for group in empty {
            self.remove_object(group);
        }
    }

    pub(super) fn listing(&mut self) -> (Vec<RouteRow>, Vec<ObjectRow>) {
        self.put_unseen.clear();
        let route = |((prefix, priority), route): (&(Prefix, u32), &Route)| RouteRow {
            prefix: *prefix,
            priority: *priority,
            protocol: route.protocol,
            special: false,
            to: route.to.clone(),
            again: (route.protocol != self.ours).then(|| [route.protocol].into()),
        };
        let object = |(id, (protocol, object)): (&u32, &(u8, Object))| ObjectRow {
            id: *id,
            protocol: *protocol,
            object: Some(object.clone()),
        };
        (self.routes.iter().map(route).collect(), self.objects.iter().map(object).collect())
    }

    pub(super) fn has(&self, prefix: &Prefix, priority: u32, protocol: u8) -> bool {
        let route = self.routes.get(&(*prefix, priority));
        route.is_some_and(|route| route.protocol == protocol)
    }

    pub(super) fn prefixes_of(&self, protocol: u8) -> BTreeSet<Prefix> {
        let routes = self.routes.iter().filter(|(_, route)| route.protocol == protocol);
        routes.map(|((prefix, _), _)| *prefix).collect()
    }

    /// Our routes with the hops of the objects that they name.
    pub(super) fn ours(&self) -> BTreeMap<Prefix, (u32, To)> {
        let mut ours = BTreeMap::new();
        for ((prefix, priority), route) in &self.routes {
            if route.protocol != self.ours {
                continue;
            }
            let to = match &route.to {
                To::Object(id) => self.hops_of(*id),
                to => to.clone(),
            };
            let before = ours.insert(*prefix, (*priority, to));
            assert_eq!(before, None, "{prefix} has two routes of ours");
        }
        ours
    }

    fn hops_of(&self, id: u32) -> To {
        let mut hops = match &self.objects[&id].1 {
            Object::Hop(hop) => vec![*hop],
            Object::Group(members) => members
                .iter()
                .map(|(id, weight)| match &self.objects[id].1 {
                    Object::Hop(hop) => KernelHop { weight: *weight, ..*hop },
                    Object::Group(_) => panic!("a group in a group"),
                })
                .collect(),
        };
        if let [sole] = hops.as_mut_slice() {
            sole.weight = 1;
        }
        hops.sort();
        To::Hops(hops.into())
    }

    pub(super) fn n_objects(&self, protocol: u8) -> usize {
        self.objects.values().filter(|(p, _)| *p == protocol).count()
    }

    /// Objects that neither a route nor a group names.
    pub(super) fn unnamed_objects(&self, protocol: u8) -> Vec<u32> {
        let in_group = |id: u32| {
            self.objects.values().any(|(_, object)| {
                matches!(object, Object::Group(members) if members.iter().any(|(m, _)| *m == id))
            })
        };
        let named = |id: u32| self.routes.values().any(|route| route.to == To::Object(id));
        let ours = self.objects.iter().filter(|(_, (p, _))| *p == protocol);
        ours.map(|(id, _)| *id).filter(|id| !named(*id) && !in_group(*id)).collect()
    }

    // What others do.

    /// Others' routes, also those that are displaced, and objects.
    pub(super) fn foreign(&self) -> (BTreeSet<(Prefix, u32)>, Vec<u32>) {
        let routes = self.routes.iter().filter(|(_, route)| route.protocol != self.ours);
        let routes = routes.map(|(key, _)| *key).chain(self.displaced.keys().copied());
        let objects = self.objects.iter().filter(|(_, (protocol, _))| *protocol != self.ours);
        (routes.collect(), objects.map(|(id, _)| *id).collect())
    }

    /// Another puts a route, where there is none.
    pub(super) fn put_foreign(&mut self, prefix: Prefix, priority: u32, protocol: u8) {
        let key = (prefix, priority);
        if let std::collections::btree_map::Entry::Vacant(free) = self.routes.entry(key) {
            free.insert(Route { protocol, to: To::Blackhole });
            // Who puts another means that one.
            if self.displaced.remove(&key).is_some() {
                self.put_unseen.insert(key);
            }
        }
    }

    pub(super) fn remove_foreign(&mut self, prefix: Prefix, priority: u32) {
        let ours = self.ours;
        self.routes.retain(|key, route| *key != (prefix, priority) || route.protocol == ours);
    }

    pub(super) fn put_foreign_object(&mut self, id: u32) {
        let hop = KernelHop { via: None, link: Some(1), onlink: false, v6: false, weight: 1 };
        self.objects.insert(id, (4, Object::Hop(hop)));
    }

    pub(super) fn lose_route(&mut self, prefix: Prefix) {
        let ours = self.ours;
        self.routes.retain(|(p, _), route| *p != prefix || route.protocol != ours);
    }

    pub(super) fn lose_object(&mut self, n: u8) {
        let ours = self.objects.iter().filter(|(_, (protocol, _))| *protocol == self.ours);
        let id = ours.map(|(id, _)| *id).nth(usize::from(n));
        if let Some(id) = id {
            self.remove_object(id);
        }
    }
}
