//! "Resolves through": next hops that are destinations of another table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rutter_route::{ClusterId, NextHop, Now, Prefix, Resolution, Service, TableName};

use crate::policy::HopKind;
use crate::table::{Changes, LongestMatch, Progress, ViewId};

use super::{Book, Kind, Resolve};

/// A link between two tables, and the next hops that go over it.
#[derive(Debug)]
pub(super) struct Resolving {
    pub(super) spec: Resolve,
    /// Hops with an address, by address: a prefix that changes asks for a range of them. A hop
    /// that no route names any more leaves when it is next asked for.
    by_address: BTreeMap<IpAddr, BTreeSet<NextHop>>,
}

impl Resolving {
    pub(super) fn new(spec: Resolve) -> Self {
        Self { spec, by_address: BTreeMap::new() }
    }
}

impl Book {
    /// Answers for next hops that came since the last time.
    pub(super) fn answer_asked<D: Kind>(&mut self, now: Now, name: &TableName) -> Progress {
        let Some(table) = D::tables_mut(self).get_mut(name) else { return Progress::Done };
        let asked = table.hops_to_resolve();
        let progress = if asked.is_empty() { Progress::Done } else { Progress::More };
        for hop in asked {
            let kind = HopKind::of(&hop);
            let link = self.resolves.iter_mut();
            let link = link.filter(|r| r.spec.table == *name).find(|r| r.spec.hops == kind);
            let Some(link) = link else { continue };
            let through = link.spec.through.clone();
            if let Some(address) = hop.address() {
                link.by_address.entry(address).or_default().insert(hop.clone());
            }
            let is = self.resolve(&through, &hop);
            if let Some(table) = D::tables_mut(self).get_mut(name) {
                table.next_hop(now, &hop, is);
            }
        }
        progress
    }

    /// A table changed: those that resolve through it learn of it.
    pub(super) fn carry_on<D: Kind>(
        &mut self,
        now: Now,
        through: &TableName,
        changes: &Changes<D>,
    ) {
        if changes.changes.is_empty() {
            return;
        }
        for at in 0..self.resolves.len() {
            let Some(link) = self.resolves.get(at).filter(|r| r.spec.through == *through) else {
                continue;
            };
            let table = link.spec.table.clone();
            let mut hops = BTreeSet::new();
            let default = changes.changes.iter().filter(|c| c.view == ViewId::DEFAULT);
            for change in default {
                hops.extend(hops_under(link, &change.destination));
            }
            for hop in hops {
                let is = self.resolve(through, &hop);
                let used = self.tell_hop(now, &table, &hop, is);
                if !used
                    && let Some(link) = self.resolves.get_mut(at)
                    && let Some(address) = hop.address()
                    && let Some(set) = link.by_address.get_mut(&address)
                {
                    set.remove(&hop);
                    if set.is_empty() {
                        link.by_address.remove(&address);
                    }
                }
            }
        }
    }

    fn tell_hop(&mut self, now: Now, table: &TableName, hop: &NextHop, is: Resolution) -> bool {
        if let Some(table) = Service::tables_mut(self).get_mut(table) {
            return table.next_hop(now, hop, is);
        }
        if let Some(table) = Prefix::tables_mut(self).get_mut(table) {
            return table.next_hop(now, hop, is);
        }
        let table = ClusterId::tables_mut(self).get_mut(table);
        table.is_some_and(|table| table.next_hop(now, hop, is))
    }

    /// Whether a next hop can be reached, as the table it is looked up in selected last.
    fn resolve(&self, through: &TableName, hop: &NextHop) -> Resolution {
        let unresolved = |why: String| Resolution::Unresolved { why };
        if let NextHop::Cluster(cluster) = hop {
            let table = self.table::<ClusterId>(through);
            let best = table.is_some_and(|t| t.selected(cluster, ViewId::DEFAULT).best().is_some());
            return match best {
                true => Resolution::Resolved,
                false => unresolved(format!("`{through}` has no route to the cluster {cluster}")),
            };
        }
        let Some(address) = hop.address() else {
            // A host name is looked up by whoever connects.
            return Resolution::Resolved;
        };
        match self.table::<Prefix>(through).map(|t| t.longest_match(address, ViewId::DEFAULT)) {
            Some(LongestMatch::Route(_, best)) if best.attributes.next_hop != NextHop::Discard => {
                Resolution::Resolved
            }
            Some(LongestMatch::Route(prefix, _)) => {
                unresolved(format!("`{through}` discards {prefix}"))
            }
            Some(LongestMatch::Unreachable(prefix)) => {
                unresolved(format!("{prefix} is unreachable in `{through}`"))
            }
            Some(LongestMatch::None) | None => {
                unresolved(format!("`{through}` has no route to {address}"))
            }
        }
    }
}

/// The next hops that may resolve otherwise since a destination changed.
fn hops_under<D: Kind>(link: &Resolving, destination: &D) -> Vec<NextHop> {
    if let Some(cluster) = destination.as_cluster() {
        return vec![NextHop::Cluster(cluster.clone())];
    }
    let Some(prefix) = destination.as_prefix() else { return Vec::new() };
    let range = link.by_address.range(prefix.address()..=prefix.last_address());
    range.flat_map(|(_, hops)| hops.iter().cloned()).collect()
}
