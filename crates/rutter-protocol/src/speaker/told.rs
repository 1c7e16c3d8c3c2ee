//! What is asked of a speaker by others of its process: what sinks were told, and who is there.

use rutter_route::{
    AnyDestination, ClusterId, Destination, Prefix, Service, SinkExplanation, TableName,
};

use super::Speaker;
use super::neighbour::AnyOutlet;

/// A neighbour as those see it who send it something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach<'a> {
    /// Which.
    pub neighbour: &'a ClusterId,
    /// Whether a connection carries its session now.
    pub connected: bool,
    /// Whether it said that it restarts, and may still be back in time.
    pub restarts: bool,
    /// Where its gateway is, as it said when the session began; empty: it has none.
    pub gateway: &'a str,
}

impl Speaker {
    /// What each neighbour was told of a destination of a table, for `explain`.
    pub fn sinks(&self, table: &TableName, of: &AnyDestination) -> Vec<SinkExplanation> {
        let scopes = self.config.scopes.iter().filter(|spec| spec.table == *table);
        let outlets = scopes.flat_map(|spec| {
            self.neighbours.values().filter_map(|neighbour| neighbour.outlets.get(&spec.scope))
        });
        outlets.filter_map(|outlet| outlet.explain(of)).collect()
    }

    /// Who is there, by name.
    pub fn reach(&self) -> impl Iterator<Item = Reach<'_>> {
        self.neighbours.values().map(|neighbour| Reach {
            neighbour: &neighbour.id,
            connected: neighbour.session.is_some() && !neighbour.connections.is_empty(),
            restarts: neighbour.back_until.is_some(),
            gateway: neighbour.open.as_ref().map_or("", |open| &open.gateway),
        })
    }
}

impl AnyOutlet {
    /// What it told of a destination; `None`: it is of another kind.
    fn explain(&self, of: &AnyDestination) -> Option<SinkExplanation> {
        match self {
            Self::Clusters(outlet) => Some(outlet.explain(&ClusterId::from_any(of)?)),
            Self::Services(outlet) => Some(outlet.explain(&Service::from_any(of)?)),
            Self::Prefixes(outlet) => Some(outlet.explain(&Prefix::from_any(of)?)),
        }
    }
}
