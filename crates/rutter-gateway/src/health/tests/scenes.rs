//! Recorded scenes: events as JSON lines, and what the detector made of them.
//!
//! A line is `{"at": MS, "hears": INPUT}` or `{"at": MS, "says": OUTPUT}`. What is due between two
//! events is said before the later one. With `RUTTER_RECORD=1` the files are written anew from
//! what is heard in them; read the difference before you keep it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Mono,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Hears(Input),
    Says(Output),
}

fn replay(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/health/scenes").join(name);
    let recorded = std::fs::read_to_string(&path).unwrap();
    let lines = recorded.lines().filter(|line| !line.is_empty());
    let mut detector = Detector::new(HealthConfig::default(), 1);
    let mut replayed = String::new();
    let mut say = |at: Mono, what: What| {
        replayed.push_str(&serde_json::to_string(&Line { at, what }).unwrap());
        replayed.push('\n');
    };
    for line in lines {
        let Line { at, what: What::Hears(input) } = serde_json::from_str(line).unwrap() else {
            continue;
        };
        let mut out = Vec::new();
        while let Some(due) = detector.next_deadline().filter(|due| *due <= at) {
            detector.tick(due, &mut out);
            out.drain(..).for_each(|output| say(due, What::Says(output)));
        }
        detector.handle(at, input.clone(), &mut out);
        say(at, What::Hears(input));
        out.drain(..).for_each(|output| say(at, What::Says(output)));
    }
    if std::env::var_os("RUTTER_RECORD").is_some() {
        return std::fs::write(&path, &replayed).unwrap();
    }
    for (n, (now, then)) in replayed.lines().zip(recorded.lines()).enumerate() {
        assert_eq!(now, then, "{name}, line {}", n + 1);
    }
    assert_eq!(replayed.lines().count(), recorded.lines().count(), "{name}");
}

#[test]
fn the_direct_way_dies_and_comes_back() {
    replay("the_direct_way_dies_and_comes_back.jsonl");
}

#[test]
fn both_ways_answer_503_for_a_while() {
    replay("both_ways_answer_503_for_a_while.jsonl");
}
