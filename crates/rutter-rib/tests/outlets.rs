//! Sinks that hear nothing but their outlet: cut off, resumed, refusing and slow, they end equal
//! to the table under their policy.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::config;
use model::matching;
use model::ops::{Draw, Op, rules, script, short_policy};
use model::run::World;
use proptest::prelude::*;
use proptest::sample::select;
use rutter_rib::*;
use rutter_route::*;

/// What happens to a sink between two calls of the table.
#[derive(Debug, Clone)]
enum Turn {
    /// It hears so much at most.
    Next(usize),
    /// It loses its connection, and what was said meanwhile; it comes back with its last number,
    /// or has forgotten it.
    Cut { remembers: bool },
    /// It can't do the last thing that it was told.
    Refuses,
    /// Its export policy is replaced.
    Export(Rules),
}

#[derive(Debug)]
struct Sink {
    outlet: Outlet<Service>,
    holds: BTreeMap<Service, Vec<ToldRoute>>,
    heard: Option<u64>,
    /// Since a snapshot began: what was mentioned.
    mentioned: Option<BTreeSet<Service>>,
    last: Option<Service>,
}

impl Sink {
    fn new(spec: OutletSpec) -> Self {
        let outlet = Outlet::new(spec, 5);
        Self { outlet, holds: BTreeMap::new(), heard: None, mentioned: None, last: None }
    }

    fn hear(&mut self, batch: Batch<Service>) {
        if batch.begin_snapshot {
            self.mentioned = Some(BTreeSet::new());
        }
        for tell in batch.tells {
            assert!(self.heard.is_none_or(|n| tell.number() > n), "numbers rise");
            self.heard = Some(tell.number());
            self.last = Some(tell.destination().clone());
            if let Some(mentioned) = &mut self.mentioned {
                mentioned.insert(tell.destination().clone());
            }
            match tell {
                Tell::Advertise { destination, routes, .. } => {
                    self.holds.insert(destination, routes);
                }
                Tell::Withdraw { destination, .. } => {
                    self.holds.remove(&destination);
                }
            }
        }
        if batch.end_of_snapshot {
            let mentioned = self.mentioned.take();
            let mentioned = mentioned.unwrap_or_else(|| panic!("a snapshot that ends has begun"));
            self.holds.retain(|d, _| mentioned.contains(d));
        }
    }

    fn turn(&mut self, world: &World, turn: &Turn) {
        match turn {
            Turn::Next(room) => {
                let batch = self.outlet.next(world.now(), &world.table, *room);
                assert!(batch.tells.len() <= *room);
                self.hear(batch);
            }
            Turn::Cut { remembers } => {
                // What was on the way is lost.
                drop(self.outlet.next(world.now(), &world.table, 2));
                let after = self.heard.filter(|_| *remembers && self.mentioned.is_none());
                if !self.outlet.resume(after) {
                    self.heard = None;
                }
                self.mentioned = None;
            }
            Turn::Refuses => {
                if let Some(last) = self.last.take() {
                    self.outlet.refused(world.now(), &last, "no room");
                    self.holds.remove(&last);
                }
            }
            Turn::Export(rules) => self.outlet.set_export(rules.clone()),
        }
    }

    /// What it should hold, asked of the table.
    fn should(&self, world: &World) -> BTreeMap<Service, Vec<ToldRoute>> {
        let spec = self.outlet.spec();
        let mut should = BTreeMap::new();
        for d in (0..3).map(model::run::service) {
            let selected = world.table.selected(&d, spec.view);
            let n = match spec.depth {
                Depth::Best => 1,
                Depth::Equals => selected.routes().iter().filter(|r| r.equal).count(),
                Depth::First(n) => n,
                Depth::All => usize::MAX,
            };
            let mut routes = Vec::new();
            for r in selected.routes().iter().take(n) {
                let mut attributes = r.attributes.clone();
                let (ends, _) = matching::ask(&spec.export, &d, r.source, r.info, &mut attributes);
                if ends == Some(false) || spec.split_horizon.as_ref() == Some(r.source) {
                    continue;
                }
                let (standing, equal) = (r.standing, r.equal);
                routes.push(ToldRoute { route: r.key(), attributes, standing, equal });
            }
            let unreachable =
                spec.unreachable && selected.routes().is_empty() && selected.is_unreachable();
            if !routes.is_empty() || unreachable {
                should.insert(d, routes);
            }
        }
        should
    }
}

