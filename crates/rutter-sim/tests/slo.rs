//! The seed's service levels: how soon a withdrawal acts, how little is suppressed, and that nothing
//! unsigned or forged is accepted; and that a seed is a run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rutter_rib::{Damping, Stability};
use rutter_route::{AnyDestination, Service};
use rutter_sim::faults::{Chances, Fault, Meddling, Planned};
use rutter_sim::run::{Options, play, record};
use rutter_sim::scenario::Protocol;
use rutter_sim::topology::{Topology, name};
use rutter_sim::{Network, Scenario, Span, measure};

/// Signing and verifying take at most so long in the simulator, in ms.
const PROCESSING: u64 = 8;

#[test]
fn a_withdrawal_over_one_hop_acts_within_the_links_delay_and_processing() {
    for delay in [1, 20, 150] {
        let mut scenario = measure::of(Topology::Line(2));
        scenario.links.delay = Span(delay);
        let mut network = Network::new(&scenario, None, None).unwrap();
        let (a, b) = (name(0).unwrap(), name(1).unwrap());
        let destination = AnyDestination::Service(Service::http("web.c00".parse().unwrap()));
        let (cluster, what) = (a.clone(), destination.clone());
        network.plan(5_000, Fault::Originate { cluster, destination: what });
        let (cluster, what) = (a.clone(), destination.clone());
        network.plan(10_000, Fault::Withdraw { cluster, destination: what });
        network.run_until(9_999);
        assert_eq!(network.selected_path(&b, &destination), [b.clone(), a]);
        network.run_until(10_000 + delay + PROCESSING);
        assert_eq!(network.selected_path(&b, &destination), [], "{delay} ms");
    }
}

#[test]
fn in_steady_state_under_five_percent_are_suppressed() {
    let mut scenario = Scenario {
        seed: 11,
        topology: Topology::Random { clusters: 12, degree: 4 },
        duration: Span::secs(1800),
        rest_within: Span::secs(120),
        // A fault a minute in the whole network is far more than a real one sees.
        chances: Some(Chances { every: Span::secs(60), meddle: 0, ..Chances::default() }),
        ..Scenario::default()
    };
    // The values that docs/fabric.md recommends.
    scenario.cluster.policy.stability =
        Stability { damping: Some(Damping::default()), ..Stability::default() };
    let options = Options { look_every: 10, ..Options::default() };
    let outcome = play(&scenario, Protocol::PathVector, &options).unwrap();
    assert!(outcome.is_good(), "{:#?}", outcome.violations);
    let told = outcome.told;
    assert!(told.accepted > 1000, "{told:?}");
    assert!((told.suppressed + told.held) * 20 < told.accepted, "{told:?}");
}

#[test]
fn nothing_unsigned_is_accepted_however_much_is_put_in() {
    let mut scenario = Scenario {
        topology: Topology::Ring(6),
        duration: Span::secs(60),
        rest_within: Span::secs(60),
        ..Scenario::default()
    };
    for (a, b) in scenario.topology.build(1).1 {
        let link = (name(a).unwrap(), name(b).unwrap());
        for at in [5, 20, 35, 50] {
            let (how, lasts) = (Meddling::Inject, Span::secs(8));
            let fault = Fault::Meddle { link: link.clone(), how, lasts };
            scenario.faults.push(Planned { at: Span::secs(at), fault });
            // Something has to be said for something to be put in beside it.
            let fault = Fault::Reset { link: link.clone(), one: false };
            scenario.faults.push(Planned { at: Span::secs(at + 1), fault });
        }
    }
    let outcome = play(&scenario, Protocol::PathVector, &Options::default()).unwrap();
    assert!(outcome.is_good(), "{:#?}", outcome.violations);
    assert!(outcome.told.rejected > 0, "what was put in was refused, and counted");
}

fn stormy() -> Scenario {
    Scenario {
        seed: 5,
        topology: Topology::Random { clusters: 7, degree: 3 },
        duration: Span::secs(60),
        rest_within: Span::secs(60),
        chances: Some(Chances {
            every: Span::secs(3),
            longest: Span::secs(20),
            ..Chances::default()
        }),
        ..Scenario::default()
    }
}

#[test]
fn a_seed_is_a_run_byte_for_byte_and_another_seed_another() {
    let play = |seed| {
        let scenario = Scenario { seed, ..stormy() };
        play(&scenario, Protocol::PathVector, &Options::default()).unwrap()
    };
    let digests: BTreeSet<String> = [play(5), play(5), play(6)].map(|o| o.digest).into();
    assert_eq!(digests.len(), 2);
}

/// A place to write to that the test reads afterwards.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_speakers_recorded_part_gives_the_same_bytes_again() {
    let kept = Kept::default();
    let options = Options::default();
    let to = Box::new(kept.clone());
    let outcome = record(&stormy(), Protocol::PathVector, &options, None, to).unwrap();
    assert!(outcome.is_good(), "{:#?}", outcome.violations);
    let lines = kept.0.lock().unwrap().clone();
    let replayed = rutter_sim::record::replay(lines.as_slice()).unwrap();
    assert_eq!(replayed.inputs, outcome.totals.inputs);
    assert_eq!(replayed.compared, 7);
    // A recording that was changed is found out.
    let text = String::from_utf8(lines).unwrap().replacen("\"Tick\"", "{\"Leave\":\"Goodbye\"}", 1);
    let changed = rutter_sim::record::replay(text.as_bytes());
    assert!(matches!(changed, Err(rutter_sim::record::RecordError::Differs { .. })), "{changed:?}");
}

#[test]
fn one_announcement_costs_at_most_two_messages_a_directed_link() {
    for topology in
        [Topology::Mesh(6), Topology::Ring(20), Topology::Random { clusters: 30, degree: 4 }]
    {
        let measured = measure::measure(&measure::of(topology.clone())).unwrap();
        let most = 2 * measured.directed_links as u64;
        let told = measured.announcement.announcements + measured.announcement.withdrawals;
        assert!(told <= most, "{topology:?}: {measured:?}");
        assert!(told >= measured.clusters as u64 - 1, "{topology:?}: {measured:?}");
    }
}
