//! "Feeds": the best of one table is a claim in another.

use rutter_route::{
    Advertisement, Incarnation, Now, PathId, PathStep, Refused, Session, SourceId, SourceInfo,
    SourceState, TableName, Verdict,
};

use crate::outlet::{Batch, Outlet, OutletSpec, Tell, ToldRoute};
use crate::table::{Changes, Progress};

use super::{Book, Feed, Kind};

/// A feed under way: an outlet of one table that is a source of another.
#[derive(Debug)]
pub struct Feeding<D> {
    from: TableName,
    to: TableName,
    outlet: Outlet<D>,
    session: Session,
}

impl Book {
    pub(super) fn add_feed<D: Kind>(&mut self, feed: Feed, now: Now, seed: u64) {
        let source = SourceId::table(&feed.from);
        let mut spec = OutletSpec::best(format!("table {}", feed.to));
        spec.export = feed.export;
        // Nothing goes back where it came from; what comes round is refused by its path list.
        spec.split_horizon = Some(SourceId::table(&feed.to));
        let session = Session { source, incarnation: Incarnation(1) };
        if let Some(to) = D::tables_mut(self).get_mut(&feed.to) {
            // A table that is being made has room for a source; were its bound of sources less
            // than its feeds, each claim would say so.
            let up = SourceState::Up(SourceInfo::default());
            if to.source(now, &session, up).is_err() {
                return;
            }
        }
        let outlet = Outlet::new(spec, seed);
        D::feeds_mut(self).push(Feeding { from: feed.from, to: feed.to, outlet, session });
    }

    /// Carries a table's changes to those it feeds.
    pub(super) fn feed_from<D: Kind>(
        &mut self,
        now: Now,
        from: &TableName,
        changes: &Changes<D>,
        budget: usize,
    ) -> Progress {
        let mut progress = Progress::Done;
        let mut feeds = std::mem::take(D::feeds_mut(self));
        for feed in feeds.iter_mut().filter(|f| f.from == *from) {
            let Some(table) = D::tables(self).get(from) else { continue };
            feed.outlet.note(table, changes);
            if feed.outlet.is_idle(now) {
                continue;
            }
            let batch = feed.outlet.next(now, table, budget);
            // What was told may be for a table that this walk has passed already.
            if !batch.is_empty() || batch.more {
                progress = Progress::More;
            }
            self.feed(now, feed, batch);
        }
        *D::feeds_mut(self) = feeds;
        progress
    }

    fn feed<D: Kind>(&mut self, now: Now, feed: &mut Feeding<D>, batch: Batch<D>) {
        let cluster = self.cluster.clone();
        let Some(to) = D::tables_mut(self).get_mut(&feed.to) else { return };
        let session = &feed.session;
        if batch.begin_snapshot {
            to.begin_refresh(now, session);
        }
        for tell in batch.tells {
            match tell {
                Tell::Withdraw { destination, .. } => {
                    to.withdraw(now, session, &destination, &PathId::default());
                }
                Tell::Advertise { destination, routes, .. } => {
                    let step = PathStep { cluster: cluster.clone(), table: feed.from.clone() };
                    let claim = routes.into_iter().next().and_then(|route| claim(route, step));
                    let Some((attributes, standing)) = claim else {
                        to.withdraw(now, session, &destination, &PathId::default());
                        continue;
                    };
                    let mut route = Advertisement::new(destination.clone(), attributes);
                    route.standing = standing;
                    match to.advertise(now, session, route) {
                        Verdict::Stands(_) | Verdict::Refused(Refused::Loop) => {
                            feed.outlet.accepted(&destination);
                        }
                        Verdict::Refused(why) => {
                            feed.outlet.refused(now, &destination, &why.to_string());
                        }
                    }
                }
            }
        }
        if batch.end_of_snapshot {
            to.end_of_refresh(now, session);
        }
    }

    /// What is told of a destination by the feeds of its table.
    pub(super) fn feeds_of<D: Kind>(
        &self,
        from: &TableName,
        destination: &D,
    ) -> Vec<rutter_route::SinkExplanation> {
        let feeds = D::feeds(self).iter().filter(|f| f.from == *from);
        feeds.map(|f| f.outlet.explain(destination)).collect()
    }
}

/// A route with one more step behind it; `None` if its path list is full.
fn claim(
    route: ToldRoute,
    step: PathStep,
) -> Option<(rutter_route::Attributes, rutter_route::Standing)> {
    let mut attributes = route.attributes;
    if attributes.path_list.len() >= rutter_route::MAX_PATH_LIST {
        return None;
    }
    attributes.path_list.push(step);
    Some((attributes, route.standing))
}
