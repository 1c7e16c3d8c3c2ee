//! n-netman's health and metrics, on the addresses of its file.

use rutter_api::{AsksOverlay, Limits, Listener, Metrics, Tables, compat};
use rutter_overlay::Observe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The listeners that have their addresses; then those that serve.
pub(super) struct Surfaces {
    health: Option<Listener>,
    metrics: Option<Listener>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Surfaces {
    /// Takes the addresses.
    ///
    /// # Errors
    /// One is taken.
    pub(super) fn bind(observe: &Observe) -> anyhow::Result<Self> {
        let bind = |name, address: Option<std::net::SocketAddr>| {
            let bound = address.map(|at| Listener::bind(name, at, None, Limits::default()));
            bound.transpose()
        };
        Ok(Self {
            health: bind("observability.healthcheck", observe.health)?,
            metrics: bind("observability.metrics", observe.metrics)?,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Serves from now on. A second call does nothing.
    pub(super) fn serve(&mut self, ask: AsksOverlay, metrics: &Metrics, tables: Tables) {
        if let Some(listener) = self.health.take() {
            let router = compat::nnetman::health(ask.clone(), metrics.clone());
            self.tasks.spawn(listener.serve(router, self.stop.clone()));
        }
        if let Some(listener) = self.metrics.take() {
            let router = compat::nnetman::metrics(ask, metrics.clone(), tables);
            self.tasks.spawn(listener.serve(router, self.stop.clone()));
        }
    }

    /// Serves no more.
    pub(super) async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
