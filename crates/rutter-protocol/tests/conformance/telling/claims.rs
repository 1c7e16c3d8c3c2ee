//! What this cluster claims: once, relayed unchanged, renewed alone, ended by its own word.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_protocol::Input;
use rutter_protocol::speaker::What;
use rutter_protocol::wire::{Claim, Message};
use rutter_route::{AnyDestination, ClusterId, Service};

use crate::common::net::{Net, Signs, mesh};
use crate::common::*;

const HOUR: u64 = 3_600_000;

/// Claims on a destination that went over a link with routes.
fn with_routes(net: &Net, by: &str, to: &str, on: &AnyDestination) -> Vec<Option<Claim>> {
    let mut claims = Vec::new();
    for message in net.heard(0, by, to) {
        if let Message::Announce(a) = message {
            let routes = a.routes.into_iter().filter(|r| r.destination == *on);
            claims.extend(routes.map(|r| r.claim));
        }
    }
    claims
}

fn n_of(messages: &[Message], is: impl Fn(&Message) -> bool) -> usize {
    messages.iter().filter(|m| is(m)).count()
}

#[test]
fn a_claim_is_signed_once_for_all_neighbours_and_relayed_unchanged() {
    let mut net = Net::new(&[("a", "b"), ("a", "e"), ("b", "c")]);
    let web = service("web.test");
    net.originate::<Service>("a", "services", "web.test", &["gold"]);
    net.settle();
    let first = with_routes(&net, "a", "b", &web);
    let [Some(claim)] = &first[..] else { panic!("{first:?}") };
    assert_eq!(claim.originator, cluster("a"));
    assert!(claim.tags.contains(&"gold".parse().unwrap()));
    assert_eq!(with_routes(&net, "a", "e", &web), first);
    assert_eq!(with_routes(&net, "b", "c", &web), first);
    // The claim's tags count at the far end, and aren't said a second time.
    let said = net.heard(0, "b", "c");
    let tags = said.iter().filter_map(|m| match m {
        Message::Announce(a) if a.routes.iter().any(|r| r.destination == web) => Some(&a.tags),
        _ => None,
    });
    assert!(tags.into_iter().all(rutter_route::Tags::is_empty));
    let table = net.table::<Service>("c", "services");
    let selected = table.selected(&"web.test".parse().unwrap(), rutter_rib::ViewId::DEFAULT);
    assert!(selected.best().unwrap().attributes.tags.contains(&"gold".parse().unwrap()));
}

#[test]
fn a_renewal_goes_alone_to_those_who_were_told_and_moves_nothing() {
    let mut net = Net::new(&[("a", "b"), ("b", "c")]);
    net.originate::<Service>("a", "services", "web.test", &[]);
    net.settle();
    let since = net.now + 1;
    let event = net.table::<Service>("c", "services").last_event();
    net.run(25 * HOUR);
    assert_eq!(net.way::<Service>("c", "services", "web.test"), ["c", "b", "a"]);
    assert_eq!(net.table::<Service>("c", "services").last_event(), event, "no route event");
    for (by, to) in [("a", "b"), ("b", "c")] {
        let said = net.heard(since, by, to);
        let renews = |m: &Message| matches!(m, Message::Renew(..));
        assert!(said.iter().all(renews), "{said:?}");
        let web = |m: &Message| matches!(m, Message::Renew(_, claim) if claim.destination == service("web.test"));
        assert_eq!(n_of(&said, web), 3, "at each third of 24 h");
    }
}

#[test]
fn the_end_of_a_claim_goes_along_with_every_withdrawal() {
    let mut net = Net::new(&[("a", "b"), ("b", "c"), ("c", "d")]);
    let web = service("web.test");
    net.originate::<Service>("a", "services", "web.test", &[]);
    net.settle();
    let since = net.now;
    net.take_back::<Service>("a", "services", "web.test");
    net.settle();
    for (by, to) in [("a", "b"), ("b", "c"), ("c", "d")] {
        let said = net.heard(since, by, to);
        let [Message::Withdraw(withdrawal)] = &said[..] else { panic!("{by} {to} {said:?}") };
        let [route] = &withdrawal.routes[..] else { panic!("{withdrawal:?}") };
        assert_eq!(route.destination, web);
        assert!(route.claim.as_ref().is_some_and(|c| c.withdrawn), "{by} {to} {route:?}");
    }
    // It can be claimed again.
    net.originate::<Service>("a", "services", "web.test", &[]);
    net.settle();
    assert_eq!(net.way::<Service>("d", "services", "web.test"), ["d", "c", "b", "a"]);
}

