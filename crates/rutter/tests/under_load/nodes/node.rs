//! A node: a session over the link that comes back when it is let.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rutter_link::{
    Announcer, Answered, Backoff, Dialer, Dials, LinkError, LinkKey, Remote, SourceUpdate,
};
use rutter_route::{Attributes, NextHop, NodeId, PathId, Prefix, SourceId};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::support::PATIENCE;

/// A dial that fails is tried again at once: whoever is away waits for a word of the test.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(2), longest: Duration::from_millis(2) };

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) id: u64,
    /// Where the controller is; `None`: nowhere that it may know of.
    remote: Arc<watch::Sender<Option<Remote>>>,
    words: mpsc::UnboundedSender<BTreeSet<Prefix>>,
    heard: watch::Receiver<Heard>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    /// Sessions that were lost.
    n_lost: usize,
    /// Answers to what it said since its session began.
    n_reports: usize,
    routes: BTreeMap<Prefix, NodeId>,
}

/// Finds the controller when the test lets it.
struct Finds {
    remote: watch::Receiver<Option<Remote>>,
    key: LinkKey,
}

#[async_trait]
impl Dials for Finds {
    async fn dialer(&self) -> Result<Dialer, LinkError> {
        let mut remote = self.remote.clone();
        let found = remote.wait_for(Option::is_some).await.ok().and_then(|remote| remote.clone());
        match found {
            Some(remote) => Dialer::new(remote, &self.key),
            // The test has ended.
            None => std::future::pending().await,
        }
    }
}

impl Node {
    pub(super) fn start(name: String, id: u64, key: LinkKey, says: BTreeSet<Prefix>) -> Self {
        let (remote, finds) = watch::channel(None);
        let (words, to_say) = mpsc::unbounded_channel();
        let (hears, heard) = watch::channel(Heard::default());
        let announcer = Announcer::start(Arc::new(Finds { remote: finds, key }), BACKOFF);
        announcer.say(update(&says)).expect("a good word");
        let task = AbortOnDropHandle::new(tokio::spawn(live(announcer, to_say, hears)));
        Self { name, id, remote: Arc::new(remote), words, heard, _task: Arc::new(task) }
    }

    pub(super) fn stay_away(&self) {
        self.remote.send_replace(None);
    }

    pub(super) fn come_back(&self, remote: Remote) {
        self.remote.send_replace(Some(remote));
    }

    /// Waits until what it has was taken in.
    pub(super) async fn is_back(&self) {
        self.hears("its return", |heard| heard.n_reports > 0).await;
    }

    /// How many sessions it has lost.
    pub(super) fn n_lost(&self) -> usize {
        self.heard.borrow().n_lost
    }

    /// Waits until it has lost more than so many, and what it has was taken in again.
    pub(super) async fn is_back_after(&self, n_lost: usize) {
        let is_so = |heard: &Heard| heard.n_lost > n_lost && heard.n_reports > 0;
        self.hears("its return", is_so).await;
    }

    /// Waits until it is told that this node is the router of a prefix.
    pub(super) async fn is_told(&self, prefix: Prefix, router: u64) {
        let is_so = |heard: &Heard| heard.routes.get(&prefix) == Some(&NodeId(router));
        self.hears(&format!("{prefix} of node {router}"), is_so).await;
    }

    /// Says all that it has from now on; whether that was acknowledged before its session ended.
    pub(super) async fn says(&self, prefixes: BTreeSet<Prefix>) -> bool {
        let n_before = self.heard.borrow().n_reports;
        self.words.send(prefixes).expect("it lives");
        if n_before == 0 {
            return false;
        }
        // A session that ends begins to count anew, and none begins until the test lets it.
        let mut heard = self.heard.clone();
        let answered = heard.wait_for(|heard| heard.n_reports != n_before);
        let answered = timeout(PATIENCE, answered).await.expect("an answer or the end");
        answered.expect("it lives").n_reports > n_before
    }

    async fn hears(&self, what: &str, is_so: impl Fn(&Heard) -> bool) {
        let mut heard = self.heard.clone();
        let waited = timeout(PATIENCE, heard.wait_for(|heard| is_so(heard))).await;
        assert!(waited.is_ok(), "{}: {what}: not in time: {:?}", self.name, self.heard.borrow());
    }
}

async fn live(
    mut announcer: Announcer,
    mut to_say: mpsc::UnboundedReceiver<BTreeSet<Prefix>>,
    hears: watch::Sender<Heard>,
) {
    loop {
        let answered = tokio::select! {
            answered = announcer.next() => answered,
            Some(word) = to_say.recv() => {
                announcer.say(update(&word)).expect("a good word");
                continue;
            }
        };
        match answered.expect("it goes on") {
            Answered::Up { .. } => {}
            Answered::Map { number, snapshot, change } => {
                hears.send_modify(|heard| heard.take(snapshot, change.routes));
                announcer.applied(number);
            }
            Answered::Ping { number } => announcer.pong(number),
            Answered::Report { what, .. } => {
                what.expect("a good word");
                hears.send_modify(|heard| heard.n_reports += 1);
            }
            Answered::Lost { .. } => {
                hears.send_modify(|heard| {
                    *heard = Heard { n_lost: heard.n_lost + 1, ..Heard::default() };
                });
            }
        }
    }
}

impl Heard {
    fn take(&mut self, snapshot: bool, routes: BTreeMap<Prefix, Option<NodeId>>) {
        if snapshot {
            self.routes.clear();
        }
        for (prefix, router) in routes {
            match router {
                Some(router) => drop(self.routes.insert(prefix, router)),
                None => drop(self.routes.remove(&prefix)),
            }
        }
    }
}

fn update(prefixes: &BTreeSet<Prefix>) -> SourceUpdate {
    let by: SourceId = "node/test".parse().unwrap();
    let hop = Attributes::via(NextHop::Address([127, 0, 0, 1].into()));
    let routes = prefixes.iter().map(|prefix| (*prefix, PathId::default(), hop.clone()));
    SourceUpdate::prefixes("nodes".parse().unwrap(), "node".into(), &by, routes)
}
