//! The loop over a backend that is asked: register, wait, renew; back off after failures; withdraw
//! at the end. Beside it what every way of registering says of itself ([`Run`]).
//!
//! ```text
//!            ┌─ ok: routes stand, wait renew ±10 % ──┐
//!  attempt ──┤                                       ├──▶ attempt …
//!            └─ failed: wait back-off (full jitter) ─┘
//!  shutdown ──▶ the attempt in flight ends or is given up ──▶ withdraw ──▶ end
//! ```
//!
//! This is Mesh Router's way; its agent never gave up, so here it doesn't either. A join hears
//! what becomes of it instead of asking, and has a loop of its own (`join`). Before its first
//! success an error that a person must mend ends the run, so that a newcomer at a terminal sees it.
//! After it everything is tried again: a workload's routes must not end with a controller's bad
//! quarter of an hour.

use std::time::Duration;

use rutter_link::chance;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    AgentConfig, AgentError, Mode, Pacing, Phase, RegisteredRoute, Status, join, mesh_router,
};

/// How long an end may take: an attempt in flight gets half of it, withdrawing what is left.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Registering by asking; see `mesh_router`, and `join` for agents that joined over HTTP.
pub(crate) trait Registrar {
    /// Registers, or registers anew.
    async fn register(&mut self) -> Result<Registration, AgentError>;

    /// Withdraws what was registered; how many routes, where that is known. Nothing is asked of
    /// the controller if nothing can stand there.
    async fn withdraw(&mut self) -> Result<Option<u64>, AgentError>;
}

/// What a registration gave.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) routes: Vec<RegisteredRoute>,
    /// When to renew.
    pub(crate) renew: Duration,
}

/// An agent that is ready to run.
#[derive(Debug)]
pub struct Agent {
    kind: Kind,
    pacing: Pacing,
    status: watch::Sender<Status>,
}

#[derive(Debug)]
enum Kind {
    Join(Box<join::Joining>),
    MeshRouter(Box<mesh_router::Backend>),
}

impl Agent {
    /// Checks the configuration and sets up TLS; nothing is asked of anyone yet.
    ///
    /// # Errors
    /// A configuration that can't work, or a system without CA certificates.
    pub fn new(config: AgentConfig) -> Result<Self, AgentError> {
        let AgentConfig { mode, stun, pacing } = config;
        let kind = match mode {
            Mode::Join(join) => Kind::Join(Box::new(join::Joining::new(join, stun)?)),
            Mode::MeshRouter(mesh) => {
                Kind::MeshRouter(Box::new(mesh_router::Backend::new(mesh, stun)?))
            }
        };
        Ok(Self { kind, pacing, status: watch::Sender::new(Status::default()) })
    }

    /// Follows how the agent is doing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until `shutdown`, and withdraws then, within [`SHUTDOWN_GRACE`].
    ///
    /// # Errors
    /// Before the first registration of a join, what only a person can mend. A shutdown is `Ok`,
    /// also when withdrawing failed: that is logged, and the lease ends the routes.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AgentError> {
        let Self { kind, pacing, status } = self;
        let run = Run { pacing: &pacing, status: &status, shutdown: &shutdown };
        let ended = match kind {
            Kind::Join(joining) => joining.run(&run).await,
            Kind::MeshRouter(mut registrar) => {
                drive(&mut *registrar, &run).await;
                Ok(())
            }
        };
        status.send_modify(|s| (s.phase, s.next) = (Phase::Stopped, None));
        ended
    }
}

/// [`Agent::new`] and [`Agent::run`] in one, for those who don't follow the status.
///
/// # Errors
/// As those two.
pub async fn run(config: AgentConfig, shutdown: CancellationToken) -> Result<(), AgentError> {
    Agent::new(config)?.run(shutdown).await
}

/// What a run goes by, and where it says how it is doing.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) pacing: &'a Pacing,
    pub(crate) status: &'a watch::Sender<Status>,
    pub(crate) shutdown: &'a CancellationToken,
}

