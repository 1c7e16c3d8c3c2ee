mod kernel;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rutter_route::Prefix;

use super::*;
use crate::hop::{Hop, KernelHop};
use crate::wire::{AddressRow, LinkRow};
use kernel::Kernel;

const OURS: u8 = 82;
const OTHER: u8 = 4;
const IDS: ObjectIds = ObjectIds { first: 1000, count: 8 };

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// Links 1 to 3 with 10.N.0.0/16 and 2001:db8:N::/48; `extra` tells one state from another.
fn links(extra: u32) -> Links {
    let link = |index| LinkRow {
        index,
        name: format!("up{index}"),
        up: true,
        carrier: true,
        loopback: false,
    };
    let mut rows: Vec<LinkRow> = (1..=3).map(link).collect();
    rows.push(link(100 + extra));
    let address = |link, address: String, length| {
        let address = address.parse().unwrap();
        AddressRow { link, address, length, own: address }
    };
    let addresses: Vec<AddressRow> = (1..=3)
        .flat_map(|n| {
            [address(n, format!("10.{n}.0.1"), 16), address(n, format!("2001:db8:{n}::1"), 48)]
        })
        .collect();
    Links::new(&rows, &addresses)
}

fn via(address: &str) -> Hop {
    Hop::via(address.parse().unwrap())
}

fn through(hops: &[&str], priority: u32) -> Option<Wanted> {
    let hops = HopSet::new(hops.iter().map(|hop| via(hop))).unwrap();
    Some(Wanted { target: Target::Via(hops), priority })
}

fn many(n: u32) -> impl Iterator<Item = Prefix> {
    (0..n).map(|n| prefix(&format!("172.16.{n}.0/24")))
}

/// A sink and its kernel.
struct Scene {
    fib: Fib,
    kernel: Kernel,
    wanted: BTreeMap<Prefix, Wanted>,
    refused: BTreeMap<Prefix, String>,
    replaces: bool,
    n_links: u32,
}

impl Scene {
    fn new(objects: bool) -> Self {
        Self::with(objects.then_some(IDS), false)
    }

    fn with(objects: Option<ObjectIds>, replaces: bool) -> Self {
        let mut fib = Fib::new(objects, false, replaces);
        fib.set_links(links(0));
        let (wanted, refused) = (BTreeMap::new(), BTreeMap::new());
        Self { fib, kernel: Kernel::new(OURS), wanted, refused, replaces, n_links: 0 }
    }

    fn want(&mut self, prefix: Prefix, wanted: Option<Wanted>) {
        match &wanted {
            Some(wanted) => self.wanted.insert(prefix, wanted.clone()),
            None => self.wanted.remove(&prefix),
        };
        self.refused.remove(&prefix);
        self.fib.want(prefix, wanted);
    }

    fn look(&mut self) -> Drift {
        let (routes, objects) = self.kernel.listing();
        self.fib.found(OURS, routes, &objects)
    }

    /// Says how many requests it took.
    fn settle(&mut self) -> usize {
        let before = self.kernel.prefixes_of(OURS);
        self.kernel.bare.clear();
        let mut n = 0;
        for _ in 0..500 {
            let requests = self.fib.next(3);
            if requests.is_empty() {
                if !self.fib.wants_a_look() {
                    self.hear();
                    self.was_never_without(&before);
                    return n;
                }
                self.look();
                continue;
            }
            assert!(requests.len() <= 3 + 2, "{requests:?}");
            n += requests.len();
            let refused = self.kernel.take(&requests);
            self.fib.answered(requests, refused);
        }
        panic!("it doesn't settle");
    }

    fn hear(&mut self) {
        let (refused, accepted) = self.fib.verdicts();
        self.refused.extend(refused);
        for prefix in accepted {
            self.refused.remove(&prefix);
        }
    }

    fn was_never_without(&self, before: &BTreeSet<Prefix>) {
        let after = self.kernel.prefixes_of(OURS);
        for prefix in before.intersection(&after) {
            assert!(!self.kernel.bare.contains(prefix), "{prefix} was without a route");
        }
    }

    /// What the kernel should hold of ours: where, and by which hops.
    fn expected(&self) -> BTreeMap<Prefix, (u32, To)> {
        let mut expected = BTreeMap::new();
        for (prefix, wanted) in &self.wanted {
            let default = if prefix.is_v4() { 0 } else { DEFAULT_PRIORITY_V6 };
            let priority = if wanted.priority == 0 { default } else { wanted.priority };
            let in_the_way = !self.replaces && self.kernel.has(prefix, priority, OTHER);
            let route = (!in_the_way)
                .then(|| self.expected_target(&wanted.target, prefix.is_v4()))
                .flatten();
            if let Some(to) = route {
                expected.insert(*prefix, (priority, to));
            }
        }
        expected
    }

