//! What the table is told.
//!
//! A plan is made from the rows to look at: for each destination what is to be said of it, so that
//! all of it is one command. It is carried out in slices of [`SLICE`] destinations, so that the
//! book's owner hears others between; first those at which something is only taken away.

use std::collections::{BTreeMap, HashMap};

use rutter_book::{BookClosed, BookHandle};
use rutter_rib::Table;
use rutter_route::{
    Advertisement, Attributes, By, Decision, Health, NextHop, Now, Observer, PathId, Resolution,
    Service, Session, TableName, Verdict as Answer,
};
use smol_str::{SmolStr, ToSmolStr};

use super::rows::{Dirty, Row, Rows, Told};
use crate::monitor::{Monitors, Seen};
use crate::registry::{EntryKey, Verdict, What};

/// Destinations in one command to the book.
const SLICE: usize = 500;

/// The rule whose word a loser is denied by.
pub(super) const RULE: &str = "one service a place";

/// Who says in the table how routes are.
pub(super) const OBSERVER: &str = "health";

/// What is to be said, by destination.
#[derive(Debug, Default)]
pub(super) struct Plan {
    at: BTreeMap<Service, Vec<Job>>,
    /// Next hops that are well again.
    resolved: Vec<NextHop>,
}

/// One thing to say of one route at a destination.
#[derive(Debug)]
struct Job {
    key: EntryKey,
    session: Session,
    path: PathId,
    says: Says,
}

#[derive(Debug)]
enum Says {
    Deny(SmolStr),
    Allow,
    Advertise { attributes: Box<Attributes>, is_denied: bool },
    Withdraw,
    Health(Health),
    Unresolved(NextHop, String),
}

/// Why the table has no room for a route, at which destination.
pub(super) type NotTaken = Vec<(EntryKey, Service, SmolStr)>;

/// Next hops that can't be reached, and which routes say so.
pub(super) type Stopped = HashMap<NextHop, BTreeMap<EntryKey, String>>;

impl Plan {
    /// Plans what makes the table say what these rows say, and takes note of it in the rows.
    pub(super) fn of(
        rows: &mut Rows,
        dirty: &Dirty,
        monitors: Option<&Monitors>,
        stopped: &mut Stopped,
    ) -> Self {
        let mut plan = Self::default();
        for key in dirty {
            let verdict = rows.verdict(key);
            let Some(provider) = rows.provider_mut(&key.provider) else { continue };
            let session = provider.session.clone();
            let Some(row) = provider.rows.get_mut(key) else { continue };
            let path = crate::map::path_id(&key.name, key.container.as_ref());
            let job =
                |says| Job { key: key.clone(), session: session.clone(), path: path.clone(), says };
            watch(key, row, &verdict, monitors);
            plan.row(row, &verdict, job);
            plan.hop(key, row, stopped, job);
        }
        plan
    }

    fn row(&mut self, row: &mut Row, verdict: &Verdict, job: impl Fn(Says) -> Job) {
        let (services, attributes) = match &row.what {
            Some(What::Route(route)) => (vec![route.service()], Some(route.attributes())),
            Some(What::Refused(refused)) => (refused.services(), Some(refused.attributes())),
            Some(What::Excluded(_) | What::Link(_)) | None => (Vec::new(), None),
        };
        let denied = match verdict {
            Verdict::Denied { why, .. } => Some(why.clone()),
            Verdict::Granted | Verdict::NotTaken { .. } => None,
        };
        let turns_granted = row.denied.is_some() && denied.is_none();
        for service in row.told.iter().filter(|told| !services.contains(told)) {
            let jobs = self.at.entry(service.clone()).or_default();
            jobs.push(job(Says::Withdraw));
            if row.denied.is_some() {
                jobs.push(job(Says::Allow));
            }
        }
        let mut is_there_anew = false;
        for service in &services {
            let comes = !row.told.contains(service);
            is_there_anew |= comes;
            let jobs = self.at.entry(service.clone()).or_default();
            match &denied {
                Some(why) if comes || row.denied.as_ref() != Some(why) => {
                    jobs.push(job(Says::Deny(why.clone())));
                }
                None if turns_granted && !comes => jobs.push(job(Says::Allow)),
                _ => {}
            }
            // What was denied may have given way to others at the destination's bound.
            if (comes || row.is_new || turns_granted)
                && let Some(attributes) = attributes.clone()
            {
                let (attributes, is_denied) = (Box::new(attributes), denied.is_some());
                jobs.push(job(Says::Advertise { attributes, is_denied }));
            }
            if jobs.is_empty() {
                self.at.remove(service);
            }
        }
        row.told = services;
        row.denied = denied;
        row.not_taken = None;
        row.is_new = false;
        if is_there_anew || turns_granted {
            // A verdict ends with its route.
            row.health_told = Told::Unknown;
        }
        let seen = row.health.seen();
        self.health(row, &seen, job);
    }

