//! Whom a request asks when the index doesn't know its host.
//!
//! A gateway that a controller tells everything has nobody to ask: unknown is unknown. One whose
//! routes come on demand hands the host to whoever serves the other end of a queue, and waits. What
//! is found enters the index the way all routes do; the request sees it there and nowhere else.
//!
//! Bounds: [`ASKS`] hosts in the queue, beyond which the answer is 503 at once; a request waits for
//! [`PATIENCE`] at most.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rutter_route::ServiceName;
use tokio::sync::{mpsc, oneshot};

use super::pages::{self, Page};
use crate::index::{Found, HostIndex};
use crate::metrics::GatewayMetrics;
use crate::upstream::Connector;

/// How many hosts may wait to be asked for.
const ASKS: usize = 1024;

/// How long a request waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A host that the index doesn't know.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Normalised.
    pub(crate) host: String,
    /// Dropped: nobody can say.
    pub(crate) reply: oneshot::Sender<Missed>,
}

/// What is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It is in the index, or will be in a moment.
    Told,
    /// There is no such host.
    Unknown,
}

/// The asking end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct OnMiss {
    asks: mpsc::Sender<Ask>,
}

/// What who finds routes on demand needs of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) on_miss: Arc<OnceLock<OnMiss>>,
    pub(crate) connector: Connector,
    pub(crate) index: Arc<HostIndex>,
    pub(crate) metrics: Arc<GatewayMetrics>,
    /// Under which a host leads to a name.
    pub(crate) domains: Vec<ServiceName>,
}

impl Asking {
    /// From now on requests ask. One caller, once.
    pub(crate) fn begin(&self) -> mpsc::Receiver<Ask> {
        let (asks, inbox) = mpsc::channel(ASKS);
        // Set only here; a second queue would have nobody at its asking end, and so end at once.
        let _set_before = self.on_miss.set(OnMiss { asks });
        inbox
    }
}

impl OnMiss {
    /// The host's routes, once somebody has found them.
    pub(crate) async fn find(&self, index: &HostIndex, host: &str) -> Result<Found, Page> {
        let found = tokio::time::timeout(PATIENCE, self.ask(index, host)).await;
        found.unwrap_or(Err(pages::NOT_RESOLVED))
    }

    async fn ask(&self, index: &HostIndex, host: &str) -> Result<Found, Page> {
        let (reply, said) = oneshot::channel();
        let ask = Ask { host: host.to_owned(), reply };
        self.asks.try_send(ask).map_err(|_| pages::NOT_RESOLVED)?;
        match said.await {
            Ok(Missed::Told) => {}
            Ok(Missed::Unknown) => return Err(pages::UNKNOWN_HOST),
            Err(_) => return Err(pages::NOT_RESOLVED),
        }
        loop {
            let mut changed = std::pin::pin!(index.changed());
            changed.as_mut().enable();
            if let Some(routes) = index.find(host) {
                return Ok(routes);
            }
            changed.await;
        }
    }
}
