//! The cache at explicit times.

use std::cell::Cell;

use rutter_route::Mono;

use super::*;
use crate::compat::mesh_router::MeshRouterConfig;
use crate::compat::mesh_router::cache::{Answer, Cache, Do, Reply};

/// A cache driven by seconds; what it does is said in words.
struct Bench {
    cache: Cache,
    in_use: Cell<bool>,
}

impl Bench {
    fn new(max_names: usize) -> Self {
        let backend = "http://192.0.2.1".parse().unwrap();
        let config = MeshRouterConfig { max_names, ..MeshRouterConfig::new(backend) };
        Self { cache: Cache::new(config), in_use: Cell::new(true) }
    }

    fn ask(&mut self, at: u64, label: &str) -> Vec<String> {
        let mut said = self.run_to(at);
        let mut out = Vec::new();
        self.cache.asked(&named(label), &mut out);
        said.extend(words(out));
        said
    }

    fn answer(&mut self, at: u64, label: &str, answer: Answer) -> Vec<String> {
        let mut said = self.run_to(at);
        let mut out = Vec::new();
        self.cache.answered(Mono(at * 1000), &named(label), answer, &mut out);
        said.extend(words(out));
        said
    }

    fn run_to(&mut self, at: u64) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(due) = self.cache.next_deadline().filter(|due| *due <= Mono(at * 1000)) {
            let mut out = Vec::new();
            self.cache.tick(due, |_| self.in_use.get(), &mut out);
            said.extend(words(out).into_iter().map(|word| format!("{}: {word}", due.0 / 1000)));
        }
        said
    }
}

fn named(label: &str) -> Name {
    Name { label: label.to_owned(), service: service(&format!("{label}.nsl.sh")) }
}

fn words(out: Vec<Do>) -> Vec<String> {
    out.into_iter()
        .map(|one| match one {
            Do::Ask(name) => format!("ask {}", name.label),
            Do::Tell { name, stale: false, .. } => format!("tell {}", name.label),
            Do::Tell { name, stale: true, .. } => format!("tell {} stale", name.label),
            Do::Withdraw(name) => format!("withdraw {}", name.label),
            Do::Reply { name, reply } => {
                let reply = match reply {
                    Reply::Told => "told",
                    Reply::Unknown => "unknown",
                    Reply::Unavailable => "unavailable",
                };
                format!("{} is {reply}", name.label)
            }
        })
        .collect()
}

