//! Drives a table and its model through the same calls and compares them.

use std::collections::BTreeSet;
use std::time::Duration;

use rutter_rib::*;
use rutter_route::*;

use super::follows::approval_of;
use super::ops::{Claim, Op, State, Verdict3};
use super::rank::{self, Shown};
use super::table::{Model, On, Phase, Source, TICK};

/// Both clocks start apart from zero and from each other.
const MONO: u64 = 5_000;
const WALL: u64 = 1_700_000_000_000;

pub fn now_at(mono: u64) -> Now {
    Now::new(mono, WALL + mono)
}

pub fn service(n: u8) -> Service {
    Service::http(["a", "b.a", "c"][usize::from(n)].parse().unwrap())
}

pub fn source_id(n: u8) -> SourceId {
    ["agent/0", "tunnel/1", "agent/10", "agent/2"][usize::from(n)].parse().unwrap()
}

pub fn path_id(n: u8) -> PathId {
    ["", "p1"][usize::from(n)].parse().unwrap()
}

pub fn hop(n: u8) -> NextHop {
    ["http://10.0.0.1:80", "http://10.0.0.2:80", "cluster:eu"][usize::from(n)].parse().unwrap()
}

pub fn view_name(n: u8) -> ViewName {
    ["default", "v1", "v2"][usize::from(n)].parse().unwrap()
}

pub fn advertisement(claim: &Claim) -> Advertisement<Service> {
    let mut attributes = Attributes::via(hop(claim.hop));
    attributes.priority = Priority::whole(i32::from(claim.priority));
    attributes.preference = 100 + u32::from(claim.preference);
    attributes.latency_us = u32::from(claim.latency) * 1000;
    attributes.group = claim.group.map(|g| format!("g{g}").parse().unwrap());
    if let Some(tag) = claim.tag {
        attributes.tags.insert(format!("t{tag}").parse().unwrap()).unwrap();
    }
    if claim.looped {
        let (cluster, table) = ("home".parse().unwrap(), "services".parse().unwrap());
        attributes.path_list.push(PathStep { cluster, table });
    }
    Advertisement {
        destination: service(claim.destination),
        path: path_id(claim.path),
        attributes,
        lease: claim.lease_ms.map(Duration::from_millis),
        standing: claim.standing,
    }
}

pub fn info(
    owner: Option<u8>,
    tag: Option<u8>,
    credential: u8,
    lease_ms: Option<u64>,
) -> SourceInfo {
    let mut info = SourceInfo {
        owner: owner.map(|o| format!("o{o}").parse().unwrap()),
        lease: lease_ms.map(Duration::from_millis),
        ..SourceInfo::default()
    };
    if let Some(tag) = tag {
        info.tags.insert(format!("t{tag}").parse().unwrap()).unwrap();
    }
    info.credential = match credential {
        1 => Some(Credential {
            name: "under a".into(),
            services: Some(vec!["a".parse().unwrap()]),
            ..Credential::default()
        }),
        2 => Some(Credential {
            name: "low priority".into(),
            priorities: Some((Priority::whole(1), Priority::whole(9))),
            ..Credential::default()
        }),
        _ => None,
    };
    info
}

pub struct World {
    pub table: Table<Service>,
    pub model: Model<Service>,
    pub changes: Changes<Service>,
    pub mono: u64,
}

impl World {
    pub fn new(policy: Policy) -> Self {
        let (name, cluster): (TableName, ClusterId) =
            ("services".parse().unwrap(), "home".parse().unwrap());
        let table =
            Table::new(name.clone(), cluster.clone(), policy.clone(), now_at(MONO), 7).unwrap();
        let model = Model::new(name, cluster, policy, MONO);
        Self { table, model, changes: Changes::default(), mono: MONO }
    }

    pub fn now(&self) -> Now {
        now_at(self.mono)
    }

    pub fn session(&self, source: u8, older: bool) -> Session {
        let source = source_id(source);
        let current = self.model.sources.get(&source).map_or(5, |s| s.incarnation);
        Session { source, incarnation: Incarnation(current - u64::from(older)) }
    }

