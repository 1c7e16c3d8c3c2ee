//! Announcements, into the tables.

use std::sync::Arc;

use rutter_rib::Book;
use rutter_route::{
    Attributes, ClusterId, DestinationKind, NextHop, Now, PathList, PathStep, Prefix, Service,
    Standing, Tags,
};

use super::From;
use crate::speaker::bars::BarKey;
use crate::speaker::refuse::Taken;
use crate::speaker::waiting::Verdicts;
use crate::speaker::{Output, ScopeSpec, Speaker, Weakness};
use crate::stats::Reason;
use crate::wire::{Announced, Announcement};

/// What is the same for all routes of an announcement.
pub(super) struct Said {
    pub(super) from: Arc<From>,
    /// Why none of them may stand, if that is so.
    pub(super) schema: Option<Reason>,
    pub(super) originator: ClusterId,
    /// Without the originator's own tags.
    attributes: Attributes,
    /// The same with the tags that the last route had of its originator.
    with_tags: Option<(Tags, Attributes)>,
    pub(super) standing: Standing,
}

impl Speaker {
    /// Routes that stand from now on.
    pub(super) fn announced(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        said: Announcement,
        verdicts: Verdicts<'_>,
        out: &mut Vec<Output>,
    ) {
        let Some(from) = self.carried(by, &said.scope) else {
            let refused = said.routes.into_iter().map(|r| (Reason::UnknownScope, r.destination));
            let taken = Taken { refused: refused.collect(), ..Taken::default() };
            return self.count_taken(now, by, &said.scope, &said.path, taken, out);
        };
        let Announcement { scope, path, metrics, tags, standing, routes } = said;
        let originator = path.last().cloned().unwrap_or_else(|| by.clone());
        let attributes = Attributes {
            hops: metrics.hops,
            latency_us: metrics.latency_us,
            bandwidth_kbps: metrics.bandwidth_kbps,
            reliability_ppm: metrics.reliability_ppm,
            cost: metrics.cost,
            tags,
            path_list: self.steps(&path, &from.spec),
            ..Attributes::via(self.next_hop_of(&from.spec, by, &originator))
        };
        let schema = self.schema(by, &path);
        let kind = from.spec.kind;
        let mut said = Said { from, schema, originator, attributes, with_tags: None, standing };
        let taken = match kind {
            DestinationKind::Cluster => {
                self.take::<ClusterId>(now, book, &mut said, &routes, verdicts)
            }
            DestinationKind::Service => {
                self.take::<Service>(now, book, &mut said, &routes, verdicts)
            }
            DestinationKind::Prefix => self.take::<Prefix>(now, book, &mut said, &routes, verdicts),
        };
        self.warn_near_limit(book, by, &said.from.spec, out);
        self.count_taken(now, by, &scope, &path, taken, out);
    }

    /// The path list: the originator's table first, the advertiser's last, so that this table's own
    /// loop check finds this cluster in it.
    fn steps(&self, path: &[ClusterId], spec: &ScopeSpec) -> PathList {
        let unchecked = self.is_weak(Weakness::Loops).then(|| "unchecked".parse().ok()).flatten();
        let table = unchecked.unwrap_or_else(|| spec.table.clone());
        let step = |c: &ClusterId| PathStep { cluster: c.clone(), table: table.clone() };
        path.iter().rev().map(step).collect()
    }

    /// What is wrong with a path, whatever it leads to.
    fn schema(&self, by: &ClusterId, path: &[ClusterId]) -> Option<Reason> {
        let own = &self.config.cluster;
        let Some(advertiser) = path.first() else { return Some(Reason::EmptyPath) };
        if advertiser != by {
            return Some(Reason::AdvertiserMismatch);
        }
        if path.last() == Some(own) {
            return Some(Reason::Itself);
        }
        let again = |at: usize, cluster: &ClusterId| path.iter().skip(at + 1).any(|c| c == cluster);
        let looped = path.iter().enumerate().any(|(at, c)| c == own || again(at, c));
        (looped && !self.is_weak(Weakness::Loops)).then_some(Reason::Loop)
    }

    /// Clusters are reached by the neighbour; what is in them by the cluster, which the fabric's own
    /// table resolves.
    fn next_hop_of(&self, spec: &ScopeSpec, by: &ClusterId, originator: &ClusterId) -> NextHop {
        if spec.kind != DestinationKind::Cluster {
            return NextHop::Cluster(originator.clone());
        }
        let configured = self.neighbours.get(by).and_then(|n| n.spec.next_hop.clone());
        configured.unwrap_or_else(|| NextHop::Cluster(by.clone()))
    }
}

impl Said {
    pub(super) fn bar_key(&self, route: &Announced) -> BarKey {
        BarKey {
            scope: self.from.spec.scope.clone(),
            destination: route.destination.clone(),
            by: self.from.by.clone(),
            path: route.path_id.clone(),
        }
    }

    /// The attributes with the originator's own tags. Routes beside each other mostly have the same.
    pub(super) fn attributes_with(&mut self, own: Option<&Tags>) -> Result<&Attributes, Reason> {
        let Some(own) = own.filter(|tags| !tags.is_empty()) else { return Ok(&self.attributes) };
        let known = self.with_tags.as_ref().is_some_and(|(tags, _)| tags == own);
        if !known {
            let mut attributes = self.attributes.clone();
            for tag in own.iter() {
                attributes.tags.insert(tag.clone()).map_err(|_| Reason::Limit)?;
            }
            self.with_tags = Some((own.clone(), attributes));
        }
        Ok(self.with_tags.as_ref().map_or(&self.attributes, |(_, attributes)| attributes))
    }
}
