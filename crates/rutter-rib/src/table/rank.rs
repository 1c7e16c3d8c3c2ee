//! Selection: the order of candidates by named criteria, first decides.
//!
//! `identity` is always the last criterion, so two candidates never compare equal and equal inputs
//! give the same ranking on every machine whatever their order of arrival. The one exception has a
//! name: `incumbent`.

use std::cmp::Ordering;

use rutter_route::{Attributes, Criterion, Destination, PathId, SourceId, Standing};

use crate::policy::{AllUnhealthy, ScoreWeights};

use super::Table;
use super::candidate::{Candidate, Place};
use super::views::View;

/// A candidate on its way through selection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked {
    pub(super) candidate: Candidate,
    pub(super) standing: Standing,
    /// A nominee: before all others, though its source be offline.
    pub(super) nominee: bool,
    pub(super) incumbent: bool,
    /// It is an equal of the default view's best, and wasn't at the last commit, or the reverse.
    pub(super) equal_changed: bool,
}

/// What two candidates are compared by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender<'a> {
    pub(super) standing: Standing,
    pub(super) attributes: &'a Attributes,
    pub(super) source: &'a SourceId,
    pub(super) path: &'a PathId,
    pub(super) nominee: bool,
    pub(super) incumbent: bool,
}

/// The order of two candidates, and the criterion that decided.
pub(super) fn compare(
    criteria: &[Criterion],
    weights: &ScoreWeights,
    a: &Contender<'_>,
    b: &Contender<'_>,
) -> (Ordering, Criterion) {
    if a.nominee != b.nominee {
        return (b.nominee.cmp(&a.nominee), Criterion::Incumbent);
    }
    for criterion in criteria {
        let order = by(*criterion, weights, a, b);
        if order.is_ne() {
            return (order, *criterion);
        }
    }
    (by(Criterion::Identity, weights, a, b), Criterion::Identity)
}

fn by(
    criterion: Criterion,
    weights: &ScoreWeights,
    a: &Contender<'_>,
    b: &Contender<'_>,
) -> Ordering {
    let (x, y) = (a.attributes, b.attributes);
    match criterion {
        Criterion::Standing => a.standing.cmp(&b.standing),
        Criterion::Preference => y.preference.cmp(&x.preference),
        Criterion::Incumbent => b.incumbent.cmp(&a.incumbent),
        Criterion::NodeId => a.source.cmp(b.source),
        Criterion::Priority => x.priority.cmp(&y.priority),
        Criterion::Metric => x.metric.cmp(&y.metric),
        Criterion::Score => weights.score(x).cmp(&weights.score(y)),
        Criterion::Hops => x.hops.cmp(&y.hops),
        Criterion::Latency => x.latency_us.cmp(&y.latency_us),
        Criterion::Reliability => y.reliability_ppm.cmp(&x.reliability_ppm),
        Criterion::Bandwidth => y.bandwidth_kbps.cmp(&x.bandwidth_kbps),
        Criterion::Cost => x.cost.cmp(&y.cost),
        Criterion::Equal => Ordering::Equal,
        Criterion::Identity => a.source.cmp(b.source).then_with(|| a.path.cmp(b.path)),
    }
}

/// What a criterion sees of a candidate, for people.
pub(super) fn value(criterion: Criterion, weights: &ScoreWeights, of: &Contender<'_>) -> String {
    let a = of.attributes;
    match criterion {
        Criterion::Standing => of.standing.to_string(),
        Criterion::Preference => a.preference.to_string(),
        Criterion::Incumbent if of.nominee => "nominated".into(),
        Criterion::Incumbent if of.incumbent => "incumbent".into(),
        Criterion::Incumbent => "newcomer".into(),
        Criterion::NodeId => of.source.to_string(),
        Criterion::Priority => a.priority.to_string(),
        Criterion::Metric => a.metric.to_string(),
        Criterion::Score => {
            let score = weights.score(a);
            format!("{}.{:03}", score / 1000, score % 1000)
        }
        Criterion::Hops => a.hops.to_string(),
        Criterion::Latency => format!("{} us", a.latency_us),
        Criterion::Reliability => format!("{} ppm", a.reliability_ppm),
        Criterion::Bandwidth => format!("{} kbit/s", a.bandwidth_kbps),
        Criterion::Cost => a.cost.to_string(),
        Criterion::Equal => String::new(),
        Criterion::Identity if of.path.is_empty() => of.source.to_string(),
        Criterion::Identity => format!("{} {}", of.source, of.path),
    }
}

