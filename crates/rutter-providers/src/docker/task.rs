//! The task that follows one engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::ProviderId;
use crate::catalogue::{Catalogue, CatalogueError};
use crate::godoxy::{self, Settings};
use crate::monitor::Monitors;

use super::backoff::Backoff;
use super::batch::{Batch, Whose};
use super::changes::Changes;
use super::describe::describe;
use super::engine::Engine;
use super::known::Known;
use super::{DockerError, Endpoint, map};

/// How often all is listed though no event asks for it: engines drop events of listeners that are
/// slow, and say nothing of it.
const REFRESH: Duration = Duration::from_secs(300);

/// How often all that the engine knows of health is said again: a route that another had the place
/// of is watched from when it gets it, and nothing was heard of it before.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// A container engine as a provider.
#[derive(Debug, Clone)]
pub struct DockerProvider {
    /// Which.
    pub id: ProviderId,
    /// Where the engine is.
    pub endpoint: Endpoint,
    /// Whether it takes labelled containers only.
    pub is_explicit_only: bool,
    /// What holds for all routes.
    pub settings: Settings,
}

/// Why following an engine ended.
enum Ended {
    By(DockerError),
    Closed,
}

impl From<DockerError> for Ended {
    fn from(error: DockerError) -> Self {
        Self::By(error)
    }
}

impl From<CatalogueError> for Ended {
    fn from(_: CatalogueError) -> Self {
        Self::Closed
    }
}

impl DockerProvider {
    /// Tells the catalogue, which has been told to begin with this provider, what its engine has,
    /// until it is stopped. An engine that can't be asked is asked again, and nothing of what it
    /// said goes meanwhile.
    pub async fn run(self, catalogue: Catalogue, monitors: Monitors, stop: CancellationToken) {
        let id = Arc::new(self.id);
        let host = self.endpoint.remote_host().cloned();
        let engine = godoxy::Engine { is_explicit_only: self.is_explicit_only, host };
        let mut following = Following {
            known: Known::of(id.clone(), engine, self.settings),
            id,
            catalogue,
            monitors,
            backoff: Backoff::default(),
            has_listed: false,
            said: None,
        };
        stop.run_until_cancelled(following.follow(self.endpoint)).await;
    }
}

/// The state of following an engine, over all connections to it.
struct Following {
    id: Arc<ProviderId>,
    known: Known,
    catalogue: Catalogue,
    monitors: Monitors,
    backoff: Backoff,
    /// Whether all its containers have been listed before.
    has_listed: bool,
    /// Why the engine can't be asked, as the catalogue was told; nothing, if it can.
    said: Option<String>,
}

impl Following {
    async fn follow(&mut self, endpoint: Endpoint) {
        loop {
            let error = match self.connection(endpoint.clone()).await {
                Ended::Closed => return,
                Ended::By(error) => error,
            };
            let wait = self.backoff.failed();
            let why = error.to_string();
            // An engine that ended a connection may well take the next one.
            if !matches!(error, DockerError::Ended) && self.said.as_ref() != Some(&why) {
                if self.catalogue.lost(&self.id, &why).await.is_err() {
                    return;
                }
                self.said = Some(why);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Follows the engine over one stream of events, until something fails.
    async fn connection(&mut self, endpoint: Endpoint) -> Ended {
        let Err(ended) = self.try_connection(endpoint).await;
        ended
    }

    async fn try_connection(
        &mut self,
        endpoint: Endpoint,
    ) -> Result<std::convert::Infallible, Ended> {
        let engine = Engine::open(endpoint).await?;
        let mut changes = Changes::of(engine.events().await?);
        let mut batch = Batch::default();
        batch.all_changed();
        let (mut refreshed, mut said) = (Instant::now(), Instant::now());
        let mut is_first = true;
        loop {
            let now = Instant::now();
            if changes.were_missed() || now >= refreshed + REFRESH {
                batch.all_changed();
            }
            if let Some(whose) = batch.take(now) {
                let n_routes = self.refresh(&engine, &whose).await?;
                if whose == Whose::All {
                    refreshed = now;
                    self.backoff.succeeded();
                    let has_listed = std::mem::replace(&mut self.has_listed, true);
                    if std::mem::take(&mut is_first) && has_listed {
                        self.catalogue.registry().note(&self.id, "force-reloaded", "");
                    }
                    tracing::debug!(provider = %self.id, n_routes, "all containers were listed");
                }
                continue;
            }
            if now >= said + SAID_AGAIN {
                said = now;
                self.say_health(&Whose::All);
            }
            let by_itself = (refreshed + REFRESH).min(said + SAID_AGAIN);
            let due = batch.due(now).map_or(by_itself, |due| due.min(by_itself));
            tokio::select! {
                changed = changes.next() => {
                    let map::Changed { id, shown } = changed?;
                    if let Some((action, name)) = shown {
                        self.catalogue.registry().note(&self.id, action, &name);
                    }
                    batch.changed(id);
                }
                () = tokio::time::sleep_until(due.into()) => {}
            }
        }
    }

    /// Asks for containers and says what there is now. The number of routes.
    async fn refresh(&mut self, engine: &Engine, whose: &Whose) -> Result<usize, Ended> {
        let listed = describe(engine, engine.list(whose).await?).await?;
        self.known.learn(whose, listed)?;
        let said = self.catalogue.says(&self.id, self.known.reading()).await?;
        self.said = None;
        // Whom the catalogue has heard of is watched now, so this is heard.
        self.say_health(whose);
        Ok(said.n_routes)
    }

    fn say_health(&mut self, whose: &Whose) {
        for (key, seen) in self.known.health(whose) {
            self.monitors.engine_says(&key, seen);
        }
    }
}
