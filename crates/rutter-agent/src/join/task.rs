//! Becomes a member, once; then announces, for as long as it runs.

use std::sync::Arc;
use std::time::Duration;

use rutter_link::RefusalCode;
use tokio::time::Instant;

use super::announce::{End, Session};
use super::by_http::ByHttp;
use super::config::JoinConfig;
use super::state::{By, HttpIdentity, Identity, Keeper, StateFile, blocking};
use crate::address::Addresses;
use crate::agent::{Attempt, Run, SHUTDOWN_GRACE, attempt, withdraw};
use crate::http::Http;
use crate::membership::{Joined, Member, Membership};
use crate::service_spec::check_services;
use crate::{AgentError, StunConfig};

/// An agent of a controller.
#[derive(Debug)]
pub(crate) struct Joining {
    config: JoinConfig,
    http: Http,
    state: StateFile,
    stun: StunConfig,
    /// The lock on the identity.
    held: Option<std::fs::File>,
    /// What the state file says counts no more: the controller doesn't know us by it.
    anew: bool,
    /// Registers while the link can't be reached, if we joined over HTTP.
    stand_in: Option<ByHttp>,
}

/// A membership, and whether a join token is at hand that wasn't spent for it.
struct Entered {
    membership: Arc<Membership>,
    has_fresh_token: bool,
}

impl Joining {
    pub(crate) fn new(config: JoinConfig, stun: StunConfig) -> Result<Self, AgentError> {
        check_services(&config.services)?;
        let mut http = Http::new(config.url.controller.clone(), config.url.pin)?;
        let config = JoinConfig { url: config.url.clone().with_token()?, ..config };
        config.url.token.iter().for_each(|token| http.conceal(token));
        if !config.url.controller.is_https() && !config.url.controller.is_loopback() {
            let controller = &config.url.controller;
            tracing::warn!(
                %controller,
                "over plain http anybody on the way can say where the link is, and get the token: \
                 use https"
            );
        }
        let state = StateFile::new(&config.state_dir, "agent", &config.name);
        Ok(Self { config, http, state, stun, held: None, anew: false, stand_in: None })
    }

    /// Runs until the end, and withdraws then.
    pub(crate) async fn run(mut self, run: &Run<'_>) -> Result<(), AgentError> {
        while let Some(Entered { membership, has_fresh_token }) = self.enter(run).await? {
            let addresses = Addresses::new(self.config.address.clone(), self.stun.clone());
            let services = &self.config.services;
            let session = Session::start(membership, services, addresses, has_fresh_token, run);
            match session.run().await? {
                End::Over => break,
                End::Unknown => {
                    tracing::warn!("the controller doesn't know this agent's key: joining anew");
                    self.anew = true;
                }
            }
        }
        Ok(())
    }

