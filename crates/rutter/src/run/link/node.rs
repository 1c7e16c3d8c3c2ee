//! What a node says over the link, to the fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use rutter_book::{Clock, SystemClock};
use rutter_link::{
    Admitted, Announced, AnyBatch, Enrolled, Enrolment, Observation, Outcome, Pulse, Refusal,
    RefusalCode, Seen, SourceReport, SourceUpdate,
};
use rutter_nodes::fleet::{Connected, EnrolNode, Fleet, FleetError, Heard, NodeSession};
use rutter_nodes::{Node, NodesError};
use rutter_registry::{PublicKey, Role, TokenSecret};
use rutter_rib::{Batch, Tell};
use rutter_route::{Destination, Health, NodeId, Now, PathId, Prefix, TableName, Verdict};

use crate::config::tables;

/// The controller speaks so many times less often than its nodes: who waits for a node's silence
/// moves its routes, and a node that waits for the controller's goes on forwarding.
const LESS_OFTEN: u32 = 3;

/// The addresses on the underlay that one node is told with.
const MAX_ENDPOINTS: usize = 8;

/// What sessions of nodes are made of.
pub(in crate::run) struct NodesSide {
    pub(in crate::run) fleet: Fleet,
    /// How nodes show that they live.
    pub(in crate::run) pulse: Pulse,
}

impl NodesSide {
    /// A node asks to be let in: by a pre-auth key, or without one by a person's word.
    pub(super) async fn enrol(&self, enrolment: Enrolment, ca: &[u8]) -> Result<Enrolled, Refusal> {
        let Enrolment { key, from, token, name, .. } = enrolment;
        let name = name.parse().map_err(|error| Refusal::new(RefusalCode::Invalid, error))?;
        let token = (!token.is_empty()).then(|| TokenSecret::presented(&token));
        let new = EnrolNode { key: PublicKey(key.0), token, name, from };
        let node = self.fleet.enrol(new).await.map_err(|error| refusal(&error))?;
        Ok(Enrolled {
            name: node.name.to_string(),
            role: Role::Node.to_string(),
            domain: None,
            address: Some(from.ip().to_canonical().to_string()),
            ca: ca.to_vec(),
        })
    }

    /// A session of a node begins.
    pub(super) async fn admit(
        &self,
        key: &PublicKey,
        from: SocketAddr,
    ) -> Result<Admitted, Refusal> {
        let connected = self.fleet.connect(key, from).await.map_err(|error| refusal(&error))?;
        let Connected { session, map, pings } = connected;
        let Node { id, ref name, ref addresses, .. } = session.node;
        let admitted = Admitted::new(format!("node/{name}"), session.incarnation);
        let node = Some((id, addresses.clone()));
        let says = NodeSays {
            id,
            from: from.ip().to_canonical(),
            said: BTreeMap::new(),
            in_snapshot: false,
            session: Some(session),
        };
        Ok(Admitted {
            pulse: Some(Pulse { keepalive: self.pulse.keepalive * LESS_OFTEN, ..self.pulse }),
            asks: Some(self.pulse.keepalive),
            announced: Some(Box::new(says)),
            node,
            map: Some(Box::new(map)),
            pings: Some(pings),
            ..admitted
        })
    }
}

/// A node's session.
struct NodeSays {
    id: NodeId,
    from: IpAddr,
    /// What it has said so far, and where it wants the packets sent to.
    said: BTreeMap<Prefix, Vec<IpAddr>>,
    /// A snapshot has begun and not ended.
    in_snapshot: bool,
    /// `None` after its end.
    session: Option<NodeSession>,
}

impl NodeSays {
    fn take(&mut self, batch: Batch<Prefix>) -> Result<(), Refusal> {
        if batch.begin_snapshot {
            self.said.clear();
        }
        for tell in batch.tells {
            let (prefix, routes) = match tell {
                Tell::Advertise { destination, routes, .. } => (destination, routes),
                Tell::Withdraw { destination, .. } => (destination, Vec::new()),
            };
            match routes.is_empty() {
                true => drop(self.said.remove(&prefix)),
                false => {
                    let hops = routes.iter().filter_map(|r| r.attributes.next_hop.address());
                    self.said.insert(prefix, hops.collect());
                }
            }
        }
        // What the fleet refuses it says of each prefix; this only bounds what is kept until then.
        if self.said.len() > rutter_nodes::MAX_ROWS {
            let why = format!("a node advertises at most {} prefixes", rutter_nodes::MAX_ROWS);
            return Err(Refusal::new(RefusalCode::Bound, why));
        }
        Ok(())
    }

    /// Where its packets are sent to: what it names, else where it speaks from.
    fn endpoints(&self) -> Vec<IpAddr> {
        let mut endpoints: Vec<IpAddr> = Vec::new();
        for hop in self.said.values().flatten() {
            if !endpoints.contains(hop) && endpoints.len() < MAX_ENDPOINTS {
                endpoints.push(*hop);
            }
        }
        if endpoints.is_empty() {
            endpoints.push(self.from);
        }
        endpoints
    }
}

