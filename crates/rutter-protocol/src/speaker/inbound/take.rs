//! Routes of an announcement, into their table: each is looked at for itself, and those that may
//! stand are put in together.
//!
//! What a million routes share (attributes, source, table) is looked up once a group. A group is what
//! stands beside each other with the same tags of the originator; it is put in before anything that
//! has to come after it, so that what stands is what it would be one route at a time.

use rutter_rib::{Book, Heard, Kind};
use rutter_route::{Now, Refused, Standing, Verdict};

use super::From;
use super::announce::Said;
use super::claimed::{Claimed, Wanted};
use crate::speaker::Speaker;
use crate::speaker::refuse::Taken;
use crate::speaker::waiting::Verdicts;
use crate::stats::Reason;
use crate::wire::Announced;

impl Speaker {
    /// Puts in what may stand of an announcement.
    pub(super) fn take<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &mut Said,
        routes: &[Announced],
        verdicts: Verdicts<'_>,
    ) -> Taken {
        let mut taken = Taken::default();
        let roomy = self.has_room_for::<D>(book, &said.from, routes.len());
        // The group under way is `routes[first..place]`.
        let mut first = 0;
        for (place, route) in routes.iter().enumerate() {
            let of_kind = route.destination.kind() == D::KIND;
            let alike = routes.get(first).is_none_or(|first| alike(first, route));
            if !of_kind || !alike || !roomy {
                self.put_in::<D>(now, book, said, between(routes, first, place), &mut taken);
                first = place;
            }
            if !of_kind {
                taken.refused.push((Reason::Malformed, route.destination.clone()));
                first = place + 1;
                continue;
            }
            let may = self.may_stand::<D>(now, book, said, route, (verdicts.at(place), roomy));
            if let Err(reason) = may {
                self.put_in::<D>(now, book, said, between(routes, first, place), &mut taken);
                first = place + 1;
                self.refuse::<D>(now, book, said, route, reason, &mut taken);
            }
        }
        self.put_in::<D>(now, book, said, between(routes, first, routes.len()), &mut taken);
        taken
    }

    /// Whether one route may stand, as far as the table isn't asked. A reason: it may not.
    fn may_stand<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &Said,
        route: &Announced,
        (good, roomy): (Option<bool>, bool),
    ) -> Result<(), Reason> {
        if let Some(reason) = said.schema {
            return Err(reason);
        }
        let claim = route.claim.as_ref();
        let wanted = Wanted {
            by: &said.from.by,
            scope: &said.from.spec.scope,
            originator: &said.originator,
            destination: &route.destination,
        };
        let claimed = self.claimed(now, book, wanted, claim, good);
        if let Claimed::Refused(reason) = claimed {
            return Err(reason);
        }
        if !roomy {
            self.within_limit::<D>(book, &said.from, route)?;
        }
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
        Ok(())
    }

    /// Puts a group in.
    fn put_in<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &mut Said,
        group: &[Announced],
        taken: &mut Taken,
    ) {
        let Some(first) = group.first() else { return };
        let own = first.claim.as_ref().map(|claim| &claim.tags);
        let attributes = said.attributes_with(own).cloned();
        let table = book.table_mut::<D>(&said.from.spec.table);
        let (attributes, table) = match (attributes, table) {
            (Ok(attributes), Some(table)) => (attributes, table),
            (Err(reason), _) => return self.refuse_all::<D>(now, book, said, group, reason, taken),
            (_, None) => {
                let reason = Reason::UnknownScope;
                return self.refuse_all::<D>(now, book, said, group, reason, taken);
            }
        };
        // Of a kind that was looked at: none is left out.
        let routes = group
            .iter()
            .filter_map(|route| Some((D::from_any(&route.destination)?, route.path_id.clone())));
        let (mut at, mut others) = (0, Vec::new());
        let each = |verdict| {
            match verdict {
                Verdict::Stands(Standing::Denied | Standing::Held) | Verdict::Refused(_) => {
                    others.push((at, verdict));
                }
                Verdict::Stands(_) => taken.n_accepted += 1,
            }
            at += 1;
        };
        let session = &said.from.session;
        table.advertise_all(now, session, attributes, None, said.standing, routes, each);
        for (at, verdict) in others {
            // Each place is one of the group, and is named once.
            let Some(route) = group.get(at) else { continue };
            match verdict {
                Verdict::Stands(standing) => {
                    let reason = self.why_barred::<D>(now, book, said, route, standing);
                    taken.barred.push((reason, route.destination.clone()));
                }
                Verdict::Refused(why) => {
                    let reason = match why {
                        Refused::Loop => Reason::Loop,
                        Refused::OldSession { .. } => Reason::Replay,
                        _ => self.over_bound(&said.from),
                    };
                    self.refuse::<D>(now, book, said, route, reason, taken);
                }
            }
        }
    }

    fn refuse_all<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &Said,
        group: &[Announced],
        reason: Reason,
        taken: &mut Taken,
    ) {
        for route in group {
            self.refuse::<D>(now, book, said, route, reason, taken);
        }
    }

    /// A route may not stand: what stood of the same (destination, path id) its neighbour has
    /// replaced.
    fn refuse<D: Kind>(
        &mut self,
        now: Now,
        book: &mut Book,
        said: &Said,
        route: &Announced,
        reason: Reason,
        taken: &mut Taken,
    ) {
        if let Some(table) = book.table_mut::<D>(&said.from.spec.table)
            && let Some(destination) = D::from_any(&route.destination)
        {
            table.withdraw(now, &said.from.session, &destination, &route.path_id);
        }
        if !self.bars.is_empty() {
            self.lift(now, book, &said.bar_key(route));
        }
        taken.refused.push((reason, route.destination.clone()));
    }

    /// Whether the neighbour may have so many routes more.
    fn has_room_for<D: Kind>(&self, book: &Book, from: &From, n: usize) -> bool {
        let most = self.neighbours.get(&from.by).map_or(0, |n| n.spec.max_routes);
        let table = book.table::<D>(&from.spec.table);
        table.is_none_or(|table| table.routes_of(&from.source) + n <= most)
    }

    /// Whether the neighbour may have one route more, if this is one more.
    fn within_limit<D: Kind>(
        &mut self,
        book: &Book,
        from: &From,
        route: &Announced,
    ) -> Result<(), Reason> {
        if self.has_room_for::<D>(book, from, 1) {
            return Ok(());
        }
        let is_it = |h: &Heard<'_>| *h.source == from.source && *h.path == route.path_id;
        let table = book.table::<D>(&from.spec.table).zip(D::from_any(&route.destination));
        match table.is_some_and(|(table, to)| table.heard(&to).iter().any(is_it)) {
            true => Ok(()),
            false => Err(self.over_bound(from)),
        }
    }

    /// A bound has refused a route: when there is room its neighbour is asked for it.
    fn over_bound(&mut self, from: &From) -> Reason {
        if let Some(neighbour) = self.neighbours.get_mut(&from.by) {
            neighbour.over.insert(from.spec.scope.clone());
        }
        Reason::Limit
    }

    /// Why a route that is in the table is barred.
    fn why_barred<D: Kind>(
        &self,
        now: Now,
        book: &Book,
        said: &mut Said,
        route: &Announced,
        standing: Standing,
    ) -> Reason {
        if standing == Standing::Held {
            let table = book.table::<D>(&said.from.spec.table).zip(D::from_any(&route.destination));
            let held =
                table.and_then(|(t, to)| t.held_by(now, &said.from.source, &to, &route.path_id));
            return if held == Some("hold-down") { Reason::HoldDown } else { Reason::Suppressed };
        }
        if self.is_barred(&said.bar_key(route)) {
            return Reason::UnknownKey;
        }
        let own = route.claim.as_ref().map(|c| &c.tags);
        let (by, scope) = (said.from.by.clone(), said.from.spec.scope.clone());
        match said.attributes_with(own) {
            Ok(received) => self.why_denied(&by, &scope, &route.destination, received),
            Err(_) => Reason::Policy,
        }
    }
}

/// Whether two routes have the same tags of their originators.
fn alike(one: &Announced, other: &Announced) -> bool {
    let (one, other) = (one.claim.as_ref(), other.claim.as_ref());
    one.map(|claim| &claim.tags) == other.map(|claim| &claim.tags)
}

fn between(routes: &[Announced], from: usize, to: usize) -> &[Announced] {
    routes.get(from..to).unwrap_or_default()
}
