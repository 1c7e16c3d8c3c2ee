//! Random sequences of every operation: the table says what the model says.

mod model;

use model::ops::{Draw, Op, ops, policy};
use model::run::World;
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

const ORDERLESS: Draw = Draw { with_memory: false };
const WITH_MEMORY: Draw = Draw { with_memory: true };

/// A source's approval is cleared or kept by what was recorded before: a new policy waits until
/// the one before has reached every route.
fn run_in_slices(policy: rutter_rib::Policy, ops: &[Op]) -> World {
    let mut world = World::new(policy);
    for op in ops {
        world.apply(op);
    }
    world
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn in_slices_between_other_calls(policy in policy(ORDERLESS), ops in ops(ORDERLESS, 60)) {
        let mut world = run_in_slices(policy, &ops);
        world.settle();
        world.compare();
    }

    #[test]
    fn after_every_call(policy in policy(WITH_MEMORY), ops in ops(WITH_MEMORY, 40)) {
        let mut world = World::new(policy);
        for op in &ops {
            world.apply(op);
            world.settle();
            world.compare();
        }
    }
}