fn known() -> Answer {
    let route = serde_json::from_str(r#"{"ip":"192.0.2.1","port":80}"#).unwrap();
    Answer::Known(map::routes(&alice(), &[route]).0)
}

const NOTHING: [&str; 0] = [];

#[test]
fn one_question_serves_all_who_ask_and_is_asked_again_while_used() {
    let mut b = Bench::new(10);
    assert_eq!(b.ask(0, "a"), ["ask a"]);
    assert_eq!(b.ask(0, "a"), NOTHING, "the question is out");
    assert_eq!(b.answer(1, "a", known()), ["tell a", "a is told"]);
    assert_eq!(b.ask(1, "a"), ["a is told"]);
    assert_eq!(b.run_to(60), NOTHING);
    assert_eq!(b.run_to(61), ["61: ask a"]);
    assert_eq!(b.answer(62, "a", known()), ["tell a", "a is told"]);
    b.in_use.set(false);
    assert_eq!(b.run_to(200), ["122: withdraw a"], "nobody used it");
    assert_eq!(b.ask(201, "a"), ["ask a"]);
    assert_eq!(b.answer(202, "a", known()), ["tell a", "a is told"]);
}

#[test]
fn a_silent_backend_is_served_for_from_memory_within_the_bound() {
    let mut b = Bench::new(10);
    b.ask(0, "a");
    b.answer(0, "a", known());
    assert_eq!(b.run_to(60), ["60: ask a"]);
    assert_eq!(b.answer(60, "a", Answer::Silence), ["tell a stale", "a is told"]);
    let mut now = 65;
    while now < 660 {
        assert_eq!(b.run_to(now), [format!("{now}: ask a")]);
        assert_eq!(b.answer(now, "a", Answer::Silence), ["a is told"]);
        now += 5;
    }
    assert_eq!(b.run_to(660), ["660: withdraw a"]);
    assert_eq!(b.cache.len(), 0);
    assert_eq!(b.ask(661, "a"), ["ask a"]);
    assert_eq!(b.answer(661, "a", Answer::Silence), ["a is unavailable"]);
    assert_eq!(b.ask(661, "a"), ["a is unavailable"], "not asked again at once");
    assert_eq!(b.run_to(663), NOTHING);
    assert_eq!(b.ask(663, "a"), ["ask a"]);
}

#[test]
fn a_backend_that_is_back_makes_stale_routes_fresh() {
    let mut b = Bench::new(10);
    b.ask(0, "a");
    b.answer(0, "a", known());
    b.run_to(60);
    b.answer(60, "a", Answer::Silence);
    assert_eq!(b.run_to(65), ["65: ask a"]);
    assert_eq!(b.answer(65, "a", known()), ["tell a", "a is told"]);
    assert_eq!(b.run_to(124), NOTHING);
    assert_eq!(b.run_to(125), ["125: ask a"]);
    assert_eq!(b.answer(125, "a", Answer::Unknown), ["withdraw a", "a is unknown"]);
}

#[test]
fn what_nobody_used_is_still_served_when_the_backend_is_silent() {
    let mut b = Bench::new(10);
    b.ask(0, "a");
    b.answer(0, "a", known());
    b.in_use.set(false);
    assert_eq!(b.run_to(60), ["60: withdraw a"]);
    assert_eq!(b.ask(300, "a"), ["ask a"]);
    assert_eq!(b.answer(301, "a", Answer::Silence), ["tell a stale", "a is told"]);
    b.in_use.set(true);
    assert_eq!(b.run_to(306), ["306: ask a"]);
    b.answer(306, "a", Answer::Silence);
    b.in_use.set(false);
    assert_eq!(b.run_to(311), ["311: withdraw a"]);
    assert_eq!(b.run_to(660), NOTHING);
    assert_eq!(b.cache.len(), 0, "remembered no longer");
}

#[test]
fn a_question_that_outlives_the_bound_takes_the_routes_along() {
    let mut b = Bench::new(10);
    b.ask(0, "a");
    b.answer(0, "a", known());
    b.run_to(60);
    assert_eq!(b.run_to(660), ["660: withdraw a"], "it was asked at 60, and nothing came");
    assert_eq!(b.ask(661, "a"), NOTHING, "that question is still out");
    assert_eq!(b.answer(662, "a", Answer::Silence), ["a is unavailable"]);
}

#[test]
fn an_unknown_name_is_asked_for_once_in_ten_seconds() {
    let mut b = Bench::new(10);
    b.ask(0, "a");
    assert_eq!(b.answer(0, "a", Answer::Unknown), ["a is unknown"]);
    assert_eq!(b.ask(9, "a"), ["a is unknown"]);
    assert_eq!(b.run_to(10), NOTHING);
    assert_eq!(b.ask(10, "a"), ["ask a"]);
}

#[test]
fn a_full_cache_drops_what_isnt_in_use_and_else_refuses() {
    let mut b = Bench::new(2);
    for label in ["a", "b"] {
        b.ask(0, label);
    }
    assert_eq!(b.ask(0, "c"), ["c is unavailable"], "both are being asked for");
    b.answer(0, "a", known());
    b.answer(0, "b", Answer::Unknown);
    assert_eq!(b.ask(1, "c"), ["ask c"], "in the place of b");
    b.answer(1, "c", known());
    assert_eq!(b.ask(2, "d"), ["d is unavailable"]);
    assert_eq!(b.cache.len(), 2);
    b.in_use.set(false);
    b.run_to(62);
    assert_eq!(b.ask(62, "d"), ["ask d"], "in the place of a, which is parked");
}
