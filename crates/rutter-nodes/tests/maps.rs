//! What each node is told: the rules of distribution as cases, and every map against the rules
//! asked one by one.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rutter_nodes::election::{self, Settings};
use rutter_nodes::map::{Class, Exit, Mapper, NetworkMap, Peer};
use rutter_nodes::policy::{Access, Selector, via_view};
use rutter_nodes::{Node, Owner};
use rutter_rib::ViewId;
use rutter_route::*;
use scene::{Scene, prefix};

fn mapper(scene: &Scene) -> Mapper {
    Mapper::new(scene.now.wall, &scene.nodes, &scene.policy.access, &scene.table)
}

fn class(scene: &Scene, id: NodeId) -> Class {
    mapper(scene).class_of(&scene.nodes, &scene.table, id).unwrap()
}

fn map(scene: &Scene, id: NodeId) -> NetworkMap {
    let mapper = mapper(scene);
    mapper.map(&scene.table, &class(scene, id), &mapper.networks(&scene.table))
}

/// What a node is told, without itself: `2 3 | 10.1.0.0/16>2 | exit 4`.
fn told(scene: &Scene, id: u64) -> String {
    let map = map(scene, NodeId(id));
    let list = |ids: Vec<&NodeId>| {
        let others = ids.into_iter().filter(|n| n.0 != id);
        others.map(|n| n.0.to_string()).collect::<Vec<_>>().join(" ")
    };
    let mut parts = vec![list(map.peers.keys().collect())];
    for (prefix, router) in map.routes.iter().filter(|(_, r)| r.0 != id) {
        parts.push(format!("{prefix}>{}", router.0));
    }
    let exits = list(map.exits.keys().collect());
    if !exits.is_empty() {
        parts.push(format!("exit {exits}"));
    }
    parts.join(" | ")
}

/// Nodes in order, each with its owner and the routes that it advertises and that are approved.
fn network(policy: &str, nodes: &[(&str, &[&str])]) -> Scene {
    let mut scene = Scene::with_policy(Settings::default(), policy);
    for (owner, routes) in nodes {
        let id = scene.add(owner);
        scene.announce(id, routes);
        for route in *routes {
            scene.approve(id, route).unwrap();
        }
        scene.settle();
    }
    scene
}

fn grants(list: &str) -> String {
    format!(
        r#"{{
            "groups": {{"group:ops": ["ops@"]}},
            "tagOwners": {{"tag:r": [], "tag:s": []}},
            "grants": [{list}],
        }}"#
    )
}

