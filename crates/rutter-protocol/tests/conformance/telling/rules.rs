//! Policy that changes while it runs: what a dry run says, and what then happens; links that cost
//! more; every way of signing.

use std::time::Duration;

use rutter_protocol::Input;
use rutter_protocol::link::Sample;
use rutter_protocol::speaker::{DEFERRAL, Security, Signing, What};
use rutter_rib::{Cursor, ViewId};
use rutter_route::{ClusterId, Service, SourceId, Standing};

use crate::common::net::Net;
use crate::common::*;

const GOLD: &str = r#"{"import":{"deny_destinations":["d"]},
    "carry":{"services":{"import":{},"export":{"allowed_tags":["gold"]}}}}"#;

/// Two ways from `a` to `d`, and services of `a`.
fn diamond() -> Net {
    let mut net = Net::new(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")]);
    net.originate::<Service>("a", "services", "gold.test", &["gold"]);
    net.originate::<Service>("a", "services", "silver.test", &["silver"]);
    net.settle();
    net
}

fn denied(net: &Net, at: &str) -> Vec<SourceId> {
    let candidates = net.table::<ClusterId>(at, "fabric").candidates(&cluster("d"));
    let denied = candidates.into_iter().filter(|c| c.standing == Standing::Denied);
    denied.map(|c| c.source.clone()).collect()
}

#[test]
fn a_dry_run_says_what_a_policy_then_does_and_a_reload_reaches_what_is_stored() {
    let mut net = diamond();
    let engine = &net.nodes["a"].engine;
    let under = engine.speaker.policies_under(&engine.book, &policy(GOLD)).unwrap();
    let (spec, supposed) = under.into_iter().find(|(s, _)| s.scope.as_str() == "fabric").unwrap();
    let table = engine.book.table::<ClusterId>(&spec.table).unwrap();
    let effect = table.try_policy(at(net.now), &supposed, Cursor::default(), 1000);
    assert_eq!((effect.barred, effect.freed, effect.moved), (2, 0, 1), "{effect:?}");
    assert!(denied(&net, "a").is_empty(), "nothing has changed");
    net.input("a", Input::Policy(Box::new(policy(GOLD))));
    net.settle();
    assert_eq!(denied(&net, "a").len(), 2);
    assert!(net.way::<Service>("d", "services", "silver.test").is_empty());
    assert_eq!(net.way::<Service>("d", "services", "gold.test").len(), 3);
    // And back again, without anybody saying anything anew.
    let since = net.now;
    net.input("a", Input::Policy(Box::new(open_policy())));
    net.settle();
    assert!(denied(&net, "a").is_empty());
    assert!(net.heard(since, "b", "a").is_empty() && net.heard(since, "c", "a").is_empty());
}

#[test]
fn a_policy_that_contradicts_itself_leaves_the_one_before_in_force() {
    let mut net = diamond();
    let twice = r#"{"import":{"allowed_destinations":[],"max_hops":0}}"#;
    net.input("a", Input::Policy(Box::new(policy(twice))));
    net.settle();
    assert!(denied(&net, "a").is_empty());
    assert!(net.nodes["a"].log.iter().any(|event| event.what == What::PolicyRefused));
}

#[test]
fn a_cluster_of_mixed_policy_never_passes_on_what_it_must_not() {
    // `b` may know what is internal, and tells nobody of it.
    let keeps = r#"{"export":{"deny_tags":["internal"]},
        "carry":{"services":{"import":{},"export":{"deny_tags":["internal"]}}}}"#;
    let mut net = Net::with(&[("a", "b"), ("b", "c")], |config| {
        if config.cluster == cluster("b") {
            config.policy = policy(keeps);
        }
    });
    net.originate::<Service>("a", "services", "x.test", &[]);
    net.settle();
    assert_eq!(net.way::<Service>("c", "services", "x.test").len(), 3);
    // It becomes internal: it is withdrawn from where it was told.
    net.originate::<Service>("a", "services", "x.test", &["internal"]);
    net.settle();
    assert_eq!(net.way::<Service>("b", "services", "x.test").len(), 2);
    assert!(net.way::<Service>("c", "services", "x.test").is_empty());
}

#[test]
fn a_link_that_becomes_slow_moves_routes_and_both_costs_are_shown() {
    let links = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")];
    let mut net = Net::new(&links);
    assert_eq!(net.to_cluster("a", "d"), "a>b>d");
    // In a circle that begins as one, each waits for the other's end of refresh.
    net.run(u64::try_from(DEFERRAL.as_millis()).unwrap());
    let since = net.now;
    for _ in 0..80 {
        let sample = Sample::Answered(Duration::from_millis(80));
        net.input("a", Input::Measured { neighbour: cluster("b"), sample });
        net.run(250);
    }
    assert_eq!(net.to_cluster("a", "d"), "a>c>d");
    let from_b: Vec<_> = net.heard(since, "b", "a");
    assert!(from_b.is_empty(), "nobody has to say anything again: {from_b:?}");
    let table = net.table::<ClusterId>("a", "fabric");
    let selected = table.selected(&cluster("d"), ViewId::DEFAULT);
    let by_b = selected.routes().iter().find(|r| r.source.name() == "b").unwrap();
    assert_eq!(by_b.received.latency_us, 0);
    assert!(by_b.attributes.latency_us > 30_000, "{:?}", by_b.attributes);
}

#[test]
fn every_way_of_signing_is_understood_by_every_other() {
    let ways = [Signing::Off, Signing::Each, Signing::Batch];
    for (of_a, of_b) in ways.iter().flat_map(|a| ways.iter().map(move |b| (*a, *b))) {
        let net = Net::with(&[("a", "b"), ("b", "c")], |config| {
            let signing = if config.cluster == cluster("a") { of_a } else { of_b };
            let require = of_a != Signing::Off && of_b != Signing::Off;
            config.security = Security {
                require_signatures: require,
                require_claims: false,
                signing,
                ..Security::default()
            };
        });
        assert_eq!(net.to_cluster("c", "a"), "c>b>a", "{of_a:?} {of_b:?}");
        assert_eq!(net.to_cluster("a", "c"), "a>b>c", "{of_a:?} {of_b:?}");
    }
}

#[test]
fn signing_that_is_switched_on_reaches_what_was_told_before() {
    let mut net = Net::with(&[("a", "b"), ("b", "c")], |config| config.security = Security::open());
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
    for name in ["a", "b", "c"] {
        net.input(name, Input::Security(Box::default()));
    }
    net.run(30_000);
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
    let held = net.claim("c", "fabric", "a", &to("a"));
    assert!(held.is_some_and(|held| held.verified));
}
