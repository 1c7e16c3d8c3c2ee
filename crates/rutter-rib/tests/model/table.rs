//! The model of a table: raw facts in maps, everything else derived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rutter_rib::{HopKind, OnWithdraw, Policy, ViewSpec};
use rutter_route::*;

/// Milliseconds in which the table reckons.
pub const TICK: u64 = 100;

/// The first tick at or after a moment.
fn up(ms: u64) -> u64 {
    ms.div_ceil(TICK) * TICK
}

pub fn ms(d: Duration) -> u64 {
    d.as_millis() as u64
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Up,
    Draining,
    Offline,
    Stale,
    Gone,
}

#[derive(Debug, Clone)]
pub struct Source {
    pub incarnation: u64,
    pub info: SourceInfo,
    pub phase: Phase,
    /// When its lease, or its time as stale, ends.
    pub ends: Option<u64>,
    /// Counts refreshes and sessions.
    pub stamp: u64,
    /// Routes said before this stamp are another session's.
    pub session_stamp: u64,
    pub refreshing: bool,
    /// Routes of another session are stale until a refresh ends.
    pub carried_over: bool,
    pub verdicts: BTreeMap<String, (bool, Health)>,
}

#[derive(Debug, Clone)]
pub struct Route {
    pub received: Attributes,
    pub own_end: Option<u64>,
    pub carried: Standing,
    pub stamp: u64,
    pub verdicts: BTreeMap<String, (bool, Health)>,
}

/// What a decision is on, of a source's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum On<D> {
    Path(D, PathId),
    Destination(D),
    Source,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    pub approval: Option<(bool, By)>,
    pub preference: Option<(u32, By)>,
    pub drain: Option<By>,
}

#[derive(Debug, Clone, Default)]
pub struct Flaps {
    /// Every flap: when, and whether a mere change.
    pub history: Vec<(u64, bool)>,
    pub hold_down_until: u64,
}

#[derive(Debug, Clone)]
pub struct Incumbent {
    pub key: RouteKey,
    pub nominated: bool,
    pub until: Option<u64>,
}

#[derive(Debug)]
pub struct Model<D> {
    pub name: TableName,
    pub cluster: ClusterId,
    pub now: u64,
    pub policy: Policy,
    pub sources: BTreeMap<SourceId, Source>,
    pub routes: BTreeMap<(D, RouteKey), Route>,
    pub decisions: BTreeMap<(SourceId, On<D>), Decided>,
    /// Verdicts on next hops that some route names.
    pub hops: BTreeMap<NextHop, bool>,
    pub flaps: BTreeMap<(D, RouteKey), Flaps>,
    pub views: BTreeMap<ViewName, ViewSpec>,
    pub incumbents: BTreeMap<(ViewName, D), Incumbent>,
    pub awaited: BTreeMap<(ViewName, D), (RouteKey, Option<u64>)>,
}

impl<D: Destination> Model<D> {
    pub fn new(name: TableName, cluster: ClusterId, policy: Policy, now: u64) -> Self {
        Self {
            name,
            cluster,
            now,
            policy,
            sources: BTreeMap::new(),
            routes: BTreeMap::new(),
            decisions: BTreeMap::new(),
            hops: BTreeMap::new(),
            flaps: BTreeMap::new(),
            views: BTreeMap::from([(ViewName::default(), ViewSpec::default())]),
            incumbents: BTreeMap::new(),
            awaited: BTreeMap::new(),
        }
    }

    fn keys_of(&self, source: &SourceId) -> Vec<(D, RouteKey)> {
        self.routes.keys().filter(|(_, k)| k.source == *source).cloned().collect()
    }

    // What a source says.

