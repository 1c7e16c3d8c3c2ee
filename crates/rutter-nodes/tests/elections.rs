//! The cases of Headscale's tests as data: what happens, and who is primary then.
//!
//! A case is a script of steps, one after the other, each committed: `A adv P Q` (it is connected,
//! advertises just these, and each is approved), `A off`, `A on`, `A sick`, `A well`, `A yes P`,
//! `A no P` (approved, revoked), `A+B sick` (both before one commit), and `P=A`, `P=-`, `same`, which
//! say who must be primary, and that the step before moved nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use rutter_nodes::election::Settings;
use rutter_route::{NodeId, Prefix};
use scene::{Scene, prefix};

const PREFIXES: [(&str, &str); 6] = [
    ("P", "192.168.1.0/24"),
    ("Q", "192.168.2.0/24"),
    ("R", "192.168.3.0/24"),
    ("T", "10.0.0.0/16"),
    ("X", "0.0.0.0/0"),
    ("Y", "::/0"),
];

fn named(word: &str) -> &'static str {
    let found = PREFIXES.iter().find(|(name, _)| *name == word);
    found.map(|(_, prefix)| *prefix).unwrap_or_else(|| panic!("no prefix {word}"))
}

fn id(word: &str) -> NodeId {
    let letter =
        word.bytes().next().filter(u8::is_ascii_uppercase).unwrap_or_else(|| panic!("{word}"));
    NodeId(u64::from(letter - b'A') + 1)
}

fn primaries(scene: &Scene) -> Vec<Option<NodeId>> {
    PREFIXES.iter().map(|(_, p)| scene.primary(p)).collect()
}

fn step(scene: &mut Scene, who: NodeId, verb: &str, prefixes: &[&str]) {
    match verb {
        "adv" => {
            let routes: Vec<&str> = prefixes.iter().map(|p| named(p)).collect();
            scene.announce(who, &routes);
            for route in &routes {
                scene.approve(who, route).unwrap();
            }
        }
        "says" => {
            let routes: Vec<&str> = prefixes.iter().map(|p| named(p)).collect();
            scene.announce(who, &routes);
        }
        "off" => scene.disconnect(who),
        "on" => {
            let mine: Vec<Prefix> = PREFIXES.iter().map(|(_, p)| prefix(p)).collect();
            let source = rutter_route::SourceId::node(who.0);
            let mine = mine.into_iter().filter(|p| scene.table.holds(&source, p)).collect();
            scene.connect(who);
            scene.announce_all(who, &mine);
        }
        "sick" => drop(scene.unhealthy(who)),
        "well" => drop(scene.healthy(who)),
        "yes" => prefixes.iter().for_each(|p| scene.approve(who, named(p)).unwrap()),
        "no" => prefixes.iter().for_each(|p| scene.revoke(who, named(p))),
        _ => panic!("no step {verb}"),
    }
}

/// Runs a script; `at` names it where it fails.
fn run(settings: Settings, at: &str, script: &str) {
    let mut scene = Scene::new(settings);
    for _ in 0..4 {
        scene.add("user1@");
    }
    let mut before = primaries(&scene);
    for line in script.split([';', '\n']).map(str::trim).filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line == "same" {
            assert_eq!(primaries(&scene), before, "{at}: moved before `same` in `{script}`");
            continue;
        }
        if let Some((name, who)) = line.split_once('=') {
            let who = (who != "-").then(|| id(who));
            assert_eq!(scene.primary(named(name)), who, "{at}: `{line}` in `{script}`");
            continue;
        }
        before = primaries(&scene);
        for who in words[0].split('+') {
            step(&mut scene, id(who), words[1], &words[2..]);
        }
        scene.settle();
    }
}

#[test]
fn the_cases_t1_to_t24_as_of_head() {
    let cases = [
        ("T1", "A adv P; P=A"),
        ("T2", "A adv P; B adv Q; P=A; Q=B"),
        ("T3", "A adv P; B adv P; P=A; same"),
        ("T4", "A adv P; A adv; P=-"),
        ("T5", "A adv P Q; A adv Q; P=-; Q=A"),
        ("T6", "A adv P; B adv Q; A adv; A adv R; P=-; Q=B; R=A"),
        ("T7", "A adv P; B adv P; C adv P; P=A; same"),
        ("T8 T9 T10", "A adv P; B adv P; C adv P; A adv; P=B; B adv; P=C; C adv; P=-"),
        ("T11", "A adv P; B adv P; C adv P; A adv; P=B; A adv P; P=B; same"),
        (
            "T12",
            "A adv P; B adv P; C adv P; A adv; B adv; P=C; A adv P; B adv P; A adv; A adv P; P=C; same",
        ),
        ("T13", "A adv X P; B adv P; P=A; X=-; same"),
        ("T14", "A adv P; A adv; A adv; P=-; same"),
        ("T15", "A adv; P=-; same"),
        ("T16", "A adv T X Y; C adv X Y; B adv X Y; T=A; X=-; Y=-; same"),
        ("T17", "A adv P; B adv P; A sick; P=B"),
        ("T18", "A adv P; B adv P; B sick; P=A; same"),
        ("T19", "A adv P; B adv P; A sick; P=B; B sick; P=B; same"),
        ("T20", "A adv P; B adv P; C adv P; A sick; P=B; A well; P=B; same"),
        ("T21", "A adv P; B adv P; A sick; P=B; A off; A on; P=B; A sick; P=B; same"),
        ("T22", "A adv P; B adv P; A sick; A adv; P=B; A adv P; B off; P=A"),
        ("T23", "A adv P; B adv P; C adv P; A sick; P=B; B sick; P=C"),
        ("T24", "A+B adv P; P=A"),
    ];
    for (name, script) in cases {
        run(Settings::default(), name, script);
    }
}

