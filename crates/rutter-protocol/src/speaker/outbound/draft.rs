//! From what outlets yield to messages.

use hashbrown::HashMap;
use rutter_rib::{Book, Depth, Kind, Outlet, Tell, ToldRoute};
use rutter_route::{AnyDestination, Attributes, ClusterId, Now, PathId, Standing, TableName, Tags};
use smallvec::SmallVec;

use super::super::neighbour::AnyOutlet;
use super::super::own::{Own, Signer, Wanted};
use super::super::{Output, Speaker};
use super::{Outbox, TELLS, Told, ToldOf};
use crate::claims::Claims;
use crate::wire::{Announced, Announcement, Message, Metrics, Scope, Withdrawal, Withdrawn};

/// What is to be said, and the own claims that it waits for.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) messages: Vec<Message>,
    pub(super) awaits: std::collections::BTreeSet<(Scope, AnyDestination)>,
}

impl Draft {
    /// Takes this cluster's own route to a destination out.
    pub(super) fn drop_own(&mut self, scope: &Scope, on: &AnyDestination) {
        for message in &mut self.messages {
            if let Message::Announce(announcement) = message
                && announcement.scope == *scope
                && announcement.path.len() == 1
            {
                announcement.routes.retain(|route| route.destination != *on);
            }
        }
    }
}

/// The longest path id that is told as it is, in bytes.
const PATH_ID: usize = 64;

type Path = SmallVec<[ClusterId; 4]>;

impl Speaker {
    /// Looks up what there is to say to a neighbour, within the bounds of a draft.
    pub(super) fn draft(&mut self, now: Now, book: &Book, to: &ClusterId, out: &mut Vec<Output>) {
        let signer = self.signer(now);
        let deferred = self.deferred(book, to);
        let Self { config, neighbours, claims, keys, own, last_ticket, .. } = self;
        let Some(neighbour) = neighbours.get_mut(to) else { return };
        let outbox = &mut neighbour.outbox;
        let mut draft = Draft::default();
        for of in std::mem::take(&mut outbox.keys) {
            draft.messages.extend(keys.set_of(&of).cloned().map(Message::Keys));
        }
        let wants = std::mem::take(&mut outbox.wants);
        draft.messages.extend(wants.into_iter().map(Message::Refresh));
        let mut room = TELLS;
        for (scope, outlet) in &mut neighbour.outlets {
            let Some(spec) = config.scopes.iter().find(|s| s.scope == *scope) else { continue };
            let told = outbox.told.entry(scope.clone()).or_default();
            let signer = signer.clone();
            let own = &mut *own;
            let ask = (&mut *last_ticket, &mut *out);
            let cluster = &config.cluster;
            let refused = &mut outbox.refused;
            let ends = &mut outbox.ends;
            let draft = &mut draft;
            let mut scribe = Scribe {
                now,
                cluster,
                scope,
                claims,
                own,
                signer,
                ask,
                told,
                refused,
                ends,
                draft,
            };
            room -= match outlet {
                AnyOutlet::Clusters(outlet) => scribe.scope(outlet, book, &spec.table, room),
                AnyOutlet::Services(outlet) => scribe.scope(outlet, book, &spec.table, room),
                AnyOutlet::Prefixes(outlet) => scribe.scope(outlet, book, &spec.table, room),
            };
            // Behind all that is known by now.
            if outlet.is_idle(now) && !deferred.contains(scope) {
                scribe.end();
            }
            if room == 0 {
                break;
            }
        }
        alone(outbox, own, claims, &config.cluster, &mut draft);
        if !draft.messages.is_empty() {
            outbox.draft = Some(draft);
        }
    }
}

/// Claims that are sent without a route.
fn alone(outbox: &mut Outbox, own: &Own, claims: &Claims, cluster: &ClusterId, draft: &mut Draft) {
    for (scope, by, on) in std::mem::take(&mut outbox.held) {
        let held = claims.get(&scope, &by, &on);
        draft.messages.extend(held.map(|held| Message::Held(scope, held.claim.clone())));
    }
    for _ in 0..TELLS {
        let Some((scope, by, on)) = outbox.renewals.pop_first() else { return };
        let claim = match by == *cluster {
            true => own.claim(&scope, &on),
            false => claims.get(&scope, &by, &on).filter(|h| h.verified).map(|h| &h.claim),
        };
        let Some(claim) = claim else { continue };
        // What was withdrawn to the neighbour took the claim along. Where something else stands for
        // it, only the end of a claim is of interest.
        let rests = match outbox.told_of(&scope, &on) {
            None => continue,
            Some(originator) => *originator == by,
        };
        if rests || claim.withdrawn {
            draft.messages.push(Message::Renew(scope, claim.clone()));
        }
    }
}