/// Whether two are alike in all criteria before the mark `equal`, and of one group.
fn are_equal(
    criteria: &[Criterion],
    weights: &ScoreWeights,
    a: &Contender<'_>,
    b: &Contender<'_>,
) -> bool {
    let Some(mark) = criteria.iter().position(|c| *c == Criterion::Equal) else { return false };
    let before = criteria.get(..mark).unwrap_or_default();
    a.attributes.group.is_some()
        && a.attributes.group == b.attributes.group
        && a.nominee == b.nominee
        && before.iter().all(|c| by(*c, weights, a, b).is_eq())
}

/// What ordering reads of an item before it compares: most lists are decided by it.
pub(super) trait Rankable {
    fn ranked(&self) -> &Ranked;

    /// Whether it is in the ranked list at all.
    fn is_ranked(&self) -> bool {
        let ranked = self.ranked();
        !ranked.standing.is_barred() || ranked.nominee
    }
}

impl Rankable for Ranked {
    fn ranked(&self) -> &Ranked {
        self
    }
}

impl Rankable for (Ranked, Place) {
    fn ranked(&self) -> &Ranked {
        &self.0
    }
}

/// Sorts the ranked in front and the barred behind, and says how many are ranked.
pub(super) fn order<T: Rankable, C>(
    list: &mut [T],
    criteria: &[Criterion],
    weights: &ScoreWeights,
    all_unhealthy: AllUnhealthy,
    within: &C,
    contender: for<'t> fn(&'t C, &'t T) -> Contender<'t>,
) -> usize {
    list.sort_by(|a, b| {
        b.is_ranked().cmp(&a.is_ranked()).then_with(|| {
            let (x, y) = (contender(within, a), contender(within, b));
            match a.is_ranked() {
                true => compare(criteria, weights, &x, &y).0,
                false => by(Criterion::Identity, weights, &x, &y),
            }
        })
    });
    let n = list.iter().filter(|r| r.is_ranked()).count();
    let all_sick = list.first().is_some_and(|r| r.ranked().standing == Standing::Unhealthy);
    if n == 0 || !all_sick || all_unhealthy == AllUnhealthy::Best {
        return n;
    }
    // Nothing works: whoever was best stays so, and nobody takes over for no gain.
    match list.iter().take(n).position(|r| r.ranked().incumbent) {
        Some(at) => {
            if let Some(front) = list.get_mut(..=at) {
                front.rotate_right(1);
            }
            n
        }
        None => 0,
    }
}

impl<D: Destination> Table<D> {
    pub(super) fn contender<'a>(&'a self, of: &'a Ranked) -> Contender<'a> {
        Contender {
            standing: of.standing,
            attributes: self.sets.get(of.candidate.effective),
            source: &self.sources[of.candidate.source].id,
            path: self.paths.get(of.candidate.path),
            nominee: of.nominee,
            incumbent: of.incumbent,
        }
    }

    /// A candidate as a view sees it: with its standing as it follows now, or as of the last
    /// commit.
    pub(super) fn ranked(&self, view: usize, id: u32, candidate: Candidate, live: bool) -> Ranked {
        let standing = if live { self.standing(&candidate) } else { candidate.standing };
        let keeps = self.views.get(view).is_some_and(|v| v.keeps);
        let best = if keeps { self.incumbent(view, id, &candidate) } else { None };
        let nominated = best.is_some_and(|b| b.nominated);
        Ranked {
            candidate,
            standing,
            nominee: nominated && (!standing.is_barred() || standing == Standing::Offline),
            incumbent: best.is_some(),
            equal_changed: false,
        }
    }

