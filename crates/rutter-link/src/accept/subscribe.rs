//! The tables that one session is told of.

use std::collections::HashMap;

use rutter_book::Subscription;
use rutter_rib::{Depth, OutletSpec};
use rutter_route::{ClusterId, DestinationKind, Prefix, Service, TableName};
use tokio::sync::mpsc;

use super::parked::{Parked, ParkedOutlet};
use super::pump::{Pump, outlet_id};
use super::{MAX_SUBSCRIPTIONS, Offer};
use crate::wire::{Family, v1};
use crate::{Caller, Refusal, RefusalCode};

pub(super) struct Subscriptions {
    /// The sink's name, for `explain`.
    sink: String,
    offers: Vec<Offer>,
    pumps: HashMap<TableName, Pump>,
}

impl Subscriptions {
    pub(super) fn new(sink: &str, offers: Vec<Offer>) -> Self {
        Self { sink: sink.to_owned(), offers, pumps: HashMap::new() }
    }

    /// Begins to tell of a table.
    pub(super) async fn subscribe(
        &mut self,
        parked: &Parked,
        caller: &Caller,
        asked: v1::Subscribe,
        out: mpsc::Sender<v1::Frame>,
    ) -> Result<(), Refusal> {
        let offer = self.offered(&asked)?;
        if !self.pumps.contains_key(&offer.table) && self.pumps.len() >= MAX_SUBSCRIPTIONS {
            let why = format!("a session is told of at most {MAX_SUBSCRIPTIONS} tables");
            return Err(Refusal::new(RefusalCode::Bound, why));
        }
        if let Some(pump) = self.pumps.remove(&offer.table) {
            pump.end().await;
        }
        let before = parked.take(caller, &offer.table, asked.outlet).filter(|_| asked.outlet != 0);
        let pump = match offer.kind {
            DestinationKind::Prefix => start::<Prefix>(&offer, &asked, before, out).await?,
            DestinationKind::Service => start::<Service>(&offer, &asked, before, out).await?,
            DestinationKind::Cluster => start::<ClusterId>(&offer, &asked, before, out).await?,
        };
        self.pumps.insert(offer.table, pump);
        Ok(())
    }

    fn offered(&self, asked: &v1::Subscribe) -> Result<Offer, Refusal> {
        let invalid = |why: String| Refusal::new(RefusalCode::Invalid, why);
        let offer = self.offers.iter().find(|offer| offer.table.as_str() == asked.table);
        let offer = offer.ok_or_else(|| {
            let why = format!("there is no table `{}` for this caller", asked.table.escape_debug());
            Refusal::new(RefusalCode::NotAllowed, why)
        })?;
        let kind = match offer.kind {
            DestinationKind::Prefix => v1::Kind::Prefix,
            DestinationKind::Service => v1::Kind::Service,
            DestinationKind::Cluster => v1::Kind::Cluster,
        };
        if asked.kind() != kind {
            return Err(invalid(format!("the table `{}` has another kind", offer.table)));
        }
        let depth = match asked.depth() {
            v1::Depth::Best => Depth::Best,
            v1::Depth::Equals => Depth::Equals,
            v1::Depth::First => Depth::First(asked.first.max(1) as usize),
            v1::Depth::All => Depth::All,
            v1::Depth::Unspecified => {
                return Err(invalid("a subscription names its depth".to_owned()));
            }
        };
        let spec = OutletSpec {
            sink: self.sink.clone(),
            depth,
            unreachable: asked.unreachable,
            ..offer.spec.clone()
        };
        Ok(Offer { spec, ..offer.clone() })
    }

    /// The tables that there are for it.
    pub(super) fn tables(&self) -> Vec<String> {
        self.offers.iter().map(|offer| offer.table.to_string()).collect()
    }

    /// What the sink says of what it was told.
    pub(super) fn reported(&self, report: &v1::Report) {
        let pump = self.pumps.iter().find(|(table, _)| table.as_str() == report.table);
        if let Some((_, pump)) = pump {
            pump.reported(report);
        }
    }

    /// The session ends: its outlets wait for its sink to come back.
    pub(super) async fn park(&mut self, parked: &Parked, caller: &Caller) {
        for (table, pump) in self.pumps.drain() {
            let outlet = pump.outlet();
            let Some((complete_at, subscription)) = pump.end().await else { continue };
            let caller = caller.clone();
            parked.park(ParkedOutlet { caller, table, outlet, complete_at, subscription });
        }
    }
}

async fn start<D: Family>(
    offer: &Offer,
    asked: &v1::Subscribe,
    before: Option<ParkedOutlet>,
    out: mpsc::Sender<v1::Frame>,
) -> Result<Pump, Refusal> {
    let unavailable = |why: &dyn std::fmt::Display| Refusal::new(RefusalCode::Unavailable, why);
    if let Some((outlet, complete_at, subscription)) = resumable::<D>(before, asked.after) {
        subscription.resume(Some(asked.after)).await.map_err(|e| unavailable(&e))?;
        let at = Some(complete_at);
        return Ok(Pump::start(offer.table.clone(), outlet, at, subscription, out));
    }
    let subscribed = offer.book.subscribe::<D>(offer.table.clone(), offer.spec.clone()).await;
    let subscription = subscribed.map_err(|e| unavailable(&e))?;
    let subscription = subscription.ok_or_else(|| unavailable(&"the table isn't there"))?;
    Ok(Pump::start(offer.table.clone(), outlet_id(), None, subscription, out))
}

/// The outlet of before, if its sink has heard a whole snapshot by it.
fn resumable<D: Family>(
    before: Option<ParkedOutlet>,
    after: u64,
) -> Option<(u64, u64, Subscription<D>)> {
    let before = before?;
    let complete_at = before.complete_at.filter(|at| *at <= after)?;
    let subscription = before.subscription.downcast().ok()?;
    Some((before.outlet, complete_at, *subscription))
}
