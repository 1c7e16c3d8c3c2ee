//! Joins once, then registers and withdraws.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;

use super::config::JoinConfig;
use super::state::{Identity, StateFile};
use super::wire::{JoinAnswer, JoinRequest, RoutesAnswer, RoutesRequest, Withdrawn};
use crate::address::Addresses;
use crate::agent::{Registrar, Registration};
use crate::http::{Answer, Ask, Http, general_advice};
use crate::service_spec::check_services;
use crate::{AgentError, RegisteredRoute, RouteSource, Secret, StunConfig};

/// The longest agent token that is taken, in bytes.
const MAX_TOKEN: usize = 512;

/// An agent of a controller.
#[derive(Debug)]
pub(crate) struct Joining {
    config: JoinConfig,
    http: Http,
    state: StateFile,
    addresses: Addresses,
    identity: Option<Identity>,
    /// The identity isn't on disk yet, though its token is spent.
    unsaved: bool,
    /// A join was sent and its answer lost, so that the token may be spent for nothing.
    lost_answer: bool,
    /// The sources of which something may stand at the controller.
    standing: BTreeSet<RouteSource>,
}

impl Joining {
    pub(crate) fn new(config: JoinConfig, stun: StunConfig) -> Result<Self, AgentError> {
        check_services(&config.services)?;
        let mut http = Http::new(config.url.controller.clone(), config.url.pin)?;
        http.conceal(&config.url.token);
        if !config.url.controller.is_https() && !config.url.controller.is_loopback() {
            let controller = &config.url.controller;
            tracing::warn!(%controller, "tokens go over plain http, readable on the way: use https");
        }
        let state = StateFile::new(&config.state_dir, &config.name);
        let addresses = Addresses::new(config.address.clone(), stun);
        Ok(Self {
            config,
            http,
            state,
            addresses,
            identity: None,
            unsaved: false,
            lost_answer: false,
            standing: BTreeSet::new(),
        })
    }

    /// Who we are: as remembered, as stored, or by joining.
    async fn identity(&mut self) -> Result<Identity, AgentError> {
        if self.identity.is_none() {
            let (state, url) = (self.state.clone(), self.config.url.clone());
            self.identity = blocking(move || state.load(&url)).await?;
        }
        let identity = match &self.identity {
            Some(identity) => identity.clone(),
            None => self.join().await?,
        };
        self.http.conceal(&identity.agent_token);
        self.save_if_needed(&identity).await;
        Ok(identity)
    }

    async fn join(&mut self) -> Result<Identity, AgentError> {
        let state = self.state.clone();
        blocking(move || state.prepare()).await?;
        let name = self.config.name.clone();
        let asked = self
            .http
            .send(
                Ask {
                    what: "the join",
                    method: Method::POST,
                    path: &["v1", "join"],
                    query: None,
                    bearer: Some(&self.config.url.token),
                },
                Some(&JoinRequest { name: name.as_str() }),
            )
            .await;
        let answer = asked.inspect_err(|error| self.lost_answer |= may_have_arrived(error))?;
        if !answer.is_success() {
            let advice = join_advice(answer.status, self.lost_answer);
            return Err(self.http.refused(&answer, advice, may_pass(answer.status)));
        }
        self.lost_answer = true;
        let joined: JoinAnswer = self.http.json(&answer)?;
        let identity = self.accept(&answer, joined)?;
        self.lost_answer = false;
        tracing::info!(domain = identity.domain, user_id = identity.user_id, "joined");
        self.identity = Some(identity.clone());
        self.unsaved = true;
        Ok(identity)
    }

    fn accept(&self, answer: &Answer, joined: JoinAnswer) -> Result<Identity, AgentError> {
        let seen = joined.seen();
        let token = joined.agent_token;
        let fit = |b: u8| b.is_ascii_graphic();
        if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(fit) {
            return Err(self.http.garbled(answer.what, "an agent token of another form".into()));
        }
        Ok(Identity {
            user_id: joined.user_id,
            name: joined.name,
            domain: joined.domain,
            agent_token: Secret::new(token),
            loopback: joined.loopback,
            seen,
            spent: self.config.url.fingerprint(),
        })
    }

    /// A full disk must not lose an identity whose token is spent: the agent goes on with it from
    /// memory, and tries to write it with each renewal.
    async fn save_if_needed(&mut self, identity: &Identity) {
        if !self.unsaved {
            return;
        }
        let (state, url, identity) =
            (self.state.clone(), self.config.url.clone(), identity.clone());
        match blocking(move || state.save(&url, &identity)).await {
            Ok(()) => {
                self.unsaved = false;
                tracing::info!(path = %self.state.path().display(), "the identity is stored");
            }
            Err(error) => {
                tracing::error!(%error, "the identity is only in memory, and lost if this ends");
            }
        }
    }

