//! Many routes that are said at once, and import that is asked once for what is alike.

use std::collections::BTreeMap;

use super::*;
use crate::policy::{Action, Bounds, Match, Over, Rule, Rules, TagMatch, Then};

const NAMES: [&str; 6] = ["a", "b", "x.denied", "c", "y.denied", "d"];

fn rule(name: &str, matches: Match, then: Then) -> Rule {
    Rule { name: name.into(), matches, then }
}

fn deny(name: &str, matches: Match) -> Rule {
    rule(name, matches, Then { action: Action::Deny, ..Then::default() })
}

/// What comes from `agent/a` goes on over a link; `more` is asked after that.
fn linked(more: Vec<Rule>) -> Policy {
    let over = Then { over: Some(Over::default()), ..Then::default() };
    let mut rules = vec![rule("link", Match::default(), over)];
    rules.extend(more);
    let own = Rules { rules, default: None };
    Policy { import_of: BTreeMap::from([("agent/a".to_owned(), own)]), ..Policy::default() }
}

fn suffix() -> Rule {
    let suffix = Some("denied".parse().unwrap());
    deny("names", Match { service_suffix: suffix, ..Match::default() })
}

/// All that can be asked about every name.
fn all_of(t: &Table<Service>) -> Vec<String> {
    let explained = |name: &&str| format!("{:?}", t.explain(now(9), &service(name)));
    NAMES.iter().map(explained).chain([format!("{:?}", t.counts())]).collect()
}

#[test]
fn routes_said_at_once_stand_as_if_said_one_by_one() {
    let bounded =
        Policy { bounds: Bounds { per_source: 4, ..Bounds::default() }, ..linked(vec![]) };
    let looped = |attributes: &mut Attributes| {
        let (cluster, table) = ("home".parse().unwrap(), "services".parse().unwrap());
        attributes.path_list = vec![PathStep { cluster, table }].into();
    };
    type Change = fn(&mut Attributes);
    let cases: [(Policy, Change); 4] = [
        (linked(vec![suffix()]), |_| {}),
        (linked(vec![]), |attributes| attributes.hops = 3),
        (bounded, |attributes| attributes.cost = 1),
        (linked(vec![]), looped),
    ];
    for (policy, change) in cases {
        let (mut one, mut other) = (table(policy.clone()), table(policy));
        let (s, _) = (up(&mut one, "agent/a"), up(&mut other, "agent/a"));
        for round in 1..4 {
            let mut attributes = route("a", "http://10.0.0.1:80", round % 2).attributes;
            if round == 3 {
                change(&mut attributes);
            }
            let at = now(round as u64);
            let said = |name: &&str| {
                let route = Advertisement::new(service(name), attributes.clone());
                one.advertise(at, &s, route)
            };
            let one_by_one: Vec<Verdict> = NAMES.iter().map(said).collect();
            let routes = NAMES.map(|name| (service(name), PathId::default()));
            let mut at_once = Vec::new();
            let standing = Standing::Eligible;
            let hear = |verdict| at_once.push(verdict);
            other.advertise_all(at, &s, attributes, None, standing, routes, hear);
            assert_eq!(at_once, one_by_one, "round {round}");
            assert_eq!(
                settle(&mut other, at).changes,
                settle(&mut one, at).changes,
                "round {round}"
            );
            assert_eq!(all_of(&other), all_of(&one), "round {round}");
        }
    }
}

#[test]
fn import_of_what_is_alike_follows_policy_source_and_decisions() {
    let standing = |t: &Table<Service>, name: &str| {
        t.explain(now(9), &service(name)).candidates.first().unwrap().standing
    };
    let say = |t: &mut Table<Service>, s: &Session, name: &str, at: u64| {
        t.advertise(now(at), s, route(name, "http://10.0.0.1:80", 1));
        settle(t, now(at));
    };
    let mut t = table(linked(vec![]));
    let s = up(&mut t, "agent/a");
    say(&mut t, &s, "a", 1);
    say(&mut t, &s, "b", 1);
    let effective = t.selected(&service("b"), ViewId::DEFAULT).best().unwrap().attributes.hops;
    assert_eq!(effective, 1, "the link counts also where import wasn't asked again");

    // A decision on one of the names is not the others'.
    let id = "agent/a".parse().unwrap();
    t.decide(now(2), &id, Some(&service("c")), Decision::Revoke, By::Rule("r".into()), "").unwrap();
    say(&mut t, &s, "c", 2);
    say(&mut t, &s, "d", 2);
    assert_eq!((standing(&t, "c"), standing(&t, "d")), (Standing::Denied, Standing::Eligible));

    // Tags of the source, by which a rule denies.
    let tagged = TagMatch { any: vec!["bad".parse().unwrap()], ..TagMatch::default() };
    let by_tag = deny("tagged", Match { source_tags: tagged, ..Match::default() });
    t.set_policy(now(3), linked(vec![by_tag])).unwrap();
    say(&mut t, &s, "e", 3);
    assert_eq!(standing(&t, "e"), Standing::Eligible);
    let tags = Tags::try_from(vec!["bad".parse().unwrap()]).unwrap();
    let bad = SourceInfo { tags, ..SourceInfo::default() };
    t.source(now(4), &s, SourceState::Up(bad)).unwrap();
    say(&mut t, &s, "f", 4);
    assert_eq!((standing(&t, "e"), standing(&t, "f")), (Standing::Denied, Standing::Denied));

    // Another policy, by which the same set counts again.
    t.set_policy(now(5), linked(vec![suffix()])).unwrap();
    say(&mut t, &s, "x.denied", 5);
    say(&mut t, &s, "g", 5);
    assert_eq!(
        (standing(&t, "x.denied"), standing(&t, "g")),
        (Standing::Denied, Standing::Eligible)
    );
    assert_eq!(standing(&t, "f"), Standing::Eligible);
}