    fn expected_target(&self, target: &Target, v4: bool) -> Option<To> {
        let hops = match target {
            Target::Unreachable => return Some(To::Unreachable),
            Target::Prohibit => return Some(To::Prohibit),
            Target::Blackhole => return Some(To::Blackhole),
            Target::Refused(_) => return None,
            Target::Via(hops) => links(0).resolve(hops, v4).ok()?,
        };
        let refused =
            |hop: &&KernelHop| hop.via.is_some_and(|via| self.kernel.refuses.contains(&via));
        let plain = !self.fib.uses_objects() || hops.iter().any(|hop| hop.link.is_none());
        if plain {
            return (!hops.iter().any(|hop| refused(&hop))).then_some(To::Hops(hops));
        }
        let mut hops: Vec<KernelHop> = hops.iter().filter(|hop| !refused(hop)).copied().collect();
        if let [sole] = hops.as_mut_slice() {
            sole.weight = 1;
        }
        (!hops.is_empty()).then(|| To::Hops(hops.into()))
    }

    fn check(&self) {
        assert_eq!(self.kernel.ours(), self.expected());
        let refused: BTreeSet<Prefix> = self.refused.keys().copied().collect();
        let without = self.wanted.keys().filter(|p| !self.kernel.ours().contains_key(*p));
        assert_eq!(refused, without.copied().collect(), "{:?}", self.refused);
        assert_eq!(self.fib.n_refused(), refused.len());
        assert_eq!(self.fib.n_held(), self.kernel.ours().len());
    }
}

#[test]
fn a_route_whose_object_went_unseen_keeps_what_stands_until_it_is_looked_again() {
    let mut scene = Scene::new(true);
    scene.look();
    let p = prefix("10.0.0.0/8");
    scene.want(p, through(&["10.1.0.9", "10.3.0.9"], 0));
    scene.settle();
    // The second hop's; the group goes on with the first.
    scene.kernel.lose_object(1);
    scene.want(p, through(&["10.3.0.9"], 100));
    scene.settle();
    scene.check();
}

#[test]
fn where_the_kernel_tells_of_each_route_few_of_an_object_move_one_by_one() {
    let mut scene = Scene::new(true);
    scene.fib.tells_of_each_route(true);
    scene.look();
    scene.fib.sweep();
    for prefix in many(20) {
        scene.want(prefix, through(&["10.1.0.9"], 100));
    }
    assert_eq!(scene.settle(), 21);
    for prefix in many(20) {
        scene.want(prefix, through(&["10.2.0.9"], 100));
    }
    // A new object, twenty routes, and the old object's removal.
    assert_eq!(scene.settle(), 22);
    scene.check();

    scene.fib.tells_of_each_route(false);
    for prefix in many(20) {
        scene.want(prefix, through(&["10.1.0.9"], 100));
    }
    assert_eq!(scene.settle(), 1, "together");
    scene.check();
}

#[test]
fn routes_share_objects_and_move_in_one_request() {
    let mut scene = Scene::new(true);
    scene.look();
    scene.fib.sweep();
    for prefix in many(20) {
        scene.want(prefix, through(&["10.1.0.9"], 100));
    }
    for prefix in many(40).skip(20) {
        scene.want(prefix, through(&["10.2.0.9"], 100));
    }
    assert_eq!(scene.settle(), 42);
    scene.check();

    // The first twenty go to where others are already: one request.
    for prefix in many(20) {
        scene.want(prefix, through(&["10.2.0.9"], 100));
    }
    assert_eq!(scene.settle(), 1);
    scene.check();

    // Those that go elsewhere go first, then the rest together.
    for (n, prefix) in many(20).enumerate() {
        let wanted = match n {
            0 => None,
            1 => through(&["10.1.0.9"], 100),
            2 => through(&["10.3.0.9"], 7),
            _ => through(&["10.3.0.9"], 100),
        };
        scene.want(prefix, wanted);
    }
    let n = scene.settle();
    // A removal; an object and a route; an object, a route and its removal; the move.
    assert_eq!(n, 1 + 2 + 3 + 1);
    scene.check();

    // Not all of an object's routes: one by one.
    for prefix in many(36).skip(20) {
        scene.want(prefix, through(&["10.1.0.9"], 100));
    }
    assert_eq!(scene.settle(), 16);
    scene.check();
}

