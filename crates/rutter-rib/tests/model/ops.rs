//! Every operation of a table, drawn at random from a small world in which things collide.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use rutter_rib::*;
use rutter_route::*;

/// One call. Numbers stand for the world's sources, destinations, hops, paths, views.
#[derive(Debug, Clone)]
pub enum Op {
    Source {
        source: u8,
        incarnation: i8,
        to: State,
    },
    BeginRefresh(u8),
    EndOfRefresh(u8),
    Advertise {
        source: u8,
        old_session: bool,
        route: Claim,
    },
    Withdraw {
        source: u8,
        destination: u8,
        path: u8,
    },
    Renew(u8),
    Decide {
        source: u8,
        on: Option<u8>,
        path: Option<u8>,
        what: Decision,
        person: bool,
    },
    Health {
        observer: u8,
        source: u8,
        of: Option<(u8, u8)>,
        is: Verdict3,
    },
    NextHop {
        hop: u8,
        resolved: bool,
    },
    Nominate {
        view: u8,
        destination: u8,
        source: u8,
        path: u8,
        for_ms: Option<u64>,
    },
    SetPolicy(Short),
    SetView {
        view: u8,
        spec: Option<ViewSpec>,
    },
    /// Time passes; what is due ends.
    Pass(u64),
    /// A part of what is left over is done.
    Expire(u8),
    Work(u8),
    Commit(u8),
}

#[derive(Debug, Clone)]
pub enum State {
    Up { owner: Option<u8>, tag: Option<u8>, credential: u8, lease_ms: Option<u64> },
    Draining,
    Offline,
    KeepStale(u64),
    Gone,
}

#[derive(Debug, Clone)]
pub struct Claim {
    pub destination: u8,
    pub path: u8,
    pub hop: u8,
    pub priority: u8,
    pub preference: u8,
    pub latency: u8,
    pub group: Option<u8>,
    pub tag: Option<u8>,
    pub looped: bool,
    pub lease_ms: Option<u64>,
    pub standing: Standing,
}

#[derive(Debug, Clone)]
pub enum Verdict3 {
    Unknown,
    Healthy,
    Unhealthy { for_ms: Option<u64> },
}

/// What is drawn, for worlds in which the order in slices matters less or more.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// Rules that approve, incumbents, hold-down: what remembers the order of things.
    pub with_memory: bool,
}

/// A policy that a failure prints in one line, without what is the same in all.
#[derive(Clone)]
pub struct Short(pub Box<Policy>);

impl std::fmt::Debug for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut json = serde_json::to_value(&self.0).unwrap();
        let fields = json.as_object_mut().unwrap();
        let default = serde_json::to_value(Policy::default()).unwrap();
        fields.retain(|name, value| default.get(name) != Some(value));
        write!(f, "{json}")
    }
}

/// A script that a failure prints a call a line.
#[derive(Clone)]
pub struct Script(pub Vec<Op>);

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|op| write!(f, "\n  {op:?}"))
    }
}

pub fn n_sources() -> u8 {
    4
}

pub fn script(draw: Draw, n: usize) -> impl Strategy<Value = Script> {
    prop::collection::vec(op(draw), 1..n).prop_map(Script)
}

pub fn short_policy(draw: Draw) -> impl Strategy<Value = Short> {
    policy(draw).prop_map(|p| Short(Box::new(p)))
}