    pub fn source(&mut self, s: &Session, to: &SourceState) -> Result<(), Refused> {
        let phase = match to {
            SourceState::Up(_) => Phase::Up,
            SourceState::Draining => Phase::Draining,
            SourceState::Offline { .. } => Phase::Offline,
            SourceState::KeepStale { .. } => Phase::Stale,
            SourceState::Gone => Phase::Gone,
        };
        let Some(known) = self.sources.get(&s.source) else {
            if phase != Phase::Up {
                return Err(Refused::OldSession { current: None });
            }
            self.sources.insert(
                s.source.clone(),
                Source {
                    incarnation: s.incarnation.0,
                    info: SourceInfo::default(),
                    phase: Phase::Gone,
                    ends: None,
                    stamp: 0,
                    session_stamp: 0,
                    refreshing: false,
                    carried_over: false,
                    verdicts: BTreeMap::new(),
                },
            );
            return self.source(s, to);
        };
        let older = s.incarnation.0 < known.incarnation;
        let newer = s.incarnation.0 > known.incarnation;
        if older || (newer && phase != Phase::Up) {
            let current = Some(Incarnation(known.incarnation));
            return Err(Refused::OldSession { current });
        }
        if known.phase == Phase::Gone && phase != Phase::Up {
            return Err(Refused::OldSession { current: None });
        }
        let was = known.phase;
        let n_routes = self.keys_of(&s.source).len();
        let now = self.now;
        let source = self.sources.get_mut(&s.source).unwrap();
        source.phase = phase;
        match to {
            SourceState::Up(info) => {
                if newer && n_routes > 0 {
                    source.stamp += 1;
                    source.session_stamp = source.stamp;
                    source.carried_over = true;
                }
                if newer {
                    source.refreshing = false;
                }
                source.incarnation = s.incarnation.0;
                source.info = info.clone();
                source.verdicts.clear();
                source.ends = info.lease.map(|l| up(now + ms(l)));
                self.approve_by_rules(Some(&s.source), None);
            }
            SourceState::Draining => {
                if !matches!(was, Phase::Up | Phase::Draining) {
                    source.ends = source.info.lease.map(|l| up(now + ms(l)));
                }
            }
            SourceState::Offline { .. } => {
                source.refreshing = false;
                if was == Phase::Stale {
                    source.ends = None;
                }
                if matches!(was, Phase::Up | Phase::Draining) {
                    for key in self.keys_of(&s.source) {
                        self.flap(key, false);
                    }
                }
            }
            SourceState::KeepStale { for_ } => {
                source.refreshing = false;
                source.ends = Some(up(now + ms(*for_)));
            }
            SourceState::Gone => {
                source.ends = None;
                source.refreshing = false;
                self.decisions.retain(|(of, _), _| *of != s.source);
                for key in self.keys_of(&s.source) {
                    self.routes.remove(&key);
                }
            }
        }
        Ok(())
    }

    /// Whether the session may speak; else the session that counts.
    fn speaking(&self, s: &Session) -> Result<(), Option<Incarnation>> {
        let source = self.sources.get(&s.source).ok_or(None)?;
        if source.incarnation != s.incarnation.0 {
            return Err(Some(Incarnation(source.incarnation)));
        }
        match source.phase {
            Phase::Up | Phase::Draining => Ok(()),
            _ => Err(None),
        }
    }

    pub fn begin_refresh(&mut self, s: &Session) -> bool {
        if self.speaking(s).is_err() {
            return false;
        }
        let source = self.sources.get_mut(&s.source).unwrap();
        source.stamp += 1;
        source.refreshing = true;
        true
    }

    pub fn end_of_refresh(&mut self, s: &Session) -> bool {
        if self.speaking(s).is_err() || !self.sources[&s.source].refreshing {
            return false;
        }
        let source = self.sources.get_mut(&s.source).unwrap();
        source.refreshing = false;
        source.carried_over = false;
        let stamp = source.stamp;
        for key in self.keys_of(&s.source) {
            if self.routes[&key].stamp < stamp {
                self.take_out(&key);
            }
        }
        for incumbent in self.incumbents.values_mut().filter(|i| i.key.source == s.source) {
            incumbent.nominated = false;
        }
        true
    }