#[test]
fn what_a_predecessor_left_is_adopted_and_the_rest_goes_when_all_is_known() {
    let mut scene = Scene::new(true);
    scene.look();
    scene.fib.sweep();
    for prefix in many(10) {
        scene.want(prefix, through(&["10.1.0.9", "10.2.0.9"], 100));
    }
    scene.settle();

    let mut next = Scene { kernel: scene.kernel, ..Scene::new(true) };
    assert_eq!(next.look(), Drift { unknown: 10, ..Drift::default() });
    for prefix in many(5) {
        next.want(prefix, through(&["10.1.0.9", "10.2.0.9"], 100));
    }
    assert_eq!(next.settle(), 0, "what is right is left as it is");
    assert_eq!(next.kernel.ours().len(), 10);
    next.fib.sweep();
    assert_eq!(next.settle(), 5);
    next.check();
}

#[test]
fn a_refused_hop_refuses_its_routes_and_no_others_until_it_is_asked_again() {
    let mut scene = Scene::new(true);
    scene.fib.sweep();
    scene.kernel.refuses.insert("10.1.0.9".parse().unwrap());
    for prefix in many(10) {
        scene.want(prefix, through(&["10.1.0.9"], 100));
    }
    scene.want(prefix("10.9.0.0/16"), through(&["10.2.0.9"], 100));
    // Asked once for all, and the other's object and route.
    assert_eq!(scene.settle(), 3);
    assert_eq!(scene.refused.len(), 10);
    assert!(scene.refused.values().all(|why| why.contains("refused by the model")));
    scene.check();

    let hop = via("10.1.0.9");
    let verdicts = scene.fib.hop_verdicts();
    assert_eq!(verdicts.len(), 1, "told once for all of them: {verdicts:?}");
    assert!(verdicts[0].0 == hop && verdicts[0].1.as_ref().unwrap().contains("by the model"));

    // It is tried with each look, and with it those that still want it.
    scene.look();
    assert_eq!(scene.settle(), 1);
    assert_eq!(scene.fib.hop_verdicts(), []);
    scene.kernel.refuses.clear();
    scene.look();
    assert_eq!(scene.settle(), 11);
    assert_eq!(scene.fib.hop_verdicts(), [(hop, None)]);
    scene.check();
}

#[test]
fn anothers_route_is_left_alone_and_ours_comes_when_it_goes() {
    let mut scene = Scene::new(true);
    scene.fib.sweep();
    let p = prefix("10.9.0.0/16");
    scene.kernel.put_foreign(p, 100, OTHER);
    scene.want(p, through(&["10.1.0.9"], 100));
    // It isn't known of before the kernel says so.
    scene.settle();
    assert!(scene.refused[&p].contains("is in the table"), "{:?}", scene.refused);
    scene.check();
    scene.kernel.remove_foreign(p, 100);
    scene.look();
    scene.settle();
    scene.check();
    assert!(scene.refused.is_empty());
}

#[test]
fn over_the_bound_of_objects_routes_are_plain() {
    let mut scene = Scene::new(true);
    scene.fib.sweep();
    for (n, prefix) in many(20).enumerate() {
        scene.want(prefix, through(&[&format!("10.1.0.{}", n + 10)], 100));
    }
    scene.settle();
    scene.check();
    assert_eq!(scene.fib.n_objects(), 8);
}

#[test]
fn a_kernel_without_objects_gets_plain_routes() {
    let mut scene = Scene::new(true);
    scene.kernel.has_objects = false;
    scene.fib.sweep();
    for prefix in many(3) {
        scene.want(prefix, through(&["10.1.0.9", "10.2.0.9"], 100));
    }
    scene.settle();
    scene.check();
    assert!(!scene.fib.uses_objects());
}

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    Want(u8, Option<Wanted>),
    Settle,
    Look,
    Links,
    PutForeign(u8, u32),
    RemoveForeign(u8, u32),
    LoseRoute(u8),
    LoseObject(u8),
    Sweep,
}

const PREFIXES: [&str; 12] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.1.2.0/24",
    "10.1.3.0/24",
    "10.1.4.0/24",
    "10.1.5.0/24",
    "10.1.6.0/24",
    "::/0",
    "fd00::/8",
    "fd00:1::/64",
];

/// The last is in no network.
const HOPS: [&str; 6] =
    ["10.1.0.9", "10.2.0.9", "10.3.0.9", "2001:db8:1::9", "2001:db8:2::9", "192.0.2.9"];

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let hop = (0..HOPS.len(), 1u16..4).prop_map(|(hop, weight)| via(HOPS[hop]).weighing(weight));
    let hops = proptest::collection::vec(hop, 1..4);
    let target = prop_oneof![
        8 => hops.prop_map(|hops| Target::Via(HopSet::new(hops).unwrap())),
        1 => Just(Target::Unreachable),
        1 => Just(Target::Prohibit),
        1 => Just(Target::Blackhole),
        1 => Just(Target::Refused("it can't be told".into())),
    ];
    let priority = prop_oneof![Just(0u32), Just(100), Just(200)];
    (target, priority).prop_map(|(target, priority)| Wanted { target, priority })
}