#[async_trait]
impl Announced for NodeSays {
    async fn heard(&mut self, update: SourceUpdate) -> Result<SourceReport, Refusal> {
        let SourceUpdate { table, batch, .. } = update;
        if table.as_str() != tables::NODES {
            let why = format!("a node has nothing to say in the table `{table}`");
            return Err(Refusal::new(RefusalCode::NotAllowed, why));
        }
        let AnyBatch::Prefix(batch) = batch else {
            return Err(Refusal::new(RefusalCode::Invalid, "a node announces prefixes"));
        };
        self.in_snapshot = (self.in_snapshot || batch.begin_snapshot) && !batch.end_of_snapshot;
        self.take(batch)?;
        // Half of what it has would be a withdrawal of the rest, and end approvals.
        if self.in_snapshot {
            return Ok(SourceReport::default());
        }
        let prefixes: BTreeSet<Prefix> = self.said.keys().copied().collect();
        let endpoints = self.endpoints();
        let Some(session) = &mut self.session else { return Ok(SourceReport::default()) };
        let announced = session.announce(Heard { prefixes }, endpoints).await;
        let verdicts = announced.map_err(|error| refusal(&error))?;
        let outcomes = verdicts.into_iter().map(|(prefix, verdict)| Outcome {
            destination: Some(prefix.to_any()),
            path: PathId::default(),
            is: match verdict {
                Verdict::Stands(standing) => Ok(standing),
                Verdict::Refused(why) => Err(why.to_string()),
            },
        });
        Ok(SourceReport { outcomes: outcomes.collect(), ..SourceReport::default() })
    }

    async fn observed(&mut self, table: TableName, observations: Vec<Observation<Prefix>>) {
        if table.as_str() != tables::NODES {
            tracing::debug!(%table, node = self.id.0, "a node observes what isn't its own");
            return;
        }
        let of = of_own(SystemClock.now(), &self.said, observations);
        let Some(session) = &mut self.session else { return };
        if let Err(error) = session.health(of).await {
            tracing::debug!(node = self.id.0, %error, "what a node sees behind it isn't taken");
        }
    }

    async fn ended(&mut self, said: bool) {
        if let Some(session) = self.session.take() {
            session.ended(said).await;
        }
    }
}

/// The last word on each prefix that the node has: whatever a node says at once, the owner of the book
/// has no more to do than there are rows.
fn of_own(
    now: Now,
    said: &BTreeMap<Prefix, Vec<IpAddr>>,
    observations: Vec<Observation<Prefix>>,
) -> Vec<(Prefix, Health)> {
    let own = observations.into_iter().filter(|seen| said.contains_key(&seen.destination));
    let last: BTreeMap<Prefix, Seen> = own.map(|seen| (seen.destination, seen.is)).collect();
    last.into_iter().map(|(prefix, is)| (prefix, health(now, is))).collect()
}

fn health(now: Now, seen: Seen) -> Health {
    match seen {
        Seen::Unknown => Health::Unknown,
        Seen::Healthy => Health::Healthy,
        Seen::Unhealthy { why, left } => {
            Health::Unhealthy { why, until: left.map(|left: Duration| now.deadline(left)) }
        }
    }
}

/// What the fleet says no with, in the link's words.
fn refusal(error: &FleetError) -> Refusal {
    let code = match error {
        FleetError::Pending { .. } => RefusalCode::Pending,
        FleetError::PreauthKey(_) => RefusalCode::Token,
        FleetError::NotFound { .. }
        | FleetError::Expired(_)
        | FleetError::Nodes(NodesError::Unknown(_) | NodesError::Expired(_)) => {
            RefusalCode::NotKnown
        }
        FleetError::Exists { .. } | FleetError::Nodes(NodesError::Taken { .. }) => {
            RefusalCode::NameTaken
        }
        FleetError::Nodes(NodesError::TooMany { .. }) => RefusalCode::Bound,
        FleetError::Nodes(NodesError::Refused(_)) => RefusalCode::Superseded,
        FleetError::Tag(_) => RefusalCode::NotAllowed,
        FleetError::Registry(_) | FleetError::Closed(_) => RefusalCode::Unavailable,
        _ => RefusalCode::Invalid,
    };
    Refusal::new(code, error)
}

#[cfg(test)]
mod tests {
    use rutter_route::{RouteKey, SourceId};

    use super::*;

    #[test]
    fn of_what_a_node_sees_the_last_word_on_what_it_has_is_taken_and_no_other() {
        let prefix = |text: &str| text.parse::<Prefix>().unwrap();
        let route = RouteKey { source: SourceId::node(1), path: PathId::default() };
        let sees =
            |text: &str, is| Observation { destination: prefix(text), route: route.clone(), is };
        let said = BTreeMap::from([(prefix("10.1.0.0/24"), Vec::new())]);
        let dead = || Seen::Unhealthy { why: "no answer".into(), left: None };
        let mut seen = vec![sees("10.1.0.0/24", dead()), sees("10.1.0.0/24", Seen::Healthy)];
        seen.extend(
            (0..10_000).map(|n| sees(&format!("10.{}.{}.0/24", 2 + n / 256, n % 256), dead())),
        );
        let taken = of_own(SystemClock.now(), &said, seen);
        assert_eq!(taken, [(prefix("10.1.0.0/24"), Health::Healthy)]);
    }
}