fn op(draw: Draw) -> impl Strategy<Value = Op> {
    let source = 0..n_sources();
    let d = 0..3u8;
    let path = 0..2u8;
    let routes = prop_oneof![
        12 => (source.clone(), prop::bool::weighted(0.03), claim()).prop_map(
            |(source, old_session, route)| Op::Advertise { source, old_session, route }),
        4 => (source.clone(), d.clone(), path.clone()).prop_map(
            |(source, destination, path)| Op::Withdraw { source, destination, path }),
        2 => source.clone().prop_map(Op::BeginRefresh),
        2 => source.clone().prop_map(Op::EndOfRefresh),
        1 => source.clone().prop_map(Op::Renew),
        4 => (source.clone(), -1..3i8, state()).prop_map(
            |(source, incarnation, to)| Op::Source { source, incarnation, to }),
    ];
    let said = prop_oneof![
        3 => (source.clone(), prop::option::weighted(0.7, d.clone()),
            prop::option::weighted(0.4, path.clone()), decision(), any::<bool>()).prop_map(
            |(source, on, path, what, person)| Op::Decide { source, on, path, what, person }),
        3 => (0..3u8, source.clone(), prop::option::weighted(0.7, (d.clone(), path.clone())),
            verdict()).prop_map(
            |(observer, source, of, is)| Op::Health { observer, source, of, is }),
        2 => (0..3u8, any::<bool>()).prop_map(|(hop, resolved)| Op::NextHop { hop, resolved }),
        2 => (0..3u8, d, source, path, prop::option::of(0..3000u64)).prop_map(
            |(view, destination, source, path, for_ms)| Op::Nominate {
                view, destination, source, path, for_ms }),
        2 => short_policy(draw).prop_map(Op::SetPolicy),
        2 => (1..3u8, prop::option::weighted(0.8, view())).prop_map(
            |(view, spec)| Op::SetView { view, spec }),
    ];
    let time = prop_oneof![
        3 => (1..2500u64).prop_map(Op::Pass),
        1 => (1..4u8).prop_map(Op::Expire),
        2 => (1..4u8).prop_map(Op::Work),
        2 => (1..4u8).prop_map(Op::Commit),
    ];
    prop_oneof![5 => routes, 3 => said, 2 => time]
}

fn lease() -> impl Strategy<Value = Option<u64>> {
    prop::option::weighted(0.3, 50..4000u64)
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        6 => (prop::option::of(0..2u8), prop::option::of(0..2u8), 0..3u8, lease()).prop_map(
            |(owner, tag, credential, lease_ms)| State::Up { owner, tag, credential, lease_ms }),
        1 => Just(State::Draining),
        2 => Just(State::Offline),
        1 => (100..3000u64).prop_map(State::KeepStale),
        1 => Just(State::Gone),
    ]
}

pub fn claim() -> impl Strategy<Value = Claim> {
    let standing = prop_oneof![
        6 => Just(Standing::Eligible),
        1 => select(&Standing::ALL[..]),
    ];
    let numbers = (0..3u8, 0..2u8, 0..3u8, 0..3u8, 0..2u8, 0..2u8);
    let words = (prop::option::of(0..2u8), prop::option::of(0..2u8));
    (numbers, words, prop::bool::weighted(0.04), lease(), standing).prop_map(
        |(
            (destination, path, hop, priority, preference, latency),
            (group, tag),
            looped,
            lease_ms,
            standing,
        )| {
            Claim {
                destination,
                path,
                hop,
                priority,
                preference,
                latency,
                group,
                tag,
                looped,
                lease_ms,
                standing,
            }
        },
    )
}

fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        2 => Just(Decision::Approve),
        2 => Just(Decision::Revoke),
        1 => select(vec![50, 200]).prop_map(Decision::Prefer),
        1 => Just(Decision::Drain),
        2 => Just(Decision::Clear),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict3> {
    prop_oneof![
        1 => Just(Verdict3::Unknown),
        1 => Just(Verdict3::Healthy),
        3 => prop::option::of(1..3000u64).prop_map(|for_ms| Verdict3::Unhealthy { for_ms }),
    ]
}

fn rule_match() -> impl Strategy<Value = Match> {
    let suffix: ServiceName = "a".parse().unwrap();
    let tag: Tag = "t0".parse().unwrap();
    let some = vec![
        Match::default(),
        Match { source: Some("agent/*".into()), ..Match::default() },
        Match { source: Some("tunnel/1".into()), ..Match::default() },
        Match { kind: vec![SourceKind::Tunnel], ..Match::default() },
        Match { owner: vec!["o0".parse().unwrap()], ..Match::default() },
        Match {
            source_tags: TagMatch { any: vec![tag.clone()], ..TagMatch::default() },
            ..Match::default()
        },
        Match { service_suffix: Some(suffix), ..Match::default() },
        Match {
            tags: TagMatch { all: vec![tag.clone()], ..TagMatch::default() },
            ..Match::default()
        },
        Match {
            tags: TagMatch { none: vec![tag.clone()], ..TagMatch::default() },
            ..Match::default()
        },
        Match {
            unless: vec![Match {
                tags: TagMatch { all: vec![tag], ..TagMatch::default() },
                ..Match::default()
            }],
            ..Match::default()
        },
    ];
    select(some)
}