    /// Says how a route is, if that is another than what was said.
    fn health(&mut self, row: &mut Row, seen: &Seen, job: impl Fn(Says) -> Job) {
        let told = Told::of(seen);
        if told == row.health_told {
            return;
        }
        row.health_told = told;
        for service in &row.told {
            let jobs = self.at.entry(service.clone()).or_default();
            jobs.push(job(Says::Health(told.health(seen))));
        }
    }

    /// Says whether a route's next hop can be reached, as its provider sees it.
    fn hop(
        &mut self,
        key: &EntryKey,
        row: &mut Row,
        stopped: &mut Stopped,
        job: impl Fn(Says) -> Job,
    ) {
        let unresolved = match &row.what {
            Some(What::Route(route)) => {
                route.unresolved.clone().map(|why| (route.attributes().next_hop, why))
            }
            _ => None,
        };
        let hop = unresolved.as_ref().map(|(hop, _)| hop.clone());
        if let Some(before) = std::mem::replace(&mut row.unresolved, hop.clone())
            && Some(&before) != hop.as_ref()
            && let Some(by) = stopped.get_mut(&before)
        {
            by.remove(key);
            if by.is_empty() {
                stopped.remove(&before);
                self.resolved.push(before);
            }
        }
        let Some((hop, why)) = unresolved else { return };
        for service in &row.told {
            let jobs = self.at.entry(service.clone()).or_default();
            jobs.push(job(Says::Unresolved(hop.clone(), why.clone())));
        }
        stopped.entry(hop).or_default().insert(key.clone(), why);
    }

    /// A monitor's verdict on a route. Says what was told before, of one that is in the table.
    pub(super) fn turned(&mut self, rows: &mut Rows, key: &EntryKey, to: &Seen) -> Option<Told> {
        let provider = rows.provider_mut(&key.provider)?;
        let session = provider.session.clone();
        let row = provider.rows.get_mut(key).filter(|row| row.is_watched)?;
        let before = row.health_told;
        let path = crate::map::path_id(&key.name, key.container.as_ref());
        let job =
            |says| Job { key: key.clone(), session: session.clone(), path: path.clone(), says };
        self.health(row, to, job);
        Some(before)
    }

    /// Carries it out. Returns when all of it is committed.
    pub(super) async fn carry_out(
        self,
        book: &BookHandle,
        table: &TableName,
    ) -> Result<NotTaken, BookClosed> {
        let mut not_taken = Vec::new();
        let (takes, gives): (Vec<_>, Vec<_>) =
            self.at.into_iter().partition(|(_, jobs)| !jobs.iter().any(Job::gives));
        let mut left = takes.into_iter().chain(gives).peekable();
        while left.peek().is_some() {
            let slice: Vec<(Service, Vec<Job>)> = left.by_ref().take(SLICE).collect();
            let table = table.clone();
            let said = book.apply(move |book, now| {
                let mut not_taken = Vec::new();
                let Some(table) = book.table_mut::<Service>(&table) else { return not_taken };
                for (service, jobs) in slice {
                    for job in jobs {
                        if let Some(why) = job.run(now, table, &service) {
                            not_taken.push((job.key, service.clone(), why));
                        }
                    }
                }
                not_taken
            });
            not_taken.extend(said.await?);
        }
        if !self.resolved.is_empty() {
            let (table, resolved) = (table.clone(), self.resolved);
            book.apply(move |book, now| {
                let Some(table) = book.table_mut::<Service>(&table) else { return };
                for hop in &resolved {
                    table.next_hop(now, hop, Resolution::Resolved);
                }
            })
            .await?;
        }
        Ok(not_taken)
    }
}

