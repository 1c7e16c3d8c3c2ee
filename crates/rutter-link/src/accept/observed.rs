//! What a sink sees of the routes that it was told, put where they come from: shown, and acting
//! nowhere, so that two sinks with different reach don't disturb each other.
//!
//! When the session ends they are taken back: nobody watches any more. Bounds: [`MAX_OBSERVED`]
//! routes a session and table; over it nothing more is taken, and that is logged.

use std::collections::HashSet;

use async_trait::async_trait;
use rutter_book::BookHandle;
use rutter_route::{
    ClusterId, DestinationKind, Health, Now, Observer, Prefix, RouteKey, Service, TableName,
};

use super::Offer;
use crate::Observation;
use crate::wire::observation::{self, Seen};
use crate::wire::{Family, v1};

/// See the module's head.
const MAX_OBSERVED: usize = 262_144;

/// All tables of a session.
pub(super) struct Observations(Vec<Box<dyn Table>>);

#[async_trait]
trait Table: Send + Sync {
    fn name(&self) -> &TableName;
    async fn take(&mut self, observe: &v1::Observe);
    async fn clear(&mut self);
}

impl Observations {
    /// By `observer`, of the tables that it may be told of.
    pub(super) fn new(observer: &str, offers: &[Offer]) -> Self {
        let by = Observer { name: observer.to_owned(), acts: false };
        let table = |offer: &Offer| -> Box<dyn Table> {
            match offer.kind {
                DestinationKind::Prefix => Box::new(Observed::<Prefix>::of(&by, offer)),
                DestinationKind::Service => Box::new(Observed::<Service>::of(&by, offer)),
                DestinationKind::Cluster => Box::new(Observed::<ClusterId>::of(&by, offer)),
            }
        };
        Self(offers.iter().map(table).collect())
    }

    /// Takes what is seen of one of the tables; `false`: it is of none.
    pub(super) async fn take(&mut self, observe: &v1::Observe) -> bool {
        let table = self.0.iter_mut().find(|table| table.name().as_str() == observe.table);
        let Some(table) = table else { return false };
        table.take(observe).await;
        true
    }

    pub(super) async fn clear(&mut self) {
        for table in &mut self.0 {
            table.clear().await;
        }
    }
}

struct Observed<D> {
    by: Observer,
    table: TableName,
    book: BookHandle,
    /// Those about which something was said.
    said: HashSet<(D, RouteKey)>,
}

impl<D: Family> Observed<D> {
    fn of(by: &Observer, offer: &Offer) -> Self {
        let (table, book) = (offer.table.clone(), offer.book.clone());
        Self { by: by.clone(), table, book, said: HashSet::new() }
    }

    async fn apply(&self, observations: Vec<Observation<D>>) {
        let (by, name) = (self.by.clone(), self.table.clone());
        let applied = self.book.apply(move |book, now| {
            let Some(table) = book.table_mut::<D>(&name) else { return };
            for seen in observations {
                let at = Some((&seen.destination, &seen.route.path));
                // `false`: the route went meanwhile, and what was seen of it with it.
                table.health(now, &by, &seen.route.source, at, health(now, seen.is));
            }
        });
        if let Err(closed) = applied.await {
            tracing::debug!(%closed, "observations find no table");
        }
    }

    /// Keeps in mind what must be taken back at the end. Whether there was room.
    fn note(&mut self, seen: &Observation<D>) -> bool {
        let at = (seen.destination.clone(), seen.route.clone());
        if seen.is == Seen::Unknown {
            self.said.remove(&at);
            return true;
        }
        if self.said.len() >= MAX_OBSERVED && !self.said.contains(&at) {
            return false;
        }
        self.said.insert(at);
        true
    }
}

#[async_trait]
impl<D: Family> Table for Observed<D> {
    fn name(&self) -> &TableName {
        &self.table
    }

    async fn take(&mut self, observe: &v1::Observe) {
        let mut taken = Vec::with_capacity(observe.observations.len());
        let mut n_left_out = 0_usize;
        for wire in &observe.observations {
            match observation::decode::<D>(wire) {
                Ok(seen) if self.note(&seen) => taken.push(seen),
                Ok(_) => n_left_out += 1,
                Err(malformed) => {
                    n_left_out += 1;
                    tracing::debug!(by = self.by.name, %malformed, "an observation");
                }
            }
        }
        if n_left_out > 0 {
            tracing::warn!(by = self.by.name, n_left_out, "observations were not taken");
        }
        self.apply(taken).await;
    }

    async fn clear(&mut self) {
        let said = std::mem::take(&mut self.said).into_iter();
        let unknown =
            said.map(|(destination, route)| Observation { destination, route, is: Seen::Unknown });
        self.apply(unknown.collect()).await;
    }
}

fn health(now: Now, seen: Seen) -> Health {
    match seen {
        Seen::Unknown => Health::Unknown,
        Seen::Healthy => Health::Healthy,
        Seen::Unhealthy { why, left } => {
            Health::Unhealthy { why, until: left.map(|left| now.deadline(left)) }
        }
    }
}