pub fn rules() -> impl Strategy<Value = Rules> {
    rules_with(any::<bool>().boxed())
}

fn rules_with(approves: BoxedStrategy<bool>) -> impl Strategy<Value = Rules> {
    let action = select(vec![Action::Accept, Action::Deny, Action::Next, Action::Next]);
    let then = (action, prop::option::weighted(0.3, 90..110u32), 0..4u8, approves).prop_map(
        |(action, preference, word, approve)| Then {
            action,
            preference,
            priority: (word == 1).then(|| Priority::whole(2)),
            group: (word == 2).then(|| "g0".parse().unwrap()),
            add_tags: if word == 3 { vec!["t0".parse().unwrap()] } else { Vec::new() },
            approve,
            ..Then::default()
        },
    );
    let rule = (rule_match(), then).prop_map(|(matches, then)| Rule {
        name: String::new(),
        matches,
        then,
    });
    let default = select(vec![None, None, Some(Action::Accept), Some(Action::Deny)]);
    (prop::collection::vec(rule, 0..3), default)
        .prop_map(|(rules, default)| Rules { rules, default })
}

fn criteria(with_memory: bool) -> impl Strategy<Value = Vec<Criterion>> {
    use Criterion::*;
    let mut some = vec![
        vec![],
        vec![Standing, Preference, Priority, Equal],
        vec![Standing, Latency, Equal, Preference],
        vec![Preference, Standing, Score],
        vec![Standing, Preference, Priority, Latency, Identity],
    ];
    if with_memory {
        some.push(vec![Standing, Preference, Incumbent, NodeId]);
        some.push(vec![Standing, Incumbent, Preference]);
        some.push(vec![Standing, Incumbent, Equal, Priority]);
    }
    select(some)
}

pub fn policy(draw: Draw) -> impl Strategy<Value = Policy> {
    let memory = draw.with_memory;
    let approves = if memory { any::<bool>().boxed() } else { Just(false).boxed() };
    let import_of = prop::option::weighted(0.3, rules_with(approves.clone()));
    let lists = (rules_with(approves), import_of, select(vec!["agent/0", "tunnel"]));
    let words = (
        prop::bool::weighted(0.3),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.3),
        select(vec![vec![], vec![HopKind::Endpoint], vec![HopKind::Cluster]]),
    );
    let stability = (0..3u8, 0..3u8);
    (lists, criteria(memory), words, stability).prop_map(
        move |((import, own, of), criteria, words, (hold_down, flaps))| {
            let (required, keep, strict, fall_through, incumbent, resolve) = words;
            let mut policy =
                Policy { import, criteria, strict, fall_through, resolve, ..Policy::default() };
            policy.import_of.extend(own.map(|rules| (of.to_owned(), rules)));
            if required {
                policy.approval = Approval::Required;
            }
            if keep {
                policy.on_withdraw = OnWithdraw::Keep;
            }
            if memory && incumbent {
                policy.all_unhealthy = AllUnhealthy::Incumbent;
            }
            if memory && hold_down > 0 {
                policy.stability.hold_down = Duration::from_millis(700);
                policy.stability.spare_sole = hold_down == 2;
            }
            if memory && flaps == 1 {
                let window = Duration::from_millis(900);
                policy.stability.flap_limit = Some(FlapLimit { flaps: 2, window });
            }
            policy
        },
    )
}

fn view() -> impl Strategy<Value = ViewSpec> {
    let criteria = prop::option::of(criteria(false));
    (prop::collection::vec(rule_match(), 0..3), criteria).prop_map(|(show, criteria)| ViewSpec {
        show,
        criteria: criteria.filter(|c| !c.is_empty()),
        ..ViewSpec::default()
    })
}
