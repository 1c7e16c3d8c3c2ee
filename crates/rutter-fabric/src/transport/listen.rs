//! Taking neighbours who dial, and answering their questions.

use std::fmt;

use async_trait::async_trait;
use rutter_link::{
    NeighbourSession, NextHopAnswer, NextHopAsk, PeerKey, Pulse, Refusal, RefusalCode,
    TakesNeighbours,
};
use rutter_protocol::keys::PublicKey;
use rutter_protocol::planner::{Ask, Outcome};
use rutter_route::ClusterId;
use tokio_util::sync::CancellationToken;

use super::{Wires, carry};
use crate::FabricHandle;
use crate::known::Known;

/// The most clusters that a question may name to be avoided, or as visited.
const MAX_NAMED: usize = 256;

/// Where neighbours come in.
pub(crate) struct Door {
    pub(crate) own: ClusterId,
    pub(crate) wires: Wires,
    pub(crate) known: Known,
    pub(crate) handle: FabricHandle,
    pub(crate) stop: CancellationToken,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Door {
    /// The neighbour of a key that was shown.
    fn neighbour(&self, key: &PeerKey) -> Result<ClusterId, Refusal> {
        self.known.cluster_of(&PublicKey(key.0)).ok_or_else(|| {
            Refusal::new(RefusalCode::NotKnown, "the key is no neighbour's any more")
        })
    }
}

#[async_trait]
impl TakesNeighbours for Door {
    fn pulse(&self) -> Pulse {
        self.wires.pulse()
    }

    fn name(&self) -> String {
        self.own.to_string()
    }

    fn admit(&self, key: &PeerKey) -> Result<(), Refusal> {
        self.neighbour(key).map(|_| ())
    }

    async fn session(&self, key: PeerKey, session: NeighbourSession) {
        if let Ok(neighbour) = self.neighbour(&key) {
            carry(&self.wires, &neighbour, session, &self.stop).await;
        }
    }

    async fn next_hop(&self, key: PeerKey, ask: NextHopAsk) -> Result<NextHopAnswer, Refusal> {
        self.neighbour(&key)?;
        let Some(ask) = read(&ask)? else {
            return Ok(answer(None, Outcome::NoTargetCluster, &[]));
        };
        let planned = self.handle.next_hop(ask).await;
        let planned = planned.map_err(|why| Refusal::new(RefusalCode::Unavailable, why))?;
        Ok(answer(planned.next_hop, planned.reason, &planned.path))
    }
}

/// What was asked, in our words; `None`: no destination was named.
fn read(ask: &NextHopAsk) -> Result<Option<Ask>, Refusal> {
    if ask.destination.is_empty() {
        return Ok(None);
    }
    if ask.avoid.len() > MAX_NAMED || ask.visited.len() > MAX_NAMED {
        let why = format!("expected at most {MAX_NAMED} clusters in a list");
        return Err(Refusal::new(RefusalCode::Bound, why));
    }
    let cluster = |text: &String| {
        text.parse::<ClusterId>().map_err(|error| Refusal::new(RefusalCode::Invalid, error))
    };
    let all = |texts: &[String]| texts.iter().map(cluster).collect::<Result<Vec<_>, _>>();
    Ok(Some(Ask {
        destination: cluster(&ask.destination)?,
        avoid: all(&ask.avoid)?,
        visited: all(&ask.visited)?,
        hop_budget: u16::try_from(ask.hop_budget).unwrap_or(u16::MAX),
    }))
}

fn answer(next_hop: Option<ClusterId>, reason: Outcome, path: &[ClusterId]) -> NextHopAnswer {
    NextHopAnswer {
        next_hop: next_hop.map(|n| n.to_string()).unwrap_or_default(),
        reason: reason.to_string(),
        path: path.iter().map(ToString::to_string).collect(),
    }
}
