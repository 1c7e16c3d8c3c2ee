use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct File {
    node: String,
    on: Option<bool>,
    peers: Vec<Peer>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Peer {
    id: String,
}

fn known() -> Known {
    let peer = Known::Keys(vec![("id", Known::Anything), ("health", Known::Anything)]);
    Known::Keys(vec![
        ("node", Known::Anything),
        ("on", Known::Anything),
        ("peers", Known::Each(Box::new(peer))),
    ])
}

fn unknown(text: &str) -> Vec<String> {
    let shown = |problem: Problem| {
        let spot = problem.spot.unwrap();
        let (message, help) = (problem.message, problem.help.unwrap());
        format!("{}:{} {}: {message} ({help})", spot.line, spot.column, problem.path.join("."))
    };
    Positions::of(text, Dialect::Go).unknown(&known()).into_iter().map(shown).collect()
}

#[test]
fn unknown_keys_are_found_at_any_depth_with_the_nearest_known_one() {
    let text = "nod: a\npeers:\n  - id: b\n    helth: {x: 1}\n    health: {anything: here}\nzzz:\n";
    assert_eq!(
        unknown(text),
        [
            "1:1 nod: unknown key `nod` (did you mean `node`?)",
            "4:5 peers.0.helth: unknown key `helth` (did you mean `health`?)",
            "6:1 zzz: unknown key `zzz` (known here: node, on, peers)",
        ]
    );
    // The type passes over what it doesn't know, where the type lets it.
    let file: File = parse(text, Dialect::Go).unwrap();
    assert_eq!(file.peers, [Peer { id: "b".into() }]);
    assert!(unknown("node: a\npeers: none\n").is_empty());
    assert!(unknown("").is_empty());
}

#[test]
fn each_dialect_reads_as_its_files_are_written() {
    let cases = [
        ("on: true\n", Ok(true), Ok(true)),
        ("on: yes\n", Err(()), Ok(true)),
        ("on: off\n", Err(()), Ok(false)),
        ("base: &b {on: true}\n<<: *b\n", Err(()), Ok(true)),
        ("on: true\non: true\n", Err(()), Err(())),
    ];
    for (text, strict, go) in cases {
        for (dialect, want) in [(Dialect::Strict, strict), (Dialect::Go, go)] {
            let got = parse::<File>(text, dialect).map(|file| file.on == Some(true));
            assert_eq!(got.map_err(drop), want, "{text} {dialect:?}");
        }
    }
    let file: File = parse("node: 0012\n", Dialect::Go).unwrap();
    assert_eq!(file.node, "0012", "a number may be a text");
}

type Routes = std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>;

#[test]
fn a_file_of_very_many_routes_and_one_whose_routes_all_merge_one_anchor_are_read() {
    let fields: String = (0..20).map(|n| format!("f{n}: v, ")).collect();
    let many: String = (0..8000).map(|n| format!("r{n}: {{{fields}}}\n")).collect();
    let read: Routes = parse(&many, Dialect::Go).unwrap();
    assert_eq!(read.values().map(|route| route.len()).sum::<usize>(), 8000 * 20);
    let merges = (0..5000).map(|n| format!("r{n}:\n  <<: *all\n  host: h{n}\n"));
    let text: String =
        std::iter::once("x: &all\n  a: '1'\n  b: '2'\n".to_owned()).chain(merges).collect();
    let read: Routes = parse(&text, Dialect::Go).unwrap();
    assert_eq!(read.len(), 5001);
    assert!(read.iter().all(|(name, route)| name == "x" || route.len() == 3));
}

#[test]
fn what_aliases_add_is_bounded_by_the_text() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let before = format!("*a{}, ", n - 1).repeat(10);
        bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    #[derive(Debug, Default, Deserialize)]
    struct Anything(serde::de::IgnoredAny);
    assert!(parse::<Anything>(&bomb, Dialect::Go).is_err());
    assert!(Positions::of(&bomb, Dialect::Go).find(&["a0".to_owned()]).is_none());
}