    pub fn apply(&mut self, op: &Op) {
        let now = self.now();
        match op {
            Op::Source { source, incarnation, to } => self.source(*source, *incarnation, to),
            Op::BeginRefresh(source) => {
                let s = self.session(*source, false);
                assert_eq!(self.table.begin_refresh(now, &s), self.model.begin_refresh(&s));
            }
            Op::EndOfRefresh(source) => {
                let s = self.session(*source, false);
                assert_eq!(self.table.end_of_refresh(now, &s), self.model.end_of_refresh(&s));
            }
            Op::Advertise { source, old_session, route } => {
                let s = self.session(*source, *old_session);
                let route = advertisement(route);
                let is = self.table.advertise(now, &s, route.clone());
                let should = self.model.advertise(&s, &route);
                match (&is, &should) {
                    // Between two slices a verdict may show what the next slice changes.
                    (Verdict::Stands(_), Verdict::Stands(_)) => {}
                    _ => assert_eq!(is, should),
                }
            }
            Op::Withdraw { source, destination, path } => {
                let s = self.session(*source, false);
                let (d, path) = (service(*destination), path_id(*path));
                let is = self.table.withdraw(now, &s, &d, &path);
                assert_eq!(is, self.model.withdraw(&s, &d, &path));
            }
            Op::Renew(source) => {
                let s = self.session(*source, false);
                assert_eq!(self.table.renew(now, &s), self.model.renew(&s));
            }
            Op::Decide { source, on, path, what, person } => {
                let (source, on) = (source_id(*source), on.map(service));
                let by = match person {
                    true => By::Person("ann".into()),
                    false => By::Rule("nightly".into()),
                };
                let because = "because";
                let on = match (on, path.map(path_id)) {
                    (Some(d), Some(path)) => {
                        let on = (&d, &path);
                        let said =
                            self.table.decide_path(now, &source, on, *what, by.clone(), because);
                        said.unwrap();
                        On::Path(d, path)
                    }
                    (d, _) => {
                        let said =
                            self.table.decide(now, &source, d.as_ref(), *what, by.clone(), because);
                        said.unwrap();
                        d.map_or(On::Source, On::Destination)
                    }
                };
                self.model.decide(&source, on, *what, by);
            }
            Op::Health { observer, source, of, is } => self.health(*observer, *source, *of, is),
            Op::NextHop { hop: n, resolved } => {
                let is = match resolved {
                    true => Resolution::Resolved,
                    false => Resolution::Unresolved { why: "no answer".into() },
                };
                if self.table.next_hop(now, &hop(*n), is.clone()) {
                    self.model.next_hop(&hop(*n), &is);
                }
            }
            Op::Nominate { view, destination, source, path, for_ms } => {
                let (view, d) = (view_name(*view), service(*destination));
                let (source, path) = (source_id(*source), path_id(*path));
                let until = for_ms.map(|ms| now.deadline(Duration::from_millis(ms)));
                if let Some(id) = self.table.view(&view) {
                    self.table.nominate(now, id, &d, &source, &path, until);
                    self.model.nominate(&view, &d, &RouteKey { source, path }, until);
                }
            }
            Op::SetPolicy(policy) => {
                // What a pending sweep withdraws is withdrawn under the policy before.
                while !self.table.work(now, 3).is_done() {}
                self.table.set_policy(now, (*policy.0).clone()).unwrap();
                self.model.set_policy((*policy.0).clone());
            }
            Op::SetView { view, spec } => {
                let name = view_name(*view);
                self.table.set_view(now, &name, spec.clone(), 3).unwrap();
                self.model.set_view(&name, spec.clone());
            }
            Op::Pass(ms) => self.pass(*ms),
            Op::Expire(n) => drop(self.table.expire(now, usize::from(*n))),
            Op::Work(n) => drop(self.table.work(now, usize::from(*n))),
            Op::Commit(n) => drop(self.table.commit(now, usize::from(*n), &mut self.changes)),
        }
        self.sync();
    }

