//! One node, and what all of them are waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rutter_link::{Announcer, Answered, Backoff, Dialer, LinkKey, Pulse, Remote, SourceUpdate};
use rutter_route::{Attributes, NextHop, NodeId, PathId, Prefix, SourceId};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinHandle;

/// How long one dial may take: all of them share two processors.
const DIAL: Duration = Duration::from_secs(60);

pub(super) fn dialer(remote: &Remote, key: &LinkKey) -> Result<Dialer> {
    let dialer = Dialer::new(remote.clone(), key)?.with_patience(DIAL);
    Ok(dialer.with_pulse(Pulse::every(Duration::from_secs(1))))
}

/// What a node is waited for to be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// At least so many routes.
    Full { routes: usize },
    /// Another router of a prefix than at the beginning of the wait.
    Another { of: Prefix },
    /// A router of a prefix.
    Some { of: Prefix },
    /// That nobody leads to a prefix.
    None { of: Prefix },
}

/// What nodes are waited for, and when they were told.
pub(super) struct Watch {
    waited: Mutex<Waited>,
    done: Notify,
    /// When anybody was told anything last.
    last: Mutex<Instant>,
    n_lost: AtomicUsize,
}

#[derive(Default)]
struct Waited {
    expected: Option<Expected>,
    is_waited_for: Vec<bool>,
    n_waiting: usize,
    told: Vec<Instant>,
    routes: Vec<BTreeMap<Prefix, NodeId>>,
    ids: Vec<Option<NodeId>>,
    /// The routes of the prefix when the wait began.
    before: Vec<Option<NodeId>>,
}

impl Watch {
    pub(super) fn new(n_nodes: usize) -> Self {
        let waited = Waited {
            is_waited_for: vec![false; n_nodes],
            routes: vec![BTreeMap::new(); n_nodes],
            before: vec![None; n_nodes],
            ids: vec![None; n_nodes],
            ..Waited::default()
        };
        Self {
            waited: Mutex::new(waited),
            done: Notify::new(),
            last: Mutex::new(Instant::now()),
            n_lost: AtomicUsize::new(0),
        }
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these are waited for.
    pub(super) fn expect(&self, expected: Expected, nodes: impl Iterator<Item = usize>) {
        let mut waited = self.waited();
        let waited = &mut *waited;
        waited.expected = Some(expected);
        waited.told.clear();
        waited.is_waited_for.fill(false);
        waited.n_waiting = 0;
        for node in nodes {
            waited.is_waited_for[node] = true;
            waited.n_waiting += 1;
        }
        if let Expected::Another { of } = expected {
            let routers = waited.routes.iter().map(|routes| routes.get(&of).copied());
            waited.before = routers.collect();
        }
    }

    /// When all were told: each one's time, in order.
    pub(super) async fn all(&self) -> Vec<Instant> {
        loop {
            let done = self.done.notified();
            {
                let waited = self.waited();
                if waited.n_waiting == 0 {
                    return waited.told.clone();
                }
            }
            done.await;
        }
    }

    /// Who leads to a prefix, as a node was told.
    pub(super) fn router(&self, told: usize, of: Prefix) -> Option<usize> {
        let waited = self.waited();
        let id = *waited.routes.get(told)?.get(&of)?;
        waited.ids.iter().position(|known| *known == Some(id))
    }

    fn up(&self, node: usize, id: NodeId) {
        self.waited().ids[node] = Some(id);
    }

    pub(super) fn n_waiting(&self) -> usize {
        self.waited().n_waiting
    }

    pub(super) fn n_lost(&self) -> usize {
        self.n_lost.load(Ordering::Relaxed)
    }

    /// Waits until nobody was told anything for that long.
    pub(super) async fn quiet(&self, long: Duration) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match long.checked_sub(last.elapsed()) {
                None => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }

    fn told(&self, node: usize, snapshot: bool, routes: BTreeMap<Prefix, Option<NodeId>>) {
        let now = Instant::now();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let mut waited = self.waited();
        let waited = &mut *waited;
        let held = &mut waited.routes[node];
        if snapshot {
            held.clear();
        }
        for (prefix, router) in routes {
            match router {
                Some(router) => drop(held.insert(prefix, router)),
                None => drop(held.remove(&prefix)),
            }
        }
        let is_so = match waited.expected {
            None => false,
            Some(Expected::Full { routes }) => held.len() >= routes,
            Some(Expected::Another { of }) => {
                held.get(&of).is_some_and(|router| Some(*router) != waited.before[node])
            }
            Some(Expected::Some { of }) => held.contains_key(&of),
            Some(Expected::None { of }) => !held.contains_key(&of),
        };
        if is_so && std::mem::take(&mut waited.is_waited_for[node]) {
            waited.told.push(now);
            waited.n_waiting -= 1;
            if waited.n_waiting == 0 {
                self.done.notify_waiters();
            }
        }
    }
}

/// A node that runs. Dropping it cuts its session off without a goodbye.
pub(super) struct Node(JoinHandle<()>);

impl Drop for Node {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Node {
    /// `free` is given back when the session has begun.
    pub(super) fn start(
        place: usize,
        dialer: Dialer,
        networks: &[String],
        watch: Arc<Watch>,
        free: OwnedSemaphorePermit,
    ) -> Result<Self> {
        let announcer = Announcer::start(Arc::new(dialer), Backoff::default());
        announcer.say(says(networks)?)?;
        Ok(Self(tokio::spawn(run(place, announcer, watch, free))))
    }
}

fn says(networks: &[String]) -> Result<SourceUpdate> {
    let by: SourceId = "node/bench".parse()?;
    let hop = Attributes::via(NextHop::Address([192, 0, 2, 1].into()));
    let routes = networks.iter().map(|network| {
        let prefix: Prefix = network.parse()?;
        Ok((prefix, PathId::default(), hop.clone()))
    });
    let routes = routes.collect::<Result<Vec<_>>>()?;
    Ok(SourceUpdate::prefixes("nodes".parse()?, "node".into(), &by, routes))
}

async fn run(
    place: usize,
    mut announcer: Announcer,
    watch: Arc<Watch>,
    free: OwnedSemaphorePermit,
) {
    let mut free = Some(free);
    while let Some(answered) = announcer.next().await {
        match answered {
            Answered::Up { node, .. } => {
                drop(free.take());
                if let Some(node) = node {
                    watch.up(place, node.id);
                }
            }
            Answered::Map { number, snapshot, change } => {
                watch.told(place, snapshot, change.routes);
                announcer.applied(number);
            }
            Answered::Ping { number } => announcer.pong(number),
            Answered::Report { what, .. } => {
                if let Err(refusal) = what {
                    eprintln!("node {place}: {refusal}");
                }
            }
            Answered::Lost { why, .. } => {
                watch.n_lost.fetch_add(1, Ordering::Relaxed);
                eprintln!("node {place}: {why}");
            }
        }
    }
}