    /// Becomes a member, however long it takes; `None`: the end came first.
    async fn enter(&mut self, run: &Run<'_>) -> Result<Option<Entered>, AgentError> {
        loop {
            // What is in flight may be dropped: the key is stored, and asking again by it finds
            // whatever became of it.
            let entered = tokio::select! {
                biased;
                () = run.shutdown.cancelled() => return Ok(self.left(run, Instant::now()).await),
                entered = self.entered() => entered,
            };
            let error = match entered {
                Ok(entered) => {
                    (self.stand_in, self.anew) = (None, false);
                    return Ok(Some(entered));
                }
                Err(error) => error,
            };
            let wait = match self.stand_in(error, run).await {
                Err(ended_at) => return Ok(self.left(run, ended_at).await),
                Ok(Ok(wait)) => wait,
                Ok(Err(error)) if run.is_final(&error) => {
                    run.status.send_modify(|s| s.last_error = Some(error.to_string()));
                    return Err(error);
                }
                Ok(Err(error)) => run.failed(&error),
            };
            tokio::select! {
                () = run.shutdown.cancelled() => {
                    return Ok(self.left(run, Instant::now()).await);
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Registers over HTTP, for who may: how long that is good for, or the error that counts. The
    /// outer error is the time at which the end came.
    async fn stand_in(
        &mut self,
        error: AgentError,
        run: &Run<'_>,
    ) -> Result<Result<Duration, AgentError>, Instant> {
        let Some(stand_in) = &mut self.stand_in else { return Ok(Err(error)) };
        tracing::warn!("registering over HTTP, since this agent's key can't join: {error}");
        match attempt(stand_in, run.shutdown).await {
            Attempt::Ended(at) => Err(at),
            Attempt::Done(Ok(registration)) => Ok(Ok(run.succeeded(registration))),
            Attempt::Done(Err(error)) => Ok(Err(error)),
        }
    }

    /// The end came before there was a session.
    async fn left(&mut self, run: &Run<'_>, ended_at: Instant) -> Option<Entered> {
        match &mut self.stand_in {
            Some(stand_in) => withdraw(stand_in, run, ended_at + SHUTDOWN_GRACE).await,
            None => run.withdrawing(),
        }
        None
    }

    /// One attempt to become a member.
    async fn entered(&mut self) -> Result<Entered, AgentError> {
        // Before all that may fail here and didn't before there was a link, such as to write.
        if let Some(Identity { by: By::Token(token), .. }) = self.known().await? {
            self.prepare_stand_in(&token);
        }
        let (state, held) = (self.state.clone(), self.held.take());
        let (key, held) = blocking(move || {
            state.key()?;
            let held = held.map_or_else(|| state.hold(), Ok)?;
            // Read while it is held: another may have written it just before.
            Ok((state.key()?, held))
        })
        .await?;
        self.held = Some(held);
        let known = self.known().await?;
        let fingerprint = self.config.url.fingerprint();
        let (joined, token, spent) = match known {
            None => (None, None, fingerprint.clone()),
            Some(Identity { by: By::Key(joined), spent }) => (Some(joined), None, spent),
            Some(Identity { by: By::Token(token), spent }) => (None, Some(token), spent),
        };
        let has_fresh_token = spent != fingerprint;
        let membership = self.membership(key, joined, token.as_ref(), spent);
        let Some(token) = token else {
            membership.join().await?;
            return Ok(Entered { membership: Arc::new(membership), has_fresh_token });
        };
        match membership.join_by(&token.agent_token).await {
            Err(error) if error.refusal() == Some(RefusalCode::Token) && has_fresh_token => {
                tracing::warn!("the controller refuses the stored agent token: joining anew");
                (self.anew, self.stand_in) = (true, None);
                Box::pin(self.entered()).await
            }
            joined => {
                joined?;
                Ok(Entered { membership: Arc::new(membership), has_fresh_token })
            }
        }
    }

    /// What the state file says of us, as far as it counts.
    async fn known(&self) -> Result<Option<Identity>, AgentError> {
        if self.anew {
            return Ok(None);
        }
        let (state, url) = (self.state.clone(), self.config.url.clone());
        blocking(move || state.load(&url)).await
    }

    fn membership(
        &self,
        key: rutter_link::LinkKey,
        joined: Option<Joined>,
        token: Option<&HttpIdentity>,
        spent: String,
    ) -> Membership {
        let (file, url) = (self.state.clone(), self.config.url.clone());
        let name = self.config.name.to_string();
        let member = Member { url: url.clone(), name, role: "agent" };
        let mut http = self.http.clone();
        if let Some(token) = token {
            http.conceal(&token.agent_token);
        }
        Membership::by(http, member, key, joined, Arc::new(Keeper { file, url, spent }))
    }

    fn prepare_stand_in(&mut self, identity: &HttpIdentity) {
        if self.stand_in.is_some() {
            return;
        }
        let mut http = self.http.clone();
        http.conceal(&identity.agent_token);
        let addresses = Addresses::new(self.config.address.clone(), self.stun.clone());
        let services = self.config.services.clone();
        self.stand_in = Some(ByHttp::new(http, identity.clone(), services, addresses));
    }
}
