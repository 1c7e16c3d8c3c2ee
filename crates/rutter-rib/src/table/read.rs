//! What readers see: the selection of the last commit, listings, counts.

use std::collections::{BTreeMap, BinaryHeap};

use rutter_route::{Attributes, Destination, PathId, RouteKey, SourceId, SourceInfo, Standing};

use super::candidate::{Candidate, Flags, Place};
use super::changes::Change;
use super::rank::Ranked;
use super::views::{ViewId, ViewList};
use super::{Progress, Table};

/// One route of a selection.
#[derive(Debug, Clone, Copy)]
pub struct SelectedRoute<'a> {
    /// Whose.
    pub source: &'a SourceId,
    /// What is known of the source.
    pub info: &'a SourceInfo,
    /// Which of its routes.
    pub path: &'a PathId,
    /// What counts, after policy and decisions.
    pub attributes: &'a Attributes,
    /// What was received.
    pub received: &'a Attributes,
    /// How it stands.
    pub standing: Standing,
    /// As good as the best, or the best.
    pub equal: bool,
}

impl SelectedRoute<'_> {
    /// What tells it from the destination's other routes.
    pub fn key(&self) -> RouteKey {
        RouteKey { source: self.source.clone(), path: self.path.clone() }
    }
}

/// What the last commit selected: best first, its equals, then the alternates.
#[derive(Debug, Clone)]
pub struct Selected<'a> {
    routes: Vec<SelectedRoute<'a>>,
    unreachable: bool,
}

impl<'a> Selected<'a> {
    /// The best.
    pub fn best(&self) -> Option<&SelectedRoute<'a>> {
        self.routes.first()
    }

    /// The best and its equals.
    pub fn equals(&self) -> &[SelectedRoute<'a>] {
        let n = self.routes.iter().take_while(|r| r.equal).count();
        self.routes.get(..n).unwrap_or_default()
    }

    /// All, in order.
    pub fn routes(&self) -> &[SelectedRoute<'a>] {
        &self.routes
    }

    /// There are authorized routes but no best, and the table doesn't fall through.
    pub fn is_unreachable(&self) -> bool {
        self.unreachable
    }
}

/// What longest match found.
#[derive(Debug, Clone)]
pub enum Match<'a, D> {
    /// This destination, by these routes.
    Route(&'a D, SelectedRoute<'a>),
    /// This destination, which has authorized routes but no best.
    Unreachable(&'a D),
    /// Nothing.
    None,
}

/// How full a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Destinations.
    pub destinations: usize,
    /// Candidates.
    pub routes: usize,
    /// Sources.
    pub sources: usize,
    /// Distinct attribute sets.
    pub attribute_sets: usize,
    /// Decisions.
    pub decisions: usize,
    /// Routes remembered by hold-down and damping.
    pub held: usize,
    /// Destinations marked for the next commit.
    pub marked: usize,
    /// Walks queued or under way.
    pub walks: usize,
    /// Entries in the lease wheel and among the timers.
    pub timers: usize,
}

/// A page of destinations in order, gathered in slices.
#[derive(Debug)]
pub struct Page<D> {
    after: Option<D>,
    limit: usize,
    next: u32,
    least: BinaryHeap<D>,
}

impl<D: Destination> Page<D> {
    /// The `limit` least destinations behind `after`.
    pub fn new(after: Option<D>, limit: usize) -> Self {
        Self { after, limit, next: 0, least: BinaryHeap::new() }
    }

    /// Looks at `budget` more destinations of the table that are wanted.
    pub fn gather(
        &mut self,
        table: &Table<D>,
        budget: usize,
        wanted: impl Fn(&D) -> bool,
    ) -> Progress {
        let span = table.dests.span();
        let end = span.min(self.next.saturating_add(u32::try_from(budget).unwrap_or(u32::MAX)));
        for id in self.next..end {
            let dest = &table.dests[id];
            if dest.n == 0 || self.after.as_ref().is_some_and(|a| dest.key <= *a) {
                continue;
            }
            let full = self.least.len() >= self.limit;
            if full && self.least.peek().is_none_or(|most| dest.key >= *most) {
                continue;
            }
            if wanted(&dest.key) {
                self.least.push(dest.key.clone());
                if self.least.len() > self.limit {
                    self.least.pop();
                }
            }
        }
        self.next = end;
        if end == span { Progress::Done } else { Progress::More }
    }

