//! A run that breaks a rule is shrunk to the faults that break it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use rutter_protocol::Engine;
use rutter_protocol::speaker::Weakness;
use rutter_sim::faults::{Chances, Fault, Lie, Planned};
use rutter_sim::run::{Options, play};
use rutter_sim::scenario::Protocol;
use rutter_sim::shrink::shrink;
use rutter_sim::topology::{Topology, name};
use rutter_sim::{Scenario, Span};

#[test]
fn a_rule_broken_by_one_fault_among_many_is_shrunk_to_that_one() {
    let liar = name(1).unwrap();
    let lie = Fault::Lie { cluster: liar.clone(), how: vec![Lie::Loop] };
    let say_again = Fault::Reset { link: (name(0).unwrap(), liar), one: false };
    let scenario = Scenario {
        topology: Topology::Line(4),
        faults: vec![
            Planned { at: Span::secs(20), fault: lie },
            Planned { at: Span::secs(40), fault: say_again },
        ],
        chances: Some(Chances { every: Span::secs(6), kill: 0, ..Chances::default() }),
        rounds: 2,
        ..Scenario::default()
    };
    let prepare = |engine: &mut Engine| engine.speaker.weaken(Weakness::Loops);
    let options = Options { prepare: Some(prepare), ..Options::default() };
    let outcome = play(&scenario, Protocol::PathVector, &options).unwrap();
    assert_eq!(outcome.violations[0].rule, "no_loop_in_a_path");
    let before = outcome.faults.len();
    let shrunk = shrink(&scenario, &outcome, &options, 200).unwrap().unwrap();
    assert!(shrunk.scenario.faults.len() <= 2 && before > 4, "{:#?}", shrunk.scenario.faults);
    assert!(matches!(shrunk.scenario.faults[0].fault, Fault::Lie { .. }));
    // What is left breaks the same rule, played for itself.
    let again = play(&shrunk.scenario, Protocol::PathVector, &options).unwrap();
    assert_eq!(again.violations[0].rule, "no_loop_in_a_path");
}