    /// The ranked list of a view that isn't the default, worked out now.
    pub(super) fn rank_view(&self, view: usize, id: u32) -> Vec<Ranked> {
        if self.views.get(view).is_none_or(|v| v.name.is_none()) {
            return Vec::new();
        }
        let mut list: Vec<Ranked> = self
            .places(id)
            .map(|p| *self.candidate(p))
            .filter(|c| !c.is_gone() && self.shows(view, id, c))
            .map(|c| self.ranked(view, id, c, true))
            .collect();
        let n = self.order_ranked(&mut list, view);
        list.truncate(n);
        list
    }

    /// Orders the candidates of a view, and says how many are ranked. Who comes out first is the
    /// incumbent from then on, and the others stand in the order behind it as such: ranking again
    /// changes nothing.
    pub(super) fn order_ranked(&self, list: &mut [Ranked], view: usize) -> usize {
        let Some(View { criteria, .. }) = self.views.get(view) else { return 0 };
        let policy = &self.policy;
        let order = |list: &mut [Ranked]| {
            order(list, criteria, &policy.score, policy.all_unhealthy, self, |table, r| {
                table.contender(r)
            })
        };
        let n = order(list);
        let taken_over = n > 1
            && criteria.contains(&Criterion::Incumbent)
            && list.first().is_some_and(|best| !best.incumbent);
        if !taken_over {
            return n;
        }
        for (at, ranked) in list.iter_mut().enumerate() {
            ranked.incumbent = at == 0;
        }
        order(list)
    }

    /// How many at the head of a ranked list are the best or as good.
    pub(super) fn n_equal(&self, list: &[Ranked], view: usize) -> usize {
        let (Some((best, others)), Some(v)) = (list.split_first(), self.views.get(view)) else {
            return 0;
        };
        let best = self.contender(best);
        let weights = &self.policy.score;
        let equal = |r: &&Ranked| are_equal(&v.criteria, weights, &best, &self.contender(r));
        // Equals stand together: the first that isn't one ends them.
        1 + others.iter().take_while(equal).count()
    }

    /// The criterion by which `a` is before `b`.
    pub(super) fn decided(&self, criteria: &[Criterion], a: &Ranked, b: &Ranked) -> Criterion {
        compare(criteria, &self.policy.score, &self.contender(a), &self.contender(b)).1
    }

    /// Over the bound of a destination the last in rank gives way, barred ones first; it is
    /// remembered, to be asked for when there is room. Returns the refusal if the newcomer is it.
    pub(super) fn make_room(
        &mut self,
        now: rutter_route::Now,
        id: u32,
        newcomer: Place,
    ) -> Option<rutter_route::Refused> {
        let bound = self.policy.bounds.per_destination;
        if usize::from(self.dests[id].n) <= bound {
            return None;
        }
        let live: Vec<Place> = self.places(id).filter(|p| !self.candidate(*p).is_gone()).collect();
        if live.len() <= bound {
            return None;
        }
        let mut list: Vec<(Ranked, Place)> =
            live.iter().map(|p| (self.ranked(0, id, *self.candidate(*p), true), *p)).collect();
        let weights = &self.policy.score;
        order(&mut list, &self.criteria, weights, AllUnhealthy::Best, self, |table, r| {
            table.contender(&r.0)
        });
        let (_, place) = list.last().copied()?;
        let key = self.key_of(self.candidate(place));
        self.asks.add(&self.dests[id].key, key, self.policy.bounds.asks);
        self.leave(now, id, place, rutter_route::Left::Evicted);
        (place == newcomer).then_some(rutter_route::Refused::DestinationBound(bound))
    }
}