    pub fn advertise(&mut self, s: &Session, route: &Advertisement<D>) -> Verdict {
        if let Err(current) = self.speaking(s) {
            return Verdict::Refused(Refused::OldSession { current });
        }
        let key = RouteKey { source: s.source.clone(), path: route.path.clone() };
        let at = (route.destination.clone(), key);
        let list = &route.attributes.path_list;
        if list.iter().any(|p| p.cluster == self.cluster && p.table == self.name) {
            self.routes.remove(&at);
            return Verdict::Refused(Refused::Loop);
        }
        let now = self.now;
        let source = self.sources.get_mut(&s.source).unwrap();
        if source.ends.is_none() {
            source.ends = source.info.lease.map(|l| up(now + ms(l)));
        }
        let stamp = source.stamp;
        let new = Route {
            received: route.attributes.clone(),
            own_end: route.lease.map(|l| up(now + ms(l))),
            carried: route.standing,
            stamp,
            verdicts: BTreeMap::new(),
        };
        match self.routes.get_mut(&at) {
            Some(old) => {
                let changed = old.received != new.received;
                *old = Route { verdicts: std::mem::take(&mut old.verdicts), ..new };
                if changed {
                    self.flap(at.clone(), true);
                }
            }
            None => {
                self.routes.insert(at.clone(), new);
            }
        }
        self.approve_by_rules(Some(&s.source), Some(&at.0));
        Verdict::Stands(self.standing(&at))
    }

    pub fn withdraw(&mut self, s: &Session, d: &D, path: &PathId) -> bool {
        let at = (d.clone(), RouteKey { source: s.source.clone(), path: path.clone() });
        if self.speaking(s).is_err() || !self.routes.contains_key(&at) {
            return false;
        }
        self.take_out(&at);
        true
    }

    /// A withdrawal: hold-down, a flap, and the approval goes with the last path.
    fn take_out(&mut self, at: &(D, RouteKey)) {
        self.routes.remove(at);
        self.flaps.entry(at.clone()).or_default().hold_down_until =
            self.now + ms(self.policy.stability.hold_down);
        self.flap(at.clone(), false);
        let others = self.routes.keys().any(|(d, k)| *d == at.0 && k.source == at.1.source);
        if self.policy.on_withdraw == OnWithdraw::Clear {
            let (d, key) = at;
            let of_path = Some(On::Path(d.clone(), key.path.clone()));
            for on in of_path.into_iter().chain((!others).then(|| On::Destination(d.clone()))) {
                if let Some(decided) = self.decisions.get_mut(&(key.source.clone(), on)) {
                    decided.approval.take_if(|(is, _)| *is);
                }
            }
            self.decisions.retain(|_, d| *d != Decided::default());
        }
    }

    pub fn renew(&mut self, s: &Session) -> bool {
        if self.speaking(s).is_err() {
            return false;
        }
        let now = self.now;
        let source = self.sources.get_mut(&s.source).unwrap();
        source.ends = source.info.lease.map(|l| up(now + ms(l)));
        true
    }

    // What people, probes and other tables say.

    pub fn decide(&mut self, source: &SourceId, on: On<D>, what: Decision, by: By) {
        let decided = self.decisions.entry((source.clone(), on.clone())).or_default();
        // A rule never overrules a person.
        let person = |b: &By| matches!(b, By::Person(_));
        let may = |before: Option<&By>| person(&by) || !before.is_some_and(person);
        let Decided { approval, preference, drain } = decided;
        match what {
            Decision::Approve | Decision::Revoke if may(approval.as_ref().map(|a| &a.1)) => {
                *approval = Some((what == Decision::Approve, by.clone()));
            }
            Decision::Prefer(n) if may(preference.as_ref().map(|a| &a.1)) => {
                *preference = Some((n, by.clone()));
            }
            Decision::Drain if may(drain.as_ref()) => *drain = Some(by.clone()),
            Decision::Clear => {
                approval.take_if(|a| may(Some(&a.1)));
                preference.take_if(|a| may(Some(&a.1)));
                drain.take_if(|a| may(Some(a)));
            }
            _ => {}
        }
        self.decisions.retain(|_, d| *d != Decided::default());
        let destination = match &on {
            On::Source => None,
            On::Destination(d) | On::Path(d, _) => Some(d),
        };
        self.approve_by_rules(Some(source), destination);
    }