#[test]
fn where_another_route_stands_the_end_of_a_claim_goes_alone() {
    // Two clusters have the service; that of `a` ends, and `b`, who told it, tells the other's.
    let mut net = Net::new(&[("a", "b"), ("b", "c"), ("b", "e")]);
    net.originate::<Service>("a", "services", "web.test", &[]);
    net.settle();
    net.originate::<Service>("e", "services", "web.test", &[]);
    net.settle();
    assert_eq!(net.way::<Service>("c", "services", "web.test"), ["c", "b", "a"]);
    let since = net.now;
    net.take_back::<Service>("a", "services", "web.test");
    net.settle();
    assert_eq!(net.way::<Service>("c", "services", "web.test"), ["c", "b", "e"]);
    let said = net.heard(since, "b", "c");
    assert_eq!(n_of(&said, |m| matches!(m, Message::Withdraw(_))), 0, "{said:?}");
    let held = net.claim("c", "services", "a", &service("web.test"));
    assert!(held.unwrap().claim.withdrawn, "{said:?}");
}

#[test]
fn a_signer_that_fails_keeps_its_routes_back_and_nothing_is_said_unsigned() {
    let mut net = Net::new(&[("a", "b")]);
    let since = net.now;
    net.nodes.get_mut("a").unwrap().signs = Signs::Fails;
    net.originate::<Service>("a", "services", "web.test", &[]);
    net.settle();
    assert!(net.heard(since, "a", "b").is_empty());
    assert!(net.nodes["a"].log.iter().any(|event| event.what == What::SignFailed));
    net.nodes.get_mut("a").unwrap().signs = Signs::Well;
    net.run(10_000);
    assert_eq!(net.way::<Service>("b", "services", "web.test"), ["b", "a"]);
    let sent = with_routes(&net, "a", "b", &service("web.test"));
    assert!(sent.iter().all(Option::is_some), "{sent:?}");
}

#[test]
fn while_a_signer_is_late_later_words_overwrite_earlier_ones() {
    let mut net = Net::new(&[("a", "b")]);
    let web = service("web.test");
    net.nodes.get_mut("a").unwrap().signs = Signs::Late;
    net.originate::<Service>("a", "services", "web.test", &["one"]);
    net.originate::<Service>("a", "services", "web.test", &["two"]);
    net.originate::<Service>("a", "services", "web.test", &["three"]);
    net.settle();
    assert!(with_routes(&net, "a", "b", &web).is_empty());
    net.sign_late("a");
    net.settle();
    let tags = with_routes(&net, "a", "b", &web);
    assert!(tags.len() <= 2, "{tags:?}");
    let last = tags.last().unwrap().as_ref().unwrap();
    assert!(last.tags.contains(&"three".parse().unwrap()));
    // What was never told needs no end.
    net.nodes.get_mut("a").unwrap().signs = Signs::Late;
    net.originate::<Service>("a", "services", "gone.test", &[]);
    net.take_back::<Service>("a", "services", "gone.test");
    net.sign_late("a");
    net.settle();
    assert!(net.way::<Service>("b", "services", "gone.test").is_empty());
}

#[test]
fn an_originator_that_lost_its_state_jumps_past_what_it_claimed_before() {
    let mut net = Net::new(&[("a", "b"), ("b", "c")]);
    for n in 0..20 {
        net.originate::<Service>("a", "services", &format!("s{n}.test"), &[]);
    }
    net.settle();
    let before = net.claim("c", "services", "a", &service("s19.test"));
    let before = before.unwrap().claim.version();
    net.cut("a", "b");
    // Everything is lost, the number of the boot too.
    net.restart("a", BOOT);
    net.join("a", "b");
    net.originate::<Service>("a", "services", "s19.test", &["new"]);
    net.run(10_000);
    assert_eq!(net.way::<Service>("c", "services", "s19.test"), ["c", "b", "a"]);
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
    let after = net.claim("c", "services", "a", &service("s19.test"));
    assert!(after.unwrap().claim.version() > before);
}