    fn source(&mut self, source: u8, incarnation: i8, to: &State) {
        let id = source_id(source);
        let known = self.model.sources.get(&id);
        // A source that is gone is forgotten sooner or later, with its incarnation.
        let gone = known.is_some_and(|s| s.phase == Phase::Gone);
        let step = if gone { i64::from(incarnation).max(0) } else { i64::from(incarnation) };
        let current = known.map_or(5, |s| s.incarnation);
        let incarnation = Incarnation(current.saturating_add_signed(step));
        let session = Session { source: id, incarnation };
        let to = match to {
            State::Up { owner, tag, credential, lease_ms } => {
                SourceState::Up(info(*owner, *tag, *credential, *lease_ms))
            }
            State::Draining => SourceState::Draining,
            State::Offline => SourceState::Offline { why: "connection lost".into() },
            State::KeepStale(ms) => SourceState::KeepStale { for_: Duration::from_millis(*ms) },
            State::Gone => SourceState::Gone,
        };
        let is = self.table.source(self.now(), &session, to.clone());
        let should = self.model.source(&session, &to);
        match gone {
            true => assert_eq!(is.is_ok(), should.is_ok(), "{is:?} {should:?}"),
            false => assert_eq!(is, should),
        }
    }

    fn health(&mut self, observer: u8, source: u8, of: Option<(u8, u8)>, is: &Verdict3) {
        let now = self.now();
        let by = Observer { name: format!("gateway/{observer}"), acts: observer > 0 };
        let source = source_id(source);
        let is = match is {
            Verdict3::Unknown => Health::Unknown,
            Verdict3::Healthy => Health::Healthy,
            Verdict3::Unhealthy { for_ms } => Health::Unhealthy {
                why: "503".into(),
                until: for_ms.map(|ms| now.deadline(Duration::from_millis(ms))),
            },
        };
        let of = of.map(|(d, p)| (service(d), path_id(p)));
        let of = of.as_ref().map(|(d, p)| (d, p));
        if self.model.sources.get(&source).is_none_or(|s| s.phase == Phase::Gone) {
            return;
        }
        let heard = self.table.health(now, &by, &source, of, is.clone());
        assert_eq!(heard, self.model.health(&by, &source, of, is));
    }

    /// Walks end before time passes, as they do in a book: their flaps are of their time.
    fn pass(&mut self, ms: u64) {
        while !self.table.work(self.now(), 3).is_done() {}
        self.mono += ms;
        while !self.table.expire(self.now(), 2).is_done() {}
        // What has ended by this tick has ended; the rest of the tick counts with the next.
        self.model.advance(self.mono / TICK * TICK);
        self.model.now = self.mono;
    }

    fn sync(&mut self) {
        let sources: BTreeSet<SourceId> =
            self.table.sources().into_iter().map(|(s, ..)| s.source).collect();
        self.model.sync(&self.table.next_hops(), &sources);
    }

    /// Works everything off at the end of the tick.
    pub fn settle(&mut self) {
        let rest = self.mono.next_multiple_of(TICK) - self.mono;
        self.pass(rest);
        let now = self.now();
        loop {
            let progress = self
                .table
                .expire(now, 2)
                .and(self.table.work(now, 2))
                .and(self.table.commit(now, 2, &mut self.changes));
            if progress.is_done() {
                break;
            }
        }
        self.sync();
        self.model.commit();
    }

    /// Everything that a reader can see of both is the same.
    pub fn compare(&self) {
        let (table, model) = (&self.table, &self.model);
        let all: Vec<Service> = (0..3).map(service).collect();
        for d in &all {
            for view in model.views.keys() {
                let id = table.view(view).expect("the view is there");
                let selected = table.selected(d, id);
                let is: Vec<Shown> = selected
                    .routes()
                    .iter()
                    .map(|r| Shown {
                        key: r.key(),
                        standing: r.standing,
                        attributes: r.attributes.clone(),
                        equal: r.equal,
                    })
                    .collect();
                assert_eq!(is, model.shown(view, d), "view {view} of {d}");
                let unreachable = model.is_unreachable(view, d);
                assert_eq!(selected.is_unreachable(), unreachable, "view {view} of {d}");
            }
            self.compare_decisions(d);
            self.compare_candidates(d);
            self.compare_explanation(d);
        }
        let counts = table.counts();
        assert_eq!(counts.destinations, model.destinations().len());
        assert_eq!(counts.routes, model.routes.len());
        assert_eq!(counts.sources, model.sources.len());
        assert_eq!(counts.decisions, model.decisions.len());
        assert_eq!((counts.marked, counts.walks), (0, 0));
        let hops: BTreeSet<NextHop> =
            model.routes.values().map(|r| r.received.next_hop.clone()).collect();
        assert_eq!(table.next_hops(), hops.into_iter().collect::<Vec<_>>());
    }

