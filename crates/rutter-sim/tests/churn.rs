//! Networks with liars in them, as churn draws them: what is demanded of them is what they can hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use std::collections::BTreeSet;

use rutter_route::{AnyDestination, ClusterId};
use rutter_sim::churn::Churn;
use rutter_sim::faults::Lie;
use rutter_sim::run::{Options, play};
use rutter_sim::scenario::{ClusterSpec, Protocol};
use rutter_sim::topology::{Topology, name};
use rutter_sim::{Network, Scenario, Span};

/// Seeds with liars. Only in the last would somebody be told of a service through one, if that were not
/// kept back.
const WITH_LIARS: [u64; 3] = [3, 4, 26];

#[test]
fn no_honest_cluster_is_told_a_path_through_a_liar() {
    for seed in WITH_LIARS {
        let mut scenario = Churn::default().scenario(seed);
        (scenario.faults, scenario.chances) = (Vec::new(), None);
        let lies = |name: &ClusterId| !scenario.of(name).lies.is_empty();
        assert!(scenario.clusters.keys().any(lies), "seed {seed} has no liars");
        let mut network = Network::new(&scenario, None, None).unwrap();
        network.run_until(60_000);
        let destinations: BTreeSet<AnyDestination> =
            network.nodes().iter().flat_map(|node| node.originates()).collect();
        for node in network.nodes().iter().filter(|node| !lies(&node.name)) {
            for destination in &destinations {
                let path = network.selected_path(&node.name, destination);
                // Itself, the neighbour that says it, and those from whom that has it.
                let through: Vec<_> = path.iter().skip(2).filter(|step| lies(step)).collect();
                assert_eq!(through, [&node.name; 0], "seed {seed}: {path:?} to {destination}");
            }
        }
    }
}

#[test]
fn what_a_liar_is_asked_for_again_and_again_is_no_unrest() {
    let mut scenario = Scenario {
        topology: Topology::Line(5),
        duration: Span::secs(45),
        rest_within: Span::secs(55),
        ..Scenario::default()
    };
    // Renewed claims come through, and who was told their routes without them asks for those again,
    // ever more rarely: once more within the last seconds.
    scenario.security.claim_life = Span::secs(60);
    let liar = ClusterSpec { lies: vec![Lie::NoClaim], ..ClusterSpec::default() };
    scenario.clusters.insert(name(2).unwrap(), liar);
    let options = Options { samples: true, ..Options::default() };
    let outcome = play(&scenario, Protocol::PathVector, &options).unwrap();
    assert!(outcome.is_good(), "{:#?}", outcome.violations);
    let last = outcome.samples.iter().rev().take(10);
    assert!(last.map(|sample| sample.announcements).sum::<u64>() > 0, "the liar isn't asked");
}