    pub fn health(
        &mut self,
        by: &Observer,
        source: &SourceId,
        of: Option<(&D, &PathId)>,
        is: Health,
    ) -> bool {
        let verdicts = match of {
            None => self.sources.get_mut(source).map(|s| &mut s.verdicts),
            Some((d, path)) => {
                let key = RouteKey { source: source.clone(), path: path.clone() };
                self.routes.get_mut(&(d.clone(), key)).map(|r| &mut r.verdicts)
            }
        };
        let Some(verdicts) = verdicts else { return false };
        match is {
            Health::Unknown => verdicts.remove(&by.name),
            is => verdicts.insert(by.name.clone(), (by.acts, is)),
        };
        true
    }

    pub fn next_hop(&mut self, hop: &NextHop, is: &Resolution) {
        self.hops.insert(hop.clone(), *is == Resolution::Resolved);
    }

    pub fn nominate(&mut self, view: &ViewName, d: &D, key: &RouteKey, until: Option<Deadline>) {
        if !self.keeps(view) {
            return;
        }
        let at = (view.clone(), d.clone());
        let until = until.map(|u| if u.0.0 <= self.now { self.now } else { up(u.0.0) });
        if self.routes.contains_key(&(d.clone(), key.clone())) {
            self.awaited.remove(&at);
            self.seat(at, key.clone(), until);
        } else {
            self.awaited.insert(at, (key.clone(), until));
        }
    }

    pub(super) fn seat(&mut self, at: (ViewName, D), key: RouteKey, until: Option<u64>) {
        let nominated = until.is_none_or(|u| u > self.now);
        self.incumbents.insert(at, Incumbent { key, nominated, until });
    }

    pub fn set_policy(&mut self, policy: Policy) {
        if policy.resolve != self.policy.resolve {
            for (hop, resolved) in &mut self.hops {
                let kind = HopKind::of(hop);
                let (was, is) =
                    (self.policy.resolve.contains(&kind), policy.resolve.contains(&kind));
                if was && !is {
                    *resolved = true;
                }
            }
        }
        self.policy = policy;
        if !self.keeps(&ViewName::default()) {
            for (_, incumbent) in
                self.incumbents.iter_mut().filter(|((v, _), _)| *v == ViewName::default())
            {
                incumbent.nominated = false;
            }
            self.awaited.retain(|(v, _), _| *v != ViewName::default());
        }
        self.approve_by_rules(None, None);
    }

    pub fn set_view(&mut self, name: &ViewName, spec: Option<ViewSpec>) {
        match spec {
            Some(spec) => {
                self.views.insert(name.clone(), spec);
            }
            None => {
                self.views.remove(name);
                self.incumbents.retain(|(v, _), _| v != name);
                self.awaited.retain(|(v, _), _| v != name);
            }
        }
    }

    // Time.

    pub fn advance(&mut self, to: u64) {
        self.now = to;
        self.routes.retain(|_, r| r.own_end.is_none_or(|end| end > to));
        let due: Vec<SourceId> = self
            .sources
            .iter()
            .filter(|(_, s)| s.ends.is_some_and(|end| end <= to))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            let source = self.sources.get_mut(&id).unwrap();
            source.ends = None;
            let stale = source.phase == Phase::Stale;
            if stale {
                source.phase = Phase::Offline;
            }
            self.routes.retain(|(_, k), r| k.source != id || (r.own_end.is_some() && !stale));
        }
        for incumbent in self.incumbents.values_mut() {
            incumbent.nominated &= incumbent.until.is_none_or(|u| u > to);
        }
    }

    /// The table says which next hops it still knows; what it forgot is forgotten here.
    pub fn sync(&mut self, hops: &[NextHop], sources: &BTreeSet<SourceId>) {
        let resolve = &self.policy.resolve;
        self.hops.retain(|hop, _| hops.contains(hop));
        for hop in hops {
            let must = resolve.contains(&HopKind::of(hop));
            self.hops.entry(hop.clone()).or_insert(!must);
        }
        self.sources.retain(|id, s| s.phase != Phase::Gone || sources.contains(id));
    }
}
