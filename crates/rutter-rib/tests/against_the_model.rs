//! Random sequences of every operation: the table says what the model says.

mod model;

use model::config;
use model::ops::{Draw, script, short_policy};
use model::run::World;
use proptest::prelude::*;

const ORDERLESS: Draw = Draw { with_memory: false };
const WITH_MEMORY: Draw = Draw { with_memory: true };

proptest! {
    #![proptest_config(config(6000))]

    #[test]
    fn in_slices_between_other_calls(
        policy in short_policy(ORDERLESS),
        script in script(ORDERLESS, 60),
    ) {
        let mut world = World::new(*policy.0);
        for op in &script.0 {
            world.apply(op);
        }
        world.settle();
        world.compare();
    }

    #[test]
    fn after_every_call(policy in short_policy(WITH_MEMORY), script in script(WITH_MEMORY, 40)) {
        let mut world = World::new(*policy.0);
        for op in &script.0 {
            world.apply(op);
            world.settle();
            world.compare();
            world.compare_incumbents();
        }
    }
}
