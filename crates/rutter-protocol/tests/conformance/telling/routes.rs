//! What neighbours are told: as few messages as there can be, only what policy lets pass, with the
//! originator's claim.

use rutter_protocol::Input;
use rutter_protocol::wire::{Message, Metrics};
use rutter_route::{ClusterId, DestinationKind, Prefix, Service};

use crate::common::net::{Net, Signs, mesh};
use crate::common::*;

#[test]
fn p13_an_announcement_in_a_mesh_costs_at_most_two_messages_a_directed_link() {
    let names = ["a", "b", "c", "d", "e", "f"];
    for n in 3..=names.len() {
        let names = &names[..n];
        let mut net = Net::new(&mesh(names));
        let since = net.now;
        net.originate::<Service>("a", "services", "web.test", &[]);
        net.settle();
        let sends = net.sends(since, &service("web.test"));
        let total: usize = sends.values().sum();
        println!("mesh of {n}: {total} sends over {} directed links", n * (n - 1));
        assert!(sends.values().all(|n| *n <= 2), "{sends:?}");
        assert!(total <= (n - 1) * (n - 1), "{total}");
        for name in &names[1..] {
            assert_eq!(net.way::<Service>(name, "services", "web.test"), [*name, "a"]);
        }
        let since = net.now;
        net.take_back::<Service>("a", "services", "web.test");
        net.settle();
        let sends = net.sends(since, &service("web.test"));
        assert!(sends.values().all(|n| *n <= 2), "{sends:?}");
        assert_eq!(net.announced(since, &service("web.test")).len(), 0, "nobody hunts for paths");
        for name in names {
            assert!(net.way::<Service>(name, "services", "web.test").is_empty());
        }
    }
}

#[test]
fn case_05_the_fewest_hops_then_the_least_latency_win_where_nothing_is_weighed() {
    // Equal hops: the faster; more hops lose however fast they are.
    let weigh_nothing = r#"{"scoring":{"latency_ms":0,"hops":0,"cost":0,"unreliability":0}}"#;
    let links =
        [("a", "b"), ("a", "c"), ("a", "e"), ("b", "d"), ("c", "d"), ("e", "f"), ("f", "d")];
    let net = Net::with(&links, |config| {
        config.policy = policy(weigh_nothing);
        let latency = [("b", 40_000), ("c", 15_000), ("e", 1)];
        for (name, latency_us) in latency {
            if let Some(spec) = config.neighbours.get_mut(&cluster(name)) {
                spec.link = Metrics { hops: 1, latency_us, ..Metrics::default() };
            }
        }
    });
    assert_eq!(net.to_cluster("a", "d"), "a>c>d");
}

#[test]
fn case_17_what_export_denies_is_told_to_nobody() {
    let gold = r#"{"export":{},"carry":{"services":{"import":{},
                   "export":{"allowed_tags":["gold"]}}}}"#;
    let mut net = Net::with(&[("a", "b")], |config| config.policy = policy(gold));
    let since = net.now;
    net.originate::<Service>("a", "services", "silver.test", &["silver"]);
    net.originate::<Service>("a", "services", "gold.test", &["gold"]);
    net.settle();
    assert!(net.sends(since, &service("silver.test")).is_empty());
    assert!(net.way::<Service>("b", "services", "silver.test").is_empty());
    assert_eq!(net.announced(since, &service("gold.test")).values().sum::<usize>(), 1);
    assert_eq!(net.way::<Service>("b", "services", "gold.test"), ["b", "a"]);
}

#[test]
fn case_19_export_by_neighbour_tells_one_and_not_the_other() {
    let only_b = r#"{"neighbours":{"c":{"export":{"allowed_destinations":[]}}}}"#;
    let net = Net::with(&[("a", "b"), ("a", "c")], |config| {
        if config.cluster == cluster("a") {
            config.policy = policy(only_b);
        }
    });
    assert_eq!(net.to_cluster("b", "a"), "b>a");
    assert_eq!(net.to_cluster("c", "a"), "");
    assert!(net.sends(0, &to("a")).keys().all(|(_, to)| to == "b"));
}