/// All of the small prefixes to one hop, so that many move together.
fn any_herd() -> impl Strategy<Value = Vec<Step>> {
    (0usize..3, 0u8..3).prop_map(|(hop, first)| {
        let wanted = through(&[HOPS[hop]], 100);
        (first..9).map(|n| Step::Want(n, wanted.clone())).chain([Step::Settle]).collect()
    })
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let n = 0..PREFIXES.len() as u8;
    let priority = prop_oneof![Just(0u32), Just(100), Just(200), Just(1024)];
    let one = prop_oneof![
        8 => (n.clone(), any_wanted()).prop_map(|(n, wanted)| Step::Want(n, Some(wanted))),
        2 => n.clone().prop_map(|n| Step::Want(n, None)),
        4 => Just(Step::Settle),
        2 => Just(Step::Look),
        1 => Just(Step::Links),
        1 => (n.clone(), priority.clone()).prop_map(|(n, p)| Step::PutForeign(n, p)),
        1 => (n.clone(), priority).prop_map(|(n, p)| Step::RemoveForeign(n, p)),
        2 => n.prop_map(Step::LoseRoute),
        1 => (0u8..8).prop_map(Step::LoseObject),
        1 => Just(Step::Sweep),
    ];
    let some = prop_oneof![9 => one.prop_map(|step| vec![step]), 2 => any_herd()];
    proptest::collection::vec(some, 0..60).prop_map(|steps| steps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is wanted, refused, lost and put by others: in the end the kernel holds what is
    /// wanted, others' routes and objects are untouched, and no prefix was without a route that
    /// had one before and after.
    #[test]
    fn the_kernel_ends_with_what_is_wanted(
        steps in any_steps(),
        objects in any::<bool>(),
        replaces in any::<bool>(),
        refused in proptest::collection::vec(0..HOPS.len(), 0..3),
        foreign_object in proptest::option::of(0u32..8),
    ) {
        // Where numbers are short a hop isn't asked about by itself, so a refused one refuses those
        // beside it in a plain route: either is tried, not both.
        let count = if refused.is_empty() { IDS.count } else { 100 };
        let mut scene = Scene::with(objects.then_some(ObjectIds { count, ..IDS }), replaces);
        scene.kernel.refuses.extend(refused.iter().map(|hop| HOPS[*hop].parse::<std::net::IpAddr>().unwrap()));
        if let Some(n) = foreign_object {
            scene.kernel.put_foreign_object(IDS.first + n);
        }
        for step in steps {
            match step {
                Step::Want(n, wanted) => scene.want(prefix(PREFIXES[usize::from(n)]), wanted),
                Step::Settle => { scene.settle(); }
                Step::Look => { scene.look(); }
                Step::Links => {
                    scene.n_links += 1;
                    scene.fib.set_links(links(scene.n_links));
                }
                Step::PutForeign(n, priority) => {
                    scene.kernel.put_foreign(prefix(PREFIXES[usize::from(n)]), priority, OTHER);
                }
                Step::RemoveForeign(n, priority) => {
                    scene.kernel.remove_foreign(prefix(PREFIXES[usize::from(n)]), priority);
                }
                Step::LoseRoute(n) => scene.kernel.lose_route(prefix(PREFIXES[usize::from(n)])),
                Step::LoseObject(n) => scene.kernel.lose_object(n),
                Step::Sweep => scene.fib.sweep(),
            }
        }
        let foreign = scene.kernel.foreign();
        scene.fib.sweep();
        scene.look();
        // What was refused is tried again by a change of links, as by being told again.
        scene.fib.set_links(links(scene.n_links + 1));
        scene.settle();
        scene.check();
        prop_assert_eq!(&scene.kernel.foreign(), &foreign);
        prop_assert_eq!(scene.kernel.n_objects(OURS), scene.fib.n_objects());
        prop_assert!(scene.kernel.unnamed_objects(OURS).is_empty());
        // And it stays so, once numbers of objects that became free are used; hops that can't be
        // used are tried.
        let settles = (0..IDS.count).any(|_| {
            assert_eq!(scene.look(), Drift::default());
            let n = scene.settle();
            scene.check();
            // Of a plain route's hop the model refuses what no kernel does: one on a link that is up.
            n <= scene.fib.unusable_hops().count() || (!objects && !refused.is_empty())
        });
        prop_assert!(settles);

        // All that is ours goes, and what others had is as it was.
        for prefix in scene.wanted.keys().copied().collect::<Vec<_>>() {
            scene.want(prefix, None);
        }
        scene.settle();
        scene.check();
        prop_assert_eq!(scene.kernel.foreign(), foreign);
        prop_assert!(scene.kernel.displaced.is_empty());
        prop_assert_eq!(scene.fib.displaced().count(), 0);
    }
}
