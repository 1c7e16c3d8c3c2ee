//! A controller of nodes is killed a hundred times under approvals and advertisements.
//!
//! Nodes are real sessions over the link, in this process. Some are routers that share networks, and
//! a person makes now this and now that one primary; some say other routes all the time, which a
//! person approves and revokes; new ones join. After each kill what is left is looked at twice:
//! before any node is back, and when all are, in an order of chance within `restart_grace`.
//!
//! What must hold: all that was acknowledged is there; what was on its way at the kill is there as a
//! whole or not at all; the primaries are the same, before the nodes' return and after, and none has
//! moved.

mod changing;
mod controller;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use self::changing::Changing;
use self::controller::{Asks, Controller};
use self::node::Node;
use crate::dice::Dice;
use crate::{told, until};

const KILLS: usize = 100;
/// Ends in good order.
const STOPS: usize = 6;
/// To another process.
const HAND_OVERS: usize = 3;
/// Routers that share all of [`SHARED`].
const ROUTERS: usize = 5;
const SHARED: [&str; 4] = ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "fd00:1::/64"];
/// Nodes that change what they say.
const CHANGING: usize = 4;
/// Nodes that join in each life of the controller.
const JOINING: usize = 2;
/// A kill comes within this time after the first acknowledgement.
const KILLED_WITHIN: Duration = Duration::from_millis(150);
/// The longest that the next of the nodes lets wait for itself.
const BACK_WITHIN: Duration = Duration::from_millis(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_under_approvals_lose_nothing_and_move_no_primary() {
    let mut scene = Scene::start().await;
    let (mut n_words, mut returns) = (0, Vec::new());
    for kill in 0..KILLS {
        n_words += scene.a_life(kill).await;
        scene.controller.start_again().await;
        scene.is_as_it_was(&format!("kill {kill}, before the nodes' return")).await;
        let since = Instant::now();
        scene.all_return().await;
        returns.push(since.elapsed());
        scene.is_as_it_was(&format!("kill {kill}, after the nodes' return")).await;
        scene.nothing_has_moved().await;
    }
    println!("{KILLS} kills (seed {}): {n_words} words acknowledged, 0 lost", scene.dice.seed);
    println!("all nodes were back in {}", told(&returns));
}

/// Sessions that the controller itself ends, one after the other, say nothing of their nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_stopped_and_started_again_moves_no_primary() {
    let mut scene = Scene::start().await;
    for stop in 0..STOPS {
        let prefix = SHARED[stop % SHARED.len()];
        let router = &scene.routers[scene.dice.below(ROUTERS)];
        let said = scene.controller.asks.say(router, "primary", json!({ "prefix": prefix })).await;
        said.expect("an answer");
        scene.primaries.lock().unwrap().insert(prefix, vec![router.id]);
        scene.nodes().iter().for_each(Node::stay_away);
        scene.controller.stop();
        scene.controller.start_again().await;
        scene.is_as_it_was(&format!("stop {stop}, before the nodes' return")).await;
        scene.all_return().await;
        scene.is_as_it_was(&format!("stop {stop}, after the nodes' return")).await;
        scene.nothing_has_moved().await;
    }
}

/// Nor do those that end since another process takes over.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_handed_over_moves_no_primary() {
    let mut scene = Scene::start().await;
    for hand_over in 0..HAND_OVERS {
        let prefix = SHARED[hand_over % SHARED.len()];
        let router = &scene.routers[scene.dice.below(ROUTERS)];
        let said = scene.controller.asks.say(router, "primary", json!({ "prefix": prefix })).await;
        said.expect("an answer");
        scene.primaries.lock().unwrap().insert(prefix, vec![router.id]);
        let nodes: Vec<_> = scene.nodes().into_iter().map(|node| (node.n_lost(), node)).collect();
        tokio::task::block_in_place(|| scene.controller.hand_over());
        for (n_lost, node) in &nodes {
            node.is_back_after(*n_lost).await;
        }
        scene.is_as_it_was(&format!("hand-over {hand_over}")).await;
        scene.nothing_has_moved().await;
    }
}

/// Who may be primary of each prefix: one, or one of two where a word was on its way at a kill.
type Primaries = Arc<Mutex<BTreeMap<&'static str, Vec<u64>>>>;

struct Scene {
    controller: Controller,
    routers: Vec<Node>,
    changing: Vec<Changing>,
    /// It says nothing, and is told who is primary.
    reader: Node,
    primaries: Primaries,
    /// Names of nodes that were let in.
    joined: Arc<Mutex<Vec<String>>>,
    token: String,
    dice: Dice,
}