#[test]
fn a_rotation_loses_no_route_and_in_the_end_every_claim_is_by_the_new_key() {
    let mut net = Net::new(&[("a", "b"), ("b", "c")]);
    for n in 0..300 {
        net.originate::<Service>("a", "services", &format!("s{n}.test"), &[]);
    }
    net.settle();
    let new = key("a", 1);
    net.nodes.get_mut("a").unwrap().keys.push(new.clone());
    let event = net.table::<Service>("c", "services").last_event();
    net.input("a", Input::Rotate { to: public(&new), overlap: Duration::from_secs(60) });
    let since = net.now;
    net.run(120_000);
    assert_eq!(net.table::<Service>("c", "services").last_event(), event, "nothing moved");
    let old: Vec<String> = (0..300)
        .map(|n| service(&format!("s{n}.test")))
        .filter(|on| {
            let held = net.claim("c", "services", "a", on);
            held.is_none_or(|h| !h.verified || h.claim.key != key_id(&new))
        })
        .map(|on| on.to_string())
        .collect();
    assert!(old.is_empty(), "{old:?}");
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
    // A hundred a second; parts of two of its seconds may lie in one of the clock's.
    let mut by_second: BTreeMap<u64, usize> = BTreeMap::new();
    for said in net.said.iter().filter(|s| s.at >= since && s.by == "a") {
        if matches!(said.message, Message::Renew(..)) {
            *by_second.entry(said.at / 1000).or_default() += 1;
        }
    }
    assert!(by_second.values().all(|n| *n <= 200), "{by_second:?}");
    // Who joins later believes the new key too.
    net.cut("b", "c");
    net.join("b", "c");
    net.settle();
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
}

#[test]
fn without_a_key_nothing_is_said_that_has_to_be_signed() {
    let mut net = Net::apart(&[("a", "b")], |_| {});
    net.add(config("a", &["b"]), &["b"]);
    net.join("a", "b");
    net.settle();
    assert!(net.heard(0, "a", "b").is_empty());
    assert_eq!(net.to_cluster("a", "b"), "a>b");
    assert_eq!(net.to_cluster("b", "a"), "");
}

#[test]
fn a_dispute_wheel_turns_no_faster_than_its_pace() {
    // Each of three prefers the way over the next one, if it is direct from there: nothing is stable.
    let wheel = [("a", "b"), ("b", "c"), ("c", "a")];
    let mut net = Net::with(
        &[&mesh(&["a", "b", "c"])[..], &[("a", "d"), ("b", "d"), ("c", "d")]].concat(),
        |config| {
            let own = config.cluster.to_string();
            for spec in config.neighbours.values_mut() {
                spec.pacing = Duration::from_secs(1);
            }
            if let Some((_, next)) = wheel.iter().find(|(from, _)| *from == own) {
                let json = format!(
                    r#"{{"neighbours":{{"{next}":{{"import":{{"preference":200,"max_hops":2}}}}}}}}"#
                );
                config.policy = policy(&json);
            }
        },
    );
    let since = net.now;
    net.run(60_000);
    let sends = net.sends(since, &to("d"));
    let most = sends.values().max().copied().unwrap_or(0);
    println!("in a minute at most {most} messages over one directed link: {sends:?}");
    assert!(most > 10, "the wheel turns: {sends:?}");
    // An advertisement a second, and a withdrawal between two of them.
    assert!(most <= 122, "{sends:?}");
    // Whoever asks sees how often it moved.
    let explained = net.table::<ClusterId>("a", "fabric").explain(at(net.now), &cluster("d"));
    assert!(explained.events.len() > 10, "{}", explained.events.len());
    for (name, next) in wheel {
        let way = net.to_cluster(name, "d");
        assert!([format!("{name}>d"), format!("{name}>{next}>d")].contains(&way), "{way}");
    }
}
