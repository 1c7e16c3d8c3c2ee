//! A new policy: the dry run says what the reload does, and the order of arrival decides nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod model;

use model::config;
use model::ops::{Claim, Draw, claim, script, short_policy};
use model::rank::Shown;
use model::run::{World, advertisement, info, path_id, service};
use proptest::prelude::*;
use rutter_rib::*;
use rutter_route::*;

const DRAW: Draw = Draw { with_memory: false };
const STICKY: Draw = Draw { with_memory: true };

/// What a dry run counts, by what stands before and after.
#[derive(Debug, PartialEq)]
struct Counted {
    moved: Vec<(Service, Option<RouteKey>, Option<RouteKey>)>,
    barred: usize,
    freed: usize,
    changed: usize,
}

type Stood = Vec<(Service, Option<RouteKey>, Vec<(RouteKey, Standing, Attributes)>)>;

fn stood(world: &World) -> Stood {
    let of = |d: Service| {
        let best = world.table.selected(&d, ViewId::DEFAULT).best().map(SelectedRoute::key);
        let mut all: Vec<_> = world
            .table
            .candidates(&d)
            .iter()
            .map(|c| (c.key(), c.standing, c.attributes.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        (d, best, all)
    };
    (0..3).map(service).map(of).collect()
}

fn count(before: &Stood, after: &Stood) -> Counted {
    let mut counted = Counted { moved: Vec::new(), barred: 0, freed: 0, changed: 0 };
    for ((d, from, were), (_, to, are)) in before.iter().zip(after) {
        if from != to {
            counted.moved.push((d.clone(), from.clone(), to.clone()));
        }
        for (was, is) in were.iter().zip(are) {
            counted.barred += usize::from(is.1.is_barred() && !was.1.is_barred());
            counted.freed += usize::from(!is.1.is_barred() && was.1.is_barred());
            counted.changed += usize::from(is.2 != was.2);
        }
    }
    counted
}

fn dry_run(table: &Table<Service>, now: Now, policy: &Policy) -> Counted {
    let mut counted = Counted { moved: Vec::new(), barred: 0, freed: 0, changed: 0 };
    let mut at = Some(Cursor::default());
    while let Some(cursor) = at {
        let effect = table.try_policy(now, policy, cursor, 1);
        assert_eq!(effect.moved, effect.examples.len());
        counted.moved.extend(effect.examples);
        counted.barred += effect.barred;
        counted.freed += effect.freed;
        counted.changed += effect.changed;
        at = effect.next;
    }
    counted.moved.sort();
    counted
}

fn selection(table: &Table<Service>) -> Vec<Vec<Shown>> {
    let shown = |r: &SelectedRoute<'_>| Shown {
        key: r.key(),
        standing: r.standing,
        attributes: r.attributes.clone(),
        equal: r.equal,
    };
    let list =
        |d: Service| table.selected(&d, ViewId::DEFAULT).routes().iter().map(shown).collect();
    (0..3).map(service).map(list).collect()
}

/// All sources up, and each claim made in the order given; of one key the last counts.
fn filled(policy: &Policy, claims: &[(u8, Claim)]) -> World {
    let mut world = World::new(policy.clone());
    for source in 0..4 {
        let session = world.session(source, false);
        let up = SourceState::Up(info(None, None, 0, None));
        world.table.source(world.now(), &session, up.clone()).unwrap();
        world.model.source(&session, &up).unwrap();
    }
    for (source, claim) in claims {
        let session = world.session(*source, false);
        world.table.advertise(world.now(), &session, advertisement(claim));
        world.model.advertise(&session, &advertisement(claim));
    }
    world.settle();
    world
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn the_dry_run_says_what_the_reload_does(
        policy in short_policy(STICKY),
        script in script(STICKY, 40),
        new in short_policy(STICKY),
    ) {
        let mut world = World::new(*policy.0);
        for op in &script.0 {
            world.apply(op);
            world.settle();
        }
        let said = dry_run(&world.table, world.now(), &new.0);
        let before = stood(&world);
        world.apply(&model::ops::Op::SetPolicy(new));
        world.settle();
        world.compare();
        let mut done = count(&before, &stood(&world));
        done.moved.sort();
        prop_assert_eq!(said, done);
    }

    #[test]
    fn the_order_of_arrival_decides_nothing(
        policy in short_policy(DRAW),
        claims in prop::collection::vec((0..4u8, claim()), 1..16).prop_map(|claims| {
            let mut seen = std::collections::BTreeSet::new();
            let mut claims = claims;
            claims.retain(|(s, c)| seen.insert((*s, service(c.destination), path_id(c.path))));
            claims
        }),
        shuffle in any::<prop::sample::Index>(),
    ) {
        let one = filled(&policy.0, &claims);
        one.compare();
        let mut other = claims.clone();
        let n = other.len();
        other.rotate_left(shuffle.index(n));
        let half = n / 2;
        other[half..].reverse();
        let other = filled(&policy.0, &other);
        prop_assert_eq!(selection(&one.table), selection(&other.table));
    }
}