impl Job {
    /// Whether somebody may be served by it who wasn't.
    fn gives(&self) -> bool {
        match &self.says {
            Says::Allow => true,
            Says::Advertise { attributes, is_denied } => {
                !is_denied && attributes.next_hop != NextHop::Discard
            }
            Says::Deny(_) | Says::Withdraw | Says::Health(_) | Says::Unresolved(..) => false,
        }
    }

    /// Says it; answers why there is no room for the route, if so.
    fn run(&self, now: Now, table: &mut Table<Service>, service: &Service) -> Option<SmolStr> {
        let source = &self.session.source;
        match &self.says {
            Says::Deny(why) => {
                let on = (service, &self.path);
                let by = By::Rule(RULE.into());
                let said = table.decide_path(now, source, on, Decision::Revoke, by, why);
                // What can't be denied isn't there at all.
                let full = said.err()?;
                table.withdraw(now, &self.session, service, &self.path);
                Some(full.to_smolstr())
            }
            Says::Allow => {
                self.allow(now, table, service);
                None
            }
            Says::Advertise { attributes, is_denied } => {
                let mut route = Advertisement::new(service.clone(), (**attributes).clone());
                route.path = self.path.clone();
                let Answer::Refused(why) = table.advertise(now, &self.session, route) else {
                    return None;
                };
                if *is_denied {
                    // No word stays of what isn't there.
                    self.allow(now, table, service);
                }
                Some(why.to_smolstr())
            }
            Says::Withdraw => {
                table.withdraw(now, &self.session, service, &self.path);
                None
            }
            Says::Health(is) => {
                let by = Observer { name: OBSERVER.into(), acts: true };
                table.health(now, &by, source, Some((service, &self.path)), is.clone());
                None
            }
            Says::Unresolved(hop, why) => {
                table.next_hop(now, hop, Resolution::Unresolved { why: why.clone() });
                None
            }
        }
    }
}

impl Job {
    fn allow(&self, now: Now, table: &mut Table<Service>, service: &Service) {
        let by = By::Rule(RULE.into());
        let on = (service, &self.path);
        // Taking back needs no room.
        let _ = table.decide_path(now, &self.session.source, on, Decision::Clear, by, "");
    }
}

impl Told {
    pub(super) fn of(seen: &Seen) -> Self {
        use crate::monitor::HealthStatus::{Error, Healthy, Napping, Starting, Unhealthy, Unknown};
        match seen.status {
            Unknown => Self::Unknown,
            Healthy | Napping | Starting => Self::Healthy,
            Unhealthy | Error => Self::Unhealthy,
        }
    }

    fn health(self, seen: &Seen) -> Health {
        match self {
            Self::Unknown => Health::Unknown,
            Self::Healthy => Health::Healthy,
            Self::Unhealthy => Health::Unhealthy { why: seen.detail.clone(), until: None },
        }
    }
}

/// Has a route watched while it is served, and forgotten when it isn't.
fn watch(key: &EntryKey, row: &mut Row, verdict: &Verdict, monitors: Option<&Monitors>) {
    let Some(monitors) = monitors else { return };
    match (&row.what, verdict) {
        (Some(What::Route(_)), Verdict::Granted) if row.is_watched && !row.is_new => {}
        (Some(What::Route(route)), Verdict::Granted) => {
            row.health = monitors.watch(key, route);
            row.is_watched = true;
        }
        _ if row.is_watched => {
            monitors.forget(key);
            row.health = Default::default();
            row.is_watched = false;
        }
        _ => {}
    }
}
