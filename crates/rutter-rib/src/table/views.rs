//! Views: a table as seen by some, and incumbents.

use hashbrown::HashMap;
use rutter_route::{Criterion, Deadline, Destination, Now, PathId, RouteKey, SourceId, ViewName};

use crate::parts::wheel::Tick;
use crate::policy::{Match, Subject};

use super::candidate::{Candidate, Flags};
use super::{Table, Timer};

/// A view of a table, by number. [`ViewId::DEFAULT`] is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub(super) u16);

impl ViewId {
    /// All candidates, by the table's criteria.
    pub const DEFAULT: Self = Self(0);
}

/// What a view shows, and how it ranks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewSpec {
    /// Its name.
    pub name: ViewName,
    /// A candidate is shown if one of these matches it; none: all are.
    pub show: Vec<Match>,
    /// Its criteria; `None`: the table's.
    pub criteria: Option<Vec<Criterion>>,
}

/// There is no room for one more. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table has its {bound} {what} already")]
pub struct TooMany {
    /// Of what.
    pub what: &'static str,
    /// How many there may be.
    pub bound: usize,
}

/// The best until now, or who was nominated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incumbent {
    pub(super) source: u32,
    pub(super) path: u32,
    /// Nominated: it ranks first though its source is offline, until a time or its refresh's end.
    pub(super) nominated: bool,
    pub(super) until: Option<Tick>,
}

/// What a view showed of a destination at the last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ViewList {
    /// (source, path) of each ranked candidate.
    pub(super) ranked: Box<[(u32, u32)]>,
    /// The best and its equals.
    pub(super) n_equal: usize,
    /// Somebody who may has a route that the view shows.
    pub(super) is_authorized: bool,
}

#[derive(Debug)]
pub(super) struct View<D> {
    /// `None`: the number is free.
    pub(super) name: Option<ViewName>,
    pub(super) show: Vec<Match>,
    pub(super) criteria: Vec<Criterion>,
    /// The criteria are the table's.
    follows: bool,
    /// Best routes are kept in `best`; the default view of a table that doesn't stick has its
    /// best in the order of the candidates alone.
    pub(super) keeps: bool,
    pub(super) best: HashMap<u32, Incumbent, foldhash::fast::FixedState>,
    /// Each list as of the last commit, but for the default view, whose lists are the order of the
    /// candidates.
    pub(super) lists: HashMap<u32, ViewList, foldhash::fast::FixedState>,
    /// Destinations with a nominated incumbent, by its source.
    nominated: HashMap<u32, Vec<u32>, foldhash::fast::FixedState>,
    /// Nominations of routes that haven't come yet.
    awaited: HashMap<D, (SourceId, PathId, Option<Tick>), foldhash::fast::FixedState>,
}

impl<D: Destination> View<D> {
    pub(super) fn default_view(criteria: Vec<Criterion>, keeps: bool, seed: u64) -> Self {
        let mut view = Self::new(ViewName::default(), Vec::new(), criteria, seed);
        view.keeps = keeps;
        view
    }

    fn new(name: ViewName, show: Vec<Match>, criteria: Vec<Criterion>, seed: u64) -> Self {
        let state = foldhash::fast::FixedState::with_seed(seed);
        Self {
            name: Some(name),
            show,
            criteria,
            follows: true,
            keeps: true,
            best: HashMap::with_hasher(state.clone()),
            lists: HashMap::with_hasher(state.clone()),
            nominated: HashMap::with_hasher(state.clone()),
            awaited: HashMap::with_hasher(state.clone()),
        }
    }

    /// A source's id is free: nothing about it may be left.
    pub(super) fn forget_source(&mut self, ix: u32) {
        self.nominated.remove(&ix);
    }

    /// A destination's id is free: nothing about it may be left.
    pub(super) fn forget(&mut self, id: u32) {
        if self.keeps {
            self.best.remove(&id);
            self.lists.remove(&id);
        }
    }
}