    /// What was gathered, in order.
    pub fn into_sorted(self) -> Vec<D> {
        self.least.into_sorted_vec()
    }
}

/// Whether a route of that standing may be there at all.
pub(super) fn is_authorized(standing: Standing) -> bool {
    !matches!(standing, Standing::Denied | Standing::Unapproved)
}

/// How many routes each source has, counted in slices: as of the commits that it meets.
#[derive(Debug, Default)]
pub struct Tally {
    next: u32,
    of: BTreeMap<SourceId, Tallied>,
}

/// How many routes a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tallied {
    /// Those that import takes.
    pub accepted: usize,
    /// Those that it denies, or that nobody approved.
    pub refused: usize,
}

impl Tally {
    /// Counts the routes of `budget` more destinations of the table.
    pub fn count<D: Destination>(&mut self, table: &Table<D>, budget: usize) -> Progress {
        let span = table.dests.span();
        let end = span.min(self.next.saturating_add(u32::try_from(budget).unwrap_or(u32::MAX)));
        for id in self.next..end {
            for place in table.places(id).filter(|_| table.dests[id].n > 0) {
                let candidate = table.candidate(place);
                if candidate.flags.has(Flags::NEW) {
                    continue;
                }
                let source = &table.sources[candidate.source].id;
                let tallied = match self.of.get_mut(source) {
                    Some(tallied) => tallied,
                    None => self.of.entry(source.clone()).or_default(),
                };
                match candidate.standing {
                    Standing::Denied | Standing::Unapproved => tallied.refused += 1,
                    _ => tallied.accepted += 1,
                }
            }
        }
        self.next = end;
        if end < span { Progress::More } else { Progress::Done }
    }

    /// What was counted of a source.
    pub fn of(&self, source: &SourceId) -> Tallied {
        self.of.get(source).copied().unwrap_or_default()
    }
}

