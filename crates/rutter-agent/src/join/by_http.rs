//! Registering over HTTP, for an agent that joined so, until its key has joined over the link.
//!
//! It stands in while the link can't be reached: behind a firewall that lets only the API through,
//! or at a controller without one. So a new version of this program loses no route.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;

use super::state::HttpIdentity;
use super::wire::{RoutesAnswer, RoutesRequest, Withdrawn};
use crate::address::Addresses;
use crate::agent::{Registrar, Registration};
use crate::http::{Ask, Http, general_advice, may_pass};
use crate::{AgentError, RegisteredRoute, RouteSource, ServiceSpec};

/// An agent with a token.
#[derive(Debug)]
pub(super) struct ByHttp {
    http: Http,
    identity: HttpIdentity,
    services: Vec<ServiceSpec>,
    addresses: Addresses,
    /// The sources of which something may stand at the controller.
    standing: BTreeSet<RouteSource>,
}

impl ByHttp {
    /// `http` conceals the token.
    pub(super) fn new(
        http: Http,
        identity: HttpIdentity,
        services: Vec<ServiceSpec>,
        addresses: Addresses,
    ) -> Self {
        Self { http, identity, services, addresses, standing: BTreeSet::new() }
    }

    async fn put_all(&mut self) -> Result<Registration, AgentError> {
        let address = self.addresses.find(self.identity.loopback, self.identity.seen).await?;
        let sources: BTreeSet<_> = self.services.iter().map(|s| s.source).collect();
        let mut routes = Vec::new();
        let mut renew = Duration::MAX;
        for source in sources {
            let request = RoutesRequest::new(source, &self.services, address.as_ref());
            self.standing.insert(source);
            let answer = self.put(&request).await?;
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

    async fn put(&self, request: &RoutesRequest<'_>) -> Result<RoutesAnswer, AgentError> {
        let ask = Ask {
            what: "the registration",
            method: Method::PUT,
            path: &["v1", "agent", "routes"],
            query: None,
            bearer: Some(&self.identity.agent_token),
        };
        let answer = self.http.send(ask, Some(request)).await?;
        if !answer.is_success() {
            let advice = routes_advice(answer.status);
            return Err(self.http.refused(&answer, advice, may_pass(answer.status)));
        }
        self.http.json(&answer)
    }

    async fn delete(&self, source: RouteSource) -> Result<u64, AgentError> {
        let ask = Ask {
            what: "the withdrawal",
            method: Method::DELETE,
            path: &["v1", "agent", "routes"],
            query: Some(("source", source.as_str())),
            bearer: Some(&self.identity.agent_token),
        };
        let answer = self.http.ask(ask).await?;
        if !answer.is_success() {
            let advice = routes_advice(answer.status);
            return Err(self.http.refused(&answer, advice, may_pass(answer.status)));
        }
        Ok(self.http.json::<Withdrawn>(&answer)?.withdrawn)
    }
}

impl Registrar for ByHttp {
    async fn register(&mut self) -> Result<Registration, AgentError> {
        self.put_all().await
    }

    async fn withdraw(&mut self) -> Result<Option<u64>, AgentError> {
        let mut n_withdrawn = 0;
        while let Some(source) = self.standing.first().copied() {
            n_withdrawn += self.delete(source).await?;
            self.standing.remove(&source);
        }
        Ok(Some(n_withdrawn))
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