impl<D: Destination> Table<D> {
    /// Makes or replaces the view of that name, or removes it if there is no `spec`; destinations
    /// follow as `work` goes on. Returns its number.
    ///
    /// # Errors
    /// More views than the policy allows.
    pub fn set_view(
        &mut self,
        _now: Now,
        name: &ViewName,
        spec: Option<ViewSpec>,
        seed: u64,
    ) -> Result<Option<ViewId>, TooMany> {
        let known = self.views.iter().position(|v| v.name.as_ref() == Some(name));
        let Some(spec) = spec else {
            if let Some(view) = known.filter(|at| *at > 0).and_then(|at| self.views.get_mut(at)) {
                *view = View::new(name.clone(), Vec::new(), Vec::new(), seed);
                view.name = None;
            }
            return Ok(None);
        };
        let mut criteria = spec.criteria.clone().unwrap_or_else(|| self.criteria.clone());
        if criteria.last() != Some(&Criterion::Identity) {
            criteria.push(Criterion::Identity);
        }
        let mut view = View::new(name.clone(), spec.show, criteria, seed);
        view.follows = spec.criteria.is_none();
        let at = match known.or_else(|| self.views.iter().position(|v| v.name.is_none())) {
            Some(0) | None => {
                let bound = self.policy.bounds.views;
                if known == Some(0) || self.views.len() >= bound.min(usize::from(u16::MAX)) {
                    return Err(TooMany { what: "views", bound });
                }
                self.views.push(view);
                self.views.len() - 1
            }
            Some(at) => {
                if let Some(old) = self.views.get_mut(at) {
                    // What was best stays the incumbent, and who was nominated a nominee.
                    view.best = std::mem::take(&mut old.best);
                    view.lists = std::mem::take(&mut old.lists);
                    view.nominated = std::mem::take(&mut old.nominated);
                    view.awaited = std::mem::take(&mut old.awaited);
                    *old = view;
                }
                at
            }
        };
        self.walk_all();
        Ok(Some(ViewId(at as u16)))
    }

    /// The number of a view, by name.
    pub fn view(&self, name: &ViewName) -> Option<ViewId> {
        let at = self.views.iter().position(|v| v.name.as_ref() == Some(name))?;
        Some(ViewId(at as u16))
    }

    /// New criteria of the table reach the views that follow them.
    pub(super) fn views_follow(&mut self) {
        let sticks = self.policy.sticks(&self.criteria);
        for (at, view) in self.views.iter_mut().enumerate() {
            if view.follows {
                view.criteria.clone_from(&self.criteria);
            }
            if at == 0 {
                view.keeps = sticks;
                if !sticks {
                    view.best.clear();
                    view.nominated.clear();
                    view.awaited.clear();
                }
            }
        }
    }

    /// Names the incumbent: the best route before a restart, or whom a person wants. Until the
    /// deadline, or the end of its source's refresh, it ranks first even though its source is
    /// offline; then as any incumbent, and as such at once if the deadline is due already. A route
    /// that hasn't come yet is awaited; as many are as there may be decisions. Without effect on a
    /// view that doesn't stick.
    pub fn nominate(
        &mut self,
        now: Now,
        view: ViewId,
        destination: &D,
        source: &SourceId,
        path: &PathId,
        until: Option<Deadline>,
    ) {
        let tick = self.tick(now);
        let until = until.map(|u| if u.is_due(now) { tick } else { self.tick_of(now, u) });
        let ix = self.sources.find(source);
        let located = ix.and_then(|ix| self.locate(now, ix, destination, path));
        let bound = self.policy.bounds.decisions;
        let Some(v) = self.views.get_mut(usize::from(view.0)).filter(|v| v.keeps) else { return };
        let Some((id, place)) = located else {
            if v.awaited.len() >= bound {
                v.awaited.retain(|_, (.., until)| until.is_none_or(|u| u > tick));
            }
            if v.awaited.len() < bound || v.awaited.contains_key(destination) {
                let awaited = (source.clone(), path.clone(), until);
                v.awaited.insert(destination.clone(), awaited);
            }
            return;
        };
        v.awaited.remove(destination);
        let candidate = *self.candidate(place);
        self.seat(now, view.0, id, &candidate, until);
        self.marks.set(id);
    }