    /// Who was best last is the same; it depends on when commits came.
    pub fn compare_incumbents(&self) {
        let model = &self.model;
        for (d, view) in
            (0..3).map(service).flat_map(|d| model.views.keys().map(move |v| (d.clone(), v)))
        {
            let id = self.table.view(view).expect("the view is there");
            let last = model.incumbents.get(&(view.clone(), d.clone()));
            let last = last.filter(|_| model.keeps(view)).map(|i| i.key.clone());
            assert_eq!(self.table.last_best(&d, id), last, "view {view} of {d}");
        }
    }

    fn compare_decisions(&self, d: &Service) {
        for source in (0..4).map(source_id) {
            let of_source = |(of, key): &(Service, RouteKey)| of == d && key.source == source;
            assert_eq!(self.table.holds(&source, d), self.model.routes.keys().any(of_source));
            let speaks = |s: &Source| matches!(s.phase, Phase::Up | Phase::Draining);
            let should = self.model.sources.get(&source).is_some_and(speaks);
            assert_eq!(self.table.speaks(&source), should, "{source}");
            let whole = self.table.decisions(&source, None);
            let should = self.model.decisions.get(&(source.clone(), On::Source)).cloned();
            let should = should.unwrap_or_default();
            assert_eq!(whole.approval.map(|w| (w.is, w.by)), should.approval, "{source}");
            assert_eq!(whole.preference.map(|w| (w.is, w.by)), should.preference, "{source}");
            assert_eq!(whole.drain.map(|w| w.by), should.drain, "{source}");
            let is = self.table.decisions(&source, Some(d));
            let at = (d.clone(), RouteKey { source, path: PathId::default() });
            let of = &self.model.decided(&at)[1..];
            let preference = of.iter().flatten().find_map(|d| d.preference.clone());
            let drain = of.iter().flatten().find_map(|d| d.drain.clone());
            assert_eq!(is.approval.map(|w| (w.is, w.by)), approval_of(of).cloned());
            assert_eq!(is.preference.map(|w| (w.is, w.by)), preference, "{at:?}");
            assert_eq!(is.drain.map(|w| w.by), drain, "{at:?}");
        }
    }

    fn compare_candidates(&self, d: &Service) {
        let mut is: Vec<(RouteKey, Standing)> =
            self.table.candidates(d).iter().map(|c| (c.key(), c.standing)).collect();
        is.sort();
        let of_d = self.model.routes.keys().filter(|(of, _)| of == d);
        let should: Vec<_> = of_d.map(|at| (at.1.clone(), self.model.standing(at))).collect();
        assert_eq!(is, should, "candidates of {d}");
    }

    fn compare_explanation(&self, d: &Service) {
        let model = &self.model;
        let told = self.table.explain(self.now(), d);
        let view = ViewName::default();
        let list = model.list(&view, d);
        let criteria = model.criteria(&view);
        for candidate in &told.candidates {
            let at = (d.clone(), candidate.route.clone());
            let rank = list.iter().position(|c| c.key == candidate.route);
            assert_eq!(candidate.rank, rank.map(|at| at + 1), "{candidate:?}");
            let facts: Vec<Standing> = candidate.facts.iter().map(|f| f.fact).collect();
            let mut distinct = facts.clone();
            distinct.dedup();
            assert_eq!(distinct, model.facts(&at), "{candidate:?}");
            assert!(candidate.facts.iter().all(|f| !f.reason.is_empty()), "{candidate:?}");
            match rank {
                Some(rank) if rank > 0 => {
                    let weights = &model.policy.score;
                    let (order, by) = rank::compare(&criteria, weights, &list[0], &list[rank]);
                    // Where nothing works the incumbent stands first, whoever would beat it.
                    let by = if order.is_lt() { by } else { Criterion::Incumbent };
                    assert_eq!(candidate.lost_by.as_ref().map(|l| l.criterion), Some(by));
                }
                _ => assert!(candidate.lost_by.is_none(), "{candidate:?}"),
            }
        }
        let n = model.routes.keys().filter(|(of, _)| of == d).count();
        assert_eq!(told.candidates.len(), n);
    }
}
