//! Announcements, into the tables.

use rutter_rib::{Book, Heard, Kind};
use rutter_route::{
    Advertisement, Attributes, ClusterId, DestinationKind, NextHop, Now, PathId, PathStep, Prefix,
    Refused, Service, Standing, Tags, Verdict,
};
use smallvec::SmallVec;

use super::From;
use super::claimed::{Claimed, Wanted};
use crate::speaker::bars::BarKey;
use crate::speaker::refuse::Taken;
use crate::speaker::waiting::Verdicts;
use crate::speaker::{Output, ScopeSpec, Speaker, Weakness};
use crate::stats::Reason;
use crate::wire::{Announced, Announcement};

/// What is the same for all routes of an announcement.
struct Said {
    from: From,
    path: SmallVec<[ClusterId; 4]>,
    /// Why none of them may stand, if that is so.
    schema: Option<Reason>,
    originator: ClusterId,
    /// Without the originator's own tags.
    attributes: Attributes,
    /// The same with the tags that the last route had of its originator.
    with_tags: Option<(Tags, Attributes)>,
    standing: Standing,
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
        let Some((spec, from)) = self.carried(by, &said.scope) else {
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
            path_list: self.steps(&path, &spec),
            ..Attributes::via(self.next_hop_of(&spec, by, &originator))
        };
        let schema = self.schema(by, &path);
        let mut said =
            Said { from, path, schema, originator, attributes, with_tags: None, standing };
        let taken = match spec.kind {
            DestinationKind::Cluster => {
                self.take::<ClusterId>(now, book, &mut said, routes, verdicts)
            }
            DestinationKind::Service => {
                self.take::<Service>(now, book, &mut said, routes, verdicts)
            }
            DestinationKind::Prefix => self.take::<Prefix>(now, book, &mut said, routes, verdicts),
        };
        self.warn_near_limit(book, by, &spec, out);
        self.count_taken(now, by, &scope, &said.path, taken, out);
    }

    /// The path list: the originator's table first, the advertiser's last, so that this table's own
    /// loop check finds this cluster in it.
    fn steps(&self, path: &[ClusterId], spec: &ScopeSpec) -> Vec<PathStep> {
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

    fn take<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &mut Said,
        routes: Vec<Announced>,
        verdicts: Verdicts<'_>,
    ) -> Taken {
        let mut taken = Taken::default();
        for (place, route) in routes.into_iter().enumerate() {
            let Some(destination) = D::from_any(&route.destination) else {
                taken.refused.push((Reason::Malformed, route.destination));
                continue;
            };
            let good = verdicts.at(place);
            match self.take_one(now, book, said, &destination, &route, good) {
                Ok(standing @ (Standing::Denied | Standing::Held)) => {
                    let reason = self.why_barred(now, book, said, &destination, &route, standing);
                    taken.barred.push((reason, route.destination));
                }
                Ok(_) => taken.n_accepted += 1,
                Err(reason) => {
                    self.treat_as_withdrawn(now, book, said, &destination, &route);
                    taken.refused.push((reason, route.destination));
                }
            }
        }
        taken
    }

    /// One route. A reason: it may not stand.
    fn take_one<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &mut Said,
        destination: &D,
        route: &Announced,
        good: Option<bool>,
    ) -> Result<Standing, Reason> {
        if let Some(reason) = said.schema {
            return Err(reason);
        }
        let claim = route.claim.as_ref();
        let wanted = Wanted {
            by: &said.from.by,
            scope: &said.from.scope,
            originator: &said.originator,
            destination: &route.destination,
        };
        let claimed = self.claimed(now, book, wanted, claim, good);
        if let Claimed::Refused(reason) = claimed {
            return Err(reason);
        }
        self.within_limit(book, &said.from, destination, &route.path_id)?;
        match (claimed, claim) {
            (Claimed::Unknown, Some(claim)) => {
                let key = said.bar_key(route);
                if !self.bar(now, book, key, claim) {
                    return Err(Reason::UnknownKey);
                }
            }
            _ if self.bars.is_empty() => {}
            _ => self.lift(now, book, &said.bar_key(route)),
        }
        let attributes = said.attributes_with(claim.map(|c| &c.tags))?.clone();
        let Some(table) = book.table_mut::<D>(&said.from.table) else {
            return Err(Reason::UnknownScope);
        };
        let advertisement = Advertisement {
            destination: destination.clone(),
            path: route.path_id.clone(),
            attributes,
            lease: None,
            standing: said.standing,
        };
        match table.advertise(now, &said.from.session, advertisement) {
            Verdict::Stands(standing) => Ok(standing),
            Verdict::Refused(Refused::Loop) => Err(Reason::Loop),
            Verdict::Refused(Refused::OldSession { .. }) => Err(Reason::Replay),
            Verdict::Refused(_) => Err(self.over_bound(&said.from)),
        }
    }

    /// What stood of the same (destination, path id) its neighbour has replaced.
    fn treat_as_withdrawn<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &Said,
        destination: &D,
        route: &Announced,
    ) {
        if let Some(table) = book.table_mut::<D>(&said.from.table) {
            table.withdraw(now, &said.from.session, destination, &route.path_id);
        }
        if !self.bars.is_empty() {
            self.lift(now, book, &said.bar_key(route));
        }
    }

    /// Whether the neighbour may have one route more, if this is one more.
    fn within_limit<D: Kind>(
        &mut self,
        book: &Book,
        from: &From,
        destination: &D,
        path: &PathId,
    ) -> Result<(), Reason> {
        let most = self.neighbours.get(&from.by).map_or(0, |n| n.spec.max_routes);
        let Some(table) = book.table::<D>(&from.table) else { return Ok(()) };
        if table.routes_of(&from.source) < most {
            return Ok(());
        }
        let is_it = |h: &Heard<'_>| *h.source == from.source && h.path == path;
        match table.heard(destination).iter().any(is_it) {
            true => Ok(()),
            false => Err(self.over_bound(from)),
        }
    }

    /// A bound has refused a route: when there is room its neighbour is asked for it.
    fn over_bound(&mut self, from: &From) -> Reason {
        if let Some(neighbour) = self.neighbours.get_mut(&from.by) {
            neighbour.over.insert(from.scope.clone());
        }
        Reason::Limit
    }

    /// Why a route that is in the table is barred.
    fn why_barred<D: Kind>(
        &self,
        now: Now,
        book: &Book,
        said: &mut Said,
        destination: &D,
        route: &Announced,
        standing: Standing,
    ) -> Reason {
        if standing == Standing::Held {
            let table = book.table::<D>(&said.from.table);
            let source = &said.from.source;
            let held = table.and_then(|t| t.held_by(now, source, destination, &route.path_id));
            return if held == Some("hold-down") { Reason::HoldDown } else { Reason::Suppressed };
        }
        if self.is_barred(&said.bar_key(route)) {
            return Reason::UnknownKey;
        }
        let own = route.claim.as_ref().map(|c| &c.tags);
        let (by, scope) = (said.from.by.clone(), said.from.scope.clone());
        match said.attributes_with(own) {
            Ok(received) => self.why_denied(&by, &scope, &route.destination, received),
            Err(_) => Reason::Policy,
        }
    }
}

impl Said {
    fn bar_key(&self, route: &Announced) -> BarKey {
        BarKey {
            scope: self.from.scope.clone(),
            destination: route.destination.clone(),
            by: self.from.by.clone(),
            path: route.path_id.clone(),
        }
    }

    /// The attributes with the originator's own tags. Routes beside each other mostly have the same.
    fn attributes_with(&mut self, own: Option<&Tags>) -> Result<&Attributes, Reason> {
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
