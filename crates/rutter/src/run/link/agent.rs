//! What an agent says over the link, as registrations.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use rutter_book::{Clock, SystemClock};
use rutter_controller::address::Registrant;
use rutter_controller::{
    Controller, Registered, Registration, RegistrationNumber, RouteClaim, ServiceLabel,
    health_check,
};
use rutter_link::{
    Announced, AnyBatch, MAX_SOURCES, Outcome, Refusal, RefusalCode, SourceReport, SourceUpdate,
};
use rutter_registry::{DomainName, SourceName, UserId};
use rutter_rib::{Batch, Tell, ToldRoute};
use rutter_route::{Destination, Listener, NextHop, PathId, Scheme, Service, Verdict};

use super::refusal;

/// What one of the agent's sources has said so far.
type Said = BTreeMap<(Service, PathId), RouteClaim>;

/// An agent's session.
pub(super) struct AgentSays {
    controller: Controller,
    user: UserId,
    name: DomainName,
    registrant: Registrant,
    /// At most [`MAX_SOURCES`]; another is refused.
    said: BTreeMap<SourceName, Said>,
    /// Sources whose snapshot has begun and not ended.
    in_snapshot: BTreeSet<SourceName>,
    /// The last registration of each source, by which a lost session is told from a later one.
    last: BTreeMap<SourceName, RegistrationNumber>,
}

impl AgentSays {
    pub(super) fn new(
        controller: Controller,
        user: UserId,
        name: DomainName,
        registrant: Registrant,
    ) -> Self {
        let (said, in_snapshot, last) = Default::default();
        Self { controller, user, name, registrant, said, in_snapshot, last }
    }

    /// Takes over what a batch says; what of it isn't the agent's to say.
    fn take(
        &mut self,
        source: &SourceName,
        batch: Batch<Service>,
    ) -> Result<Vec<Outcome>, Refusal> {
        let mut outcomes = Vec::new();
        let mut said = self.said.remove(source).unwrap_or_default();
        if batch.begin_snapshot {
            said.clear();
        }
        for tell in batch.tells {
            let of = tell.destination().clone();
            said.retain(|(service, _), _| *service != of);
            let Tell::Advertise { routes, .. } = tell else { continue };
            for route in routes {
                let path = route.route.path.clone();
                match self.claim(&of, route) {
                    Ok(claim) => {
                        said.insert((of.clone(), path), claim);
                    }
                    Err(why) => outcomes.push(outcome(&of, path, Err(why))),
                }
            }
        }
        let most = self.controller.config().max_routes;
        if said.len() > most {
            let why = format!("{} routes of one source; at most {most} are taken", said.len());
            return Err(Refusal::new(RefusalCode::Bound, why));
        }
        self.said.insert(source.clone(), said);
        Ok(outcomes)
    }

    fn claim(&self, of: &Service, told: ToldRoute) -> Result<RouteClaim, String> {
        let NextHop::Endpoint(endpoint) = told.attributes.next_hop else {
            return Err("the next hop of a service is an endpoint".into());
        };
        if of.listener != Listener::Http || !matches!(endpoint.scheme, Scheme::Http | Scheme::Https)
        {
            return Err("the scheme of a web service is http or https".into());
        }
        // Neither is registered, so a claim with one would be served otherwise than it was said.
        if *of != Service::http(of.name.clone()) {
            return Err(
                "an agent's service is a name, without a place, a wildcard or a path".into()
            );
        }
        if told.attributes.delivery.is_some() {
            return Err("how a service is passed on isn't an agent's to say".into());
        }
        // What a gateway will send is checked as the API checks it.
        let check = told.attributes.health_check.as_ref();
        let check = check.map(|check| health_check(&check.path, check.host.as_deref())).transpose();
        Ok(RouteClaim {
            service: self.label(of)?,
            path: told.route.path,
            endpoint,
            priority: told.attributes.priority,
            health_check: check.map_err(|error| error.to_string())?,
            said: None,
        })
    }

    /// What stands before the agent's own name.
    fn label(&self, of: &Service) -> Result<Option<ServiceLabel>, String> {
        let own = format!("{}.{}", self.name, self.controller.server_domain());
        let not_own = || format!("`{of}` isn't `{own}` and doesn't lie under it");
        match of.name.as_str().strip_suffix(own.as_str()).ok_or_else(not_own)? {
            "" => Ok(None),
            label => {
                let label = label.strip_suffix('.').ok_or_else(not_own)?;
                label.parse().map(Some).map_err(|error: rutter_route::ParseError| error.to_string())
            }
        }
    }

    async fn register(&mut self, source: &SourceName) -> Result<Registered, Refusal> {
        let claims = self.said.get(source).map(|said| said.values().cloned().collect());
        let what = Registration {
            user: self.user.clone(),
            source: source.clone(),
            claims: claims.unwrap_or_default(),
            registrant: self.registrant,
        };
        let registered = self.controller.register(SystemClock.now(), what).await;
        let registered = registered.map_err(refusal)?;
        self.last.insert(source.clone(), registered.number);
        Ok(registered)
    }
}

#[async_trait]
impl Announced for AgentSays {
    async fn heard(&mut self, update: SourceUpdate) -> Result<SourceReport, Refusal> {
        let SourceUpdate { table, source, batch } = update;
        if table.as_str() != crate::config::tables::SERVICES {
            let why = format!("an agent has nothing to say in the table `{table}`");
            return Err(Refusal::new(RefusalCode::NotAllowed, why));
        }
        let AnyBatch::Service(batch) = batch else {
            return Err(Refusal::new(RefusalCode::Invalid, "an agent announces services"));
        };
        let source: SourceName = source
            .parse()
            .map_err(|error: rutter_route::ParseError| Refusal::new(RefusalCode::Invalid, error))?;
        if self.said.len() >= MAX_SOURCES && !self.said.contains_key(&source) {
            let why = format!("an agent has at most {MAX_SOURCES} sources");
            return Err(Refusal::new(RefusalCode::Bound, why));
        }
        // Half of what it has would be a withdrawal of the rest.
        let begun = self.in_snapshot.remove(&source) || batch.begin_snapshot;
        let complete = batch.end_of_snapshot || !begun;
        if !complete {
            self.in_snapshot.insert(source.clone());
        }
        let mut outcomes = self.take(&source, batch)?;
        let config = self.controller.config();
        let (lease, renew) = (Some(config.lease), Some(config.renew));
        if complete {
            let registered = self.register(&source).await?;
            outcomes.extend(registered.routes.into_iter().map(|route| {
                let is = match route.verdict {
                    Verdict::Stands(standing) => Ok(standing),
                    Verdict::Refused(why) => Err(why.to_string()),
                };
                outcome(&route.destination, route.claim.path, is)
            }));
        }
        Ok(SourceReport { lease, renew, outcomes })
    }

    async fn ended(&mut self, _: bool) {
        for (source, last) in std::mem::take(&mut self.last) {
            let (user, now) = (self.user.clone(), SystemClock.now());
            match self.controller.away(now, user, source.clone(), last).await {
                Ok(true) => tracing::info!(user = %self.user, %source, "an agent is away"),
                Ok(false) => {}
                Err(error) => tracing::debug!(user = %self.user, %source, %error, "an agent's end"),
            }
        }
    }
}

fn outcome(of: &Service, path: PathId, is: Result<rutter_route::Standing, String>) -> Outcome {
    Outcome { destination: Some(of.to_any()), path, is }
}
