//! Several providers together: from their texts to who is served.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use rutter_providers::conflict::{Claim, ClaimKind, Judgement, Place, judge};
use rutter_providers::godoxy::{
    Container, Engine, Port, Protocol, Settings, read_container, read_file,
};
use rutter_providers::{ContainerId, Reading, Route};
use rutter_route::ListenAt;

fn file(text: &str) -> Reading {
    read_file("routes.yml", text, &|_| None, &Settings::default()).unwrap()
}

fn container(name: &str, address: &str, labels: &[(&str, &str)]) -> Reading {
    let container = Container {
        id: ContainerId::new(format!("{name}-0123456789")),
        name: name.to_owned(),
        image: "app".to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ports: vec![Port { private: 80, public: None, protocol: Protocol::Tcp }],
        networks: [("bridge".to_owned(), address.parse().unwrap())].into(),
        is_on_host_network: false,
        mounts: Vec::new(),
    };
    read_container(&container, &Engine::named("local", None), &Settings::default())
}

/// Three providers: kind, place in the configuration, and what each says.
fn providers() -> Vec<(ClaimKind, u32, Vec<Route>)> {
    let first = "app: {port: 1}\nweb: {port: 1}\npool: {port: 1}\n";
    let second = "app: {port: 2}\nssh: {port: 2222:22}\ngit: {port: 2222:3022}\n\
                  m1: {port: 2, load_balance: {link: pool}}\n\
                  m2: {port: 3, load_balance: {link: pool}}\n";
    let containers = [
        container("app", "10.0.0.1", &[]),
        container("web", "10.0.0.2", &[("proxy.aliases", "web, shop")]),
        container("shop2", "10.0.0.3", &[("proxy.aliases", "shop")]),
    ];
    let containers = containers.into_iter().flat_map(|reading| reading.routes).collect();
    vec![
        (ClaimKind::Container, 0, containers),
        (ClaimKind::Explicit, 1, file(first).routes),
        (ClaimKind::Explicit, 2, file(second).routes),
    ]
}

/// Each route with who has its place, whatever order they came in.
fn judged(claims: &[Claim]) -> BTreeMap<String, String> {
    let name = |claim: &Claim| format!("{}/{}", claim.by.provider, claim.by.route.0);
    let shown = |judgement: Judgement| match judgement {
        Judgement::Granted => "served".to_owned(),
        Judgement::Denied { winner, .. } => format!("{}/{}", winner.provider, winner.route.0),
    };
    let unique = |claim: &Claim| match &claim.by.route.1 {
        Some(container) => format!("{} of {container}", name(claim)),
        None => name(claim),
    };
    claims.iter().map(unique).zip(judge(claims).into_iter().map(shown)).collect()
}

fn claims() -> Vec<Claim> {
    let of = |(kind, place, routes): (ClaimKind, u32, Vec<Route>)| {
        routes.into_iter().map(move |route| Claim::of(&route, kind, place))
    };
    providers().into_iter().flat_map(of).collect()
}

#[test]
fn every_loser_is_told_who_has_its_place() {
    let expected = [
        ("0/app of app-0123456789", "1/app"),
        ("0/shop of shop2-0123456789", "served"),
        ("0/shop of web-0123456789", "0/shop"),
        ("0/web of web-0123456789", "1/web"),
        ("1/app", "served"),
        ("1/pool", "served"),
        ("1/web", "served"),
        ("2/app", "1/app"),
        ("2/git", "served"),
        ("2/m1", "1/pool"),
        ("2/m2", "1/pool"),
        ("2/ssh", "2/git"),
    ];
    let expected = expected.map(|(route, is)| (route.to_owned(), is.to_owned()));
    assert_eq!(judged(&claims()), BTreeMap::from(expected));
    // Without the one that was in their way both members are served.
    let mut without = claims();
    without.retain(|claim| claim.by.route.0 != "pool");
    let judged = judged(&without);
    assert_eq!((judged["2/m1"].as_str(), judged["2/m2"].as_str()), ("served", "served"));
}

#[test]
fn a_refused_route_leaves_its_place_to_nobody() {
    let protected = [
        "app: {port: 1, middlewares: {oidc: {}}}\n",
        "app: {port: 1, middlewars: {oidc: {}}}\n",
        "app: {port: x, middlewares: {oidc: {}}}\n",
        "app: {scheme: htpp}\n",
    ];
    for text in protected {
        let reading = file(text);
        assert_eq!(reading.routes, []);
        let refused = reading.refused.iter();
        let mut claims: Vec<Claim> =
            refused.map(|refused| Claim::of_refused(refused, ClaimKind::Explicit, 1)).collect();
        let bare = container("app", "10.0.0.1", &[]).routes;
        claims.extend(bare.iter().map(|route| Claim::of(route, ClaimKind::Container, 0)));
        let judged = judge(&claims);
        assert_eq!(judged[0], Judgement::Granted, "{text}");
        assert!(matches!(judged[1], Judgement::Denied { .. }), "{text}");
    }
    // One that shares its host has its paths, and no shorter path gets what was meant for it.
    for wrong in ["port: x", "host: '?'", "middlewares: {oidc: {}}", "scheme: fileserver"] {
        let admin = format!("{{alias: app, path_prefix: /admin, {wrong}}}");
        let reading = file(&format!("app: {{port: 1}}\nadmin: {admin}\n"));
        assert_eq!(reading.routes.len(), 1);
        let prefix = Some("/admin".parse().unwrap());
        let place = Place::Http(ListenAt::default(), "app".parse().unwrap(), prefix);
        assert_eq!(reading.refused[0].places, [place], "{wrong}");
    }
    // What stands beside it by a path of its own stays there.
    let text = "app: {port: 1, middlewares: {oidc: {}}}\n\
                app-docs: {alias: app, path_prefix: /docs, port: 2}\n";
    let reading = file(text);
    let refused = Claim::of_refused(&reading.refused[0], ClaimKind::Explicit, 1);
    let docs = Claim::of(&reading.routes[0], ClaimKind::Explicit, 1);
    assert_eq!(judge(&[refused, docs]), [Judgement::Granted, Judgement::Granted]);
    // A name that nobody can ask for has no place.
    assert_eq!(file("a b: {port: 1}\n").refused[0].places, []);
}

proptest! {
    #[test]
    fn providers_that_come_and_go_in_any_order_end_in_the_same_winners(
        order in Just(claims()).prop_shuffle(),
        moves in proptest::collection::vec((0u32..3, any::<bool>()), 0..12),
    ) {
        let mut there = order.clone();
        for (provider, comes) in moves {
            there.retain(|claim| claim.by.provider != provider);
            if comes {
                there.extend(order.iter().filter(|claim| claim.by.provider == provider).cloned());
            }
        }
        let missing = order.iter().filter(|claim| !there.contains(claim));
        let back: Vec<Claim> = missing.cloned().collect();
        there.extend(back);
        prop_assert_eq!(judged(&there), judged(&claims()));
    }
}