fn spec() -> impl Strategy<Value = OutletSpec> {
    let depth = select(vec![Depth::Best, Depth::Equals, Depth::First(2), Depth::All]);
    let horizon = prop::option::weighted(0.3, (0..4u8).prop_map(model::run::source_id));
    let words = (any::<bool>(), any::<bool>(), select(vec![0, 2, 100]));
    (depth, prop::option::of(rules()), horizon, words).prop_map(
        |(depth, export, split_horizon, (paced, unreachable, window))| OutletSpec {
            depth,
            export: export.unwrap_or_default(),
            split_horizon,
            pacing: if paced { Duration::from_millis(250) } else { Duration::ZERO },
            unreachable,
            window,
            ..OutletSpec::all("sink")
        },
    )
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (1..4usize).prop_map(Turn::Next),
        1 => any::<bool>().prop_map(|remembers| Turn::Cut { remembers }),
        1 => Just(Turn::Refuses),
        1 => rules().prop_map(Turn::Export),
    ]
}

const DRAW: Draw = Draw { with_memory: true };

fn drain(world: &mut World, sinks: &mut [Sink]) {
    for _ in 0..200 {
        world.settle();
        let mut idle = true;
        for sink in sinks.iter_mut() {
            sink.outlet.note(&world.table, &world.changes);
            let batch = sink.outlet.next(world.now(), &world.table, 3);
            sink.hear(batch);
            idle &= sink.outlet.is_idle(world.now()) && sink.outlet.next_deadline().is_none();
        }
        world.changes.clear();
        if idle {
            return;
        }
        // Leases and verdicts may end meanwhile; a refusal waits a minute at most.
        world.apply(&Op::Pass(400));
    }
    panic!("the sinks never come to rest");
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn end_equal_to_the_table(
        policy in short_policy(DRAW),
        script in script(DRAW, 50),
        specs in prop::collection::vec((spec(), 0..3u8), 1..4),
        turns in prop::collection::vec((0..4usize, turn()), 60),
    ) {
        let mut world = World::new(*policy.0);
        for view in 1..3 {
            let show = Match { kind: vec![SourceKind::Agent], ..Match::default() };
            let show = if view == 1 { vec![show] } else { Vec::new() };
            let spec = Some(ViewSpec { show, ..ViewSpec::default() });
            world.apply(&Op::SetView { view, spec });
        }
        let with_view = |(spec, view): (OutletSpec, u8)| {
            let view = world.table.view(&model::run::view_name(view)).unwrap();
            Sink::new(OutletSpec { view, ..spec })
        };
        let mut sinks: Vec<Sink> = specs.into_iter().map(with_view).collect();
        let mut turns = turns.into_iter();
        for op in &script.0 {
            // A view that goes takes its sinks along: here the views stay.
            if matches!(op, Op::SetView { spec: None, .. }) {
                continue;
            }
            world.apply(op);
            for sink in &mut sinks {
                sink.outlet.note(&world.table, &world.changes);
            }
            world.changes.clear();
            if let Some((at, turn)) = turns.next() {
                let n = sinks.len();
                sinks[at % n].turn(&world, &turn);
            }
        }
        drain(&mut world, &mut sinks);
        for sink in &sinks {
            let n_told = sink.outlet.n_told();
            prop_assert_eq!(&sink.holds, &sink.should(&world), "{:?}", sink.outlet.spec());
            prop_assert_eq!(n_told, sink.holds.len(), "nothing is remembered beyond what it holds");
        }
    }
}
