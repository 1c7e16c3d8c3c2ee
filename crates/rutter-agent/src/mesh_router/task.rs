//! Asks the version, registers, withdraws.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Method;
use rutter_route::{Endpoint, HostName, Scheme};

use super::config::MeshRouterConfig;
use super::wire::{Listing, Route, RoutesAnswer, RoutesRequest, VersionAnswer, bare, truthy};
use crate::address::Addresses;
use crate::agent::{Registrar, Registration};
use crate::http::{Answer, Ask, Http, general_advice};
use crate::{AgentError, RegisteredRoute, Secret, StunConfig};

/// The least version of the protocol that is spoken here.
const LEAST_VERSION: f64 = 2.0;
/// The source that the original agent names.
const SOURCE: &str = "agent";

/// An agent of a Mesh Router backend.
#[derive(Debug)]
pub(crate) struct Backend {
    config: MeshRouterConfig,
    http: Http,
    addresses: Addresses,
    version_checked: bool,
    /// Something of ours may stand at the backend.
    standing: bool,
}

impl Backend {
    pub(crate) fn new(config: MeshRouterConfig, stun: StunConfig) -> Result<Self, AgentError> {
        let provider = &config.provider;
        let mut http = Http::new(provider.backend.clone(), None)?;
        http.conceal(&provider.signature);
        // A server that repeats the path repeats the signature as the path had it.
        let path = provider.backend.at(&[provider.signature.reveal()]);
        if let Some(encoded) = path.path_segments().and_then(|mut s| s.next_back()) {
            http.conceal(&Secret::new(encoded));
        }
        for complaint in config.certificates.complaints() {
            tracing::warn!("{complaint}");
        }
        if !provider.backend.is_https() && !provider.backend.is_loopback() {
            let backend = &provider.backend;
            tracing::warn!(%backend, "PROVIDER's signature goes over plain http: use https");
        }
        let addresses = Addresses::new(config.public_ip.clone(), stun);
        Ok(Self { config, http, addresses, version_checked: false, standing: false })
    }

    async fn check_version(&mut self) -> Result<(), AgentError> {
        if self.version_checked {
            return Ok(());
        }
        let path = ["router", "api", "version"];
        let ask = Ask {
            what: "the question for its version",
            method: Method::GET,
            path: &path,
            query: None,
            bearer: None,
        };
        let answer = self.http.ask(ask).await?;
        if !answer.is_success() {
            return Err(self.refused(&answer));
        }
        let VersionAnswer { version } = self.http.json(&answer)?;
        // A number: the original refuses the text "2".
        if version.as_f64().is_none_or(|v| v < LEAST_VERSION) {
            let found = self.http.shown(&version.to_string());
            let controller = self.http.base().to_string();
            return Err(AgentError::VersionTooOld { controller, found });
        }
        self.version_checked = true;
        Ok(())
    }

    async fn post(&mut self, host: HostName) -> Result<RegisteredRoute, AgentError> {
        let provider = &self.config.provider;
        let path = ["router", "api", "routes", &provider.user_id, provider.signature.reveal()];
        let ask = Ask {
            what: "the registration",
            method: Method::POST,
            path: &path,
            query: None,
            bearer: None,
        };
        let route = Route {
            ip: bare(&host),
            port: self.config.target_port,
            priority: self.config.priority,
            source: SOURCE,
            health_check: self.config.health_check.as_ref(),
        };
        self.standing = true;
        let answer = self.http.send(ask, Some(&RoutesRequest { routes: [route] })).await?;
        if !answer.is_success() {
            return Err(self.refused(&answer));
        }
        let told: RoutesAnswer = self.http.json(&answer)?;
        if let Some(why) = self.refusal(&told) {
            return Err(AgentError::Rejected { controller: self.http.base().to_string(), why });
        }
        // A backend names the domain; should one not, the user id says whose route it is.
        let domain = told.domain.unwrap_or_else(|| provider.user_id.clone());
        Ok(RegisteredRoute {
            destination: self.http.shown(&domain),
            endpoint: Endpoint {
                scheme: Scheme::Https,
                host,
                port: self.config.target_port,
                tls_name: None,
            },
            standing: None,
        })
    }

    /// Why a call that was taken registered nothing. One route is sent, so one rejected is all.
    fn refusal(&self, told: &RoutesAnswer) -> Option<String> {
        if truthy(&told.error) {
            let text = told.error.as_str().map_or_else(|| told.error.to_string(), str::to_owned);
            return Some(self.http.shown(&text));
        }
        let rejected = told.rejected.first()?;
        Some(format!(
            "it can't reach this host's address and port ({}); check PUBLIC_IP, TARGET_PORT and \
             the firewall",
            self.http.shown(&rejected.error)
        ))
    }

    /// Whether routes of other sources stand beside ours: a DELETE takes all of a user's. Not
    /// known where the backend doesn't show the routes to us.
    async fn has_others(&self) -> Result<bool, AgentError> {
        let path = ["router", "api", "routes", &self.config.provider.user_id];
        let ask = Ask {
            what: "the question for its routes",
            method: Method::GET,
            path: &path,
            query: None,
            bearer: None,
        };
        let answer = self.http.ask(ask).await?;
        if !answer.is_success() {
            return Ok(false);
        }
        let listing: Listing = self.http.json(&answer)?;
        Ok(listing.routes.iter().any(|r| r.source.as_deref().is_some_and(|s| s != SOURCE)))
    }

    fn refused(&self, answer: &Answer) -> AgentError {
        let advice = match answer.status {
            401 => "PROVIDER's signature is not that user's; copy PROVIDER anew",
            404 => {
                "the backend doesn't know PROVIDER's user, or isn't a Mesh Router backend; \
                 register the domain first, and check PROVIDER's URL"
            }
            400 => "it doesn't take the route; check PUBLIC_IP, TARGET_PORT and the firewall",
            status => general_advice(status),
        };
        self.http.refused(answer, advice, true)
    }
}

impl Registrar for Backend {
    async fn register(&mut self) -> Result<Registration, AgentError> {
        self.check_version().await?;
        let loopback = self.config.provider.backend.is_loopback();
        let found = self.addresses.find(loopback, None).await?;
        // Over loopback the service's own address: it is on this host.
        let host = found.unwrap_or(HostName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let route = self.post(host).await?;
        Ok(Registration { routes: vec![route], renew: self.config.refresh })
    }

    /// Withdraws, unless that would take a tunnel's routes too: those are then the only way left,
    /// and worth more than a prompt end of ours, which the lease brings.
    async fn withdraw(&mut self) -> Result<Option<u64>, AgentError> {
        if !self.standing {
            return Ok(Some(0));
        }
        if self.has_others().await? {
            tracing::warn!(
                "the user has routes of other sources, which a withdrawal would take too: ours \
                 is left to its lease"
            );
            return Ok(Some(0));
        }
        let provider = &self.config.provider;
        let path = ["router", "api", "routes", &provider.user_id, provider.signature.reveal()];
        let ask = Ask {
            what: "the withdrawal",
            method: Method::DELETE,
            path: &path,
            query: None,
            bearer: None,
        };
        let answer = self.http.ask(ask).await?;
        if !answer.is_success() {
            return Err(self.refused(&answer));
        }
        self.standing = false;
        Ok(None)
    }
}