#[test]
fn the_cases_of_distribution() {
    let exit: &[&str] = &["0.0.0.0/0", "::/0"];
    let lan: &[&str] = &["10.1.0.0/16"];
    let other: &[&str] = &["10.2.0.0/16"];
    let pair: &[(&str, &[&str])] = &[("a@", &[]), ("r@", lan), ("r@", lan)];
    let sites: &[(&str, &[&str])] = &[("r@", lan), ("r@", other), ("a@", &[])];
    let exits: &[(&str, &[&str])] = &[("a@", &[]), ("r@", exit), ("tag:r", exit)];
    let ok = r#""ip": ["*"]"#;
    let acl = |src: &str, dst: &str| {
        format!(r#"{{"acls": [{{"action": "accept", "src": ["{src}"], "dst": ["{dst}"]}}]}}"#)
    };
    let grant =
        |src: &str, dst: &str| grants(&format!(r#"{{"src": ["{src}"], "dst": ["{dst}"], {ok}}}"#));
    let open = "{}".to_owned();
    // (what it shows, policy, nodes, reader, what it is told)
    let cases = [
        ("no policy is everything", &open, pair, 1, "2 3 | 10.1.0.0/16>2"),
        ("an empty list is nothing", &grants(""), pair, 1, ""),
        ("a standby is told of the primary", &open, pair, 3, "1 2 | 10.1.0.0/16>2"),
        ("also where no grant says so", &grants(""), pair, 3, "2 | 10.1.0.0/16>2"),
        ("who may go there", &acl("a@", "10.1.2.0/24:80"), pair, 1, "2 | 10.1.0.0/16>2"),
        ("a wider destination", &acl("a@", "10.0.0.0/8:*"), pair, 1, "2 | 10.1.0.0/16>2"),
        ("another network", &acl("a@", "10.9.0.0/16:*"), pair, 1, ""),
        ("another user", &acl("b@", "10.1.0.0/16:*"), pair, 1, ""),
        ("the router knows who comes", &acl("a@", "10.1.2.0/24:80"), pair, 2, "1"),
        ("a node without its subnet", &acl("a@", "r@:*"), pair, 1, "2 3"),
        ("and the other way", &acl("a@", "r@:*"), pair, 2, "1"),
        ("the way back", &acl("10.1.0.0/16", "a@:*"), pair, 1, "2 | 10.1.0.0/16>2"),
        ("its router, for hosts that come", &acl("10.1.0.0/16", "a@:*"), pair, 2, "1"),
        ("subnet to subnet", &acl("10.1.0.0/16", "10.2.0.0/16:*"), sites, 1, "2 | 10.2.0.0/16>2"),
        ("and the answers", &acl("10.1.0.0/16", "10.2.0.0/16:*"), sites, 2, "1 | 10.1.0.0/16>1"),
        ("not for others", &acl("10.1.0.0/16", "10.2.0.0/16:*"), sites, 3, ""),
        ("exit nodes where all is granted", &acl("*", "*:*"), exits, 1, "2 3 | exit 2 3"),
        (
            "exit nodes by their autogroup",
            &acl("a@", "autogroup:internet:*"),
            exits,
            1,
            "2 3 | exit 2 3",
        ),
        ("exit nodes know who comes", &acl("a@", "autogroup:internet:*"), exits, 2, "1"),
        ("not without", &acl("a@", "10.0.0.0/8:*"), exits, 1, ""),
        ("not by reaching the node", &acl("a@", "r@:*"), exits, 1, "2"),
        ("nor does it open subnets", &acl("a@", "autogroup:internet:*"), pair, 1, ""),
        ("members", &grant("autogroup:member", "autogroup:tagged"), exits, 1, "3"),
        ("groups", &grant("group:ops", "*"), &[("ops@", &[]), ("a@", lan)], 1, "2 | 10.1.0.0/16>2"),
        ("an address", &grant("100.64.0.1", "100.64.0.2"), pair, 1, "2"),
        ("an address of nobody's", &grant("100.64.0.9", "*"), pair, 1, ""),
        (
            "a user's address that lies in a route",
            &grant("a@", "b@"),
            &[("a@", &[]), ("r@", &["100.64.0.0/24"]), ("b@", &[])],
            1,
            "2 3 | 100.64.0.0/24>2",
        ),
    ];
    for (what, policy, nodes, reader, expected) in cases {
        let scene = network(policy, nodes);
        assert_eq!(told(&scene, reader), expected, "{what}");
    }
}

#[test]
fn via_leads_by_tagged_routers_and_only_by_healthy_ones() {
    let lan: &[&str] = &["10.1.0.0/16"];
    let exit: &[&str] = &["0.0.0.0/0", "::/0"];
    let via = r#"{"src": ["a@"], "dst": ["10.1.0.0/16"], "ip": ["*"], "via": ["tag:r"]}"#;
    let plain = r#"{"src": ["b@"], "dst": ["10.1.0.0/16"], "ip": ["*"]}"#;
    let nodes: &[(&str, &[&str])] =
        &[("a@", &[]), ("b@", &[]), ("tag:s", lan), ("tag:r", lan), ("tag:r", lan)];
    let mut scene = network(&grants(&format!("{via}, {plain}")), nodes);
    assert_eq!(told(&scene, 1), "4 | 10.1.0.0/16>4", "without the tag it is none");
    assert_eq!(told(&scene, 2), "3 | 10.1.0.0/16>3", "the primary of all");
    assert_eq!(told(&scene, 3), "2", "it leads nobody of the grant");
    assert_eq!(told(&scene, 4), "1 2 3 | 10.1.0.0/16>3", "and this one may");
    scene.unhealthy(NodeId(4));
    scene.settle();
    assert_eq!(told(&scene, 1), "5 | 10.1.0.0/16>5", "never a dead one while another is well");
    scene.healthy(NodeId(4));
    scene.settle();
    assert_eq!(told(&scene, 1), "5 | 10.1.0.0/16>5", "it sticks as any incumbent");
    scene.disconnect(NodeId(5));
    scene.settle();
    assert_eq!(told(&scene, 1), "4 | 10.1.0.0/16>4");
    scene.disconnect(NodeId(4));
    scene.settle();
    assert_eq!(told(&scene, 1), "", "no other router is taken for them");
    assert_eq!(told(&scene, 2), "3 | 10.1.0.0/16>3");

    let both = via.replace(r#", "via": ["tag:r"]"#, "");
    let scene = network(&grants(&format!("{via}, {both}")), nodes);
    assert_eq!(told(&scene, 1), "3 | 10.1.0.0/16>3", "a grant without via means the primary");

    let internet = via.replace("10.1.0.0/16", "autogroup:internet");
    let nodes: &[(&str, &[&str])] = &[("a@", &[]), ("tag:s", exit), ("tag:r", exit)];
    assert_eq!(told(&network(&grants(&internet), nodes), 1), "3 | exit 3");

    // A grant to the whole plan of 4via6 leads to each site (Headscale's issue 3267).
    let site = "fd7a:115c:a1e0:b1a:0:7:a01:100/120";
    let plan = via.replace("10.1.0.0/16", "fd7a:115c:a1e0:b1a::/64");
    let nodes: &[(&str, &[&str])] = &[("a@", &[]), ("tag:r", &[site])];
    assert_eq!(told(&network(&grants(&plan), nodes), 1), format!("2 | {site}>2"));
}

#[test]
fn readers_of_a_class_share_a_map_and_expired_nodes_are_told_to_nobody() {
    let policy =
        grants(r#"{"src": ["group:ops"], "dst": ["10.1.0.0/16", "group:ops"], "ip": ["*"]}"#);
    let nodes: &[(&str, &[&str])] =
        &[("ops@", &[]), ("ops@", &[]), ("a@", &[]), ("r@", &["10.1.0.0/16"])];
    let mut scene = network(&policy, nodes);
    let [one, two, three] = [1, 2, 3].map(|n| class(&scene, NodeId(n)));
    assert_eq!(one, two);
    assert_ne!(one, three);
    assert_eq!(told(&scene, 1), "2 4 | 10.1.0.0/16>4");
    assert_eq!(map(&scene, NodeId(1)), map(&scene, NodeId(2)));
    let soon = Some(Wall(scene.now.wall.0 + 1));
    scene.nodes.set_expiry(NodeId(4), soon).unwrap();
    scene.pass(1);
    assert_eq!(told(&scene, 1), "2", "also before the table hears of it");
    let gone = mapper(&scene).class_of(&scene.nodes, &scene.table, NodeId(4));
    assert_eq!(gone, None);
}

#[test]
fn a_reload_keeps_the_incumbents_of_views_that_stay_and_removes_the_others() {
    let lan: &[&str] = &["10.1.0.0/16"];
    let via = |tag: &str| {
        format!(r#"{{"src": ["a@"], "dst": ["10.1.0.0/16"], "ip": ["*"], "via": ["{tag}"]}}"#)
    };
    let policy = |grants: &str, tags: &str| {
        format!(r#"{{"tagOwners": {{"tag:r": []{tags}}}, "grants": [{grants}]}}"#)
    };
    let nodes: &[(&str, &[&str])] = &[("a@", &[]), ("tag:r", lan), ("tag:r", lan)];
    let mut scene = network(&policy(&via("tag:r"), ""), nodes);
    scene.unhealthy(NodeId(2));
    scene.settle();
    scene.healthy(NodeId(2));
    scene.settle();
    assert_eq!(told(&scene, 1), "3 | 10.1.0.0/16>3");
    for n in 0..200 {
        let (mine, other) = (via("tag:r"), via(&format!("tag:t{n}")));
        let tags = format!(r#", "tag:t{n}": []"#);
        scene.set_policy(&policy(&format!("{mine}, {other}"), &tags));
        assert_eq!(told(&scene, 1), "3 | 10.1.0.0/16>3", "reload {n}");
    }
}

/// A router's own prefixes would make each a class of its own.
#[test]
fn a_prefix_that_a_router_has_alone_keeps_it_from_sharing_nothing() {
    let policy = grants(r#"{"src": ["r@"], "dst": ["r@"], "ip": ["*"]}"#);
    let nodes: &[(&str, &[&str])] = &[("r@", &["10.1.0.0/16"]), ("r@", &["10.2.0.0/16"])];
    let mut scene = network(&policy, nodes);
    assert_eq!(class(&scene, NodeId(1)), class(&scene, NodeId(2)));
    scene.announce(NodeId(2), &["10.1.0.0/16"]);
    scene.approve(NodeId(2), "10.1.0.0/16").unwrap();
    scene.settle();
    assert_eq!(class(&scene, NodeId(1)), class(&scene, NodeId(2)), "now they share it");
    assert_eq!(told(&scene, 2), "1 | 10.1.0.0/16>1");
}

#[test]
fn a_failover_is_one_route_of_a_delta_whoever_reads_it() {
    let lan: &[&str] = &["10.1.0.0/16"];
    let nodes: &[(&str, &[&str])] = &[("a@", &[]), ("r@", lan), ("r@", lan)];
    let mut scene = network("{}", nodes);
    let mapper = mapper(&scene);
    let class = class(&scene, NodeId(1));
    let mut map = map(&scene, NodeId(1));
    scene.disconnect(NodeId(2));
    scene.settle();
    let changed: Vec<Prefix> = scene.changes.changes.iter().map(|c| c.destination).collect();
    let delta = mapper.moved(&scene.table, &class, &mut map, &changed);
    assert_eq!(delta.routes, BTreeMap::from([(prefix("10.1.0.0/16"), Some(NodeId(3)))]));
    assert!(delta.peers.is_empty() && delta.exits.is_empty());
    assert!(mapper.moved(&scene.table, &class, &mut map, &changed).is_empty());
}

// Every map against the rules, asked one by one for each reader, node and route.

const ROUTES: [&str; 5] = ["10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "100.64.0.0/30", "::/0"];
const OWNERS: [&str; 6] = ["a@", "a@", "b@", "tag:r", "tag:r tag:s", "tag:s"];
const SELECTORS: [&str; 10] = [
    "*",
    "a@",
    "b@",
    "tag:r",
    "10.1.0.0/16",
    "10.0.0.0/8",
    "100.64.0.2",
    "autogroup:member",
    "autogroup:tagged",
    "autogroup:internet",
];

fn overlaps(selectors: &[&Selector], network: &Prefix, nodes: &[Node]) -> bool {
    selectors.iter().any(|s| {
        let lies_there = |n: &Node| n.addresses.iter().any(|a| network.contains_address(*a));
        s.names_some_of(network) || nodes.iter().any(|n| s.names(n) && lies_there(n))
    })
}

struct Reader<'s> {
    scene: &'s Scene,
    nodes: Vec<Node>,
    node: Node,
    own: Vec<Prefix>,
    is_exit: bool,
}

impl<'s> Reader<'s> {
    fn new(scene: &'s Scene, id: NodeId) -> Self {
        let rows = scene.nodes.rows_of(&scene.table, id);
        let (exits, own): (Vec<Prefix>, Vec<Prefix>) =
            rows.iter().filter(|r| r.enabled).map(|r| r.prefix).partition(Prefix::is_default);
        let nodes: Vec<Node> = scene.nodes.iter().cloned().collect();
        let node = scene.nodes.get(id).unwrap().clone();
        Self { scene, nodes, node, own, is_exit: !exits.is_empty() }
    }

    /// (source, destination, via) of each grant.
    fn grants(&self) -> Vec<(Vec<&Selector>, Vec<&Selector>, &BTreeSet<Tag>)> {
        let grants = self.scene.policy.access.grants().iter();
        let sides = |g: &'s rutter_nodes::policy::Grant| {
            (g.src.iter().collect(), g.dst.iter().map(|t| &t.selector).collect(), &g.via)
        };
        grants.map(sides).collect()
    }

    fn is(&self, side: &[&Selector]) -> bool {
        side.iter().any(|s| s.names(&self.node))
            || self.own.iter().any(|p| overlaps(side, p, &self.nodes))
    }

    fn serves(&self, dst: &[&Selector], via: &BTreeSet<Tag>) -> bool {
        let lets = via.is_empty() || holds(&self.node, via);
        let exits = self.is_exit && dst.iter().any(|s| s.names_the_internet());
        let named = dst.iter().any(|s| s.names(&self.node));
        named || lets && (exits || self.own.iter().any(|p| overlaps(dst, p, &self.nodes)))
    }

    fn knows(&self, other: &Node) -> bool {
        self.grants().iter().any(|(src, dst, via)| {
            (self.is(src) && dst.iter().any(|s| s.names(other)))
                || (self.serves(dst, via) && src.iter().any(|s| s.names(other)))
        })
    }

    fn router(&self, prefix: &Prefix) -> Option<NodeId> {
        let primary = |view| election::primary(&self.scene.table, prefix, view);
        let grants = self.grants();
        let to = |dst: &[&Selector]| overlaps(dst, prefix, &self.nodes);
        let plain = grants.iter().any(|(src, dst, via)| {
            (via.is_empty() && self.is(src) && to(dst))
                || (self.serves(dst, via) && overlaps(src, prefix, &self.nodes))
        });
        if plain || self.own.contains(prefix) {
            return primary(ViewId::DEFAULT);
        }
        let (.., via) = grants.iter().find(|(src, dst, _)| self.is(src) && to(dst))?;
        primary(self.scene.table.view(&via_view(via))?)
    }

    fn exit(&self, other: &Node) -> Exit {
        let is = |family: Prefix| {
            election::exit_nodes(&self.scene.table, &family).contains(&other.id)
                && self.grants().iter().any(|(src, dst, via)| {
                    let lets = via.is_empty() || holds(other, via);
                    lets && self.is(src) && dst.iter().any(|s| s.names_the_internet())
                })
        };
        Exit { v4: is(Prefix::DEFAULT_V4), v6: is(Prefix::DEFAULT_V6) }
    }

    fn map(&self) -> NetworkMap {
        let routers = ROUTES.iter().map(|r| prefix(r)).filter(|p| !p.is_default());
        let routes: BTreeMap<Prefix, NodeId> =
            routers.filter_map(|p| Some((p, self.router(&p)?))).collect();
        let exits = self.nodes.iter().map(|n| (n.id, self.exit(n)));
        let exits: BTreeMap<NodeId, Exit> = exits.filter(|(_, e)| e.v4 || e.v6).collect();
        let is_peer = |n: &&Node| {
            self.knows(n) || exits.contains_key(&n.id) || routes.values().any(|r| *r == n.id)
        };
        let peer = |n: &Node| {
            (
                n.id,
                Peer {
                    name: n.name.clone(),
                    addresses: n.addresses.clone(),
                    endpoints: Vec::new(),
                },
            )
        };
        NetworkMap { peers: self.nodes.iter().filter(is_peer).map(peer).collect(), routes, exits }
    }
}

/// A map as its reader uses it: it passes over itself.
fn without(mut map: NetworkMap, reader: NodeId) -> NetworkMap {
    map.peers.remove(&reader);
    map.exits.remove(&reader);
    map.routes.retain(|_, router| *router != reader);
    map
}

fn holds(node: &Node, via: &BTreeSet<Tag>) -> bool {
    matches!(&node.owner, Owner::Tags(tags) if via.iter().any(|t| tags.contains(t)))
}

#[derive(Debug, Clone)]
enum Op {
    Announce(usize, BTreeSet<usize>),
    Disconnect(usize),
    Sick(usize),
    Well(usize),
    Revoke(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let node = || 0..OWNERS.len();
    let routes = prop::collection::btree_set(0..ROUTES.len(), 0..ROUTES.len());
    prop_oneof![
        4 => (node(), routes).prop_map(|(n, routes)| Op::Announce(n, routes)),
        2 => node().prop_map(Op::Disconnect),
        1 => node().prop_map(Op::Sick),
        1 => node().prop_map(Op::Well),
        1 => (node(), 0..ROUTES.len()).prop_map(|(n, r)| Op::Revoke(n, r)),
    ]
}

fn apply(scene: &mut Scene, op: &Op) {
    let id = |n: &usize| NodeId(*n as u64 + 1);
    match op {
        Op::Announce(n, routes) => {
            let routes: Vec<&str> = routes.iter().map(|r| ROUTES[*r]).collect();
            scene.announce(id(n), &routes);
            routes.iter().for_each(|r| scene.approve(id(n), r).unwrap());
        }
        Op::Disconnect(n) if scene.is_up(id(n)) => scene.disconnect(id(n)),
        Op::Disconnect(_) => {}
        Op::Sick(n) => drop(scene.unhealthy(id(n))),
        Op::Well(n) => drop(scene.healthy(id(n))),
        Op::Revoke(n, r) => scene.revoke(id(n), ROUTES[*r]),
    }
    scene.settle();
}

fn policy() -> impl Strategy<Value = String> {
    let selectors = |most: usize| prop::collection::vec(0..most, 1..3);
    let via = prop::option::weighted(0.4, prop::sample::select(vec!["tag:r", "tag:s"]));
    // The last selector is a destination alone.
    let grant = (selectors(SELECTORS.len() - 1), selectors(SELECTORS.len()), via);
    prop::collection::vec(grant, 0..5).prop_map(|list| {
        let words = |list: &[usize]| {
            let words: Vec<String> =
                list.iter().map(|s| format!("\"{}\"", SELECTORS[*s])).collect();
            words.join(",")
        };
        let grant = |(src, dst, via): &(Vec<usize>, Vec<usize>, Option<&str>)| {
            let via = via.map_or_else(String::new, |t| format!(r#", "via": ["{t}"]"#));
            format!(r#"{{"src": [{}], "dst": [{}], "ip": ["*"]{via}}}"#, words(src), words(dst))
        };
        grants(&list.iter().map(grant).collect::<Vec<_>>().join(", "))
    })
}

/// Goes through the steps, and compares after each what is told step by step, what a mapper makes
/// from nothing, and what the rules say.
fn tell_step_by_step(policy: &str, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut scene = Scene::with_policy(Settings::default(), policy);
    prop_assert!(scene.policy.access != Access::Open);
    for owner in OWNERS {
        scene.add(owner);
    }
    let mapper = mapper(&scene);
    let mut kept: BTreeMap<Class, NetworkMap> = BTreeMap::new();
    for op in ops {
        apply(&mut scene, op);
        let changed: BTreeSet<Prefix> =
            scene.changes.changes.iter().map(|c| c.destination).collect();
        let changed: Vec<Prefix> = changed.into_iter().collect();
        for (class, map) in &mut kept {
            let before = map.clone();
            let delta = mapper.moved(&scene.table, class, map, &changed);
            prop_assert_eq!(&delta, &before.delta_to(map));
            let mut applied = before;
            applied.apply(&delta);
            prop_assert_eq!(&applied, &*map);
        }
        for id in (1..=OWNERS.len() as u64).map(NodeId) {
            let class = mapper.class_of(&scene.nodes, &scene.table, id).unwrap();
            let networks = mapper.networks(&scene.table);
            let fresh = mapper.map(&scene.table, &class, &networks);
            let map = kept.entry(class).or_insert_with(|| fresh.clone());
            prop_assert_eq!(&*map, &fresh, "what {:?} was told step by step", id);
            let rules = Reader::new(&scene, id).map();
            let (told, rules) = (without(fresh, id), without(rules, id));
            prop_assert_eq!(told, rules, "what {:?} is told", id);
        }
    }
    Ok(())
}

#[test]
fn an_exit_of_a_sick_router_is_taken_back_when_its_session_ends() {
    let policy = grants(r#"{"src": ["*"], "dst": ["autogroup:internet"], "ip": ["*"]}"#);
    let announce = |routes: &[usize]| Op::Announce(3, routes.iter().copied().collect());
    let ops = [announce(&[0]), Op::Sick(3), announce(&[0, 4]), Op::Disconnect(3)];
    tell_step_by_step(&policy, &ops).unwrap();
}

proptest! {
    #![proptest_config(scene::config(300))]

    #[test]
    fn every_map_is_what_the_rules_say_and_deltas_lead_from_one_to_the_next(
        policy in policy(),
        ops in prop::collection::vec(op(), 12),
    ) {
        tell_step_by_step(&policy, &ops)?;
    }
}