/// Writes down what one scope's outlet yields.
struct Scribe<'a> {
    now: Now,
    cluster: &'a ClusterId,
    scope: &'a Scope,
    claims: &'a Claims,
    own: &'a mut Own,
    signer: Signer,
    ask: (&'a mut u64, &'a mut Vec<Output>),
    told: &'a mut Told,
    refused: &'a mut std::collections::BTreeSet<(Scope, AnyDestination)>,
    ends: &'a mut std::collections::BTreeSet<Scope>,
    draft: &'a mut Draft,
}

/// Announcements by what their routes have in common.
#[derive(Default)]
struct Groups {
    list: Vec<Announcement>,
    by: HashMap<(Path, Metrics, Tags, Standing), usize, foldhash::fast::FixedState>,
}

impl Scribe<'_> {
    /// Says how much room it took.
    fn scope<D: Kind>(
        &mut self,
        outlet: &mut Outlet<D>,
        book: &Book,
        table: &TableName,
        room: usize,
    ) -> usize {
        let Some(table) = book.table::<D>(table) else { return 0 };
        if outlet.is_idle(self.now) {
            return 0;
        }
        let deep = !matches!(outlet.spec().depth, Depth::Best);
        let batch = outlet.next(self.now, table, room);
        if batch.begin_snapshot {
            // What isn't said until its end falls away at the neighbour by itself.
            self.told.clear();
            self.ends.remove(self.scope);
            self.draft.messages.push(Message::BeginRefresh(self.scope.clone()));
        }
        let n = batch.tells.len();
        let mut groups = Groups::default();
        let mut withdrawn = Vec::new();
        for tell in batch.tells {
            match tell {
                Tell::Advertise { destination, routes, .. } => {
                    let on = destination.to_any();
                    match self.advertise(&on, routes, deep, &mut groups) {
                        Ok(gone) => withdrawn.extend(gone),
                        Err(why) => {
                            self.refused.insert((self.scope.clone(), on));
                            outlet.refused(self.now, &destination, why);
                        }
                    }
                }
                Tell::Withdraw { destination, .. } => {
                    withdrawn.extend(self.withdraw(destination.to_any()));
                }
            }
        }
        if !withdrawn.is_empty() {
            let withdrawal = Withdrawal { scope: self.scope.clone(), routes: withdrawn };
            self.draft.messages.push(Message::Withdraw(withdrawal));
        }
        self.draft.messages.extend(groups.list.into_iter().map(Message::Announce));
        if batch.end_of_snapshot {
            self.ends.insert(self.scope.clone());
        }
        n
    }

    /// The neighbour was told all that there is, if that is to be said.
    fn end(&mut self) {
        if self.ends.remove(self.scope) {
            self.draft.messages.push(Message::EndOfRefresh(self.scope.clone()));
        }
    }

    /// Writes a destination's routes into their groups; returns paths that were told and aren't
    /// among them any more.
    fn advertise(
        &mut self,
        on: &AnyDestination,
        routes: Vec<ToldRoute>,
        deep: bool,
        groups: &mut Groups,
    ) -> Result<Vec<Withdrawn>, &'static str> {
        let mut paths = SmallVec::new();
        let mut first = None;
        for route in routes {
            let path = self.path_of(&route.attributes);
            let originator = path.last().unwrap_or(self.cluster).clone();
            let tags = self.tags_of(on, &path, &originator, &route.attributes)?;
            let path_id = if deep { path_id(&route) } else { PathId::default() };
            paths.push(path_id.clone());
            let metrics = metrics_of(&route.attributes, path.len() == 1);
            let announced = Announced { destination: on.clone(), path_id, claim: None };
            groups.add(self.scope, (path, metrics, tags, route.standing), announced);
            first.get_or_insert(originator);
        }
        let Some(originator) = first else { return Ok(Vec::new()) };
        let before = self.told.insert(on.clone(), ToldOf { originator, paths });
        let Some(before) = before else { return Ok(Vec::new()) };
        let paths = self.told.get(on).map(|t| &t.paths);
        let gone = |id: &PathId| paths.is_none_or(|paths| !paths.contains(id));
        let gone = before.paths.iter().filter(|id| gone(id));
        Ok(gone.map(|id| self.withdrawn(on, id, &before.originator)).collect())
    }

    fn withdraw(&mut self, on: AnyDestination) -> Vec<Withdrawn> {
        // What it wasn't told, for want of a claim, needs no withdrawal.
        let Some(told) = self.told.remove(&on) else { return Vec::new() };
        if self.own.is_ending(self.scope, &on) {
            self.draft.awaits.insert((self.scope.clone(), on.clone()));
        }
        told.paths.iter().map(|id| self.withdrawn(&on, id, &told.originator)).collect()
    }

    /// The originator's own withdrawal goes along where it is known.
    fn withdrawn(&self, on: &AnyDestination, id: &PathId, originator: &ClusterId) -> Withdrawn {
        let held = self.claims.get(self.scope, originator, on);
        let claim = held.filter(|h| h.verified && h.claim.withdrawn).map(|h| h.claim.clone());
        Withdrawn { destination: on.clone(), path_id: id.clone(), claim }
    }

    /// The clusters that a route leads through: this one first, the originator last.
    fn path_of(&self, attributes: &Attributes) -> Path {
        let through = attributes.path_list.iter().rev().map(|step| &step.cluster);
        let others = through.filter(|cluster| *cluster != self.cluster);
        std::iter::once(self.cluster).chain(others).cloned().collect()
    }

    /// Tags beside the originator's own, which its claim has. An own route's claim is asked for.
    fn tags_of(
        &mut self,
        on: &AnyDestination,
        path: &Path,
        originator: &ClusterId,
        attributes: &Attributes,
    ) -> Result<Tags, &'static str> {
        let all = &attributes.tags;
        if path.len() > 1 {
            let claim = self.claims.get(self.scope, originator, on).map(|h| &h.claim);
            return Ok(claim.map_or_else(|| all.clone(), |claim| beside(all, &claim.tags)));
        }
        let (last_ticket, out) = &mut self.ask;
        match self.own.want(self.now, self.scope, on, all, &self.signer, last_ticket, out) {
            Wanted::None => Ok(all.clone()),
            Wanted::Signed => Ok(Tags::default()),
            Wanted::Asked => {
                self.draft.awaits.insert((self.scope.clone(), on.clone()));
                Ok(Tags::default())
            }
            Wanted::NoKey => Err("this cluster has no key that its claims could be signed by"),
        }
    }
}