impl Scene {
    async fn start() -> Self {
        let controller = Controller::start().await;
        let token = controller.preauth_key().await;
        let mut routers = Vec::new();
        for n in 0..ROUTERS {
            let shared = SHARED.iter().map(|prefix| prefix.parse().unwrap()).collect();
            routers.push(controller.join(&token, &format!("router{n}"), shared).await);
        }
        let mut changing = Vec::new();
        for n in 0..CHANGING {
            let node = controller.join(&token, &format!("changing{n}"), BTreeSet::new()).await;
            changing.push(Changing::new(n, node));
        }
        let reader = controller.join(&token, "reader", BTreeSet::new()).await;
        let (primaries, joined) = (Primaries::default(), Arc::default());
        let dice = Dice::new();
        let mut scene =
            Self { controller, routers, changing, reader, primaries, joined, token, dice };
        scene.all_return().await;
        for router in &scene.routers {
            let approved =
                scene.controller.asks.say(router, "approve", json!({ "prefixes": SHARED }));
            approved.await.expect("an answer");
        }
        let rows = scene.controller.rows().await;
        for prefix in SHARED {
            let primary = rows.iter().find(|row| row.prefix == prefix && row.is_primary);
            let primary = primary.expect("a primary").node;
            scene.primaries.lock().unwrap().insert(prefix, vec![primary]);
        }
        scene
    }

    fn nodes(&self) -> Vec<Node> {
        let changing = self.changing.iter().map(|one| &one.node);
        self.routers.iter().chain(changing).chain([&self.reader]).cloned().collect()
    }

    /// All are busy until the controller is killed; how many words were acknowledged.
    async fn a_life(&mut self, kill: usize) -> usize {
        let nodes = self.nodes();
        let n_words = Arc::new(Mutex::new(0));
        let mut busy = Vec::new();
        for one in self.changing.drain(..) {
            let asks = self.controller.asks.clone();
            busy.push(tokio::spawn(one.for_ever(
                asks,
                Dice::of(self.dice.next()),
                n_words.clone(),
            )));
        }
        let asks = self.controller.asks.clone();
        let nominating = nominate_for_ever(
            asks,
            self.routers.clone(),
            Dice::of(self.dice.next()),
            self.primaries.clone(),
            n_words.clone(),
        );
        let nominating = tokio::spawn(nominating);
        let joining = self.controller.join_some(&self.token, kill, JOINING, self.joined.clone());
        let joining = tokio::spawn(joining);
        until("a word", || *n_words.lock().unwrap() > 0).await;
        // A random moment, for which there is no event.
        tokio::time::sleep(self.dice.up_to(KILLED_WITHIN)).await;
        nodes.iter().for_each(Node::stay_away);
        self.controller.kill();
        for task in busy {
            self.changing.push(task.await.expect("every answer until the kill is a good one"));
        }
        nominating.await.expect("every answer until the kill is a good one");
        joining.await.expect("every answer until the kill is a good one");
        *n_words.lock().unwrap()
    }

    /// The nodes come back in an order of chance, and say again what they have.
    async fn all_return(&mut self) {
        let mut nodes = self.nodes();
        self.dice.shuffle(&mut nodes);
        for node in &nodes {
            node.come_back(self.controller.remote());
            tokio::time::sleep(self.dice.up_to(BACK_WITHIN)).await;
        }
        for node in &nodes {
            node.is_back().await;
        }
        self.changing.iter_mut().for_each(Changing::has_said_it_again);
    }

    /// All that was acknowledged is there, and from here on nothing is on its way.
    async fn is_as_it_was(&mut self, when: &str) {
        let rows = self.controller.rows().await;
        for one in &mut self.changing {
            one.is_as_it_was(&rows, when);
        }
        let mut primaries = self.primaries.lock().unwrap().clone();
        for (prefix, may_be) in &mut primaries {
            let of = rows.iter().filter(|row| row.prefix == *prefix);
            let is: Vec<u64> = of.filter(|row| row.is_primary).map(|row| row.node).collect();
            assert!(
                matches!(&is[..], [is] if may_be.contains(is)),
                "{when}: {prefix} is of {is:?}, expected one of {may_be:?}"
            );
            *may_be = is;
        }
        *self.primaries.lock().unwrap() = primaries;
        let names: BTreeSet<String> = self.controller.names().await;
        for name in self.joined.lock().unwrap().iter() {
            assert!(names.contains(name), "{when}: {name} was let in, and is no node");
        }
    }

    /// Since the start no shared network has moved, and who looks on was told who is primary.
    async fn nothing_has_moved(&self) {
        let moves = self.controller.moves().await;
        let shared: Vec<_> =
            moves.iter().filter(|one| SHARED.contains(&one.prefix.as_str())).collect();
        assert!(shared.is_empty(), "moved without a cause: {shared:?}");
        let primaries = self.primaries.lock().unwrap().clone();
        for (prefix, primary) in primaries {
            self.reader.is_told(prefix.parse().unwrap(), primary[0]).await;
        }
    }
}

/// A person makes now this and now that router primary, until nobody answers any more.
async fn nominate_for_ever(
    asks: Asks,
    routers: Vec<Node>,
    mut dice: Dice,
    primaries: Primaries,
    n_words: Arc<Mutex<usize>>,
) {
    loop {
        let router = &routers[dice.below(routers.len())];
        let prefix = SHARED[dice.below(SHARED.len())];
        primaries.lock().unwrap().entry(prefix).or_default().push(router.id);
        let said = asks.say(router, "primary", json!({ "prefix": prefix })).await;
        if said.is_none() {
            return;
        }
        primaries.lock().unwrap().insert(prefix, vec![router.id]);
        *n_words.lock().unwrap() += 1;
    }
}