    fn seat(&mut self, now: Now, view: u16, id: u32, candidate: &Candidate, until: Option<Tick>) {
        let (source, path) = (candidate.source, candidate.path);
        let nominated = until.is_none_or(|until| until > self.tick(now));
        if let Some(until) = until {
            self.timers.add(until, Timer::Nominated(view, id));
        }
        if let Some(v) = self.views.get_mut(usize::from(view)) {
            let old = v.best.insert(id, Incumbent { source, path, nominated, until });
            if old.is_none_or(|o| !o.nominated || o.source != source) {
                v.nominated.entry(source).or_default().push(id);
            }
        }
    }

    /// Seats nominees who were awaited, as their routes come.
    pub(super) fn seat_awaited(&mut self, now: Now, id: u32) {
        for at in 0..self.views.len() {
            let Some(v) = self.views.get_mut(at) else { return };
            if v.awaited.is_empty() {
                continue;
            }
            let key = &self.dests[id].key;
            let Some((source, path, until)) = v.awaited.get(key).cloned() else { continue };
            let Some(ix) = self.sources.find(&source) else { continue };
            let key = self.dests[id].key.clone();
            let Some((_, place)) = self.locate(now, ix, &key, &path) else { continue };
            let candidate = *self.candidate(place);
            if let Some(v) = self.views.get_mut(at) {
                v.awaited.remove(&self.dests[id].key);
            }
            self.seat(now, at as u16, id, &candidate, until);
        }
    }

    /// The time of a nomination is over.
    pub(super) fn end_nomination(&mut self, now: Now, view: u16, id: u32) {
        let tick = self.tick(now);
        let Some(v) = self.views.get_mut(usize::from(view)) else { return };
        let Some(best) = v.best.get_mut(&id) else { return };
        if best.nominated && best.until.is_some_and(|until| until <= tick) {
            best.nominated = false;
            best.until = None;
            self.marks.set(id);
        }
    }

    /// A source has said all it has: its nominations have done their work.
    pub(super) fn end_nominations_of(&mut self, source: u32) {
        for v in &mut self.views {
            for id in v.nominated.remove(&source).unwrap_or_default() {
                if let Some(best) = v.best.get_mut(&id)
                    && best.nominated
                    && best.source == source
                {
                    best.nominated = false;
                    best.until = None;
                    self.marks.set(id);
                }
            }
        }
    }

    /// Whether a view shows a candidate at all.
    pub(super) fn shows(&self, view: usize, id: u32, candidate: &Candidate) -> bool {
        let Some(v) = self.views.get(view) else { return false };
        if v.show.is_empty() {
            return true;
        }
        let source = &self.sources[candidate.source];
        let subject =
            Subject { destination: &self.dests[id].key, source: &source.id, info: &source.info };
        let attributes = self.sets.get(candidate.effective);
        v.show.iter().any(|m| m.matches(&subject, attributes))
    }

    /// Who is best, or where there is none, who was last and still has a route there. `None` in a
    /// view that doesn't stick.
    pub fn last_best(&self, destination: &D, view: ViewId) -> Option<RouteKey> {
        let id = self.find(destination)?;
        let best = self.views.get(usize::from(view.0))?.best.get(&id)?;
        let place = self.place_of(id, best.source, best.path)?;
        Some(self.key_of(self.candidate(place)))
    }

    /// The default view's best as of the last commit is its incumbent, also where none was kept so
    /// far, since the policy didn't stick until now.
    pub(super) fn seat_shown(&mut self, id: u32) {
        let first = &self.dests[id].first;
        let (source, path) = (first.source, first.path);
        if !first.flags.has(Flags::SHOWN) {
            return;
        }
        if let Some(view) = self.views.first_mut().filter(|v| v.keeps) {
            let best = Incumbent { source, path, nominated: false, until: None };
            view.best.entry(id).or_insert(best);
        }
    }

    /// Whether the default view keeps a best of the destination.
    pub(super) fn keeps_best(&self, id: u32) -> bool {
        self.views.first().is_some_and(|v| v.best.contains_key(&id))
    }

    /// The incumbent of a view, if the candidate is it.
    pub(super) fn incumbent(
        &self,
        view: usize,
        id: u32,
        candidate: &Candidate,
    ) -> Option<Incumbent> {
        let best = self.views.get(view)?.best.get(&id)?;
        let is = candidate.is(best.source, best.path) && !candidate.flags.has(Flags::GONE);
        is.then_some(*best)
    }
}