/// The loop over one registrar.
pub(crate) async fn drive<R: Registrar>(registrar: &mut R, run: &Run<'_>) {
    let ended_at = loop {
        let wait = match attempt(registrar, run.shutdown).await {
            Attempt::Ended(at) => break at,
            Attempt::Done(Ok(registration)) => run.succeeded(registration),
            Attempt::Done(Err(error)) => run.failed(&error),
        };
        tokio::select! {
            () = run.shutdown.cancelled() => break Instant::now(),
            () = tokio::time::sleep(wait) => {}
        }
    };
    withdraw(registrar, run, ended_at + SHUTDOWN_GRACE).await;
}

/// How an attempt went.
pub(crate) enum Attempt {
    Done(Result<Registration, AgentError>),
    /// The end came, at this time.
    Ended(Instant),
}

/// One attempt. If the end comes, an attempt in flight still gets half the grace: a registration
/// given up half-way might be taken after the withdrawal.
pub(crate) async fn attempt<R: Registrar>(
    registrar: &mut R,
    shutdown: &CancellationToken,
) -> Attempt {
    if shutdown.is_cancelled() {
        return Attempt::Ended(Instant::now());
    }
    let mut attempt = std::pin::pin!(registrar.register());
    tokio::select! {
        outcome = &mut attempt => return Attempt::Done(outcome),
        () = shutdown.cancelled() => {}
    }
    let ended_at = Instant::now();
    match timeout_at(ended_at + SHUTDOWN_GRACE / 2, attempt).await {
        Ok(Ok(_)) => tracing::debug!("the last registration ended in time"),
        Ok(Err(error)) => tracing::debug!(%error, "the last registration failed"),
        Err(_) => tracing::debug!("the last registration was given up"),
    }
    Attempt::Ended(ended_at)
}

impl Run<'_> {
    /// Whether an error ends a run that may give up: nothing stood yet, and no retry can help.
    pub(crate) fn is_final(&self, error: &AgentError) -> bool {
        !error.may_pass() && self.status.borrow().n_registrations == 0
    }

    /// Something was registered; the wait until it is renewed.
    pub(crate) fn succeeded(&self, registration: Registration) -> Duration {
        let wait = self.pacing.renewal(registration.renew, chance());
        let before = self.status.borrow().clone();
        if before.phase != Phase::Registered || before.routes != registration.routes {
            for route in &registration.routes {
                tracing::info!("registered {route}");
            }
        }
        self.status.send_modify(|s| {
            s.phase = Phase::Registered;
            s.routes = registration.routes;
            s.n_registrations += 1;
            s.n_failures = 0;
            s.last_error = None;
            s.next = std::time::Instant::now().checked_add(wait);
        });
        wait
    }

    /// An attempt failed; the wait until the next.
    pub(crate) fn failed(&self, error: &AgentError) -> Duration {
        let n_failures = self.status.borrow().n_failures.saturating_add(1);
        let wait = self.pacing.backoff.wait(n_failures, chance());
        let wait = wait.max(error.retry_after().unwrap_or_default());
        self.failing(error, wait);
        wait
    }

    /// An attempt failed, and the next comes in `wait`.
    pub(crate) fn failing(&self, error: &AgentError, wait: Duration) {
        let n_failures = self.status.borrow().n_failures.saturating_add(1);
        tracing::warn!(n_failures, again_in = ?wait, "not registered: {error}");
        self.status.send_modify(|s| {
            s.phase = Phase::Retrying;
            s.n_failures = n_failures;
            s.last_error = Some(error.to_string());
            s.next = std::time::Instant::now().checked_add(wait);
        });
    }

    /// It ends, and withdraws.
    pub(crate) fn withdrawing(&self) {
        self.status.send_modify(|s| (s.phase, s.next) = (Phase::Withdrawing, None));
    }
}

/// Withdraws what stands, within a time.
pub(crate) async fn withdraw<R: Registrar>(registrar: &mut R, run: &Run<'_>, until: Instant) {
    run.withdrawing();
    match timeout_at(until, registrar.withdraw()).await {
        Ok(Ok(n_routes)) => {
            tracing::info!(n_routes, "withdrawn");
            run.status.send_modify(|s| s.routes.clear());
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "not withdrawn; the routes end with their lease");
        }
        Err(_) => tracing::warn!("not withdrawn in time; the routes end with their lease"),
    }
}

#[cfg(test)]
mod tests;
