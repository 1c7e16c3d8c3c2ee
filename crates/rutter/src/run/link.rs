//! Who may speak `rutter.v1` with this controller, and as what.
//!
//! A key is known to the controller or to nobody. A gateway is told all that the table `services`
//! has that isn't barred, and its verdicts are shown there; an agent says what services it has, by
//! the very registration that the API uses; a node says what prefixes it has, and is told its network
//! map. Members and agents are asked before nodes, and no key enrols as one that is another's.

mod agent;
mod node;

use std::net::SocketAddr;

use async_trait::async_trait;
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_controller::address::Registrant;
use rutter_controller::{Controller, Enrolment as ControllerEnrolment, Error, Speaker};
use rutter_link::{
    Admission, Admitted, Announced, Caller, Enrolled, Enrolment, Offer, Refusal, RefusalCode,
};
use rutter_registry::{DomainName, PublicKey, Registry, Role};
use rutter_rib::OutletSpec;
use rutter_route::{DestinationKind, TableName};
use std::sync::Arc;

use agent::AgentSays;
pub(super) use node::NodesSide;

/// The controller, as the link asks it.
pub(super) struct Gatekeeper {
    pub(super) controller: Controller,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) book: BookHandle,
    /// The table that gateways are told.
    pub(super) services: TableName,
    /// The CA's certificate, DER: gateways verify by it what agents' services show.
    pub(super) ca: Vec<u8>,
    /// The nodes; `None`: there are none here.
    pub(super) nodes: Option<NodesSide>,
}

#[async_trait]
impl Admission for Gatekeeper {
    async fn enrol(&self, enrolment: Enrolment) -> Result<Enrolled, Refusal> {
        let Enrolment { key, from, token, name, role } = enrolment;
        let unknown = |error: rutter_route::ParseError| Refusal::new(RefusalCode::Invalid, error);
        let role: Option<Role> = role.map(|role| role.parse()).transpose().map_err(unknown)?;
        let public = PublicKey(key.0);
        if role == Some(Role::Node) {
            let enrolment = Enrolment { key, from, token, name, role: None };
            return self.enrol_node(enrolment).await;
        }
        if self.nodes.as_ref().is_some_and(|nodes| nodes.fleet.knows(&public)) {
            return Err(Refusal::new(RefusalCode::NameTaken, "this key is a node's"));
        }
        let what = ControllerEnrolment { token, name, key: public, role };
        let enrolled = self.controller.enrol(SystemClock.now(), what).await.map_err(refusal)?;
        let (name, role, domain) = match enrolled.speaker {
            Speaker::Agent { name, .. } => {
                let domain = self.domain(&name);
                (name.to_string(), Role::Agent, Some(domain))
            }
            Speaker::Member(member) => (member.name.to_string(), member.role, None),
        };
        let address = Some(from.ip().to_canonical().to_string());
        Ok(Enrolled { name, role: role.to_string(), domain, address, ca: self.ca.clone() })
    }

    async fn admit(&self, caller: &Caller, from: SocketAddr) -> Result<Admitted, Refusal> {
        let key = PublicKey(caller.key()?.0);
        let speaker = match (self.controller.speaker(&key), &self.nodes) {
            (Some(speaker), _) => speaker,
            (None, Some(nodes)) if nodes.fleet.knows(&key) => return nodes.admit(&key, from).await,
            (None, _) => {
                let why = "this key is nobody's here: join (again)";
                return Err(Refusal::new(RefusalCode::NotKnown, why));
            }
        };
        let incarnation = self.incarnation().await;
        match speaker {
            Speaker::Agent { user, name } => {
                let registrant = Registrant::of(from.ip());
                let domain = Some(self.domain(&name));
                let known_as = format!("agent/{name}");
                let says = AgentSays::new(self.controller.clone(), user, name, registrant);
                let announced: Option<Box<dyn Announced>> = Some(Box::new(says));
                let name = known_as;
                Ok(Admitted { domain, announced, ..Admitted::new(name, incarnation) })
            }
            Speaker::Member(member) => {
                let now = SystemClock.now();
                if let Err(error) = self.controller.member_seen(now, &member.name).await {
                    // When it was seen is for people; its session doesn't hang on it.
                    tracing::debug!(member = %member.name, %error, "not noted as seen");
                }
                let name = format!("{}/{}", member.role, member.name);
                let offers = match member.role {
                    Role::Gateway => vec![self.services()],
                    _ => Vec::new(),
                };
                Ok(Admitted { offers, ..Admitted::new(name, incarnation) })
            }
        }
    }

    fn knows(&self, caller: &Caller) -> bool {
        let Ok(key) = caller.key().map(|key| PublicKey(key.0)) else { return false };
        let is_node = || self.nodes.as_ref().is_some_and(|nodes| nodes.fleet.knows(&key));
        self.controller.speaker(&key).is_some() || is_node()
    }
}

impl Gatekeeper {
    async fn enrol_node(&self, enrolment: Enrolment) -> Result<Enrolled, Refusal> {
        let Some(nodes) = &self.nodes else {
            let why = "this controller has no nodes: its file has no section `nodes`";
            return Err(Refusal::new(RefusalCode::NotAllowed, why));
        };
        if self.controller.speaker(&PublicKey(enrolment.key.0)).is_some() {
            let why = "this key is an agent's or a member's: a node has one of its own";
            return Err(Refusal::new(RefusalCode::NameTaken, why));
        }
        nodes.enrol(enrolment, &self.ca).await
    }

    /// What an agent's services lie under.
    fn domain(&self, name: &DomainName) -> String {
        format!("{name}.{}", self.controller.server_domain())
    }

    fn services(&self) -> Offer {
        Offer {
            table: self.services.clone(),
            kind: DestinationKind::Service,
            book: self.book.clone(),
            // The link puts the speaker's name in.
            spec: OutletSpec::all(""),
        }
    }

    /// A number for the session. With the registry gone sessions must still come about, since
    /// gateways forward by them; the wall clock's is then greater than any that was counted.
    async fn incarnation(&self) -> u64 {
        match self.registry.next_incarnation().await {
            Ok(incarnation) => incarnation.0,
            Err(error) => {
                tracing::warn!(%error, "a link session is numbered by the clock");
                SystemClock.now().wall.0
            }
        }
    }
}

/// What the controller says no with, in the link's words.
fn refusal(error: Error) -> Refusal {
    let code = match &error {
        Error::Token(_) => RefusalCode::Token,
        Error::NameTaken(_) | Error::MemberNameTaken(_) | Error::KeyTaken => RefusalCode::NameTaken,
        Error::UnknownUser | Error::NotFound { .. } => RefusalCode::NotKnown,
        Error::TooManyRoutes { .. } | Error::Bound(_) => RefusalCode::Bound,
        Error::Registry(_) | Error::Closed => RefusalCode::Unavailable,
        _ => RefusalCode::Invalid,
    };
    Refusal::new(code, error)
}