    async fn put_all(&mut self, identity: &Identity) -> Result<Registration, AgentError> {
        let address = self.addresses.find(identity.loopback, identity.seen).await?;
        let sources: BTreeSet<_> = self.config.services.iter().map(|s| s.source).collect();
        let mut routes = Vec::new();
        let mut renew = Duration::MAX;
        for source in sources {
            let request = RoutesRequest::new(source, &self.config.services, address.as_ref());
            self.standing.insert(source);
            let answer = self.put(&identity.agent_token, &request).await?;
            // Whatever a controller asks for, a lease is renewed before it is half over.
            let half_lease = Duration::from_secs(answer.lease_s) / 2;
            renew = renew.min(Duration::from_secs(answer.renew_s)).min(half_lease);
            routes.extend(answer.routes.into_iter().map(|route| RegisteredRoute {
                destination: self.http.shown(&route.destination),
                endpoint: route.endpoint,
                standing: route.standing.map(|s| self.http.shown(&s)),
            }));
        }
        Ok(Registration { routes, renew })
    }

    async fn put(
        &self,
        token: &Secret,
        request: &RoutesRequest<'_>,
    ) -> Result<RoutesAnswer, AgentError> {
        let ask = Ask {
            what: "the registration",
            method: Method::PUT,
            path: &["v1", "agent", "routes"],
            query: None,
            bearer: Some(token),
        };
        let answer = self.http.send(ask, Some(request)).await?;
        if !answer.is_success() {
            let advice = routes_advice(answer.status);
            return Err(self.http.refused(&answer, advice, may_pass(answer.status)));
        }
        self.http.json(&answer)
    }

    async fn delete(&self, token: &Secret, source: RouteSource) -> Result<u64, AgentError> {
        let ask = Ask {
            what: "the withdrawal",
            method: Method::DELETE,
            path: &["v1", "agent", "routes"],
            query: Some(("source", source.as_str())),
            bearer: Some(token),
        };
        let answer = self.http.ask(ask).await?;
        if !answer.is_success() {
            let advice = routes_advice(answer.status);
            return Err(self.http.refused(&answer, advice, may_pass(answer.status)));
        }
        Ok(self.http.json::<Withdrawn>(&answer)?.withdrawn)
    }

    /// Whether another join token than the spent one was given.
    fn has_fresh_token(&self, identity: &Identity) -> bool {
        identity.spent != self.config.url.fingerprint()
    }
}

impl Registrar for Joining {
    async fn register(&mut self) -> Result<Registration, AgentError> {
        let identity = self.identity().await?;
        match self.put_all(&identity).await {
            Err(AgentError::Refused { status: 401, .. }) if self.has_fresh_token(&identity) => {
                tracing::warn!("the controller refuses the stored agent token: joining anew");
                let identity = self.join().await?;
                self.http.conceal(&identity.agent_token);
                self.save_if_needed(&identity).await;
                self.put_all(&identity).await
            }
            registered => registered,
        }
    }

    async fn withdraw(&mut self) -> Result<Option<u64>, AgentError> {
        let Some(identity) = self.identity.clone() else {
            return Ok(Some(0));
        };
        let mut n_withdrawn = 0;
        while let Some(source) = self.standing.first().copied() {
            n_withdrawn += self.delete(&identity.agent_token, source).await?;
            self.standing.remove(&source);
        }
        Ok(Some(n_withdrawn))
    }
}

/// Whether a request whose answer is missing may have been taken.
fn may_have_arrived(error: &AgentError) -> bool {
    use crate::Unreachable::{Other, Timeout};
    matches!(
        error,
        AgentError::Unreachable { why: Timeout | Other(_), .. } | AgentError::Garbled { .. }
    )
}

/// Whether a status may change with nobody doing anything here.
fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn join_advice(status: u16, lost_answer: bool) -> &'static str {
    match (status, lost_answer) {
        (401 | 409, true) => {
            "an earlier attempt's answer was lost, and with it perhaps the name and the token: \
             remove the domain on the controller and join with a new token"
        }
        (401, false) => {
            "the join token is unknown, expired or used up; make a new one on the controller"
        }
        (409, false) => {
            "the name is taken; choose another with --name, or, if it was given to this host, \
             name the state directory that it was stored in"
        }
        (400 | 422, _) => "the controller doesn't take this name; choose another with --name",
        _ => general_advice(status),
    }
}

fn routes_advice(status: u16) -> &'static str {
    match status {
        401 => {
            "the controller doesn't know this agent's token, it may have been revoked; join \
             again with a new join token"
        }
        403 => "policy doesn't let this agent register that; ask who runs the controller",
        400 | 422 => "the controller doesn't take a service as it is given; correct --service",
        _ => general_advice(status),
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // A blocking task that runs is never cancelled; one that hasn't begun is only when
            // the runtime ends, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}