#[test]
fn case_20_a_reload_of_export_withdraws_what_was_told_and_may_not_be_any_more() {
    let mut net = Net::new(&[("a", "b")]);
    net.originate::<Service>("a", "services", "silver.test", &["silver"]);
    net.originate::<Service>("a", "services", "gold.test", &["gold"]);
    net.settle();
    assert_eq!(net.way::<Service>("b", "services", "silver.test"), ["b", "a"]);
    let since = net.now;
    let gold = r#"{"carry":{"services":{"import":{},"export":{"allowed_tags":["gold"]}}}}"#;
    net.input("a", Input::Policy(Box::new(policy(gold))));
    net.settle();
    assert!(net.way::<Service>("b", "services", "silver.test").is_empty());
    assert_eq!(net.way::<Service>("b", "services", "gold.test"), ["b", "a"]);
    let said = net.heard(since, "a", "b");
    assert!(matches!(&said[..], [Message::Withdraw(w)] if w.routes.len() == 1), "{said:?}");
}

#[test]
fn a_withdrawal_obeys_export_and_names_the_path_that_was_told() {
    let hidden = r#"{"carry":{"services":{"import":{},"export":{"deny_tags":["hidden"]}}}}"#;
    let mut net = Net::with(&[("a", "b")], |config| config.policy = policy(hidden));
    net.originate::<Service>("a", "services", "web.test", &["hidden"]);
    net.settle();
    let since = net.now;
    net.take_back::<Service>("a", "services", "web.test");
    net.settle();
    assert!(net.heard(since, "a", "b").is_empty(), "what was never told is not withdrawn");
}

#[test]
fn with_several_paths_each_has_its_id_and_only_the_lost_one_is_withdrawn() {
    let links = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")];
    let mut net = Net::with(&links, |config| {
        config.neighbours.values_mut().for_each(|spec| spec.paths = 2);
    });
    let via = |name: &str| format!("neighbour/{name}/neighbour/a/controller/a");
    let of = |net: &Net| {
        let table = net.table::<ClusterId>("e", "fabric");
        let candidates = table.candidates(&cluster("a"));
        let mut paths: Vec<String> = candidates.iter().map(|c| c.path.to_string()).collect();
        paths.sort();
        paths
    };
    assert_eq!(of(&net), [via("b"), via("c")]);
    let since = net.now;
    net.cut("a", "b");
    net.settle();
    assert_eq!(of(&net), [via("c")]);
    let withdrawn = net.withdrawn(since, "d", "e").into_iter();
    let withdrawn = withdrawn.filter(|r| r.destination == to("a")).map(|r| r.path_id.to_string());
    assert_eq!(withdrawn.collect::<Vec<_>>(), [via("b")]);
}

#[test]
fn equal_attributes_share_an_announcement_and_a_million_are_bounded_by_drafts() {
    let mut net = Net::with(&[("a", "b")], |config| {
        config.scopes.push(carried("overlay/1", DestinationKind::Prefix));
        config.policy = policy(r#"{"carry":{"overlay/1":{"import":{},"export":{}}}}"#);
    });
    let since = net.now;
    net.nodes.get_mut("a").unwrap().signs = Signs::Late;
    for n in 0..50 {
        net.originate::<Prefix>("a", "overlay/1", &format!("10.0.{n}.0/24"), &[]);
    }
    net.sign_late("a");
    net.settle();
    let announcements: Vec<usize> = net
        .heard(since, "a", "b")
        .into_iter()
        .filter_map(|m| if let Message::Announce(a) = m { Some(a.routes.len()) } else { None })
        .collect();
    assert_eq!(announcements.iter().sum::<usize>(), 50);
    assert!(announcements.len() <= 3, "{announcements:?}");
    assert_eq!(net.table::<Prefix>("b", "overlay/1").counts().routes, 50);
}
