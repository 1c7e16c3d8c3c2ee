use rutter_route::{AnyDestination, Wall};

use super::trace::{Refusal, Refusals};
use crate::stats::Reason;

fn refusal(destination: &str, at: u64) -> Refusal {
    Refusal {
        at: Wall(at),
        neighbour: "b".parse().unwrap(),
        scope: "fabric".parse().unwrap(),
        destination: AnyDestination::Cluster(destination.parse().unwrap()),
        path: vec!["b".parse().unwrap()],
        reason: Reason::Loop,
    }
}

fn cluster(name: &str) -> AnyDestination {
    AnyDestination::Cluster(name.parse().unwrap())
}

#[test]
fn a_destination_that_is_refused_ever_again_leaves_the_others_refusals_where_they_are() {
    let mut refusals = Refusals::default();
    refusals.add(refusal("quiet", 0));
    for at in 1..=10_000 {
        refusals.add(refusal("loud", at));
    }
    assert_eq!(refusals.of(&cluster("quiet")).len(), 1);
    let loud = refusals.of(&cluster("loud"));
    assert_eq!(loud.len(), Refusals::PER_DESTINATION);
    assert_eq!(loud.last().map(|r| r.at), Some(Wall(10_000)));
}

#[test]
fn of_refusals_the_last_are_kept_within_their_bound() {
    let mut refusals = Refusals::default();
    let n = Refusals::MAX + 100;
    for at in 0..n {
        refusals.add(refusal(&format!("c{at}"), at as u64));
    }
    assert_eq!(refusals.last(usize::MAX).len(), Refusals::MAX);
    assert_eq!(refusals.of(&cluster("c0")), []);
    let last = refusals.last(2);
    assert_eq!(last.iter().map(|r| r.at.0).collect::<Vec<_>>(), [n as u64 - 2, n as u64 - 1]);
}