#[test]
fn the_cases_s1_to_s5_and_the_sequences_with_everyone_offline() {
    let cases = [
        ("S1 S2", "A adv P; B adv P; P=A; A off; P=B; A on; P=B; same"),
        ("S3", "A adv P; A off; P=-"),
        ("S4, issue 3203", "A adv P; B adv P; A off; P=B; B off; P=-; B on; P=B"),
        ("S5", "A adv P; B adv P; A+B sick; P=A; same"),
        ("both off at once, both back", "A adv P; B adv P; A+B off; P=-; A+B on; P=A"),
        ("who is back first has it", "A adv P; B adv P; A off; B off; A on; P=A; B on; P=A; same"),
        (
            "a sick router that returns is well",
            "A adv P; B adv P; B sick; A sick; A off; B off; B on; P=B",
        ),
    ];
    for (name, script) in cases {
        run(Settings::default(), name, script);
    }
}

/// The failovers of the table era that agree with HEAD: nobody is primary there whose node is away.
#[test]
fn the_failovers_of_the_table_era() {
    let cases = [
        ("failover-primary", "A adv P; B adv P; A off; P=B"),
        ("none-primary", "A adv P; B adv P; B off; P=A; same"),
        ("multi-route", "B adv P; A adv P; C adv P; P=B; B off; P=A"),
        ("one-not-online", "A adv P; B adv P; D adv P; D off; A off; P=B"),
        ("none-enabled", "A adv P; B says P; A off; P=-"),
        ("there and back", "A adv P; B adv P; A off; P=B; B off; A on; P=A"),
        (
            "three nodes",
            "A adv P; C adv P; B adv P; B off; A off; P=C; A on; P=C; same; C off; P=A; C on; P=A; \
             B on; P=A; A off; P=B",
        ),
        ("one is not enabled", "A adv P; B says P; C adv P; A off; P=C; C off; P=-"),
        ("two prefixes, both move", "A adv P Q; B adv P; C adv Q; A off; P=B; Q=C"),
        ("two prefixes, one moves", "A adv P Q; B adv P; C says Q; A off; P=B; Q=-"),
        ("v0.18 subnet failover", "A adv P Q; B adv Q; P=A; Q=A; A off; P=-; Q=B"),
    ];
    for (name, script) in cases {
        run(Settings::default(), name, script);
    }
}

#[test]
fn the_integration_sequence_of_three_routers() {
    let script = "
        A says P; B says P; C says P; P=-
        A yes P; P=A
        B yes P; P=A
        C yes P; P=A
        A off; P=B
        B off; P=C
        A on; P=C; same
        B on; P=C; same
        C no P; P=A
        A no P; P=B
        A yes P; P=B; same
        C yes P; P=B; same
    ";
    run(Settings::default(), "TestHASubnetRouterFailover", script);
    let ping = "A adv P; B adv P; A sick; P=B; A well; P=B; same";
    run(Settings::default(), "PingFailover", ping);
    let cable = "A adv P; B adv P; A off; P=B; B off; P=-; B on; P=B";
    run(Settings::default(), "CablePull", cable);
}

/// Where HEAD forgets: it would take A here, and move a prefix for nothing.
#[test]
fn who_was_primary_last_is_it_again_when_all_return_together() {
    let script = "A adv P; B adv P; A off; P=B; A on; P=B; A+B off; P=-; A+B on; P=B";
    run(Settings::default(), "all return", script);
    let gone = "A adv P; B adv P; A off; A on; P=B; A+B off; B adv; B off; A on; P=A; B adv P; P=A";
    run(Settings::default(), "it advertises the prefix no more", gone);
}

#[test]
fn without_stickiness_the_oldest_returns() {
    let settings = Settings { sticky: false, ..Settings::default() };
    let cases = [
        ("returns", "A adv P; B adv P; A off; P=B; A on; P=A"),
        ("recovers", "A adv P; B adv P; A sick; P=B; A well; P=A"),
        ("all unhealthy keeps", "A adv P; B adv P; A sick; P=B; B sick; P=B; same"),
        ("an older one comes", "B adv P; A adv P; P=A"),
    ];
    for (name, script) in cases {
        run(settings.clone(), name, script);
    }
}