fn beside(all: &Tags, claimed: &Tags) -> Tags {
    let mut tags = all.clone();
    claimed.iter().for_each(|tag| tags.remove(tag));
    tags
}

fn metrics_of(attributes: &Attributes, own: bool) -> Metrics {
    Metrics {
        hops: if own { 0 } else { attributes.hops },
        latency_us: attributes.latency_us,
        bandwidth_kbps: attributes.bandwidth_kbps,
        reliability_ppm: attributes.reliability_ppm,
        cost: attributes.cost,
    }
}

/// Names one of several paths: the source, and its path id if it has one.
fn path_id(route: &ToldRoute) -> PathId {
    let mut text = route.route.source.to_string();
    if !route.route.path.is_empty() {
        text.push('/');
        text.push_str(route.route.path.as_str());
    }
    if text.len() > PATH_ID {
        // A way through many clusters names them all: it is told apart by a digest.
        let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        text = crate::hex::encode(digest.get(..16).unwrap_or_default());
    }
    text.parse().unwrap_or_default()
}

impl Groups {
    fn add(
        &mut self,
        scope: &Scope,
        common: (Path, Metrics, Tags, Standing),
        announced: Announced,
    ) {
        let at = match self.by.get(&common) {
            Some(at) => *at,
            None => {
                let (path, metrics, tags, standing) = common.clone();
                let routes = Vec::new();
                let scope = scope.clone();
                self.list.push(Announcement { scope, path, metrics, tags, standing, routes });
                self.by.insert(common, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        if let Some(announcement) = self.list.get_mut(at) {
            announcement.routes.push(announced);
        }
    }
}
