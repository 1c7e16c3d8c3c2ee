//! Asking routers whether they are there: the [`Prober`] says whom, sessions carry it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rutter_link::Pinged;
use rutter_rib::Table;
use rutter_route::{Health, NodeId, Now, Prefix};
use tokio::sync::{mpsc, oneshot};

use super::state::{State, lock};
use super::{FleetError, Inner, Probing};
use crate::node::node_of;
use crate::prober::Prober;

/// How many shared prefixes are looked at in one visit to the owner of the book.
const SLICE: usize = 512;

/// How often it is looked whether probing was switched on.
const OFF: Duration = Duration::from_secs(2);

/// Who has answered: a node, and in which of its sessions.
type Answer = (NodeId, u64);

impl Inner {
    /// The task, until the fleet is closed.
    pub(super) async fn keep_probing(self: Arc<Self>) {
        let mut prober = Prober::default();
        let (say, mut answers) = mpsc::channel(64);
        let mut cycle = tokio::time::Instant::now();
        loop {
            let probing = self.config().probing;
            let ends = prober.deadline().map(|d| d.left(self.clock.now()));
            tokio::select! {
                () = self.closing.cancelled() => return,
                Some(answer) = answers.recv() => self.hear(&mut prober, answer).await,
                () = sleep(ends) => self.end_cycle(&mut prober, probing).await,
                () = tokio::time::sleep_until(cycle) => {
                    cycle = tokio::time::Instant::now() + probing.map_or(OFF, |p| p.interval);
                    if let Some(probing) = probing {
                        self.begin_cycle(&mut prober, probing, &say).await;
                    }
                }
            }
        }
    }

    pub(super) async fn begin_cycle(
        &self,
        prober: &mut Prober,
        probing: Probing,
        say: &mpsc::Sender<Answer>,
    ) {
        let routers = match self.routers_that_share().await {
            Ok(routers) => routers,
            Err(error) => return tracing::debug!(%error, "routers aren't asked"),
        };
        for id in prober.begin(self.clock.now(), probing.timeout, &routers) {
            let (Some(session), Some(ask)) = (routers.get(&id).copied(), self.way_to(id)) else {
                continue;
            };
            let (answer, answered) = oneshot::channel();
            // One that still has a question before it is silent.
            if ask.try_send(Pinged { answer }).is_err() {
                continue;
            }
            let say = say.clone();
            self.tasks.spawn(async move {
                let heard = tokio::time::timeout(probing.timeout, answered).await;
                if matches!(heard, Ok(Ok(()))) {
                    // Whoever heard it is gone with the fleet.
                    let _ = say.send((id, session)).await;
                }
            });
        }
    }

    pub(super) async fn hear(&self, prober: &mut Prober, (id, session): Answer) {
        if let Some(is) = prober.answered(id, session) {
            self.judge(vec![(id, is)]).await;
        }
    }

    pub(super) async fn end_cycle(&self, prober: &mut Prober, probing: Option<Probing>) {
        let timeout = probing.map_or(OFF, |p| p.timeout);
        let current = |id| {
            let state = lock(&self.state);
            state.presence.get(&id).filter(|p| p.online).map(|p| p.incarnation)
        };
        let verdicts = prober.end(self.clock.now(), timeout, current);
        if !verdicts.is_empty() {
            self.judge(verdicts).await;
        }
    }

    async fn judge(&self, verdicts: Vec<(NodeId, Health)>) {
        let judged = self.apply(move |state, table, now| {
            for (id, is) in verdicts {
                // One that isn't in use any more isn't judged.
                state.nodes.health(now, table, id, is);
            }
        });
        if let Err(error) = judged.await {
            tracing::debug!(%error, "a verdict on a router came with the end of the book");
        }
    }

    fn way_to(&self, id: NodeId) -> Option<mpsc::Sender<Pinged>> {
        lock(&self.pings).get(&id).map(|(_, ask)| ask.clone())
    }

    /// Nodes of which another could take over a prefix, with their live sessions.
    async fn routers_that_share(&self) -> Result<BTreeMap<NodeId, u64>, FleetError> {
        let mut routers = BTreeMap::new();
        let mut after: Option<Prefix> = None;
        loop {
            let slice = move |state: &mut State, table: &Table<Prefix>, _: Now| {
                let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
                let shared = state.shared.range((from, std::ops::Bound::Unbounded));
                let shared: Vec<Prefix> = shared.take(SLICE).copied().collect();
                let nodes = shared.iter().flat_map(|prefix| usable(table, prefix));
                let session = |id: NodeId| {
                    let presence = state.presence.get(&id).filter(|p| p.online)?;
                    Some((id, presence.incarnation))
                };
                let nodes: Vec<_> = nodes.filter_map(session).collect();
                (shared.last().copied().filter(|_| shared.len() == SLICE), nodes)
            };
            let (last, nodes) = self.look(slice).await?;
            routers.extend(nodes);
            match last {
                Some(last) => after = Some(last),
                None => return Ok(routers),
            }
        }
    }
}

/// The routers of a prefix that aren't barred.
fn usable(table: &Table<Prefix>, prefix: &Prefix) -> Vec<NodeId> {
    let candidates = table.candidates(prefix);
    let usable = candidates.iter().filter(|c| !c.standing.is_barred());
    usable.filter_map(|c| node_of(c.source)).collect()
}

async fn sleep(for_: Option<Duration>) {
    match for_ {
        // The clock of deadlines goes in whole milliseconds.
        Some(for_) => tokio::time::sleep(for_ + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}
