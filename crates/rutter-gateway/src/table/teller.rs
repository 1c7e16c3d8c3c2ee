//! Who tells the gateway its routes: a book in this process, or a link.

use std::collections::HashMap;

use rutter_book::{BookClosed, Subscription};
use rutter_link::{Backoff, Heard, LinkError, Observation, Seen, SinkSpec, Uplink};
use rutter_rib::{Batch, Depth, OutletSpec};
use rutter_route::{Health, Now, Observer, Service};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ControllerAt, LinkedController, TableRef};
use crate::compat::mesh_router;
use crate::error::GatewayError;
use crate::health::Verdict;
use crate::health::verdicts::Told as ToldVerdict;
use crate::proxy::miss::Asking;
use crate::routes::RouteId;

/// What the gateway hears of its controller.
pub(super) enum Told {
    /// It is there.
    Up {
        /// Its name for itself.
        controller: String,
    },
    /// What makes the own table true.
    Batch(Batch<Service>),
    /// It isn't there.
    Lost(LinkError),
}

pub(super) enum Teller {
    Here { subscription: Subscription<Service>, table: TableRef, observer: Observer },
    Link { uplink: Uplink<Service>, controller: LinkedController },
    OnDemand { told: mpsc::Receiver<Batch<Service>> },
}

impl Teller {
    /// Begins to listen; `observer` is the gateway's name where its verdicts are shown.
    pub(super) async fn start(
        at: ControllerAt,
        observer: &str,
        asking: Asking,
        stop: CancellationToken,
    ) -> Result<Self, GatewayError> {
        match at {
            ControllerAt::Here(table) => {
                let spec = OutletSpec { unreachable: true, ..OutletSpec::all(observer) };
                let subscription = super::task::subscribe(&table, spec).await?;
                let observer = Observer { name: observer.to_owned(), acts: false };
                Ok(Self::Here { subscription, table, observer })
            }
            ControllerAt::Link(controller) => {
                Ok(Self::Link { uplink: dial(&controller), controller })
            }
            ControllerAt::MeshRouter(config) => {
                Ok(Self::OnDemand { told: mesh_router::start(config, asking, stop) })
            }
        }
    }

    /// The link's controller, if it is one.
    pub(super) fn linked(&self) -> Option<&LinkedController> {
        match self {
            Self::Here { .. } | Self::OnDemand { .. } => None,
            Self::Link { controller, .. } => Some(controller),
        }
    }

    /// The next thing to hear. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Result<Told, BookClosed> {
        match self {
            Self::Here { subscription, .. } => {
                subscription.next().await.map(Told::Batch).ok_or(BookClosed)
            }
            Self::OnDemand { told } => told.recv().await.map(Told::Batch).ok_or(BookClosed),
            Self::Link { uplink, .. } => match uplink.next().await.ok_or(BookClosed)? {
                Heard::Up { accepter, .. } => Ok(Told::Up { controller: accepter }),
                Heard::Batch { batch, .. } => Ok(Told::Batch(batch)),
                Heard::Lost(why) => Ok(Told::Lost(why)),
            },
        }
    }

    /// Forgets what was told: the next session of a link begins with a snapshot.
    pub(super) fn begin_anew(&mut self) {
        if let Self::Link { uplink, controller } = self {
            *uplink = dial(controller);
        }
    }

    /// Says what the gateway sees, to be shown at the controller's table.
    pub(super) async fn observe(
        &self,
        verdicts: HashMap<RouteId, ToldVerdict>,
    ) -> Result<(), BookClosed> {
        match self {
            // There is nobody to show it to.
            Self::OnDemand { .. } => Ok(()),
            Self::Link { uplink, .. } => {
                uplink.observe(verdicts.into_iter().map(|(id, told)| Observation {
                    destination: id.service,
                    route: id.route,
                    is: seen(&told),
                }));
                Ok(())
            }
            Self::Here { table, observer, .. } => {
                let (name, by) = (table.table.clone(), observer.clone());
                let shown = table.book.apply(move |book, now| {
                    let Some(table) = book.table_mut::<Service>(&name) else { return };
                    for (id, told) in &verdicts {
                        let at = Some((&id.service, &id.route.path));
                        table.health(now, &by, &id.route.source, at, health(now, told));
                    }
                });
                shown.await
            }
        }
    }
}

fn dial(controller: &LinkedController) -> Uplink<Service> {
    let spec = SinkSpec { table: controller.table.clone(), depth: Depth::All, unreachable: true };
    Uplink::start(controller.dials.clone(), spec, Backoff::default())
}

fn seen(told: &ToldVerdict) -> Seen {
    match &told.is {
        Verdict::Unknown => Seen::Unknown,
        Verdict::Healthy { .. } => Seen::Healthy,
        Verdict::Unhealthy { why, .. } => Seen::Unhealthy { why: why.clone(), left: told.left },
    }
}

/// A verdict as tables hold it, its end by their clock.
pub(super) fn health(now: Now, told: &ToldVerdict) -> Health {
    match &told.is {
        Verdict::Unknown => Health::Unknown,
        Verdict::Healthy { .. } => Health::Healthy,
        Verdict::Unhealthy { why, .. } => {
            Health::Unhealthy { why: why.clone(), until: told.left.map(|left| now.deadline(left)) }
        }
    }
}