impl<D: Destination> Table<D> {
    /// What the last commit selected for a destination, as a view sees it.
    pub fn selected(&self, destination: &D, view: ViewId) -> Selected<'_> {
        match self.find(destination) {
            Some(id) => self.selected_at(id, view),
            None => Selected { routes: Vec::new(), unreachable: false },
        }
    }

    pub(super) fn selected_at(&self, id: u32, view: ViewId) -> Selected<'_> {
        let at = usize::from(view.0);
        let list = self.ranked_list(id, at);
        let n_equal = match self.view_list(id, at) {
            Some(list) => list.n_equal,
            None => list.iter().filter(|r| r.candidate.flags.has(Flags::EQUAL)).count(),
        };
        let route = |(at, r)| self.selected_route(r, at < n_equal);
        let routes: Vec<_> = list.iter().enumerate().map(route).collect();
        let unreachable =
            routes.is_empty() && !self.policy.fall_through && self.is_authorized(id, at);
        Selected { routes, unreachable }
    }

    /// The ranked list of a view as of the last commit.
    pub(super) fn ranked_list(&self, id: u32, view: usize) -> Vec<Ranked> {
        if view > 0 {
            let ranked = self.view_list(id, view).into_iter().flat_map(|l| &l.ranked);
            let places = ranked.filter_map(|(source, path)| self.place_of(id, *source, *path));
            return places.map(|p| self.ranked(view, id, *self.candidate(p), false)).collect();
        }
        let shown = self.places(id).map(|p| *self.candidate(p));
        shown.filter(|c| c.flags.has(Flags::SHOWN)).map(|c| self.ranked(0, id, c, false)).collect()
    }

    /// What a view other than the default showed at the last commit.
    fn view_list(&self, id: u32, view: usize) -> Option<&ViewList> {
        self.views.get(view)?.lists.get(&id)
    }

    fn selected_route(&self, ranked: &Ranked, equal: bool) -> SelectedRoute<'_> {
        let candidate = &ranked.candidate;
        SelectedRoute {
            source: &self.sources[candidate.source].id,
            info: &self.sources[candidate.source].info,
            path: self.paths.get(candidate.path),
            attributes: self.sets.get(candidate.effective),
            received: self.sets.get(candidate.received),
            standing: ranked.standing,
            equal,
        }
    }

    /// The best of [`Table::selected`], without the list of the others.
    pub fn best(&self, destination: &D, view: ViewId) -> Option<SelectedRoute<'_>> {
        self.best_at(self.find(destination)?, view)
    }

    /// As [`Table::best`], of a destination that a commit has just told of.
    pub(crate) fn best_of(&self, change: &Change<D>) -> Option<SelectedRoute<'_>> {
        // Meanwhile it may have ended, and its place be another's.
        match self.at(change.at) == Some(&change.destination) {
            true => self.best_at(change.at, change.view),
            false => self.best(&change.destination, change.view),
        }
    }

    /// The best of a destination without building the list.
    pub(super) fn best_at(&self, id: u32, view: ViewId) -> Option<SelectedRoute<'_>> {
        if view == ViewId::DEFAULT {
            let first = self.dests[id].first;
            let shown = self.dests[id].n > 0 && first.flags.has(Flags::SHOWN);
            return shown.then(|| {
                let ranked = Ranked {
                    candidate: first,
                    standing: first.standing,
                    nominee: false,
                    incumbent: false,
                    equal_changed: false,
                };
                self.selected_route(&ranked, true)
            });
        }
        let list = self.ranked_list(id, usize::from(view.0));
        list.first().map(|r| self.selected_route(r, true))
    }

    /// Whether anybody who may has a route there that the view shows, whether or not it can be
    /// used.
    pub(super) fn is_authorized(&self, id: u32, view: usize) -> bool {
        if view > 0 {
            return self.view_list(id, view).is_some_and(|l| l.is_authorized);
        }
        let authorized = |c: &Candidate| !c.flags.has(Flags::NEW) && is_authorized(c.standing);
        self.places(id).any(|p| authorized(self.candidate(p)))
    }

    /// How full it is.
    pub fn counts(&self) -> Counts {
        Counts {
            destinations: self.dests.len() - self.husks.len(),
            routes: self.n_candidates,
            sources: self.sources.len(),
            attribute_sets: self.sets.len(),
            decisions: self.decisions.len(),
            held: self.flaps.len(),
            marked: self.marks.len() + self.deferred.len(),
            walks: self.walks.len() + usize::from(self.reload.is_some()),
            timers: self.leases.len() + self.timers.len(),
        }
    }

    /// Whether the destination has candidates, barred ones too.
    pub fn contains(&self, destination: &D) -> bool {
        self.find(destination).is_some()
    }

    /// Whether a source has a route to the destination as of now, whether or not a commit has told
    /// of it.
    pub fn holds(&self, source: &SourceId, destination: &D) -> bool {
        let (Some(ix), Some(id)) = (self.sources.find(source), self.find(destination)) else {
            return false;
        };
        self.places(id).map(|place| self.candidate(place)).any(|candidate| {
            candidate.source == ix
                && !candidate.is_gone()
                && self.sources[ix].swept(candidate).is_none()
        })
    }

    /// One more than the greatest id a destination has: walks by position go up to it.
    pub(crate) fn span(&self) -> u32 {
        self.dests.span()
    }

    /// The destination at a position, if one is there.
    pub(crate) fn at(&self, id: u32) -> Option<&D> {
        let dest = &self.dests[id];
        (dest.n > 0).then_some(&dest.key)
    }

    /// Every candidate of a destination, barred ones too: as of the last commit, ranked first.
    pub fn candidates(&self, destination: &D) -> Vec<SelectedRoute<'_>> {
        let Some(id) = self.find(destination) else { return Vec::new() };
        let route = |place: Place| {
            let candidate = *self.candidate(place);
            let standing = candidate.standing;
            let ranked = Ranked {
                candidate,
                standing,
                nominee: false,
                incumbent: false,
                equal_changed: false,
            };
            self.selected_route(&ranked, false)
        };
        let there = |p: &Place| !self.candidate(*p).flags.has(Flags::NEW);
        self.places(id).filter(there).map(route).collect()
    }

    /// How many routes a source has, barred ones too.
    pub fn routes_of(&self, source: &SourceId) -> usize {
        self.sources.find(source).map_or(0, |ix| self.sources[ix].n_live as usize)
    }

    /// The sources there are, in order, with their sessions and how many routes each has.
    pub fn sources(&self) -> Vec<(rutter_route::Session, &'static str, usize)> {
        let mut list: Vec<_> = self
            .sources
            .iter()
            .map(|s| {
                let session =
                    rutter_route::Session { source: s.id.clone(), incarnation: s.incarnation };
                (session, s.phase.as_str(), s.n_live as usize)
            })
            .collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    }
}
